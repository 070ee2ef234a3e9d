"""`huracan bench walkforward`: the same walk with one worker and with two."""

from typing import Annotated

import msgspec
import typer

from engine.console import emit, table
from models.walk_benchmark import measure
from strategies.commands.options import Json, application

app = application("Measure the process pool.")


@app.command()
def walkforward(
    env_steps: Annotated[int, typer.Option(min=8_192, help="Decisions that each policy learns from.")] = 100_000,
    seeds: Annotated[int, typer.Option(min=1, help="Policies of each fold.")] = 2,
    as_json: Json = False,
) -> None:
    """Time of a walk-forward on two local workers against one; what they find must be the same. An idle machine, please."""
    results, differing = measure(env_steps, seeds)
    document = {"results": msgspec.to_builtins(results), "differing": differing}
    columns = ("name", "value", "unit", "baseline", "ratio", "n")
    emit(document, as_json, lambda: table(columns, [[row[key] for key in columns] for row in document["results"]]))
    if differing:
        raise typer.Exit(3)
