"""`huracan live`: trade with real orders, after a preflight, a summary, and a person's word."""

import asyncio
import os
import sys
import time
from typing import Annotated

import msgspec
import typer

from engine.console import emit, err
from engine.contract.config import Config, load
from engine.contract.errors import CheckFailed, UsageError, broken
from engine.contract.live import check_live
from engine.journal.run import RUNS
from engine.policy.session import PolicySession
from live.checks import Check
from live.commands.paper import say, show_session
from strategies.commands.options import Json, OptionalConfigFile, PolicyOption, Set, application, overrides

app = application("Trade live.")
CONSENT = "HURACAN_LIVE"


@app.command()
def live(
    config: OptionalConfigFile = None,
    set_: Set = None,
    policy: PolicyOption = None,
    yes: Annotated[bool, typer.Option("--yes", help=f"Do not ask; only with {CONSENT}=1 in the environment.")] = False,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Take over what the exchange has where it differs from the last session.")
    ] = False,
    preflight: Annotated[bool, typer.Option("--preflight", help="Check, and end without trading.")] = False,
    bars: Annotated[int | None, typer.Option(min=1, help="End after so many decided turns.")] = None,
    resume: Annotated[
        str | None, typer.Option("--resume", metavar="RUN_ID", help="Go on with a session that was killed.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Trade CONFIG with real orders on its [live] exchange. Ctrl-C ends it in order: cancel, then keep or flatten."""
    from live.exchange import ExchangeConnection
    from live.native.connection import connection_of
    from live.running import configuration_of, execute
    from live.running import resume as go_on
    from live.venue import venue_of
    from strategies.assembly import load_session

    def connect(own: Config) -> ExchangeConnection:
        return connection_of(own, venue_of(own, private=True))

    if resume is None:
        if config is None:
            rule = "be given, or a run to --resume"
            raise UsageError(broken("CONFIG", rule, "absent", remedy="huracan runs lists them"))
        resolved = load(config, overrides(set_, policy))
    else:
        if config is not None or set_ or policy:
            raise UsageError(broken("--resume", "be given alone: the run has its configuration", "with more"))
        resolved = configuration_of(resume, "live")
    check_live(resolved, str(config))
    session = load_session(resolved)
    checks = fly(resolved, session, adopt, resume is not None)
    if preflight:
        passed = all(one.ok for one in checks)
        emit({"passed": passed, "checks": msgspec.to_builtins(checks)}, as_json, lambda: None)
    refuse_failed(checks)
    if preflight:
        return
    confirm(resolved, session, yes)
    if resume is not None:
        folder, document = go_on(resume, connect, bars=bars, say=say, mode="live", adopt=adopt)
    else:
        folder, document = execute(resolved, session, connect(resolved), "live", bars=bars, say=say)
    show_session(folder, document, as_json)


def fly(config: Config, policy: PolicySession | None, adopt: bool, resumed: bool = False) -> list[Check]:
    """Make every check, and print them on stderr as they come; a session that goes on is held to the venue by itself."""
    from live.account import Account
    from live.control import latch_of
    from live.preflight import AGAINST_LOCAL, Found, ask, last_session, offline, online
    from live.venue import venue_of

    checks = offline(config, policy, latch_of(config.live), time.time_ns())
    _print(checks)
    refuse_failed(checks)

    async def look() -> Found:
        section = config.live
        venue = venue_of(config, private=True)
        names = config.universe.instruments
        async with Account(section.exchange, section.market, names, venue, section.rehearsal) as account:
            return await ask(config, account)

    local = None if resumed else last_session(config, RUNS)
    found = online(config, asyncio.run(look()), local, adopt)
    if resumed:
        found = [one for one in found if one.name != AGAINST_LOCAL]
    _print(found)
    return checks + found


def _print(checks: list[Check]) -> None:
    for one in checks:
        err.print(f"  {'ok  ' if one.ok else 'FAIL'}  {one.name}: {one.detail}", markup=False)


def refuse_failed(checks: list[Check]) -> None:
    """Refuse to start when a check failed.

    Raises
    ------
    CheckFailed
        The first one that did.
    """
    failed = [one for one in checks if not one.ok]
    if failed:
        raise CheckFailed(broken("preflight", "pass", f"{failed[0].name}: {failed[0].detail}", f"{len(failed)} failed"))


def confirm(config: Config, policy: PolicySession | None, yes: bool) -> None:
    """Show what is about to happen, and ask for a person's word.

    Raises
    ------
    UsageError
        It was not given.
    """
    section, limits = config.live, config.limits
    place = "the rehearsal exchange" if section.rehearsal else f"{section.exchange}, with real money"
    out_lines = [
        f"about to trade {', '.join(config.universe.instruments)} on {place} ({section.market})",
        f"  decided by {policy.name if policy is not None else config.strategy_name}, on {config.universe.bar} bars",
        f"  at most {limits.max_position_frac:.0%} of equity in one, {limits.max_gross_frac:.0%} in all;"
        f" stops new risk at {limits.daily_loss_frac:.1%} daily loss, {limits.max_drawdown_frac:.1%} drawdown",
        f"  when it stops: open orders are cancelled, positions are {_kept(section.on_stop)}",
    ]
    for line in out_lines:
        err.print(line, markup=False)
    if yes:
        if os.environ.get(CONSENT) != "1":
            raise UsageError(broken("--yes", f"come with {CONSENT}=1 in the environment", os.environ.get(CONSENT)))
        return
    phrase = f"trade {config.run.name}"
    if not sys.stdin.isatty():
        raise UsageError(
            broken(
                "live", "be confirmed", "no terminal to ask at", "", f"use --yes with {CONSENT}=1 in the environment"
            )
        )
    err.print(f"type {phrase!r} to begin: ", markup=False, end="")
    typed = sys.stdin.readline().strip()
    if typed != phrase:
        raise UsageError(broken("confirmation", f"be {phrase!r}", repr(typed)))


def _kept(on_stop: str) -> str:
    return "kept" if on_stop == "keep" else "flattened"
