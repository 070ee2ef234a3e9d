"""What the log of a killed session has of its orders, order by order."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from engine.journal.order_log import CANCEL, INTENT, ORDER, TRADE, Intended, OrderLog, Traded
from strategies.memory import OUT


@dataclass
class Order:
    """One order.

    Attributes
    ----------
    meant
        As it was written down before it left.
    status
        The last one.
    cancelled
        Whether it was written down that it is to be cancelled.
    trades
        In the order in which they were heard.
    """

    meant: Intended
    status: str = "held"
    cancelled: bool = False
    trades: list[Traded] = field(default_factory=list)

    @property
    def filled(self) -> Decimal:
        """Sum of its trades, base units."""
        return sum((abs(exact(trade.quantity)) for trade in self.trades), Decimal(0))


def read(log: OrderLog) -> tuple[dict[str, Order], Decimal | None]:
    """Return every order by its client order id, and the balance at the last turn, quote; None before the first."""
    orders, by_key = dict[str, Order](), dict[str, Order]()
    balance = None
    for _, kind, fields in log.rows():
        if kind == INTENT:
            meant = Intended(*fields)
            by_key[meant.order_key] = orders[meant.client_order_id] = Order(meant)
        elif kind == TRADE:
            trade = Traded(*fields)
            if trade.order_key in by_key:
                by_key[trade.order_key].trades.append(trade)
        elif kind == ORDER and fields[0] in by_key:
            by_key[fields[0]].status = fields[-1]
        elif kind == CANCEL and fields[0] in orders:
            orders[fields[0]].cancelled = True
        elif kind == "equity":
            balance = exact(fields[2])
    return orders, balance


def out(orders: dict[str, Order]) -> list[Order]:
    """Return the orders that are not known to be over."""
    return [order for order in orders.values() if order.status in OUT]


def exact(value: Any) -> Decimal:
    """Return a float as the decimal that it stands for, to nine digits."""
    return Decimal(repr(round(float(value), 9)))
