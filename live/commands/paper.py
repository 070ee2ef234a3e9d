"""`huracan paper`: trade live data with simulated fills, by the strategy and the file of the back test."""

from pathlib import Path
from typing import Annotated, Any

import typer

from engine.console import emit, err, out
from engine.contract.config import Config, load
from engine.contract.errors import UsageError, broken
from engine.contract.live import check_live
from engine.journal.run import REPORT
from strategies.commands.options import Json, OptionalConfigFile, PolicyOption, Set, application, overrides

app = application("Paper-trade.")


@app.command()
def paper(
    config: OptionalConfigFile = None,
    set_: Set = None,
    policy: PolicyOption = None,
    bars: Annotated[
        int | None, typer.Option(min=1, help="End after so many decided turns; otherwise with the tape, or at Ctrl-C.")
    ] = None,
    resume: Annotated[
        str | None, typer.Option("--resume", metavar="RUN_ID", help="Go on with a session that was killed.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Trade CONFIG on its [live] exchange without an order leaving; fills by the back test's rules. Ctrl-C ends it in order."""
    from live.exchange import ExchangeConnection
    from live.native.connection import connection_of
    from live.running import execute
    from live.running import resume as go_on
    from live.venue import venue_of
    from strategies.assembly import load_session

    def connect(own: Config) -> ExchangeConnection:
        return connection_of(own, venue_of(own, private=False))

    if resume is not None:
        if config is not None or set_ or policy:
            raise UsageError(broken("--resume", "be given alone: the run has its configuration", "with more"))
        folder, document = go_on(resume, connect, bars=bars, say=say)
        show_session(folder, document, as_json)
        return
    if config is None:
        raise UsageError(broken("CONFIG", "be given, or a run to --resume", "absent", remedy="huracan runs lists them"))
    resolved = load(config, overrides(set_, policy))
    check_live(resolved, str(config))
    session = load_session(resolved)
    folder, document = execute(resolved, session, connect(resolved), "paper", bars=bars, say=say)
    show_session(folder, document, as_json)


def say(line: str) -> None:
    """Print a line for a person, on stderr."""
    err.print(line, markup=False)


def show_session(folder: Path, document: dict[str, Any], as_json: bool) -> None:
    """Print what a session did."""
    document["report"] = str(folder / REPORT)

    def render() -> None:
        earned = document["metrics"]["total_return"]
        held = ", ".join(f"{name} {quantity:+g}" for name, quantity in document["positions"].items()) or "none"
        shown = "-" if earned is None else f"{earned:+.2%}"
        out.print(f"ended: {document['stopped']}; return {shown}, positions {held}", markup=False)
        out.print(
            f"{document['decisions']:,} decisions, {document['orders']:,} orders, {document['refusals']:,} refusals",
            markup=False,
        )
        out.print(f"decisions {document['decisions_sha256']}", markup=False)
        out.print(f"run       {document['run_id']}", markup=False)
        out.print(f"report    {document['report']}", markup=False)

    emit(document, as_json, render)
