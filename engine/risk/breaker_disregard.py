"""What a replay disregards: a control in a scope, for a stretch of time, so that a run can be seen without its trip."""

from collections.abc import Iterable
from typing import NamedTuple

EVERY = "every"
"""As a control or a scope: all of them."""

GATE_TWINS = {"max_drawdown_frac": "drawdown", "daily_loss_frac": "daily_loss"}
"""Limit of [limits] that the gate holds orders to itself, to the breaker's control that it repeats."""


class Disregarded(NamedTuple):
    """One control that is not looked at.

    Attributes
    ----------
    control, scope
        As in a `Trip`, or EVERY.
    from_ns, until_ns
        First event time at which it is not looked at, and first one at which it is again, UTC ns; None means never again.
    """

    control: str
    scope: str
    from_ns: int
    until_ns: int | None = None

    def covers(self, control: str, scope: str, ts_event: int) -> bool:
        """Tell whether a control in a scope is not looked at, at an event time."""
        during = self.from_ns <= ts_event and (self.until_ns is None or ts_event < self.until_ns)
        return during and self.control in (EVERY, control) and self.scope in (EVERY, scope)


EVERYTHING = Disregarded(EVERY, EVERY, 0)
"""The whole breaker, for good; the gate's own controls of an order stay."""


def twins(disregarded: Iterable[Disregarded], scope: str, ts_event: int) -> frozenset[str]:
    """Return the gate's limits that repeat a control which is not looked at, at an event time."""
    return frozenset(
        limit
        for limit, control in GATE_TWINS.items()
        if any(one.covers(control, scope, ts_event) for one in disregarded)
    )
