"""What became of an order, as the ledger tells it: values without a trading library."""

from decimal import Decimal
from typing import Any, Literal, NamedTuple


class Accepted(NamedTuple):
    """The venue has the order."""

    client_id: str
    venue_id: str
    ts_ns: int


class Filled(NamedTuple):
    """A part of the order traded; fee None means that the venue did not say, even when asked again."""

    client_id: str
    venue_id: str
    symbol: str
    trade_id: str
    side: str
    quantity: Decimal
    price: Decimal
    fee: Decimal | None
    fee_currency: str | None
    maker: bool | None
    ts_ns: int


class Ended(NamedTuple):
    """The order is closed with something unfilled."""

    client_id: str
    venue_id: str
    how: Literal["canceled", "expired"]
    ts_ns: int


class Rejected(NamedTuple):
    """The order does not exist at the venue: it said no, or it never heard of it."""

    client_id: str
    reason: str
    ts_ns: int
    post_only: bool = False


class Amended(NamedTuple):
    """The venue changed quantity or price of the order as asked."""

    client_id: str
    venue_id: str
    quantity: Decimal
    price: Decimal | None
    ts_ns: int


class Triggered(NamedTuple):
    """The trigger of a stop order was reached."""

    client_id: str
    venue_id: str
    ts_ns: int


class NotDone(NamedTuple):
    """A cancel or a modification did not happen; the order is as it was."""

    client_id: str
    venue_id: str | None
    what: Literal["cancel", "modify"]
    reason: str
    ts_ns: int


class Foreign(NamedTuple):
    """An order of the account that we did not send: by a person, or by the venue to close a position. ccxt's order and its trades."""

    order: dict[str, Any]
    trades: tuple[dict[str, Any], ...]


Event = Accepted | Filled | Ended | Rejected | Amended | Triggered | NotDone | Foreign
