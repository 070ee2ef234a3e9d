"""What a person says to a running strategy: no new risk, close, go on; by scope, signed, and the same again in a replay."""

from typing import Literal, NamedTuple

from engine.contract.errors import UsageError, broken
from engine.risk.breaker import ALL, Breaker
from engine.risk.breaker_controls import ACCOUNT
from engine.risk.breaker_values import Change

Verb = Literal["halt", "flatten", "resume"]
BY_HAND = "halt"
"""Control name of a halt by hand, where a resume names what it clears; any other name is a breaker's."""


class Halting(NamedTuple):
    """A halt by hand that stands.

    Attributes
    ----------
    reason
        Who said it, and why.
    flatten
        Whether what is held is closed too, and what still comes in.
    """

    reason: str
    flatten: bool


class Halts:
    """Halts by hand of one strategy, by scope: `account`, or an instrument id.

    A new one replaces that of its scope, and never unsays a flattening.
    """

    def __init__(self, instruments: tuple[str, ...]) -> None:
        self._instruments = instruments
        self._standing: dict[str, Halting] = {}

    def __bool__(self) -> bool:
        return bool(self._standing)

    def over(self, instrument_id: str) -> Halting | None:
        """Return the halt that covers an instrument, a flattening one first; None where it may trade."""
        found = [one for scope, one in self._standing.items() if scope in (ACCOUNT, instrument_id)]
        return max(found, key=lambda one: one.flatten, default=None)

    def put(self, scope: str, by: str, reason: str, flatten: bool) -> tuple[str, ...]:
        """Halt a scope; return the instruments in it.

        Raises
        ------
        UsageError
            Nobody signs, or the scope is neither `account` nor an instrument of the session.
        """
        if not by.strip():
            raise UsageError(broken("halt", "be signed by a person", repr(by), remedy="say who you are"))
        if scope != ACCOUNT and scope not in self._instruments:
            raise UsageError(broken("halt scope", f"be account or one of {', '.join(self._instruments)}", scope))
        before = self._standing.get(scope)
        text = f"halted by {by}: {reason}" if reason else f"halted by {by}"
        self._standing[scope] = Halting(text, flatten or (before is not None and before.flatten))
        return self._instruments if scope == ACCOUNT else (scope,)

    def take(self, scope: str) -> list[str]:
        """Take away the halts of a scope, or `all`; return their scopes."""
        found = [one for one in self._standing if scope in (ALL, one)]
        for one in found:
            del self._standing[one]
        return found

    def state(self) -> dict[str, list[str | bool]]:
        """Return scope to reason and flattening."""
        return {scope: [*one] for scope, one in self._standing.items()}

    def restore(self, state: dict[str, list[str | bool]]) -> None:
        """Go on from a state."""
        self._standing = {scope: Halting(str(reason), bool(flat)) for scope, (reason, flat) in state.items()}


class Cleared(NamedTuple):
    """What a resume took away: scopes of halts by hand, and trips of the breaker."""

    halts: list[str]
    changes: tuple[Change, ...]

    def __str__(self) -> str:
        by_hand = [f"halt by hand ({scope})" for scope in self.halts]
        return ", ".join([*by_hand, *(f"{one.trip.control} ({one.trip.scope})" for one in self.changes)])


def clear(
    halts: Halts, breaker: Breaker | None, ts_event: int, scope: str, control: str, by: str, reason: str
) -> Cleared:
    """Take away what stands in a scope.

    Parameters
    ----------
    ts_event
        Event time, UTC ns.
    scope
        `account` (what covers the whole account, no instrument's own), an instrument id, or `all`.
    control
        `halt` for a halt by hand, the name of a breaker's control, or "" for everything in the scope.

    Raises
    ------
    UsageError
        Nobody signs, or nothing stands there.
    """
    if not by.strip():
        raise UsageError(broken("resume", "be signed by a person", repr(by), remedy="say who you are"))
    found = halts.take(scope) if control in ("", BY_HAND) else []
    changes: tuple[Change, ...] = ()
    if control != BY_HAND and breaker is not None:
        try:
            changes = breaker.reset(ts_event, scope, by, reason, control or None)
        except UsageError:
            if not found:
                raise
    if not found and not changes:
        raise UsageError(broken("resume", "name what stands", f"{control or 'everything'} ({scope})"))
    return Cleared(found, changes)
