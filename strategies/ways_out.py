"""Every other way in which Nautilus lets an order leave, each through the same gate."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from nautilus_trader.model import ClientOrderId, InstrumentId, OrderSide, Position, Price, Quantity

from engine.contract.errors import UsageError, broken
from engine.journal.blotter import Order
from engine.journal.order_log import CANCEL
from engine.risk.gate import Intent, OpenOrder, Refusal
from strategies.orders import OrderDesk
from strategies.steering import Verb, clear


class WaysOut(OrderDesk):
    """Holds orders that no decision made to the gate too."""

    def submit_order(self, order: Any, *_args: Any, **_kwargs: Any) -> None:
        """Hold an order that did not come from a decision to the gate; refused orders are written down and go nowhere."""
        if str(order.client_order_id) in self._order_keys:
            super().submit_order(order)
            return
        self._gate_stray([order])

    def submit_order_list(self, order_list: Sequence[Any], *_args: Any, **_kwargs: Any) -> None:
        """Hold every order of a sequence to the gate, one after the other; one refusal refuses them all."""
        self._gate_stray(list(order_list))

    def cancel_order(self, client_order_id: ClientOrderId, *args: Any, **kwargs: Any) -> None:
        """Write down what is to be cancelled, then ask for it: a session that goes on asks again."""
        if self.order_log is not None:
            self.order_log.write(CANCEL, [str(client_order_id)])
            self._kept()
        leave = partial(super().cancel_order, client_order_id, *args, **kwargs)
        if self._deciding and self.order_log is not None:
            self._leaving.append(leave)
        else:
            leave()

    def cancel_all_orders(self, instrument_id: InstrumentId, *args: Any, **kwargs: Any) -> None:
        """Write down what is to be cancelled, then ask for it."""
        if self.order_log is not None:
            for client_order_id, key in self._order_keys.items():
                if self._is_out(key, self._index[instrument_id]):
                    self.order_log.write(CANCEL, [client_order_id])
            self._kept()
        super().cancel_all_orders(instrument_id, *args, **kwargs)

    def modify_order(
        self,
        client_order_id: ClientOrderId,
        quantity: Quantity | None = None,
        price: Price | None = None,
        trigger_price: Price | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        """Hold a modification to the gate: what it would leave must pass."""
        order: Any = self.cache.order(client_order_id)
        index = self._index[order.instrument_id]
        sign = 1.0 if order.side == OrderSide.BUY else -1.0
        filled = float(order.filled_qty)
        old = OpenOrder(sign * float(order.leaves_qty), float(order.price) if order.has_price else float("nan"))
        left = sign * (float(order.quantity if quantity is None else quantity) - filled)
        intent = Intent(
            self.mandate.instruments[index].instrument_id,
            left,
            old.price if price is None else float(price),
            replaces=old,
        )
        answer = self._judged(intent, index, self._guard(index, self._now_ns()))
        if isinstance(answer, Refusal):
            self.log.warning(f"modification of {client_order_id} was {answer}")
            return
        key = self._order_keys.get(str(client_order_id), "")
        if key in self._resting:
            self._resting[key] = (index, left)
        super().modify_order(client_order_id, quantity, price, trigger_price, *args, **kwargs)

    def modify_orders(self, updates: Any = (), *_args: Any, **_kwargs: Any) -> None:
        """Modify one by one, each through the gate."""
        for update in updates:
            self.modify_order(*update)

    def close_position(self, position: Position, *_args: Any, **_kwargs: Any) -> None:
        """Close through the same door as every order."""
        self._flatten(self._index[position.instrument_id])

    def close_all_positions(self, instrument_id: InstrumentId, *_args: Any, **_kwargs: Any) -> None:
        """Close through the same door as every order."""
        self._flatten(self._index[instrument_id])

    def market_exit(self) -> None:
        """Close every position through the same door as every order."""
        for index in range(len(self.instrument_ids)):
            self._flatten(index)

    def _flatten(self, index: int) -> None:
        self._supersede(index)
        quantity = self._soon_held(index)
        if quantity != 0.0:
            intent = Intent(self.mandate.instruments[index].instrument_id, -quantity, float(self.account.close[index]))
            self._stray += 1
            key = f"exit{self._stray}:{intent.instrument_id}"
            self._admit(
                index, self._market(index, -quantity, key, reduce_only=self._may_only_reduce(index)), key, intent
            )

    def steer(self, verb: Verb, scope: str, control: str, by: str, reason: str) -> str:
        """Do what a person says to the running session, and say what was done; see `strategies.steering`.

        Raises
        ------
        UsageError
            Nobody signs, the scope is unknown, or nothing stands that could be cleared.
        """
        if verb == "resume":
            if self.halted:
                raise UsageError(broken("session", "not be ending for a resume", self.halted))
            cleared = clear(self.halts, self.mandate.breaker, self._now_ns(), scope, control, by, reason)
            for change in cleared.changes:
                self.mandate.blotter.change(change)
            return f"cleared {cleared}"
        covered = self.halts.put(scope, by, reason, verb == "flatten")
        closed = []
        for index, name in enumerate(str(one) for one in self.instrument_ids):
            if name not in covered:
                continue
            self._supersede(index)
            if any(other == index for other, _ in self._resting.values()):
                self.cancel_all_orders(self.instrument_ids[index])
            if verb == "flatten" and self.account.quantity[index] != 0.0:
                closed.append(name)
                self._position_changed(index)
        if verb == "halt":
            return f"no new risk on {scope}"
        return f"no new risk on {scope}, closing {', '.join(closed) or 'nothing: nothing is held'}"

    def _position_changed(self, index: int) -> None:
        """Close what is held where a person has flattened, also what a fill brought in afterwards; once at a time."""
        by_hand = self.halts.over(self.mandate.instruments[index].instrument_id)
        if by_hand is None or not by_hand.flatten or self.account.quantity[index] == 0.0:
            return
        if not any(other == index for other, _ in self._on_their_way.values()):
            self._flatten(index)

    def _soon_held(self, index: int) -> float:
        """Return what is held when the orders that are on their way have been filled."""
        on_their_way = sum(quantity for other, quantity in self._on_their_way.values() if other == index)
        return round(float(self.account.quantity[index]) + on_their_way, self.mandate.instruments[index].size_precision)

    def _may_only_reduce(self, index: int) -> bool:
        """Tell whether the venue can be told that an order may only reduce: a real one, of perpetuals."""
        return self.mandate.mode == "live" and self.mandate.instruments[index].kind == "perpetual"

    def _intent(self, index: int, order: Any, quantity: float) -> Intent:
        sign = 1.0 if order.side == OrderSide.BUY else -1.0
        return Intent(self.mandate.instruments[index].instrument_id, sign * quantity, float(self.account.close[index]))

    def _gate_stray(self, orders: list[Any]) -> None:
        admitted: list[tuple[int, Any, Intent]] = []
        for number, order in enumerate(orders):
            index = self._index[order.instrument_id]
            intent = self._intent(index, order, float(order.quantity))
            self._on_their_way[f"list{number}"] = (index, 0.0)
            answer = self._judged(intent, index, self._guard(index, self._now_ns()))
            self._on_their_way[f"list{number}"] = (index, intent.quantity)
            admitted.append((index, order, intent))
            if isinstance(answer, Refusal):
                self._stray += 1
                key = f"stray{self._stray}:{intent.instrument_id}"
                self.mandate.blotter.order(
                    Order(
                        key,
                        str(order.client_order_id),
                        self._now_ns(),
                        -1,
                        intent.instrument_id,
                        intent.quantity,
                        intent.price,
                        str(answer),
                    )
                )
                admitted = []
                break
        for number in range(len(orders)):
            self._on_their_way.pop(f"list{number}", None)
        for index, order, intent in admitted:
            self._stray += 1
            self._supersede(index)
            self._admit(index, order, f"stray{self._stray}:{intent.instrument_id}", intent)
