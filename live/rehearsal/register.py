"""What a market remembers of its orders and trades, and who hears of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from live.rehearsal import refusals
from live.rehearsal.order import AccountChange, Event, Execution, Order, Report, Trade
from live.rehearsal.terms import Market, Terms

FIRST_ORDER_ID = 1_000_001
FIRST_TRADE_ID = 1


class Register:
    """Orders and trades of one market.

    Attributes
    ----------
    orders
        Every order that was taken, by id, oldest first; conditional ones too.
    trades
        The account's trades, oldest first.
    listeners
        Called with every event, in order.
    """

    def __init__(self, market: Market, terms: Sequence[Terms]) -> None:
        self.market = market
        self.terms: Mapping[str, Terms] = {one.symbol: one for one in terms}
        self.orders: dict[int, Order] = {}
        self.trades: list[Trade] = []
        self.listeners: list[Callable[[Event], None]] = []
        self._open: dict[int, Order] = {}
        self._next_order_id = FIRST_ORDER_ID
        self._next_trade_id = FIRST_TRADE_ID

    def of(self, symbol: str) -> Terms:
        """Terms of a symbol; raises `Refused` where there are none."""
        if symbol not in self.terms:
            raise refusals.unknown_symbol()
        return self.terms[symbol]

    def open_orders(self, symbol: str | None = None, conditional: bool = False) -> list[Order]:
        """Open orders, oldest first: plain ones, or those of the conditional book."""
        return [o for o in self._open.values() if symbol in (None, o.symbol) and o.conditional == conditional]

    def find(
        self, symbol: str | None, order_id: int | None, client_order_id: str | None, conditional: bool = False
    ) -> Order | None:
        """The order of an id, or the latest of a client id."""
        if order_id is not None:
            found = self.orders.get(order_id)
            return (
                found
                if found is not None and found.conditional == conditional and symbol in (None, found.symbol)
                else None
            )
        for order in reversed(self.orders.values()):
            if (
                order.client_order_id == client_order_id
                and order.conditional == conditional
                and symbol in (None, order.symbol)
            ):
                return order
        return None

    def register_state(self) -> dict[str, Any]:
        """Orders, trades and the next ids as plain values."""
        return {
            "orders": [msgspec.to_builtins(order) for order in self.orders.values()],
            "trades": [msgspec.to_builtins(trade) for trade in self.trades],
            "next_order_id": self._next_order_id,
            "next_trade_id": self._next_trade_id,
        }

    def restore_register(self, state: dict[str, Any]) -> None:
        """Become what `register_state` told."""
        orders = [msgspec.convert(document, Order) for document in state["orders"]]
        self.orders = {order.order_id: order for order in orders}
        self._open = {order.order_id: order for order in orders if order.is_open}
        self.trades = [msgspec.convert(document, Trade) for document in state["trades"]]
        self._next_order_id, self._next_trade_id = state["next_order_id"], state["next_trade_id"]

    def _take_trade_id(self) -> int:
        self._next_trade_id += 1
        return self._next_trade_id - 1

    def _tell(self, execution: Execution, order: Order, now_ns: int, trade: Trade | None = None) -> None:
        self._emit(Report(execution=execution, order=msgspec.structs.replace(order), ts_ns=now_ns, trade=trade))

    def _changed(self, reason: str, terms: Terms, now_ns: int) -> None:
        assets = (terms.base, terms.quote) if self.market == "spot" else (terms.quote,)
        self._emit(AccountChange(reason=reason, ts_ns=now_ns, assets=assets, symbols=(terms.symbol,)))

    def _emit(self, event: Event) -> None:
        for listener in self.listeners:
            listener(event)
