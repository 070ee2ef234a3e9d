"""`huracan backtest`: run a strategy over history and write a run folder, or go on with a run that was cut short."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from engine.console import emit, err, out, progress, table
from engine.contract.config import load
from engine.contract.errors import UsageError, broken
from engine.journal.run import MANIFEST, REPORT, Interrupted, read_json
from strategies.commands.options import Json, OptionalConfigFile, PolicyOption, Set, application, overrides
from strategies.resuming import resume as continue_run
from strategies.running import RANDOM_SEEDS, execute

app = application("Back-test.")

SHOWN = (
    "total_return",
    "cagr",
    "sharpe",
    "max_drawdown",
    "volatility",
    "turnover",
    "trades",
    "win_rate",
    "exposure",
    "fees",
)
PERCENT = {"total_return", "cagr", "max_drawdown", "volatility", "win_rate", "exposure"}
STRATEGIES = 5 + RANDOM_SEEDS


@app.command()
def backtest(
    config: OptionalConfigFile = None,
    set_: Set = None,
    policy: PolicyOption = None,
    resume: Annotated[
        str | None, typer.Option("--resume", metavar="RUN_ID", help="Go on with an unfinished run; it has its CONFIG.")
    ] = None,
    baselines: Annotated[
        bool | None, typer.Option(help="Run the baselines beside; yes, or as the resumed run was started.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run a configuration over history; the folder under var/runs holds everything about it."""
    given = overrides(set_, policy)
    if config is None and (resume is None or given):
        rule = "be given, or a run to --resume" if resume is None else "be given with --set and --policy"
        raise UsageError(broken("CONFIG", rule, "absent", remedy="huracan runs lists the unfinished runs"))
    resolved = None if config is None else load(config, given)
    name = resume if resolved is None else resolved.run.name
    with interruptible(), progress(f"backtest {name}", 1 if baselines is False else STRATEGIES) as advance:
        if resume is not None:
            folder, document = continue_run(resume, resolved, advance, baselines=baselines, say=_say)
        else:
            assert resolved is not None
            folder, document = execute(resolved, advance, baselines=baselines is not False)
    document["report"] = str(folder / REPORT)
    emit(document, as_json, lambda: show(document, read_json(folder / MANIFEST)["strategy"]))


def _say(line: str) -> None:
    err.print(line, markup=False)


@contextmanager
def interruptible() -> Iterator[None]:
    """Say how to go on with a run that Ctrl-C cut short."""
    try:
        yield
    except Interrupted as error:
        _say(f"run {error.run_id} is unfinished; huracan backtest --resume {error.run_id} goes on with it")
        raise


def show(document: dict[str, Any], name: str) -> None:
    """Print a run beside its baselines."""
    everything = {name: document["metrics"], **document["baselines"]}
    table(
        ("", *(metric.replace("_", " ") for metric in SHOWN)),
        [(title, *(_cell(metric, metrics[metric]) for metric in SHOWN)) for title, metrics in everything.items()],
    )
    out.print(known(document), markup=False)
    speed = document["events_per_second"]
    out.print(
        f"{document['decisions']:,} decisions, {document['orders']:,} orders, {document['refusals']:,} refusals,"
        f" {document['events']:,} events at {speed:,.0f} a second"
        if speed
        else "no events",
        markup=False,
    )
    out.print(f"decisions {document['decisions_sha256']}", markup=False)
    out.print(f"run       {document['run_id']}", markup=False)
    out.print(f"report    {document['report']}", markup=False)


def known(document: dict[str, Any]) -> str:
    """Say in a line how well the Sharpe ratio is known: its error, its deflation by the trials, its chance."""
    sharpe, error, reasons = document["metrics"]["sharpe"], document["sharpe_error"], document["reasons"]
    ratio = f"no Sharpe ratio: {reasons.get('sharpe_error', 'it has no value')}"
    if sharpe is not None and error is not None:
        low, high = document["interval"]
        ratio = f"Sharpe {sharpe:.2f} ± {error:.2f} (95 %: {low:.2f} to {high:.2f})"
    trials = f"{document['trials']} trial{'s' * (document['trials'] != 1)}"
    dsr = "-" if document["dsr"] is None else f"{document['dsr']:.3f}"
    p_value = "-" if document["p_value"] is None else f"{document['p_value']:.3f}"
    return f"{ratio}, DSR {dsr} ({trials}), p {p_value} against random timing"


def _cell(metric: str, value: float | None) -> str:
    if value is None:
        return "-"
    if metric in PERCENT:
        return f"{value:.1%}"
    return f"{value:,.0f}" if metric in ("trades", "fees") else f"{value:.2f}"
