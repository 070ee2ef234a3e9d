"""One market of the exchange: it takes orders, matches them with quotes, and keeps its ledger."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import Any

from live.rehearsal import refusals
from live.rehearsal.ledger import Ledger, MarginLedger
from live.rehearsal.matching import Best, crosses, fills, triggered
from live.rehearsal.order import ZERO, AccountChange, Execution, Order, OrderRequest, Trade
from live.rehearsal.refusals import Refused
from live.rehearsal.register import Register
from live.rehearsal.terms import Market, Terms

LIQUIDATION_ID = "autoclose-"


@dataclass(frozen=True)
class Fees:
    """Commission as a fraction of what is paid for."""

    maker: Decimal
    taker: Decimal


class Venue(Register):
    """A market and the one account that trades on it.

    Time is what the caller says it is: every method that changes something takes it.

    Parameters
    ----------
    marks
        Mark price of every symbol, quote; the venue keeps it up to date and the ledger may read it.

    Attributes
    ----------
    stale
        Symbols whose quote is over: their orders wait for the next one.
    countdowns
        Times at which a symbol's orders are cancelled, unless its owner asks for another.
    """

    def __init__(
        self, market: Market, terms: Sequence[Terms], ledger: Ledger, fees: Fees, marks: dict[str, Decimal]
    ) -> None:
        super().__init__(market, terms)
        self.ledger = ledger
        self.fees = fees
        self.best: dict[str, Best] = {}
        self.marks = marks
        self.funding: dict[str, tuple[Decimal, int]] = {}
        self.funding_paid: list[tuple[int, str, Decimal]] = []
        self.partial: dict[int, Decimal] = {}
        self.stale: set[str] = set()
        self.countdowns: dict[str, int] = {}

    def place(
        self, request: OrderRequest, now_ns: int, minimum: Decimal | None = None, part: Decimal | None = None
    ) -> Order:
        """Take an order, and fill what fills at once.

        Parameters
        ----------
        minimum
            Another smallest value than that of the terms, quote.
        part
            Fraction of the order's rest that one quote fills; None: all of it.

        Raises
        ------
        Refused
            A filter, the balance, or a rule of the order's type forbids it.
        """
        terms = self.of(request.symbol)
        best = self._quote(request.symbol)
        if any(order.client_order_id == request.client_order_id for order in self._open.values()):
            raise refusals.duplicate_client_id(self.market)
        quantity = self._quantity(request, terms, best)
        reference = request.price or (best.ask if request.side == "BUY" else best.bid)
        least = terms.min_notional if minimum is None else minimum
        if not (request.reduce_only or request.close_position) and quantity * reference < least:
            raise refusals.below_minimum(self.market, least)
        order = Order(
            order_id=self._next_order_id,
            client_order_id=request.client_order_id,
            symbol=request.symbol,
            side=request.side,
            kind=request.kind,
            wire_type=request.wire_type,
            quantity=quantity,
            time_in_force=request.time_in_force,
            price=request.price,
            stop_price=request.stop_price,
            trigger_above=request.trigger_above,
            waiting=request.stop_price is not None,
            reduce_only=request.reduce_only,
            close_position=request.close_position,
            conditional=request.conditional,
            created_ns=now_ns,
            updated_ns=now_ns,
        )
        order.held = request.symbol in self.stale
        if order.waiting and not order.held and triggered(order, best.mid):
            raise refusals.would_trigger(self.market)
        if order.time_in_force == "GTX" and not order.held and crosses(order, best):
            raise refusals.would_take(self.market)
        if not order.conditional:
            self.ledger.reserve(order, terms, reference)
        self._next_order_id += 1
        self.orders[order.order_id] = order
        if part is not None:
            self.partial[order.order_id] = part
        self._open[order.order_id] = order
        self._tell("NEW", order, now_ns)
        if not order.waiting and not order.held:
            self._arrive(order, terms, best, now_ns)
        return order

    def cancel(self, order: Order, now_ns: int) -> Order:
        """Cancel an open order.

        Raises
        ------
        Refused
            It is not open any more.
        """
        if not order.is_open:
            raise refusals.no_open_order()
        self._end(order, "CANCELED", now_ns)
        return order

    def amend(self, order: Order, quantity: Decimal, price: Decimal, now_ns: int) -> Order:
        """Change the size and price of a resting limit order, which keeps its id.

        Raises
        ------
        Refused
            It is not open, a filter forbids the new terms, or the account cannot pay for them; the order stays as it was.
        """
        terms = self.terms[order.symbol]
        if not order.is_open or order.kind != "LIMIT":
            raise refusals.no_order()
        if price <= 0 or price % terms.tick:
            raise refusals.price_off_tick(self.market)
        if quantity <= order.filled or quantity % terms.lot:
            raise refusals.quantity_off_lot(self.market)
        if quantity * price < terms.min_notional and not order.reduce_only:
            raise refusals.below_minimum(self.market, terms.min_notional)
        before = order.quantity, order.price
        self.ledger.release(order)
        order.quantity, order.price = quantity, price
        try:
            self.ledger.reserve(order, terms, price)
        except Refused:
            order.quantity, order.price = before
            self.ledger.reserve(order, terms, before[1] or price)
            raise
        order.updated_ns = now_ns
        self._tell("AMENDMENT", order, now_ns)
        if not order.waiting and not order.held:
            self._match(order, terms, self._quote(order.symbol), False, now_ns)
        return order

    def count_down(self, symbol: str, deadline_ns: int | None) -> None:
        """Set the time at which a symbol's orders are cancelled; None: never."""
        self.countdowns.pop(symbol, None)
        if deadline_ns is not None:
            self.countdowns[symbol] = deadline_ns

    def on_time(self, now_ns: int) -> None:
        """Cancel the orders of symbols whose countdown has run out."""
        for symbol in [symbol for symbol, deadline_ns in self.countdowns.items() if now_ns >= deadline_ns]:
            del self.countdowns[symbol]
            for order in self.open_orders(symbol) + self.open_orders(symbol, conditional=True):
                self._end(order, "CANCELED", now_ns)

    def fill_before_cancel(self, order: Order, now_ns: int) -> None:
        """Fill a limit order at its price, in the moment that its owner wants it gone."""
        if order.is_open and not order.waiting and order.price is not None:
            self._book(order, self.terms[order.symbol], order.price, order.rest, True, now_ns)

    def on_quote(self, symbol: str, best: Best, now_ns: int) -> None:
        """Move the best bid and offer, set off stops, and fill what it lets fill."""
        self.best[symbol] = best
        self.stale.discard(symbol)
        self.marks.setdefault(symbol, best.mid)
        terms = self.terms[symbol]
        for order in [order for order in self._open.values() if order.symbol == symbol]:
            if not order.is_open:
                continue
            held, order.held = order.held, False
            if order.waiting:
                if triggered(order, best.mid):
                    self._trigger(order, terms, best, now_ns)
            elif held:
                self._arrive_late(order, terms, best, now_ns)
            else:
                self._match(order, terms, best, True, now_ns)
        self._liquidate(now_ns)

    def on_close(self, symbol: str) -> None:
        """Note that the bar which the quote was made of is over: orders wait for the next quote, as they do in a back test."""
        self.stale.add(symbol)

    def on_mark(self, symbol: str, price: Decimal, now_ns: int) -> None:
        """Move the mark price, and liquidate an account that can no longer keep its positions."""
        self.marks[symbol] = price
        self._liquidate(now_ns)

    def on_funding(self, symbol: str, rate: Decimal, next_ns: int, now_ns: int) -> None:
        """Settle a funding rate on the position that is held."""
        self.funding[symbol] = (rate, next_ns)
        if isinstance(self.ledger, MarginLedger) and self.ledger.positions[symbol].quantity:
            amount = self.ledger.pay_funding(symbol, rate)
            self.funding_paid.append((now_ns, symbol, amount))
            self._emit(AccountChange(reason="FUNDING_FEE", ts_ns=now_ns, assets=(self.ledger.asset,), amount=amount))
            self._liquidate(now_ns)

    def _quote(self, symbol: str) -> Best:
        if symbol not in self.best:
            raise Refused(-1000, "No quote of this symbol yet.", 503)
        return self.best[symbol]

    def _quantity(self, request: OrderRequest, terms: Terms, best: Best) -> Decimal:
        if request.price is not None and (request.price <= 0 or request.price % terms.tick):
            raise refusals.price_off_tick(self.market)
        if request.stop_price is not None and (request.stop_price <= 0 or request.stop_price % terms.tick):
            raise refusals.price_off_tick(self.market)
        held = self.ledger.positions[terms.symbol].quantity if isinstance(self.ledger, MarginLedger) else ZERO
        sign = 1 if request.side == "BUY" else -1
        if request.close_position:
            return max(abs(held), terms.lot)
        quantity = request.quantity
        if quantity is None and request.quote_quantity is not None:
            quantity = _down(request.quote_quantity / (best.ask if sign > 0 else best.bid), terms.lot)
        if quantity is None:
            raise refusals.missing("quantity")
        if quantity <= 0 or quantity % terms.lot:
            raise refusals.quantity_off_lot(self.market)
        if request.reduce_only and not request.conditional:
            if held * sign >= 0:
                raise refusals.nothing_to_reduce()
            quantity = min(quantity, abs(held))
        return quantity

    def _fills_whole(self, order: Order, best: Best, terms: Terms) -> bool:
        return sum((fill.quantity for fill in fills(order, best, terms.tick, False)), ZERO) == order.quantity

    def _arrive_late(self, order: Order, terms: Terms, best: Best, now_ns: int) -> None:
        self.ledger.release(order)
        try:
            self.ledger.reserve(order, terms, order.price or (best.ask if order.side == "BUY" else best.bid))
        except Refused:
            self._end(order, "EXPIRED", now_ns)
            return
        if order.time_in_force == "GTX" and crosses(order, best):
            self._end(order, "EXPIRED", now_ns)
            return
        self._arrive(order, terms, best, now_ns)

    def _arrive(self, order: Order, terms: Terms, best: Best, now_ns: int) -> None:
        if order.time_in_force == "FOK" and not self._fills_whole(order, best, terms):
            self._end(order, "EXPIRED", now_ns)
            return
        self._match(order, terms, best, False, now_ns)
        at_once = order.time_in_force in ("IOC", "FOK") or (
            order.kind == "MARKET" and order.order_id not in self.partial
        )
        if order.is_open and at_once:
            self._end(order, "EXPIRED", now_ns)

    def _match(self, order: Order, terms: Terms, best: Best, resting: bool, now_ns: int) -> None:
        limit = None
        if order.order_id in self.partial:
            limit = max(terms.lot, _down(order.rest * self.partial[order.order_id], terms.lot))
            if resting and order.kind == "MARKET":
                limit = None
        if order.reduce_only and isinstance(self.ledger, MarginLedger):
            held = -self.ledger.positions[order.symbol].quantity * order.sign
            if held <= 0:
                self._end(order, "EXPIRED", now_ns)
                return
            limit = held if limit is None else min(limit, held)
        for fill in fills(order, best, terms.tick, resting, limit):
            self._book(order, terms, fill.price, fill.quantity, fill.maker, now_ns)

    def _book(self, order: Order, terms: Terms, price: Decimal, quantity: Decimal, maker: bool, now_ns: int) -> None:
        fee = self.fees.maker if maker else self.fees.taker
        commission, asset, realized = self.ledger.settle(order, terms, price, quantity, fee)
        order.filled += quantity
        order.spent += price * quantity
        order.updated_ns = now_ns
        order.status = "PARTIALLY_FILLED" if order.rest else "FILLED"
        trade = Trade(
            trade_id=self._take_trade_id(),
            order_id=order.order_id,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            price=price,
            quantity=quantity,
            commission=commission,
            commission_asset=asset,
            realized=realized,
            maker=maker,
            ts_ns=now_ns,
        )
        self.trades.append(trade)
        if isinstance(self.ledger, MarginLedger):
            self.ledger.positions[order.symbol].updated_ns = now_ns
        if not order.rest:
            self._open.pop(order.order_id, None)
            self.partial.pop(order.order_id, None)
            self.ledger.release(order)
        self._tell("TRADE", order, now_ns, trade)
        self._changed("ORDER", terms, now_ns)

    def _end(self, order: Order, status: Execution, now_ns: int) -> None:
        order.status = "CANCELED" if status == "CANCELED" else "EXPIRED"
        order.updated_ns = now_ns
        self._open.pop(order.order_id, None)
        self.partial.pop(order.order_id, None)
        self.ledger.release(order)
        self._tell(status, order, now_ns)
        if self.market == "spot":
            self._changed("ORDER", self.terms[order.symbol], now_ns)

    def _trigger(self, order: Order, terms: Terms, best: Best, now_ns: int) -> None:
        order.waiting = False
        order.updated_ns = now_ns
        if not order.conditional:
            self._arrive(order, terms, best, now_ns)
            return
        order.actual_order_id = self._next_order_id
        request = OrderRequest(
            symbol=order.symbol,
            side=order.side,
            kind=order.kind,
            client_order_id=order.client_order_id,
            wire_type=order.kind,
            quantity=order.quantity,
            price=order.price,
            time_in_force=order.time_in_force,
            reduce_only=order.reduce_only,
            close_position=order.close_position,
        )
        self._open.pop(order.order_id)
        order.status = "FILLED"
        self._tell("TRADE", order, now_ns)
        try:
            self.place(request, now_ns)
        except Refused:
            order.status, order.actual_order_id = "EXPIRED", 0
            self._tell("EXPIRED", order, now_ns)

    def _liquidate(self, now_ns: int) -> None:
        ledger = self.ledger
        if not isinstance(ledger, MarginLedger):
            return
        held = [symbol for symbol, position in ledger.positions.items() if position.quantity]
        if not held or ledger.equity > ledger.total_maintenance:
            return
        for order in list(self._open.values()):
            self._end(order, "CANCELED", now_ns)
        for symbol in held:
            if symbol in self.best:
                self._close_by_force(symbol, ledger.positions[symbol].quantity, now_ns)

    def _close_by_force(self, symbol: str, quantity: Decimal, now_ns: int) -> None:
        order = Order(
            order_id=self._next_order_id,
            client_order_id=f"{LIQUIDATION_ID}{self._next_order_id}",
            symbol=symbol,
            side="SELL" if quantity > 0 else "BUY",
            kind="MARKET",
            wire_type="LIQUIDATION",
            quantity=abs(quantity),
            time_in_force="IOC",
            reduce_only=True,
            liquidation=True,
            created_ns=now_ns,
            updated_ns=now_ns,
        )
        self._next_order_id += 1
        self.orders[order.order_id] = order
        self._open[order.order_id] = order
        self._tell("NEW", order, now_ns)
        self._match(order, self.terms[symbol], self.best[symbol], False, now_ns)

    def state(self) -> dict[str, Any]:
        """Orders, trades and the ledger as plain values."""
        return {
            **self.register_state(),
            "ledger": self.ledger.state(),
            "funding_paid": [[ts, symbol, format(amount, "f")] for ts, symbol, amount in self.funding_paid],
            "partial": {str(key): format(value, "f") for key, value in self.partial.items()},
            "marks": {symbol: format(price, "f") for symbol, price in self.marks.items()},
            "stale": sorted(self.stale),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Become what `state` told."""
        self.restore_register(state)
        self.ledger.restore(state["ledger"])
        self.funding_paid = [(ts, symbol, Decimal(amount)) for ts, symbol, amount in state["funding_paid"]]
        self.partial = {int(key): Decimal(value) for key, value in state["partial"].items()}
        self.marks.update({symbol: Decimal(text) for symbol, text in state["marks"].items()})
        self.stale = set(state["stale"])


def _down(value: Decimal, step: Decimal) -> Decimal:
    return (value / step).to_integral_value(ROUND_DOWN) * step
