"""`huracan bench`: speed, as ratios within one run."""

from typing import Annotated

import msgspec
import typer

from engine.changepoint.benchmark import measure
from engine.console import emit, err, table
from strategies import benchmarking
from strategies.benchmarking import Measurement
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


@app.command("changepoint")
def changepoint(
    observations: Annotated[int, typer.Option(min=500, help="Observations of each measurement.")] = 5_000,
    as_json: Json = False,
) -> None:
    """One update of the changepoint models beside the textbook recursion and a published implementation."""
    timed = measure(observations)
    results = [
        Measurement(f"{one.name}, against {one.baseline}", one.value, one.unit, one.value / one.ratio, one.ratio, one.n)
        for one in timed
        if one.n
    ]
    skipped = [{"name": one.name, "reason": "not installed"} for one in timed if not one.n]
    rows = msgspec.to_builtins(results)
    columns = ("name", "value", "unit", "baseline", "ratio", "n")
    document = {"results": rows, "skipped": skipped}
    emit(document, as_json, lambda: table(columns, [[row[key] for key in columns] for row in rows]))
    for one in skipped:
        err.print(f"skipped: {one['name']} ({one['reason']})", markup=False)
