"""`huracan search`: try settings of the training, choose among them by validation, and count every trial."""

from typing import Annotated, Any

import typer

from engine.console import emit, out, progress, table
from engine.contract.config import load
from engine.evaluation.ledger import Ledger
from models.searching import search
from strategies.commands.options import ConfigFile, Json, Set, application

app = application("Search settings.")


@app.command(name="search")
def run(
    config: ConfigFile,
    set_: Set = None,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Processes; search.workers if not given.", show_default=False)
    ] = None,
    ray: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Use a Ray cluster: local starts one, auto finds one.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Try the settings of [search.vary] on bars before its end, and write the best as a configuration.

    The same command goes on with a search that was cut short, or that is to have more trials.
    """
    settings = load(config, set_ or [])
    with progress(f"search {settings.run.name}", settings.search.trials, "trials") as advance:
        _, document = search(settings, ledger=Ledger(), workers=workers, ray=ray, advance=advance)
    emit(document, as_json, lambda: show(document))


def show(document: dict[str, Any]) -> None:
    """Print a search for a person, the best trials first."""
    trials = sorted(document["trials"], key=lambda one: (one["state"] != "complete", -(one["value"] or 0.0)))
    names = list(document["best"]["parameters"])
    table(
        ("trial", document["objective"], *(name.rpartition(".")[2] for name in names), "state"),
        [
            (one["number"], _number(one["value"]), *(_text(one["parameters"][name]) for name in names), one["state"])
            for one in trials[:20]
        ],
        f"Validation after costs, {len(trials)} trials, best first",
    )
    for one in trials:
        if one["state"] == "failed":
            out.print(f"trial {one['number']} failed: {one['reason']}", markup=False)
    if document["dsr"] is not None:
        out.print(
            f"Sharpe ratio of the best {document['sharpe']:.2f} a year; above zero with probability {document['psr']:.3f}, after counting "
            f"the {document['trials_of_family']} trials of the family {document['dsr']:.3f} (0.95 is the usual level)"
        )
    out.print(f"nothing from {document['held_out_from']} on was seen: walk forward or back-test there", markup=False)
    out.print(f"best      {document['best']['config']}", markup=False)
    out.print(f"study     {document['study']}", markup=False)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
