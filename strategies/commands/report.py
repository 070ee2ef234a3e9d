"""`huracan report`: write a run's report again, from its folder."""

from typing import Annotated

import typer

from engine.console import emit, out
from engine.evaluation.report import write_report
from engine.journal.run import REPORT, find_run
from strategies.commands.options import Json, application

app = application("Report.")


@app.command()
def report(run: Annotated[str, typer.Argument(help="Run id.", show_default=False)], as_json: Json = False) -> None:
    """Write report.html of a run again and print its path."""
    folder = find_run(run)
    write_report(folder)
    path = str(folder / REPORT)
    emit({"run_id": folder.name, "report": path}, as_json, lambda: out.print(path, markup=False))
