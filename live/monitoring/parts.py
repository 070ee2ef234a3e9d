"""The parts of a status: positions, orders, decisions, limits, breakers, streams and counts, each as a viewer shows it."""

from typing import Literal

import msgspec

Values = dict[str, float | None]


class PositionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What is held of one instrument.

    Attributes
    ----------
    quantity
        Signed, base units; 0 where nothing is held.
    entry_price
        Average price of the open position, quote; None where nothing is held.
    mark
        Mid of the last quote, or the last close where no quote came after it, quote; None before the first.
    notional
        Signed value at the mark, quote.
    unrealised
        Profit at the mark, quote.
    exposure_frac
        `notional` over equity.
    bars_held
        Decisions since the position was opened.
    """

    instrument_id: str
    quantity: float
    entry_price: float | None
    mark: float | None
    notional: float
    unrealised: float
    exposure_frac: float | None
    bars_held: int


class OrderStatus(msgspec.Struct, frozen=True, kw_only=True):
    """An order that is held, on its way, or resting.

    Attributes
    ----------
    order_key, client_order_id
        As in `orders.parquet`; the first names the decision.
    quantity
        Signed, not filled yet, base units.
    price
        The close that it was sized on, quote.
    state
        `held` (waits for the next quote) or `submitted`.
    decided_ns
        Event time of its decision, UTC ns.
    """

    order_key: str
    client_order_id: str
    instrument_id: str
    quantity: float
    price: float
    state: str
    decided_ns: int


class DecisionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The last row of the journal of one instrument.

    Attributes
    ----------
    ts_event
        Event time of the turn, UTC ns.
    raw_action, action, confidence, target_exposure
        As in the journal: what was answered, what was made of it, and the signed fraction of the budget that is wanted.
    budget
        Value that an exposure of 1 means, quote.
    gate
        `approved`, `hold` or `refused: ...`.
    order_key
        Of the order that it made; "" where it made none.
    observation_sha
        Of the policy's inputs; "" for a rule.
    context
        What was said in the turn: signal (`regime`, `changepoint`, `risk_budget`, `breaker`) to column to value.
    missing
        Instruments whose bar did not come.
    """

    instrument_id: str
    ts_event: int
    raw_action: float | None
    action: float | None
    confidence: float | None
    target_exposure: float | None
    budget: float | None
    gate: str
    order_key: str
    observation_sha: str
    context: dict[str, Values]
    missing: list[str]


class LimitStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One limit that the gate holds orders to, at the equity of the last decided turn and the positions and open orders of now.

    Attributes
    ----------
    name
        As in [limits], or in the control table for those of the breaker.
    scope
        `account`, or an instrument id.
    value, bound, headroom
        What there is, what is allowed, and bound less value: fractions of equity, quote, or a count.
    """

    name: str
    scope: str
    value: float | None
    bound: float
    headroom: float | None


class BreakerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One control of the breaker, as of its last turn.

    Attributes
    ----------
    scope
        `account`, or an instrument id.
    state
        `armed`; `unconfirmed`: a breach was seen, no new risk passes; `reduce`, `halt`: it tripped.
    limit
        What is allowed; None for a stop by hand.
    value
        What was measured when it was breached; None while it is armed.
    since_ns
        Event time of the trip or of the breach, UTC ns; None while it is armed.
    meaning, unit, release
        Of the control table: what is measured, in which unit, and what ends a trip.
    """

    control: str
    scope: str
    state: Literal["armed", "unconfirmed", "reduce", "halt"]
    limit: float | None
    value: float | None
    since_ns: int | None
    meaning: str
    unit: str
    release: str


class LatchStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What stops the session for good.

    Attributes
    ----------
    by, reason
        Who, and why.
    ts_ns
        Wall clock, UTC ns; 0 where it is not known.
    """

    by: str
    reason: str
    ts_ns: int


class HaltStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A halt by hand that stands.

    Attributes
    ----------
    scope
        `account`, or an instrument id.
    reason
        Who said it, and why.
    flatten
        Whether what is held is closed too.
    """

    scope: str
    reason: str
    flatten: bool


class MismatchStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A position that strategy and engine hold differently, signed base units; seen twice in a row, half a second apart or more."""

    instrument_id: str
    ours: float
    engine: float


class DriftStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A measure of drift beyond its bound, as `drift.json` in the run folder lists them, where something measures it."""

    measure: str
    value: float
    bound: float


class StreamStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One stream of one instrument.

    Attributes
    ----------
    kind
        `bar`, `quote`, `mark` or `funding`.
    received
        Pieces since the start.
    age_secs
        Wall seconds since the last one, at the time of the snapshot; None where none came.
    ts_event
        Event time of the last one, UTC ns; None where none came.
    """

    kind: str
    instrument_id: str
    received: int
    age_secs: float | None
    ts_event: int | None


class GapStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Bars that should have come, counted since the start of this process.

    Attributes
    ----------
    missing_bars
        Bars that a decided turn went without.
    skipped_turns
        Turns that no bar at all came for, between two that were decided.
    repeated_bars
        Bars that came again and were dropped.
    last_ns
        Event time of the last missing bar or skipped turn, UTC ns; None where there was none.
    last_instruments
        Instruments that were missing there; empty for a skipped turn.
    """

    missing_bars: int = 0
    skipped_turns: int = 0
    repeated_bars: int = 0
    last_ns: int | None = None
    last_instruments: list[str] = []


class LatencyStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How long one step takes, over the last 512 of it; milliseconds of the wall clock.

    Attributes
    ----------
    name
        `bar received to decision`: from the arrival of a turn's last bar to its decision; `bar close to decision`: from the bar's close,
        on a real exchange only, whose time is ours; `decision to order`: until the order was handed to the venue, which in paper is the
        next quote; `order to answer`: until the venue accepted it.
    n
        How many were measured since the start.
    """

    name: str
    last_ms: float
    p50_ms: float
    p99_ms: float
    worst_ms: float
    n: int


class CountStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What happened since the run began, or since it was gone on with; a finished run counts all of it.

    Attributes
    ----------
    turns
        Decided turns.
    decisions
        Rows of the journal, those of a session before included.
    orders
        Orders that passed the gate.
    orders_today
        Those since 00:00 UTC of event time.
    refused
        Orders that the gate refused.
    rejected
        Orders that the engine denied or the venue rejected.
    fills
        Fills.
    """

    turns: int = 0
    decisions: int = 0
    orders: int = 0
    orders_today: int = 0
    refused: int = 0
    rejected: int = 0
    fills: int = 0
