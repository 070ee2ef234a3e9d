"""`huracan restore`: put a backup back as a run."""

from pathlib import Path
from typing import Annotated

import typer

from engine.console import emit, out
from strategies.commands.options import Json, application

app = application("Restore a run.")


@app.command()
def restore(
    backup: Annotated[Path, typer.Argument(metavar="BACKUP", help="As huracan backup printed it.")],
    as_json: Json = False,
) -> None:
    """Verify a backup and make it a run again; one that was unfinished goes on with --resume."""
    from engine.journal.run import RUNS, UNFINISHED, run_id_of
    from live.backing_up import restore as put_back

    folder = put_back(backup, RUNS)
    run_id = run_id_of(folder)
    unfinished = folder.name.endswith(UNFINISHED)
    line = f"run {run_id} is back" + (f"; go on with --resume {run_id}" if unfinished else "")
    emit({"run_id": run_id, "unfinished": unfinished}, as_json, lambda: out.print(line, markup=False))
