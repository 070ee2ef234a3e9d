"""`huracan backtest`: run a strategy over history and write a run folder."""

from typing import Annotated, Any

import typer

from engine.console import emit, out, progress, table
from engine.contract.config import load
from engine.journal.run import REPORT
from strategies.commands.options import ConfigFile, Json, PolicyOption, Set, application, overrides
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
    config: ConfigFile,
    set_: Set = None,
    policy: PolicyOption = None,
    baselines: Annotated[bool, typer.Option(help="Run the baselines beside.")] = True,
    as_json: Json = False,
) -> None:
    """Run a configuration over history; the folder under var/runs holds everything about it."""
    resolved = load(config, overrides(set_, policy))
    with progress(f"backtest {resolved.run.name}", STRATEGIES if baselines else 1) as advance:
        folder, document = execute(resolved, advance, baselines=baselines)
    document["report"] = str(folder / REPORT)
    emit(document, as_json, lambda: show(document, resolved.strategy_name))


def show(document: dict[str, Any], name: str) -> None:
    """Print a run beside its baselines."""
    everything = {name: document["metrics"], **document["baselines"]}
    table(
        ("", *(metric.replace("_", " ") for metric in SHOWN)),
        [(title, *(_cell(metric, metrics[metric]) for metric in SHOWN)) for title, metrics in everything.items()],
    )
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


def _cell(metric: str, value: float | None) -> str:
    if value is None:
        return "-"
    if metric in PERCENT:
        return f"{value:.1%}"
    return f"{value:,.0f}" if metric in ("trades", "fees") else f"{value:.2f}"
