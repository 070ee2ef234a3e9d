"""`huracan bench live`: from a bar's close to the order at the exchange, by percentile."""

from typing import Annotated

import msgspec
import typer

from engine.console import emit, table
from strategies.commands.options import Json, application

app = application("Measure the live path.")


@app.command()
def live(
    policy: Annotated[str, typer.Option(help="Policy for 1-HOUR bars.")] = "models/released/trend/2",
    bars: Annotated[int, typer.Option(min=20, help="Bars to trade.")] = 500,
    as_json: Json = False,
) -> None:
    """Trade a generated market live on a rehearsal exchange of this process, a bar at a time, and time every order."""
    from live.benchmarking import measure, results

    rows = [msgspec.to_builtins(one) for one in results(measure(policy, bars))]
    columns = ("name", "value", "unit", "baseline", "ratio", "n")
    emit({"results": rows}, as_json, lambda: table(columns, [[row[key] for key in columns] for row in rows]))
