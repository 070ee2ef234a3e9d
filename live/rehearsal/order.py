"""Orders, trades and positions as the venue keeps them: plain records that JSON can hold."""

from decimal import Decimal
from typing import Literal

import msgspec

Side = Literal["BUY", "SELL"]
Kind = Literal["MARKET", "LIMIT"]
TimeInForce = Literal["GTC", "IOC", "FOK", "GTX"]
Status = Literal["NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "EXPIRED"]
Execution = Literal["NEW", "TRADE", "CANCELED", "EXPIRED", "AMENDMENT"]

OPEN: tuple[Status, ...] = ("NEW", "PARTIALLY_FILLED")
ZERO = Decimal(0)


class OrderRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a client asks for.

    Attributes
    ----------
    quantity
        Base units; None: spend `quote_quantity`, or close the position.
    kind, price
        `LIMIT` has a price.
    stop_price, trigger_above
        A conditional order waits until the price is at or beyond `stop_price`: above it, or below.
    wire_type
        What the client called it, `STOP_LOSS_LIMIT`; told back.
    conditional
        Kept apart from plain orders, under an id of its own (USD-M algo orders).
    """

    symbol: str
    side: Side
    kind: Kind
    client_order_id: str
    wire_type: str
    quantity: Decimal | None = None
    quote_quantity: Decimal | None = None
    price: Decimal | None = None
    stop_price: Decimal | None = None
    trigger_above: bool = False
    time_in_force: TimeInForce = "GTC"
    reduce_only: bool = False
    close_position: bool = False
    conditional: bool = False


class Order(msgspec.Struct, kw_only=True):
    """An order and what became of it.

    Attributes
    ----------
    waiting
        Whether its trigger has not come yet.
    held
        Whether it came when the quote was over, and has met no quote yet.
    filled, spent
        Base units filled, and their value in quote.
    locked
        What of the free balance it holds back, in `locked_asset` (spot).
    algo_id, actual_order_id
        Of a conditional order: its own id, and that of the order it became.
    """

    order_id: int
    client_order_id: str
    symbol: str
    side: Side
    kind: Kind
    wire_type: str
    quantity: Decimal
    time_in_force: TimeInForce
    price: Decimal | None = None
    stop_price: Decimal | None = None
    trigger_above: bool = False
    waiting: bool = False
    held: bool = False
    reduce_only: bool = False
    close_position: bool = False
    conditional: bool = False
    liquidation: bool = False
    created_ns: int = 0
    updated_ns: int = 0
    status: Status = "NEW"
    filled: Decimal = ZERO
    spent: Decimal = ZERO
    locked: Decimal = ZERO
    locked_asset: str = ""
    actual_order_id: int = 0

    @property
    def rest(self) -> Decimal:
        """Base units not filled."""
        return self.quantity - self.filled

    @property
    def is_open(self) -> bool:
        """Whether it can still fill."""
        return self.status in OPEN

    @property
    def average_price(self) -> Decimal:
        """Mean price of its fills; 0 without any."""
        return self.spent / self.filled if self.filled else ZERO

    @property
    def sign(self) -> int:
        """1 to buy, -1 to sell."""
        return 1 if self.side == "BUY" else -1


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """A fill of one of the account's orders."""

    trade_id: int
    order_id: int
    client_order_id: str
    symbol: str
    side: Side
    price: Decimal
    quantity: Decimal
    commission: Decimal
    commission_asset: str
    realized: Decimal
    maker: bool
    ts_ns: int


class Position(msgspec.Struct, kw_only=True):
    """A position in one-way mode: signed base units, average entry price, leverage."""

    symbol: str
    quantity: Decimal = ZERO
    entry_price: Decimal = ZERO
    leverage: int = 1
    updated_ns: int = 0
    realized: Decimal = ZERO


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to an order, for its owner: the order as it stood then."""

    execution: Execution
    order: Order
    ts_ns: int
    trade: Trade | None = None


class AccountChange(msgspec.Struct, frozen=True, kw_only=True):
    """Balances and positions that changed, and why (`ORDER`, `FUNDING_FEE`)."""

    reason: str
    ts_ns: int
    assets: tuple[str, ...]
    symbols: tuple[str, ...] = ()
    amount: Decimal = ZERO


Event = Report | AccountChange
