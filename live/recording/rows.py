"""What was received as rows of plain values, and back; prices and sizes keep their very digits.

A row is a JSON array: kind, time of arrival (wall clock, UTC ns), event time (UTC ns), then the fields of its kind.
"""

from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
from nautilus_trader.model import (
    Bar,
    BarType,
    FundingRateUpdate,
    InstrumentId,
    MarkPriceUpdate,
    Price,
    Quantity,
    QuoteTick,
)

from engine.contract.errors import DataError, broken
from strategies.steering import Verb


class Deadline(NamedTuple):
    """A turn was published without the bars that were missing."""

    ts_init: int
    ts_event: int


class DecideAfter(NamedTuple):
    """Turns that close at or before `ts_event` only warm up."""

    ts_init: int
    ts_event: int


class Halt(NamedTuple):
    """A person stopped the session: no new risk from here on, positions are closed where `flatten` says so."""

    ts_init: int
    ts_event: int
    reason: str
    flatten: bool


class Assigned(NamedTuple):
    """The registry gave places to policies; the next decision is made under them.

    Attributes
    ----------
    assignment
        As `engine.policy.assignment.to_document` writes it.
    by, why
        Who did it, and the reason.
    """

    ts_init: int
    ts_event: int
    assignment: dict[str, Any]
    by: str
    why: str


class Control(NamedTuple):
    """A person's word to the running session: `verb` is `halt`, `flatten` or `resume`, as `strategies.steering` has it.

    Attributes
    ----------
    id
        Of the request that it came from.
    control
        What a resume clears; "" for everything in the scope.
    """

    ts_init: int
    ts_event: int
    id: str
    verb: Verb
    scope: str
    control: str
    by: str
    reason: str


class Answer(NamedTuple):
    """What a venue answered to an order, as the strategy of a live session heard it.

    Attributes
    ----------
    bars, quotes
        Counts of what the strategy had heard by then: an answer can be written behind a bar and be heard before it.
    event
        Name of the event's class, `OrderFilled`.
    values
        Its own plain values.
    """

    ts_init: int
    ts_event: int
    bars: int
    quotes: int
    event: str
    values: dict[str, Any]


class Worth(NamedTuple):
    """Equity of a live account at a turn, as the venue's balances and the positions made it."""

    ts_init: int
    ts_event: int
    equity: float


class Taken(NamedTuple):
    """A position that the venue held when a live session began."""

    ts_init: int
    ts_event: int
    instrument_id: str
    quantity: float


class Past(NamedTuple):
    """A bar of the exchange's history, fetched to warm up; its turn decides nothing."""

    bar: Bar


Named = Halt | Assigned | Control | Answer | Worth | Taken
Received = Bar | QuoteTick | MarkPriceUpdate | FundingRateUpdate | Past | Deadline | DecideAfter | Named
NAMED: dict[str, Any] = {kind.__name__.lower(): kind for kind in (Halt, Assigned, Control, Answer, Worth, Taken)}
Row = list[Any]


def to_row(item: Received) -> Row:
    """Write one received item as a row."""
    if isinstance(item, Past):
        return ["past", *to_row(item.bar)[1:]]
    head = [item.ts_init, item.ts_event]
    if isinstance(item, QuoteTick):
        sides = (item.bid_price, item.ask_price, item.bid_size, item.ask_size)
        return ["quote", *head, str(item.instrument_id), *map(str, sides)]
    if isinstance(item, Bar):
        values = (item.open, item.high, item.low, item.close, item.volume)
        return ["bar", *head, str(item.bar_type), *map(str, values)]
    if isinstance(item, MarkPriceUpdate):
        return ["mark", *head, str(item.instrument_id), str(item.value)]
    if isinstance(item, FundingRateUpdate):
        return ["funding", *head, str(item.instrument_id), str(item.rate), item.next_funding_ns]
    if isinstance(item, Named):
        return [type(item).__name__.lower(), *item]
    return ["deadline" if isinstance(item, Deadline) else "decide_after", *head]


def from_row(row: Row) -> Received:
    """Read a row that `to_row` wrote.

    Raises
    ------
    DataError
        The row is of no known kind, or a field is not what it must be.
    """
    try:
        kind, ts_init, ts_event, *rest = row
        match kind:
            case "bar" | "past":
                open_, high, low, close = map(Price.from_str, rest[1:5])
                volume = Quantity.from_str(rest[5])
                bar = Bar(BarType.from_str(rest[0]), open_, high, low, close, volume, ts_event, ts_init)
                return bar if kind == "bar" else Past(bar)
            case "quote":
                bid, ask = map(Price.from_str, rest[1:3])
                bid_size, ask_size = map(Quantity.from_str, rest[3:5])
                instrument_id = InstrumentId.from_str(rest[0])
                return QuoteTick(instrument_id, bid, ask, bid_size, ask_size, ts_event, ts_init)
            case "mark":
                instrument_id = InstrumentId.from_str(rest[0])
                return MarkPriceUpdate(instrument_id, Price.from_str(rest[1]), ts_event, ts_init)
            case "funding":
                instrument_id, rate = InstrumentId.from_str(rest[0]), Decimal(rest[1])
                return FundingRateUpdate(instrument_id, rate, ts_event, ts_init, next_funding_ns=rest[2])
            case "deadline":
                return Deadline(ts_init, ts_event)
            case "decide_after":
                return DecideAfter(ts_init, ts_event)
            case _ if kind in NAMED:
                made: Named = NAMED[kind](ts_init, ts_event, *rest)
                return made
    except (ValueError, TypeError, IndexError) as error:
        raise DataError(broken("recorded row", "follow its format", f"{row!r} ({error})")) from error
    raise DataError(broken("recorded row", "be of a known kind", row[0]))


ENCODER = msgspec.json.Encoder()
