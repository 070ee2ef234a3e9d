"""`huracan <verb>`: a table of module names, loaded on demand, so that a verb pays only for what it uses."""

import importlib
import sys

from engine.console import err, out
from engine.contract.errors import HuracanError

INTERRUPTED = 130
VERBS: dict[str, tuple[str, str]] = {
    "demo": ("strategies.commands.demo", "back-test the released policy on the sample catalog, beside its baselines"),
    "doctor": ("strategies.commands.doctor", "check this machine: Python, packages, disk, catalog, released policies"),
    "new": ("strategies.commands.new", "make a folder with a configuration to start from"),
    "config": (
        "strategies.commands.config",
        "schema: print the JSON schema; check: read a configuration and resolve it",
    ),
    "data": ("catalogs.commands", "import, download, check, list, synth: market data in a catalog"),
    "train": ("models.commands.train", "train a policy and export it"),
    "backtest": ("strategies.commands.backtest", "run a strategy over history and write a run folder"),
    "walkforward": (
        "models.commands.walkforward",
        "train on one span, trade the next, over all of history, and judge what was earned",
    ),
    "rehearse": ("live.rehearsal.command", "run an exchange on loopback that replays a catalog and fails on purpose"),
    "search": ("models.commands.search", "try settings of the training, choose by validation, count every trial"),
    "paper": (
        "live.commands.paper",
        "trade live data with simulated fills, by the strategy and the file of the back test",
    ),
    "live": ("live.commands.live", "trade with real orders, after a preflight and a confirmation"),
    "dashboard": (
        "live.commands.dashboard",
        "look at runs in a browser, running and finished; halt, flatten and resume with a token",
    ),
    "kill": ("live.commands.kill", "cancel and flatten from outside, even while the trading process hangs"),
    "serve": ("live.commands.serve", "answer over HTTP with a policy's graph, the same bits as in the strategy"),
    "monitor": ("live.commands.monitor", "watch a session from outside: alerts, /metrics, /health"),
    "alerts": ("live.commands.alerts", "list, ack, test: what stands, who deals with it, whether channels take a word"),
    "keep": ("live.commands.keep", "for a service manager: go on with the session that was cut short, or start one"),
    "backup": ("live.commands.backup", "copy runs while they go on, and verify the copies"),
    "restore": ("live.commands.restore", "put a backup back as a run"),
    "runs": ("strategies.commands.runs", "list the runs"),
    "report": ("strategies.commands.report", "write a run's report again and print its path"),
    "trials": ("strategies.commands.trials", "list the trial ledger: every evaluation that was ever begun"),
    "why": ("strategies.commands.why", "explain an order or a refusal"),
    "trips": ("strategies.commands.trips", "replay a run without each trip of its breaker: what it saved and cost"),
    "policy": (
        "strategies.commands.policy",
        "list, show; shadow, canary, promote, rollback, history: who decides, and how it came to that",
    ),
    "retrain": ("models.commands.retrain", "make a candidate of the newest data, through the gates"),
    "verify": (
        "strategies.commands.verify",
        "lookahead, warmup, export, env, breakers: prove a property, or name the first difference",
    ),
    "verify export": ("models.commands.verify_export", "compare the exported graph with torch; look for collapse"),
    "verify env": ("models.commands.verify_env", "compare the training market with the engine, answer by answer"),
    "verify parity": ("live.commands.verify_parity", "hold a live node to the back test, decision by decision"),
    "verify recovery": (
        "live.commands.verify_recovery",
        "kill sessions at sampled steps and hold them to one that was not",
    ),
    "bench": ("strategies.commands.bench", "measure speed, as ratios within one run"),
    "bench live": ("live.commands.bench_live", "measure the way from a bar's close to the order at the exchange"),
    "bench service": ("live.commands.bench_service", "measure the inference service beside the direct session call"),
    "bench env": ("models.commands.bench_env", "measure the training market beside environments of other projects"),
    "bench walkforward": ("models.commands.bench_walk", "measure a walk-forward with two workers beside one"),
}


def usage() -> str:
    """List the verbs, a line each."""
    width = max(map(len, VERBS))
    lines = [f"  {verb:<{width}}  {text}" for verb, (_, text) in VERBS.items()]
    return "\n".join(
        ["usage: huracan VERB [OPTIONS]", "", *lines, "", "huracan VERB --help tells more. Exit codes: 0 done,"]
    ) + (" 2 usage or configuration, 3 a check failed, 4 the environment.")


def main(argv: list[str] | None = None) -> int:
    """Run one verb; the exit code is 0 done, 2 usage or configuration, 3 a check failed, 4 the environment."""
    argv = sys.argv[1:] if argv is None else argv
    if not argv or argv[0] in ("-h", "--help", "help"):
        out.print(usage(), markup=False)
        return 0 if argv else 2
    words = 2 if " ".join(argv[:2]) in VERBS else 1
    verb, rest = " ".join(argv[:words]), argv[words:]
    if verb not in VERBS:
        err.print(
            f"huracan: verb must be one of {', '.join(VERBS)}, was {verb}; huracan --help lists them", markup=False
        )
        return 2
    from typer.exceptions import Abort, TyperException

    try:
        app = importlib.import_module(VERBS[verb][0]).app
        result = app(rest, prog_name=f"huracan {verb}", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except HuracanError as error:
        err.print(f"huracan {verb}: {error}", markup=False)
        return error.exit_code
    except TyperException as error:
        text = error.format_message().strip()
        line = f"huracan {verb}: {text.rstrip('.')}; huracan {verb} --help tells more"
        err.print(text if "\n" in text else line, markup=False)
        return 2
    except (Abort, KeyboardInterrupt):
        err.print(f"huracan {verb}: interrupted", markup=False)
        return INTERRUPTED
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        if package in {"engine", "strategies", "models", "catalogs", "live"}:
            raise
        err.print(f"huracan {verb}: package {package} must be installed, was missing; run make setup", markup=False)
        return 4


def run() -> None:
    """End the process with the exit code of `main`."""
    raise SystemExit(main())


if __name__ == "__main__":
    run()
