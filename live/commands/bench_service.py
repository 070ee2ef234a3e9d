"""`huracan bench service`: the inference service beside the direct session call."""

from typing import Annotated

import msgspec
import typer

from engine.console import emit, table
from strategies.commands.options import Json, application

app = application("Measure the inference service.")


@app.command()
def service(
    policy: Annotated[str, typer.Option(help="A policy folder or NAME@VERSION.")] = "models/released/trend/2",
    requests: Annotated[int, typer.Option(min=16, help="Requests of each measurement.")] = 2_000,
    as_json: Json = False,
) -> None:
    """Serve a policy in a process of its own; time requests of one row and of many, beside the same call without a service."""
    from live.serving.benchmarking import measure

    rows = [msgspec.to_builtins(one) for one in measure(policy, requests)]
    columns = ("name", "value", "unit", "baseline", "ratio", "n")
    emit({"results": rows}, as_json, lambda: table(columns, [[row[key] for key in columns] for row in rows]))
