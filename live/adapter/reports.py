"""Reports for reconciliation, from ccxt's orders, trades and positions."""

from collections.abc import Sequence
from decimal import ROUND_DOWN, Decimal
from typing import Any

from nautilus_trader.model import (
    AccountId,
    ClientOrderId,
    FillReport,
    InstrumentId,
    LiquiditySide,
    Money,
    OrderSide,
    OrderStatus,
    OrderStatusReport,
    OrderType,
    PositionSide,
    PositionStatusReport,
    TimeInForce,
    TradeId,
    TriggerType,
    VenueOrderId,
)

from live.adapter.core.ledger import Tracked, decimal
from live.adapter.mapping import MS, Rounding, money

ENDED = {
    "closed": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
    "expired": OrderStatus.EXPIRED,
    "rejected": OrderStatus.REJECTED,
}
FORCES = {"GTC": TimeInForce.GTC, "IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK}


def order_type(order: dict[str, Any]) -> OrderType:
    """Return the type of a ccxt order: its kind, and whether it has a trigger."""
    limit, stop = order.get("type") == "limit", order.get("triggerPrice") is not None
    if stop:
        return OrderType.STOP_LIMIT if limit else OrderType.STOP_MARKET
    return OrderType.LIMIT if limit else OrderType.MARKET


def order_report(
    order: dict[str, Any], account_id: AccountId, to: Rounding, ts_init: int, mine: Tracked | None = None
) -> OrderStatusReport:
    """Return what an order is.

    Parameters
    ----------
    mine
        Our own account of it: what was not told as a fill yet is not reported as filled, so that nobody invents the fill.
    """
    amount, filled = decimal(order["amount"]), decimal(order.get("filled"))
    status = ENDED.get(order.get("status") or "")
    if mine is not None:
        if mine.filled < filled or (mine.standing != "done" and status is OrderStatus.FILLED):
            status = None
        filled, amount = mine.filled, mine.amount
    if status is None or (status is OrderStatus.FILLED and filled < amount):
        status = OrderStatus.PARTIALLY_FILLED if filled > 0 else OrderStatus.ACCEPTED
    price, trigger = order.get("price"), order.get("triggerPrice")
    average = order.get("average")
    client_id = mine.client_id if mine is not None else order.get("clientOrderId")
    accepted = int(order.get("timestamp") or 0) * MS
    last = int(order.get("lastUpdateTimestamp") or order.get("lastTradeTimestamp") or order.get("timestamp") or 0) * MS
    kind = order_type(order)
    limited = kind in (OrderType.LIMIT, OrderType.STOP_LIMIT)
    return OrderStatusReport(
        account_id,
        to.instrument_id,
        VenueOrderId(str(order["id"]) if mine is None else str(mine.venue_id)),
        OrderSide.BUY if order["side"] == "buy" else OrderSide.SELL,
        kind,
        FORCES.get(order.get("timeInForce") or "", TimeInForce.GTC),
        status,
        to.size(amount),
        to.size(filled),
        accepted,
        last,
        ts_init,
        client_order_id=ClientOrderId(str(client_id)) if client_id else None,
        price=to.price(price) if limited and price else None,
        trigger_price=to.price(trigger) if trigger else None,
        trigger_type=TriggerType.LAST_PRICE if trigger else None,
        avg_px=Decimal(str(average)) if average and filled > 0 else None,
        post_only=bool(order.get("postOnly")),
        reduce_only=bool(order.get("reduceOnly")),
    )


def commission(fee: dict[str, Any] | None, quote: str) -> Money:
    """Return the fee of a trade; one that the venue does not tell counts as zero of the quote, and the caller notes it."""
    fee = fee or {}
    return money(decimal(fee.get("cost")), str(fee.get("currency") or quote))


def liquidity(role: bool | None) -> LiquiditySide:
    """Return the liquidity side of a fill: True is the maker."""
    if role is None:
        return LiquiditySide.NO_LIQUIDITY_SIDE
    return LiquiditySide.MAKER if role else LiquiditySide.TAKER


def fill_report(
    trade: dict[str, Any], account_id: AccountId, to: Rounding, quote: str, ts_init: int, mine: Tracked | None = None
) -> FillReport:
    """Return what one trade of the account was."""
    role = {"maker": True, "taker": False}.get(trade.get("takerOrMaker") or "")
    venue_id = str(trade["order"]) if mine is None else str(mine.venue_id)
    return FillReport(
        account_id,
        to.instrument_id,
        VenueOrderId(venue_id),
        TradeId(str(trade["id"])),
        OrderSide.BUY if trade["side"] == "buy" else OrderSide.SELL,
        to.size(trade["amount"]),
        to.price(trade["price"]),
        commission(trade.get("fee"), quote),
        liquidity(role),
        int(trade["timestamp"]) * MS,
        ts_init,
        client_order_id=None if mine is None else ClientOrderId(mine.client_id),
    )


def position_report(
    account_id: AccountId, instrument_id: InstrumentId, signed: Decimal, entry: Decimal | None, to: Rounding, ts_ns: int
) -> PositionStatusReport:
    """Return what is held of an instrument."""
    side = PositionSide.LONG if signed > 0 else PositionSide.SHORT if signed < 0 else PositionSide.FLAT
    price = entry if entry is not None and signed else None
    return PositionStatusReport(account_id, instrument_id, side, to.size(abs(signed)), ts_ns, ts_ns, avg_px_open=price)


def signed_contracts(position: dict[str, Any]) -> Decimal:
    """Return the signed size of a ccxt position."""
    size = decimal(position.get("contracts"))
    return -size if position.get("side") == "short" else size


def held(balance: dict[str, Any], base: str, lot: Decimal) -> Decimal:
    """Return how much of a base currency a spot account holds, in whole lots."""
    total = decimal((balance.get("total") or {}).get(base))
    return (total / lot).to_integral_value(ROUND_DOWN) * lot


def entry_price(trades: Sequence[dict[str, Any]], quantity: Decimal) -> Decimal | None:
    """Return the average price at which a long holding was bought, from the account's trades, oldest first.

    Sales take from the average; trades before the holding was last flat do not count. None where the trades do not explain the holding.
    """
    size, cost = Decimal(0), Decimal(0)
    for trade in trades:
        amount, price = decimal(trade["amount"]), decimal(trade["price"])
        if trade["side"] == "buy":
            size, cost = size + amount, cost + amount * price
        elif size > 0:
            part = min(amount, size)
            cost -= cost * part / size
            size -= part
    if size <= 0 or abs(size - quantity) > quantity / 100:
        return None
    return (cost / size).quantize(Decimal("1e-9"))
