"""What the breaker hears and what it answers: readings, trips, changes, and its standing as the gate asks for it."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from engine.contract.calendar import iso
from engine.risk.breaker_controls import ACCOUNT, Action

LOT_SLACK = 1e-9
"""Lots are rounded down after adding this, so that a product that should be whole counts as whole."""

UNDER = frozenset({"equity", "entropy", "confidence"})
"""Controls whose value is too small, where that of the others is too large."""


class Reading(NamedTuple):
    """The account, the market and the policy at one turn; sequences are in the order of the breaker's instruments.

    Attributes
    ----------
    ts_event
        Event time of the turn, UTC ns. Known at: `ts_event`, all of it.
    equity
        Unrealised profit included, quote.
    quantity
        Held, signed, base units.
    worst_quantity
        The largest position, unsigned, that open orders can lead to; see `engine.risk.breaker_measures.worst_quantity`.
    price
        Last price, quote.
    heard_ns
        Event time of the last bar or tick, UTC ns.
    spread_bps
        Spread over mid; None, or NaN for one instrument, where it is not known: then it is not judged.
    correlation
        See `correlation_exposure`; None where it is not known.
    entropy
        Mean entropy of this turn's answers, nats; None where the strategy has no distribution.
    closed
        Realised profit of each trade that closed since the last reading, fees included, quote, in their order.
    links
        Name of a connection to the event time of its last sign of life, UTC ns; empty in a back test.
    """

    ts_event: int
    equity: float
    quantity: Sequence[float]
    worst_quantity: Sequence[float]
    price: Sequence[float]
    heard_ns: Sequence[int]
    spread_bps: Sequence[float] | None = None
    correlation: float | None = None
    entropy: float | None = None
    closed: Sequence[float] = ()
    links: Mapping[str, int] = {}


class Trip(NamedTuple):
    """A limit that was broken.

    Attributes
    ----------
    control
        A name of the control table.
    limit, value
        What is allowed, and what was measured.
    scope
        `account`, or an instrument id.
    ts_event
        Event time at which it tripped (of an unconfirmed breach: was first seen), UTC ns.
    action
        `reduce` or `halt`.
    """

    control: str
    limit: float
    value: float
    scope: str
    ts_event: int
    action: Action

    def covers(self, instrument_id: str) -> bool:
        """Tell whether orders of the instrument fall under it."""
        return self.scope in (ACCOUNT, instrument_id)

    def __str__(self) -> str:
        side = "under" if self.control in UNDER else "over"
        measured = f"{self.control} {self.value:.6g} {side} {self.limit:.6g}"
        return f"{measured}, {self.action} {self.scope} since {iso(self.ts_event)}"


class Change(NamedTuple):
    """A trip that came or went.

    Attributes
    ----------
    kind
        `tripped`; `released` by recovery or by the day; `reset` by a person.
    by, reason
        Who reset or stopped, and why; "" where nobody did.
    """

    kind: Literal["tripped", "released", "reset"]
    trip: Trip
    ts_event: int
    by: str = ""
    reason: str = ""


class Standing(NamedTuple):
    """What the breaker says at one event time; the gate judges by it.

    Attributes
    ----------
    ts_event
        Event time of the last turn that the breaker heard, UTC ns: its heartbeat. -1 before the first.
    trips, unconfirmed
        Broken limits, and breaches that are seen but not confirmed and refuse new risk meanwhile.
    ceilings
        Instrument id to the quantity, unsigned, that a halt still lets it hold at this turn.
    sent_second, sent_minute, sent_today
        Orders sent in the last second, in the last minute, and since 00:00 UTC.
    keys, equals
        Keys of the orders sent within a minute; fingerprints of those sent at this very event time.
    drawdown, daily_loss
        Losses at the last turn, fractions.
    not_held
        Limits of the gate that are not held now; none but in a replay that disregards a control, see `engine.risk.breaker_disregard`.
    """

    ts_event: int
    trips: tuple[Trip, ...] = ()
    unconfirmed: tuple[Trip, ...] = ()
    ceilings: Mapping[str, float] = {}
    sent_second: int = 0
    sent_minute: int = 0
    sent_today: int = 0
    keys: frozenset[str] = frozenset()
    equals: frozenset[str] = frozenset()
    drawdown: float = 0.0
    daily_loss: float = 0.0
    not_held: frozenset[str] = frozenset()

    @property
    def state(self) -> Literal["armed", "unconfirmed", "reduce", "halt"]:
        """The strongest of all that stands."""
        if any(trip.action == "halt" for trip in self.trips):
            return "halt"
        return "reduce" if self.trips else "unconfirmed" if self.unconfirmed else "armed"

    def columns(self) -> dict[str, float]:
        """Return what the journal's context keeps of it.

        `state` is 0 armed, 1 unconfirmed, 2 reduce, 3 halt; beside it, for each broken limit, `CONTROL` or `CONTROL:INSTRUMENT` with the
        measured value.
        """
        if not self.trips and not self.unconfirmed:
            return {"state": 0.0}
        found = {"state": float(("armed", "unconfirmed", "reduce", "halt").index(self.state))}
        for trip in (*self.trips, *self.unconfirmed):
            found[trip.control if trip.scope == ACCOUNT else f"{trip.control}:{trip.scope}"] = trip.value
        return found


def fingerprint(instrument_id: str, quantity: float, price: float) -> str:
    """Return what two orders share that are the same order twice."""
    return f"{instrument_id} {quantity!r} {price!r}"


def closing_part(wish: float, position: float) -> float:
    """Return what of a wish to trade opens nothing on the other side of zero: a reversal becomes a close, all else stays.

    >>> closing_part(-3.0, 1.0), closing_part(-0.5, 1.0), closing_part(2.0, 1.0)
    (-1.0, -0.5, 2.0)
    """
    opposite = wish > 0.0 > position or wish < 0.0 < position
    return -position if opposite and abs(wish) > abs(position) else wish


def flatten(quantity: float, ceiling: float, lot: float) -> float:
    """Return the signed quantity to trade so that no more than `ceiling` is held, in whole lots; 0 where nothing is to be done.

    >>> flatten(-1.0, 0.25, 0.1)
    0.8
    """
    if abs(quantity) <= ceiling:
        return 0.0
    if ceiling <= 0.0:
        return -quantity
    kept = int(ceiling / lot + LOT_SLACK) * lot
    traded = abs(quantity) - kept
    return -traded if quantity > 0 else traded
