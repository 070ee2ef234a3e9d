"""`huracan retrain`: make a candidate of the newest data, through the gates."""

from pathlib import Path
from typing import Annotated, Any

import typer

from engine.console import emit, out, progress
from engine.contract.config import load
from engine.policy.history import REGISTRY
from engine.policy.registry import TRAINED
from strategies.commands.options import ConfigFile, Json, Set, application

app = application("Retrain.")


@app.command()
def main(
    config: ConfigFile,
    set_: Set = None,
    again: Annotated[bool, typer.Option("--again", help="Even where the same data were used before.")] = False,
    output: Annotated[Path, typer.Option(help="Folder of policies.")] = TRAINED,
    registry: Annotated[Path, typer.Option(help="Folder of the registry.")] = REGISTRY,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Processes of the walk; walkforward.workers if not given.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Walk forward, train, compare and export on the newest bars of the catalog, and register what came through as a candidate.

    Without new data it says so and ends; a gate that refuses ends it with exit code 3 and its figures.
    """
    settings = load(config, set_ or [])
    from models.retraining import retrain

    words = ["huracan retrain", config.name if config.is_absolute() else str(config)]
    command = " ".join(words + [f"--set {one}" for one in set_ or []])
    total = settings.training.env_steps * len(settings.training.seeds)
    with progress(f"retraining {settings.run.name}", total, "env_steps") as advance:
        document = retrain(
            settings,
            command=command,
            again=again,
            root=output,
            registry=registry,
            workers=workers,
            advance=advance,
        )
    emit(document, as_json, lambda: show(document))


def show(document: dict[str, Any]) -> None:
    """Print what came of it for a person."""
    name = f"{document['policy']}@{document['version']}" if document["version"] else document["policy"]
    if not document["new"]:
        out.print(f"no new data since {document['end']}: {document['event']} {name}", markup=False)
        return
    out.print(f"candidate {name}: {document['path']}", markup=False)
    for gate, figures in document["gates"].items():
        shown = ", ".join(f"{key} {value:.4g}" for key, value in figures.items() if isinstance(value, int | float))
        out.print(f"  {gate:<11} {shown}", markup=False)
    out.print(f"next: huracan policy shadow {name}", markup=False)
