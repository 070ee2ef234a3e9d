"""`huracan bench env`: the training market beside other projects' environments, in one run."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from engine.console import emit, err, table
from models.env_benchmark import PEER_FOLDER, env_benchmark
from strategies.commands.options import Json, application

app = application("Measure the training market.")


@app.command()
def env(
    accounts: Annotated[int, typer.Option(min=1, help="Accounts side by side, with windows.")] = 8_192,
    flat: Annotated[int, typer.Option(min=1, help="Accounts side by side, without windows.")] = 8_192,
    seconds: Annotated[float, typer.Option(min=0.1, help="Time of each measurement.")] = 6.0,
    compiled: Annotated[bool, typer.Option(help="Measure the compiled step as well.")] = True,
    peers: Annotated[Path, typer.Option(help="Environment of the peers; made where it is missing.")] = PEER_FOLDER,
    as_json: Json = False,
) -> None:
    """Steps a second on one thread, windowed and flat, eager and compiled, with learning, and of the peers on the same prices."""
    results, skipped = env_benchmark((accounts, flat), seconds, compiled, peers)
    document = {"results": msgspec.to_builtins(results), "skipped": msgspec.to_builtins(skipped)}
    columns = ("name", "value", "unit", "baseline", "ratio", "n")
    emit(document, as_json, lambda: table(columns, [[row[key] for key in columns] for row in document["results"]]))
    for one in skipped:
        err.print(f"skipped: {one.name} ({one.reason})", markup=False)
