"""`huracan backup`: copies of runs, read again before they count."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from engine.console import emit, out
from engine.contract.errors import UsageError, broken
from strategies.commands.options import Json, application

app = application("Back up runs.")


@app.command()
def backup(
    what: Annotated[list[str], typer.Argument(metavar="[RUN] DEST", help="A run, unless --all, and where to.")],
    all_: Annotated[bool, typer.Option("--all", help="Every run that goes on or was cut short.")] = False,
    finished: Annotated[
        bool, typer.Option("--finished", help="With --all: finished runs without a backup too.")
    ] = False,
    keep: Annotated[int, typer.Option(min=1, help="Backups of a run to keep.")] = 24,
    as_json: Json = False,
) -> None:
    """Copy runs while they go on, verify each copy by reading its chain, and remove the oldest."""
    from engine.journal.run import find_run, run_id_of, runs, unfinished
    from live.backing_up import back_up, prune

    if len(what) != (1 if all_ else 2):
        raise UsageError(broken("huracan backup", "be told RUN DEST, or --all DEST", " ".join(what)))
    destination = Path(what[-1])
    folders = unfinished() if all_ else [find_run(what[0], begun=True)]
    if all_ and finished:
        folders += [one for one in runs() if not (destination / one.name).is_dir()]
    made = []
    for folder in folders:
        path, label = back_up(folder, destination)
        gone = prune(destination, run_id_of(folder), keep)
        made.append({"path": str(path), "removed": len(gone), **msgspec.to_builtins(label)})

    def render() -> None:
        for one in made:
            out.print(
                f"{one['path']}: {one['decisions']:,} decisions, chain {one['decisions_sha256'][:12]}", markup=False
            )
        if not made:
            out.print("nothing to back up", markup=False)

    emit({"backups": made}, as_json, render)
