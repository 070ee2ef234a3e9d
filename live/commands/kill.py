"""`huracan kill`: cancel and flatten at the venue, from a process of its own; the trading process need not answer."""

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from engine.console import emit, out
from engine.contract.config import Config, load
from engine.contract.errors import CheckFailed, UsageError, broken
from strategies.commands.options import Json, application

if TYPE_CHECKING:
    from live.control import Control

app = application("Kill.")


@app.command()
def kill_(
    run: Annotated[str | None, typer.Argument(metavar="RUN", help="A session that is going on.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every session that is going on.")] = False,
    config: Annotated[
        Path | None, typer.Option("--config", help="The account of this configuration, with or without a session.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Cancel orders and halt, but leave positions as they are.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why; it stands in the latch.")] = "huracan kill",
    by: Annotated[str | None, typer.Option(help="Who; otherwise the user of this machine.")] = None,
    reset: Annotated[bool, typer.Option("--reset", help="Take the latch away again, signed with --by.")] = False,
    as_json: Json = False,
) -> None:
    """Halt sessions for good: latch, cancel every order, close every position. Exit code 3 when something is left."""
    from live.killing import kill

    if reset:
        _reset(config, by or "", as_json)
        return
    who = by or getpass.getuser()
    killed = [kill(one, who, reason, not keep) for one in _chosen(run, all_, config)]

    def render() -> None:
        for one in killed:
            state = "nothing left" if one.done else f"LEFT: {one.left_orders} orders, positions {one.left_positions}"
            what = f"{one.cancelled} orders cancelled, closed {one.closed or 'nothing'}"
            out.print(f"{one.run_id} ({one.mode}): {what}, {state}; {one.seconds:.2f} s", markup=False)
            for name, quantity in one.dust.items():
                out.print(f"  {quantity:g} of {name} stays: too little for an order", markup=False)

    document = {"killed": msgspec.to_builtins(killed), "done": all(one.done for one in killed)}
    emit(document, as_json, render)
    left = [one for one in killed if not one.done]
    if left:
        raise CheckFailed(
            broken("kill", "leave nothing", f"{left[0].left_orders} orders, {left[0].left_positions}", left[0].run_id)
        )


def _chosen(run: str | None, all_: bool, config: Path | None) -> "list[Control]":
    from live.control import sessions

    if sum((run is not None, all_, config is not None)) > 1:
        raise UsageError(broken("huracan kill", "be told one of RUN, --all, --config", "several"))
    if config is not None:
        return [_account(load(config))]
    going = sessions()
    if run is not None:
        found = [one for one in going if one.run_id == run]
    else:
        found = going if all_ or len(going) == 1 else []
    if not found:
        known = ", ".join(one.run_id for one in going) or "none"
        remedy = "huracan kill --config CONFIG needs no session"
        raise UsageError(broken("session", f"be one of {known}", run or "not named", "huracan kill", remedy))
    return found


def _account(config: Config) -> "Control":
    from live.control import Control, latch_of
    from live.venue import running

    live = config.live
    latch = str(latch_of(live).absolute())
    venue = (running() or {}) if live.rehearsal else {}
    names = list(config.universe.instruments)
    return Control(
        f"account of {config.run.name}", 0, "live", live.exchange, live.market, live.rehearsal, names, latch, venue
    )


def _reset(config: Path | None, by: str, as_json: bool) -> None:
    from live.control import clear_latch, latch_of

    if config is None:
        raise UsageError(broken("--reset", "be given with --config", "without", remedy="it names the account"))
    halted = clear_latch(latch_of(load(config).live), by)
    emit(
        {"reset": msgspec.to_builtins(halted), "by": by},
        as_json,
        lambda: out.print(f"the account may trade again; it was {halted}", markup=False),
    )
