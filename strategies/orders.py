"""The order desk of every strategy: decided orders pass the gate here and leave, and what became of them is written down."""

from functools import partial
from typing import Any

from nautilus_trader.model import (
    ClientOrderId,
    FundingRateUpdate,
    OrderFilled,
    OrderSide,
    OrderType,
    PositionClosed,
    Price,
    Quantity,
    QuoteTick,
    TimeInForce,
)

from engine.actors.guard import guarded
from engine.contract.errors import DataError, broken
from engine.journal.blotter import Fill, Order
from engine.journal.order_log import INTENT, TRADE, Intended, Traded
from engine.risk.gate import Approved, Guard, Intent, Refusal, judge
from strategies.memory import DeskMemory


class OrderDesk(DeskMemory):
    """Holds, sends, and settles orders, and asks the gate before anything leaves.

    A live desk writes what it means to do before it does it: the orders of a turn leave when the turn is durable with all its decisions and
    states, an order beside a turn when it is durable by itself.
    """

    def halt(self, reason: str) -> None:
        """Stop for good, by a person's word: drop what is held, and from now on only reduce."""
        self.halted = reason
        for index in list(self._held):
            self._supersede(index)
        self._kept()

    def _judged(self, intent: Intent, index: int, guard: Guard | None) -> Approved | Refusal:
        if self.latched is not None and not self.halted:
            self.halted = self.latched()
        view = self._view(index)
        answer = judge(intent, view, self.mandate.limits, guard)
        if self.halted and isinstance(answer, Approved) and not answer.reducing:
            return Refusal("halt", 1.0, 0.0, self.halted)
        by_hand = self.halts.over(intent.instrument_id)
        if by_hand is not None and isinstance(answer, Approved) and not answer.reducing:
            return Refusal("halt", 1.0, 0.0, by_hand.reason)
        return answer

    def _place(self, index: int, intent: Intent, order_key: str) -> None:
        self._admit(index, self._market(index, intent.quantity, order_key), order_key, intent)

    def _market(
        self, index: int, signed: float, order_key: str, client_order_id: str | None = None, reduce_only: bool = False
    ) -> Any:
        spec = self.mandate.instruments[index]
        side = OrderSide.BUY if signed > 0 else OrderSide.SELL
        quantity = Quantity(abs(signed), spec.size_precision)
        if client_order_id is None and self.mandate.order_prefix:
            client_order_id = self._next_id(index)
        named = None if client_order_id is None else ClientOrderId(client_order_id)
        return self.order_factory.market(
            self.instrument_ids[index],
            side,
            quantity,
            reduce_only=reduce_only or None,
            tags=[order_key],
            client_order_id=named,
        )

    def _next_id(self, index: int) -> str:
        """Name an order by its session, its decision, its instrument and a count: unique at the venue, and equal in a replay."""
        self._named += 1
        return f"{self.mandate.order_prefix}-{self._decided_ns // 1_000_000_000:x}-{index}-{self._named}"

    def _again(self, index: int, signed: float, order_key: str, client_order_id: str) -> Any:
        if order_key in self._resting:
            raise DataError(broken(f"held order {order_key}", "be a market order to be made again", client_order_id))
        return self._market(index, signed, order_key, client_order_id)

    def _admit(self, index: int, order: Any, order_key: str, intent: Intent) -> None:
        client_order_id, at_once = str(order.client_order_id), order.order_type == OrderType.MARKET
        self._out(index, client_order_id, order_key, intent.quantity, at_once)
        breaker = self.mandate.breaker
        now = max(self._decided_ns, self._now_ns())
        if self.order_log is not None:
            self.order_log.write(INTENT, self._meant(index, order, order_key, intent, now))
        if breaker is not None:
            for change in breaker.hear_order(now, order_key, intent.instrument_id, intent.quantity, intent.price):
                self.mandate.blotter.change(change)
        self.mandate.blotter.order(
            Order(
                order_key,
                client_order_id,
                self._decided_ns,
                -1,
                intent.instrument_id,
                intent.quantity,
                intent.price,
                "held",
            )
        )
        if self.mandate.holds_orders:
            self._held[index] = (order, order_key)
        elif self._deciding and self.order_log is not None:
            self._leaving.append(partial(self._send, order, order_key))
        else:
            self._kept()
            self._send(order, order_key)

    def _meant(self, index: int, order: Any, order_key: str, intent: Intent, ts_event: int) -> Intended:
        limit, trigger = getattr(order, "price", None), getattr(order, "trigger_price", None)
        return Intended(
            order_key,
            str(order.client_order_id),
            index,
            intent.quantity,
            intent.price,
            order.order_type.name,
            "" if limit is None else str(limit),
            "" if trigger is None else str(trigger),
            order.time_in_force.name,
            bool(order.is_reduce_only),
            bool(getattr(order, "is_post_only", False)),
            ts_event,
            self._named,
            self._stray,
        )

    def _kept(self) -> None:
        """Make durable what was heard beside a turn; a turn is made durable as a whole, at its end."""
        if self.order_log is not None and not self._deciding:
            self.order_log.commit()

    def send_decided(self) -> None:
        """Let the orders and cancels of a turn leave, which is durable now."""
        leaving, self._leaving = self._leaving, []
        for leave in leaving:
            leave()
        if leaving:
            self._kept()

    def send_again(self, meant: Intended) -> None:
        """Send an order that was meant and certainly never reached the venue, under its own id."""
        self._send(self._made(meant), meant.order_key)
        self._kept()

    def _made(self, meant: Intended) -> Any:
        spec = self.mandate.instruments[meant.instrument]
        side = OrderSide.BUY if meant.quantity > 0 else OrderSide.SELL
        size = Quantity(abs(meant.quantity), spec.size_precision)
        head = (self.instrument_ids[meant.instrument], side, size)
        make: Any = self.order_factory
        force = getattr(TimeInForce, meant.force)
        more: dict[str, Any] = {"tags": [meant.order_key], "client_order_id": ClientOrderId(meant.client_order_id)}
        more["reduce_only"] = meant.reduce_only
        prices = [Price.from_str(text) for text in (meant.limit, meant.trigger) if text]
        match meant.kind:
            case "MARKET":
                return make.market(*head, force, **more)
            case "LIMIT":
                return make.limit(*head, *prices, force, post_only=meant.post_only, **more)
            case "STOP_MARKET":
                return make.stop_market(*head, *prices, time_in_force=force, **more)
            case "STOP_LIMIT":
                return make.stop_limit(*head, *prices, time_in_force=force, post_only=meant.post_only, **more)
        raise DataError(broken(f"order {meant.order_key}", "be of a kind that can be made again", meant.kind))

    def hear_missed(self, trade: Traded) -> bool:
        """Take in a trade that the venue made while nobody listened; False where it was heard before."""
        if not self._remember(trade.trade_id):
            return False
        self._write_trade(trade)
        self._count(trade)
        self._kept()
        return True

    def hear_ended(self, order_key: str, status: str) -> None:
        """Take in that an order is over: `filled`, `cancelled: …`, `never sent: …`."""
        self._settle(order_key, status)
        self._kept()

    def _write_trade(self, trade: Traded) -> None:
        if self.order_log is not None:
            self.order_log.write(TRADE, trade)
        reference = float(self._mid[trade.instrument])
        self.mandate.blotter.fill(
            Fill(
                trade.order_key,
                trade.ts_event,
                self.mandate.instruments[trade.instrument].instrument_id,
                1 if trade.quantity > 0 else -1,
                abs(trade.quantity),
                trade.price,
                trade.fee,
                reference if reference == reference else trade.price,
                "venue" if self.mandate.mode == "live" else self.mandate.venue.fill,
            )
        )

    def _send(self, order: Any, order_key: str) -> None:
        row = self.mandate.blotter.orders[order_key]
        self.mandate.blotter.order(row._replace(ts_submitted=self._now_ns(), status="submitted"))
        super().submit_order(order)

    def _supersede(self, index: int) -> None:
        held = self._held.pop(index, None)
        if held is not None:
            self._settle(held[1], "superseded")

    def _settle(self, order_key: str, status: str) -> None:
        self._forget(order_key)
        row = self.mandate.blotter.orders.get(order_key)
        if row is not None:
            self.mandate.blotter.order(row._replace(status=status))

    @guarded
    def on_quote(self, quote: QuoteTick) -> None:
        """Submit what was held for this instrument since an earlier time."""
        self._hear_time(quote.ts_event)
        self.quotes_heard += 1
        try:
            self._release(quote)
        finally:
            self._woken()

    def _release(self, quote: QuoteTick) -> None:
        if self.quotes_measured and self.readings is not None:
            index = self._index[quote.instrument_id]
            self.readings.hear_quote(index, quote.ts_event, float(quote.bid_price), float(quote.ask_price))
        if self.mandate.mode == "live":
            mid = 0.5 * (float(quote.bid_price) + float(quote.ask_price))
            self._mid[self._index[quote.instrument_id]] = mid
        if not self._held:
            return
        index = self._index[quote.instrument_id]
        held = self._held.get(index)
        if held is not None and quote.ts_event > self._decided_ns:
            del self._held[index]
            self._mid[index] = 0.5 * (float(quote.bid_price) + float(quote.ask_price))
            if self.mandate.venue.account == "cash" and self._lacks_cash(held[0], float(quote.ask_price)):
                self._settle(held[1], "denied: cash does not cover the order and its fee")
            else:
                self._send(*held)

    @guarded
    def on_funding_rate(self, funding_rate: FundingRateUpdate) -> None:
        """Settle funding on what is held, where the simulated venue does not."""
        index = self._index[funding_rate.instrument_id]
        self._hear_time(funding_rate.ts_event)
        mark: Any = self.cache.mark_price(funding_rate.instrument_id)
        if mark is not None:
            price = getattr(mark, "value", mark).as_decimal()
            quantity = float(self.account.quantity[index])
            self.funding.settle(funding_rate.ts_event, index, quantity, funding_rate.rate, price)

    def _woken(self) -> None:
        if self.wake is not None:
            self.wake()

    def _lacks_cash(self, order: Any, ask: float) -> bool:
        """Tell whether a buy would overdraw a cash account; the engine breaks down where only the fee does."""
        if order.side != OrderSide.BUY:
            return False
        held: Any = self.cache.account_for_venue(self._venue)
        free = {str(unit): float(amount.as_decimal()) for unit, amount in held.balances_free().items()}
        cost = float(order.quantity) * ask * (1.0 + self.mandate.venue.taker_bps / 1e4)
        return cost > free[self.mandate.venue.currency]

    @guarded
    def on_order_filled(self, event: OrderFilled) -> None:
        """Write down the fill; one that was heard before is not heard again."""
        if self.mandate.mode == "live" and not self._remember(str(event.trade_id)):
            return
        index = self._index[event.instrument_id]
        order: Any = self.cache.order(event.client_order_id)
        order_key = self._order_keys.get(str(event.client_order_id)) or self._liquidated(event)
        price, quantity = float(event.last_px), float(event.last_qty)
        signed = quantity if event.order_side == OrderSide.BUY else -quantity
        self.account.hear_fill(price * quantity)
        self._fills += 1
        self._write_trade(
            Traded(
                order_key,
                str(event.client_order_id),
                str(event.trade_id),
                index,
                signed,
                price,
                self._fee(event.commission, price * quantity),
                self._event_ns if self.mandate.mode == "paper" else event.ts_event,
            )
        )
        if order.is_closed:
            self._settle(order_key, "filled")
        elif order_key in self._resting:
            left = float(order.leaves_qty)
            self._resting[order_key] = (index, left if signed > 0 else -left)
        self._kept()
        self._woken()

    def _fee(self, commission: Any, value: float) -> float:
        """Return a fill's fee; one that the engine inferred from the venue's position has none, and is charged the taker's."""
        return float(commission.as_decimal()) if commission is not None else value * self.mandate.venue.taker_bps / 1e4

    def _liquidated(self, event: OrderFilled) -> str:
        """Name an order of the venue's own, which closes positions for want of margin; what is held would open them anew."""
        for index in list(self._held):
            self._supersede(index)
        self._stray += 1
        return f"liquidation{self._stray}:{event.instrument_id}"

    @guarded
    def on_position_event(self, event: Any) -> None:
        """Take over the position as the engine states it."""
        index = self._index.get(event.instrument_id)
        if index is not None and hasattr(event, "signed_qty"):
            self.account.hear_position(index, float(event.signed_qty), float(event.avg_px_open))
            profit: Any = getattr(event, "realized_pnl", None)
            if isinstance(event, PositionClosed):
                if profit is not None:
                    whole = float(profit.as_decimal() + self.funding.close(index))
                    self._closed.append(whole + self._carried[index])
                self._realised[index] = self._carried[index] = 0.0
            elif profit is not None and self.order_log is not None:
                self._realised[index] = self._carried[index] + float(profit.as_decimal())
            self._position_changed(index)

    def _position_changed(self, index: int) -> None:
        """Do what follows from a position as it is now."""

    @guarded
    def on_order_denied(self, event: Any) -> None:
        """Write down the engine's own refusal."""
        self._failed(event, "denied")

    @guarded
    def on_order_rejected(self, event: Any) -> None:
        """Write down the venue's refusal."""
        self._failed(event, "rejected")

    @guarded
    def on_order_expired(self, event: Any) -> None:
        """Write down the end of an order that the venue let expire."""
        self._failed(event, "expired")

    @guarded
    def on_order_canceled(self, event: Any) -> None:
        """Write down the end of an order."""
        self._failed(event, "cancelled")

    def _failed(self, event: Any, word: str) -> None:
        order_key = self._order_keys.get(str(event.client_order_id), str(event.client_order_id))
        reason = getattr(event, "reason", None)
        self._settle(order_key, f"{word}: {reason}" if reason else word)
        self._kept()
        self._woken()
