"""`huracan why`: what was decided, on what, and what became of it."""

from typing import Annotated

import typer

from engine.console import emit, out
from engine.journal.explain import explain
from engine.journal.run import find_run, run_id_of
from strategies.commands.options import Json, application

app = application("Explain an order or a refusal.")


@app.command()
def why(
    run: Annotated[str, typer.Argument(help="Run id, as huracan runs lists it.", show_default=False)],
    order: Annotated[
        str, typer.Argument(help="Order key (SEQ:INSTRUMENT), client order id, or turn number.", show_default=False)
    ],
    as_json: Json = False,
) -> None:
    """Explain one order, or one decision that made none, in a few lines."""
    folder = find_run(run, begun=True)
    found = explain(folder, order)

    def show() -> None:
        for one in found:
            for line in one.lines:
                out.print(line, markup=False, soft_wrap=True)

    emit({"run_id": run_id_of(folder), "explained": [one.document() for one in found]}, as_json, show)
