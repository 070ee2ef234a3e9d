"""`huracan verify parity`: one stream of events gives one journal, in a back test and in a live node; or the first difference is named."""

from pathlib import Path
from typing import Annotated

import typer

from engine.console import progress
from engine.contract.config import load
from engine.contract.errors import UsageError, broken
from engine.journal.run import find_run
from strategies.commands.options import Json, OptionalConfigFile, PolicyOption, Set, application, overrides
from strategies.commands.verify import report

app = application("Prove that a live node decides as the back test does, or that a recorded session decides so again.")


@app.command()
def parity(
    config: OptionalConfigFile = None,
    set_: Set = None,
    policy: PolicyOption = None,
    run: Annotated[
        str | None, typer.Option("--run", metavar="RUN_ID", help="A paper session: replay its tape instead.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Back-test CONFIG, feed the same events to a live node with simulated fills, compare every decision and every fill."""
    from live.parity import parity as prove
    from live.parity import session_parity

    if (config is None) == (run is None):
        raise UsageError(broken("CONFIG or --run", "be given, one of them", "both" if config else "neither"))
    with progress("verify parity", 1):
        if run is not None:
            verdict = session_parity(find_run(run))
        else:
            verdict = prove(load(Path(str(config)), overrides(set_, policy)))
    report("parity", "decisions and fills compared", verdict, as_json)
