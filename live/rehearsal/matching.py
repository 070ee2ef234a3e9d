"""Where an order meets a quote: at which prices it fills, and in how many parts."""

from dataclasses import dataclass
from decimal import Decimal

from live.rehearsal.order import ZERO, Order


@dataclass(frozen=True, slots=True)
class Best:
    """Best bid and offer of a symbol, quote units and base units; a size of None cannot be exhausted."""

    bid: Decimal
    ask: Decimal
    bid_size: Decimal | None = None
    ask_size: Decimal | None = None

    @property
    def mid(self) -> Decimal:
        """Half way between bid and offer."""
        return (self.bid + self.ask) / 2


@dataclass(frozen=True, slots=True)
class Fill:
    """A part of an order that fills."""

    price: Decimal
    quantity: Decimal
    maker: bool


def crosses(order: Order, best: Best) -> bool:
    """Whether a quote lets an order fill: always a market order, a limit order at its price or better."""
    if order.kind == "MARKET" or order.price is None:
        return True
    return best.ask <= order.price if order.side == "BUY" else best.bid >= order.price


def triggered(order: Order, price: Decimal) -> bool:
    """Whether a price sets off a conditional order."""
    if order.stop_price is None:
        return True
    return price >= order.stop_price if order.trigger_above else price <= order.stop_price


def fills(order: Order, best: Best, tick: Decimal, resting: bool, limit: Decimal | None = None) -> list[Fill]:
    """Fill an order against a quote.

    A limit order that rested fills at its own price, as maker, up to the quote's size; one that arrives takes the quote's price. Beyond the
    size an order fills a tick worse for every size that it uses up, a limit order up to its price.

    Parameters
    ----------
    tick
        Smallest price step, quote.
    resting
        Whether the order stood in the book before this quote.
    limit
        Most that may fill, base units; None: all.

    Returns
    -------
    list of Fill, empty where nothing fills.
    """
    if not crosses(order, best):
        return []
    rest = order.rest if limit is None else min(order.rest, limit)
    touch, size = (best.ask, best.ask_size) if order.side == "BUY" else (best.bid, best.bid_size)
    if resting and order.kind == "LIMIT" and order.price is not None:
        quantity = rest if size is None else min(rest, size)
        return [Fill(order.price, quantity, True)] if quantity else []
    parts, price = [], touch
    while rest > ZERO:
        quantity = rest if size is None else min(rest, size)
        if not quantity:
            break
        parts.append(Fill(price, quantity, False))
        rest -= quantity
        price += tick * order.sign
        if order.kind == "LIMIT" and order.price is not None and (price - order.price) * order.sign > 0:
            break
        if price <= ZERO:
            break
    return parts
