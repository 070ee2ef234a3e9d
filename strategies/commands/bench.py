"""`huracan bench`: speed, as ratios within one run."""

from typing import Annotated

import msgspec
import typer

from engine.console import emit, table
from strategies import benchmarking
from strategies.commands.options import Json, application

app = application("Measure speed.")


@app.callback()
def group() -> None:
    """Each figure stands beside what it is compared with, measured in the same process."""


@app.command("backtest")
def backtest(
    policy: Annotated[str, typer.Option(help="Policy for 1-HOUR bars.")] = "models/released/trend/2",
    bars: Annotated[int, typer.Option(min=1_000, help="Bars of the comparison.")] = 20_000,
    longer: Annotated[int, typer.Option(min=1_000, help="Bars of the longer run.")] = 200_000,
    as_json: Json = False,
) -> None:
    """Full stack against a bare strategy with the same inference; time per bar on a longer run; one decision."""
    results = [msgspec.to_builtins(one) for one in benchmarking.backtest(policy, bars, longer)]
    columns = ("name", "value", "unit", "baseline", "ratio", "n")
    emit({"results": results}, as_json, lambda: table(columns, [[row[key] for key in columns] for row in results]))
