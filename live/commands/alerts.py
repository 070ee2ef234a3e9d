"""`huracan alerts`: what stands and what was told; acknowledge; try the channels."""

import getpass
from typing import Annotated

import msgspec
import typer

from engine.console import emit, out, table
from strategies.commands.options import ConfigFile, Json, application

app = application("Alerts of a run.")


@app.callback()
def group() -> None:
    """An alert is told by `huracan monitor`; a person says here that it is being dealt with."""


@app.command("list")
def list_(
    run: Annotated[str, typer.Argument(metavar="RUN")],
    last: Annotated[int, typer.Option(min=1, help="Lines of the history.")] = 20,
    as_json: Json = False,
) -> None:
    """Show what stands, and the last notices."""
    from engine.contract.calendar import iso
    from engine.journal.run import find_run
    from live.monitoring.alert_files import read_notices, read_state
    from live.monitoring.monitor import line_of

    folder = find_run(run, begun=True)
    standing = {key: one for key, one in read_state(folder).alerts.items() if not one.cleared_ns}
    told = read_notices(folder)[-last:]

    def render() -> None:
        rows = [
            [key, one.finding.severity, iso(one.since_ns)[:19], one.acknowledged_by or "-", one.finding.text]
            for key, one in standing.items()
        ]
        table(("standing", "severity", "since (UTC)", "acknowledged by", "what"), rows)
        for notice in told:
            out.print(f"{iso(notice.ts_ns)[:19]} {line_of(notice)}", markup=False)

    emit({"standing": msgspec.to_builtins(standing), "notices": msgspec.to_builtins(told)}, as_json, render)


@app.command("ack")
def ack(
    run: Annotated[str, typer.Argument(metavar="RUN")],
    key: Annotated[str, typer.Argument(metavar="KEY", help="As huracan alerts list shows it.")],
    by: Annotated[str | None, typer.Option(help="Who; otherwise the user of this machine.")] = None,
    as_json: Json = False,
) -> None:
    """Say that an alert is being dealt with: it is told no more until it is gone, and does not escalate."""
    from engine.journal.run import find_run
    from live.monitoring.alert_files import acknowledge

    said = acknowledge(find_run(run, begun=True), key, by if by is not None else getpass.getuser())
    emit(msgspec.to_builtins(said), as_json, lambda: out.print(f"{said.key} acknowledged by {said.by}", markup=False))


@app.command("test")
def try_channels(config: ConfigFile, as_json: Json = False) -> None:
    """Send a word to every channel of [alerts]; exit code 3 where one does not take it."""
    from engine.contract.config import load
    from engine.contract.errors import CheckFailed, broken
    from live.monitoring.channels import of_environment

    alerts = load(config).alerts
    named = of_environment([*alerts.channels, *alerts.escalation])
    taken = {name: send("huracan", "a test of this channel", "info") for name, send in named.items()}
    emit(
        {"channels": taken},
        as_json,
        lambda: table(("channel", "taken"), [[name, "yes" if one else "no"] for name, one in taken.items()]),
    )
    refused = [name for name, one in taken.items() if not one]
    if refused:
        raise CheckFailed(broken("channels", "take a message", f"not: {', '.join(refused)}"))
