"""What a person may do from a page: one function for pages and for HTTP, which holds the token, the scope and the run's state."""

from typing import Literal

from engine.contract.errors import UsageError, broken
from engine.risk.breaker import ALL
from engine.risk.breaker_controls import ACCOUNT
from live.control import Halted, clear_latch, latch_of, read_latch
from live.dashboard.guarding import Guard
from live.dashboard.source import Source
from live.steering import Asked, ask, record
from strategies.steering import Verb

Deed = Verb | Literal["clear_latch"]


class WrongToken(Exception):
    """The token was not the right one."""


def act(
    source: Source,
    guard: Guard,
    token: str,
    origin: str,
    deed: Deed,
    scope: str,
    by: str,
    reason: str,
    control: str = "",
) -> Asked:
    """Do what was asked for, where the token is right, and journal it.

    Parameters
    ----------
    token, origin
        What was given, and the address it came from.
    deed, scope, control
        As `strategies.steering` has them; `clear_latch` takes away the latch of a live account that nobody trades.
    by, reason
        Who, and why.

    Raises
    ------
    WrongToken
        It is not the right one; nothing was done.
    live.dashboard.guarding.TooMany
        Too many wrong ones came from there.
    UsageError
        The run is not going on, the scope is unknown, or nobody signs.
    """
    if not guard.admits(token, origin):
        raise WrongToken
    if deed == "clear_latch":
        return _clear(source, by, reason)
    if not source.running:
        raise UsageError(
            broken(f"run {source.run_id}", "be going on", source.status.seen, remedy="nobody would hear it")
        )
    known = [ACCOUNT, *source.config.universe.instruments, *([ALL] if deed == "resume" else [])]
    if scope not in known:
        raise UsageError(broken("scope", f"be one of {', '.join(known)}", scope))
    return ask(source.folder, deed, scope, by, reason, control)


def standing_latch(source: Source) -> Halted | None:
    """Return what is latched on the account of a live run; None where nothing is, and for any other run."""
    if source.status.mode != "live":
        return None
    return read_latch(latch_of(source.config.live, source.folder.parent))


def _clear(source: Source, by: str, reason: str) -> Asked:
    if source.running:
        raise UsageError(broken(f"run {source.run_id}", "have ended before its latch is cleared", source.status.seen))
    if source.status.mode != "live":
        raise UsageError(broken(f"run {source.run_id}", "be live: no other latches an account", source.status.mode))
    cleared = clear_latch(latch_of(source.config.live, source.folder.parent), by)
    return record(source.folder, "clear_latch", ACCOUNT, by, reason, f"the account may trade again; it was {cleared}")
