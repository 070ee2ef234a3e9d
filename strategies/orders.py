"""The order desk of every strategy: each way an order can leave passes the gate here, and what became of it is written down."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from nautilus_trader.model import (
    ClientOrderId,
    FundingRateUpdate,
    InstrumentId,
    OrderFilled,
    OrderSide,
    OrderStatus,
    OrderType,
    Position,
    PositionClosed,
    Price,
    Quantity,
    QuoteTick,
    StrategyId,
    Venue,
)
from nautilus_trader.trading import Strategy, StrategyConfig

from catalogs.instruments import currency
from engine.actors.guard import guarded
from engine.contract.calendar import bar_ns
from engine.contract.errors import DataError, UsageError, broken
from engine.execution.tracker import AccountTracker
from engine.journal.blotter import Fill, Order
from engine.risk.gate import Account, Approved, Guard, Intent, OpenOrder, Refusal, judge
from engine.risk.readings import MarketReadings
from strategies.mandate import Mandate
from strategies.settling import FundingLedger
from strategies.steering import Halts, Verb, clear


class OrderDesk(Strategy):
    """Holds, sends, counts and settles orders; knows the account, and asks the gate before anything leaves.

    Parameters
    ----------
    mandate
        What may be traded, and how.
    """

    def __new__(cls, mandate: Mandate, *_args: object, **_kwargs: object) -> "OrderDesk":
        """Hand the base class its configuration only."""
        return super().__new__(cls, cls._nautilus_config(mandate))  # type: ignore[call-arg]

    @classmethod
    def _nautilus_config(cls, mandate: Mandate) -> StrategyConfig:
        """Live, orders and positions that a session before left at the venue are claimed."""
        claims = [InstrumentId.from_str(spec.instrument_id) for spec in mandate.instruments]
        return StrategyConfig(
            strategy_id=StrategyId("HURACAN-001"),
            order_id_tag="001",
            external_order_instrument_ids=claims if mandate.mode == "live" else None,
        )

    def __init__(self, mandate: Mandate) -> None:
        super().__init__(self._nautilus_config(mandate))
        self.failure: Exception | None = None
        self.mandate = mandate
        specs = mandate.instruments
        self.instrument_ids = [InstrumentId.from_str(spec.instrument_id) for spec in specs]
        self._index = {instrument_id: index for index, instrument_id in enumerate(self.instrument_ids)}
        self._venue = Venue(specs[0].venue)
        self._lot = np.array([spec.lot for spec in specs])
        self.account = AccountTracker(len(specs), mandate.venue.starting_balance)
        self._held: dict[int, Any] = {}
        self._on_their_way: dict[str, tuple[int, float]] = {}
        self._resting: dict[str, tuple[int, float]] = {}
        self._bar_ns = bar_ns(mandate.bar)
        self._deployed = frozenset(spec.instrument_id for spec in specs)
        self._closed: list[float] = []
        self._mid = np.full(len(specs), np.nan)
        self._order_keys: dict[str, str] = {}
        self._decided_ns = 0
        self._event_ns = 0
        self._stray = 0
        self._named = 0
        self._fills = 0
        self.halted = ""
        self.halts = Halts(tuple(spec.instrument_id for spec in specs))
        self.latched: Callable[[], str] | None = None
        self.quotes_heard = 0
        self.funding = FundingLedger(specs, currency(mandate.venue.currency).precision)
        self.wake: Callable[[], None] | None = None
        self.readings = self._market_readings(mandate)
        self.quotes_measured = mandate.measured_quotes or not mandate.holds_orders

    def _market_readings(self, mandate: Mandate) -> MarketReadings | None:
        if mandate.breaker is None:
            return None
        settings = mandate.breaker.settings
        return MarketReadings(
            len(mandate.instruments),
            self._bar_ns,
            settings.correlation_half_life,
            settings.correlation_observations,
        )

    def orders_state(self) -> dict[str, Any]:
        """Return what `restore_orders` needs, orders as plain values: of one that is held its instrument, key, client id, quantity."""
        out = {**self._on_their_way, **self._resting}
        held = [[index, key, str(order.client_order_id), out[key][1]] for index, (order, key) in self._held.items()]
        return {
            "account": self.account.state(),
            "held": held,
            "on_their_way": [[key, *order] for key, order in self._on_their_way.items()],
            "resting": [[key, *order] for key, order in self._resting.items()],
            "order_keys": {id_: key for id_, key in self._order_keys.items() if key in out},
            "closed": list(self._closed),
            "mid": self._mid.copy(),
            "decided_ns": self._decided_ns,
            "event_ns": self._event_ns,
            "stray": self._stray,
            "named": self._named,
            "halted": self.halted,
            "fills": self._fills,
            "funding": self.funding.state(),
            "readings": None if self.readings is None else self.readings.state(),
        } | ({"halts": self.halts.state()} if self.halts else {})

    def restore_orders(self, state: dict[str, Any]) -> None:
        """Go on from a state; a held order that is not here is made again, under its client order id.

        Raises
        ------
        DataError
            An order that is not here was no market order.
        """
        here = {str(order.client_order_id): order for order, _ in self._held.values()}
        self.account.restore(state["account"])
        self._mid = state["mid"].copy()
        self._on_their_way = {key: (index, quantity) for key, index, quantity in state["on_their_way"]}
        self._resting = {key: (index, quantity) for key, index, quantity in state["resting"]}
        self._order_keys.update(state["order_keys"])
        self._held = {
            index: (here.get(client_order_id) or self._again(index, quantity, key, client_order_id), key)
            for index, key, client_order_id, quantity in state["held"]
        }
        self._closed, self._decided_ns = list(state["closed"]), state["decided_ns"]
        self._event_ns, self._stray, self._fills = state["event_ns"], state["stray"], state["fills"]
        self._named, self.halted = state["named"], state["halted"]
        self.halts.restore(state.get("halts", {}))
        self.funding.restore(state["funding"])
        if self.readings is not None:
            self.readings.restore(state["readings"])

    def halt(self, reason: str) -> None:
        """Stop for good, by a person's word: drop what is held, and from now on only reduce."""
        self.halted = reason
        for index in list(self._held):
            self._supersede(index)

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
                self._close_flattened(index)
        if verb == "halt":
            return f"no new risk on {scope}"
        return f"no new risk on {scope}, closing {', '.join(closed) or 'nothing: nothing is held'}"

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

    @property
    def orders_out(self) -> int:
        """Market orders that were sent and have not come back as filled, rejected or cancelled."""
        return len(self._on_their_way) - len(self._held)

    @property
    def orders_unanswered(self) -> bool:
        """Whether an order was sent of which the venue has not said yet that it has it."""
        for client_order_id, key in self._order_keys.items():
            if key in self._on_their_way or key in self._resting:
                order = self.cache.order(ClientOrderId(client_order_id))
                if order is None or order.status in (OrderStatus.INITIALIZED, OrderStatus.SUBMITTED):
                    return True
        return False

    def take_over(self) -> None:
        """Begin with the positions that the venue reported before the start."""
        for position in self.cache.positions_open(strategy_id=self.strategy_id):
            index = self._index.get(position.instrument_id)
            if index is not None:
                self.account.hear_position(index, float(position.signed_qty), float(position.avg_px_open))

    @property
    def orders_open(self) -> bool:
        """Whether an order is held, on its way, or resting."""
        return bool(self._on_their_way or self._resting)

    def open_quantities(self) -> dict[str, float]:
        """Return order key to signed unfilled quantity of every order that is held, on its way, or resting, base units."""
        return {key: quantity for key, (_, quantity) in (*self._on_their_way.items(), *self._resting.items())}

    def order_times(self, client_order_id: str) -> tuple[int, int | None, int | None] | None:
        """Return when an order was made, handed to the venue, and accepted, engine clock, UTC ns; None where the engine has none such."""
        order: Any = self.cache.order(ClientOrderId(client_order_id))
        return None if order is None else (order.ts_init, order.ts_submitted, order.ts_accepted)

    def engine_quantities(self) -> list[float]:
        """Return what the engine holds of each instrument, signed, base units, in their order."""
        return [float(self.portfolio.net_position(instrument_id)) for instrument_id in self.instrument_ids]

    def _now_ns(self) -> int:
        """Event time: a component's clock has it in a back test; elsewhere it is that of the last quote or turn."""
        return self.clock.timestamp_ns() if self.mandate.mode == "backtest" else self._event_ns

    def _hear_time(self, ts_event: int) -> None:
        if ts_event > self._event_ns:
            self._event_ns = ts_event

    def _open(self, index: int) -> tuple[float, float]:
        buys = sells = 0.0
        for other, quantity in (*self._on_their_way.values(), *self._resting.values()):
            if other == index:
                buys, sells = buys + max(quantity, 0.0), sells + max(-quantity, 0.0)
        return buys, sells

    def _guard(self, index: int, ts_event: int) -> Guard | None:
        breaker = self.mandate.breaker
        if breaker is None:
            return None
        close = float(self.account.close[index])
        return Guard(breaker.standing(ts_event), breaker.settings, ts_event, self._bar_ns, close, self._deployed)

    def _view(self, index: int) -> Account:
        account = self.account
        after, close = account.quantity, account.close
        gross, open_buys, open_sells = account.gross_notional, 0.0, 0.0
        if self._on_their_way:
            after = after.copy()
            for other, quantity in self._on_their_way.values():
                after[other] += quantity
            gross = float((np.abs(after) * close).sum())
        if self._resting:
            opened = np.zeros((2, len(close)))
            for other, quantity in self._resting.values():
                opened[0 if quantity > 0 else 1, other] += abs(quantity)
            open_buys, open_sells = float(opened[0, index]), float(opened[1, index])
            gross = float((np.maximum(np.abs(after + opened[0]), np.abs(after - opened[1])) * close).sum())
        return Account(
            account.equity,
            account.peak_equity,
            account.day_equity,
            float(after[index]),
            gross,
            account.orders_today,
            open_buys,
            open_sells,
        )

    def _place(self, index: int, intent: Intent, order_key: str) -> None:
        self._admit(index, self._market(index, intent.quantity, order_key), order_key, intent)

    def _market(self, index: int, signed: float, order_key: str, client_order_id: str | None = None) -> Any:
        spec = self.mandate.instruments[index]
        side = OrderSide.BUY if signed > 0 else OrderSide.SELL
        quantity = Quantity(abs(signed), spec.size_precision)
        if client_order_id is None and self.mandate.order_prefix:
            client_order_id = self._next_id(index)
        named = None if client_order_id is None else ClientOrderId(client_order_id)
        return self.order_factory.market(
            self.instrument_ids[index], side, quantity, tags=[order_key], client_order_id=named
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
        client_order_id = str(order.client_order_id)
        self._order_keys[client_order_id] = order_key
        kept = self._on_their_way if order.order_type == OrderType.MARKET else self._resting
        kept[order_key] = (index, intent.quantity)
        self.account.orders_today += 1
        breaker = self.mandate.breaker
        if breaker is not None:
            now = max(self._decided_ns, self._now_ns())
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
        else:
            self._send(order, order_key)

    def _send(self, order: Any, order_key: str) -> None:
        row = self.mandate.blotter.orders[order_key]
        self.mandate.blotter.order(row._replace(ts_submitted=self._now_ns(), status="submitted"))
        super().submit_order(order)

    def _supersede(self, index: int) -> None:
        held = self._held.pop(index, None)
        if held is not None:
            self._settle(held[1], "superseded")

    def _settle(self, order_key: str, status: str) -> None:
        self._on_their_way.pop(order_key, None)
        self._resting.pop(order_key, None)
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
        """Write down the fill."""
        index = self._index[event.instrument_id]
        order: Any = self.cache.order(event.client_order_id)
        order_key = self._order_keys.get(str(event.client_order_id)) or self._liquidated(event)
        price, quantity = float(event.last_px), float(event.last_qty)
        self.account.hear_fill(price * quantity)
        self._fills += 1
        reference = float(self._mid[index])
        self.mandate.blotter.fills.append(
            Fill(
                order_key,
                self._event_ns if self.mandate.mode == "paper" else event.ts_event,
                str(event.instrument_id),
                1 if event.order_side == OrderSide.BUY else -1,
                quantity,
                price,
                self._fee(event.commission, price * quantity),
                reference if reference == reference else price,
                "venue" if self.mandate.mode == "live" else self.mandate.venue.fill,
            )
        )
        if order.is_closed:
            self._settle(order_key, "filled")
        elif order_key in self._resting:
            left = float(order.leaves_qty)
            self._resting[order_key] = (index, left if event.order_side == OrderSide.BUY else -left)
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
            if isinstance(event, PositionClosed) and profit is not None:
                self._closed.append(float(profit.as_decimal() + self.funding.close(index)))
            self._close_flattened(index)

    def _close_flattened(self, index: int) -> None:
        """Close what is held where a person has flattened, also what a fill brought in afterwards; once at a time."""
        by_hand = self.halts.over(self.mandate.instruments[index].instrument_id)
        if by_hand is None or not by_hand.flatten or self.account.quantity[index] == 0.0:
            return
        if not any(other == index for other, _ in self._on_their_way.values()):
            self._flatten(index)

    @guarded
    def on_order_denied(self, event: Any) -> None:
        """Write down the engine's own refusal."""
        self._failed(event, "denied")

    @guarded
    def on_order_rejected(self, event: Any) -> None:
        """Write down the venue's refusal."""
        self._failed(event, "rejected")

    @guarded
    def on_order_canceled(self, event: Any) -> None:
        """Write down the end of an order."""
        self._failed(event, "cancelled")

    def _failed(self, event: Any, word: str) -> None:
        order_key = self._order_keys.get(str(event.client_order_id), str(event.client_order_id))
        reason = getattr(event, "reason", None)
        self._settle(order_key, f"{word}: {reason}" if reason else word)
        self._woken()

    def submit_order(self, order: Any, *_args: Any, **_kwargs: Any) -> None:
        """Hold an order that did not come from a decision to the gate; refused orders are written down and go nowhere."""
        if str(order.client_order_id) in self._order_keys:
            super().submit_order(order)
            return
        self._gate_stray([order])

    def submit_order_list(self, order_list: Sequence[Any], *_args: Any, **_kwargs: Any) -> None:
        """Hold every order of a sequence to the gate, one after the other; one refusal refuses them all."""
        self._gate_stray(list(order_list))

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
        quantity = float(self.account.quantity[index])
        self._supersede(index)
        if quantity != 0.0:
            intent = Intent(self.mandate.instruments[index].instrument_id, -quantity, float(self.account.close[index]))
            self._stray += 1
            self._place(index, intent, f"exit{self._stray}:{intent.instrument_id}")

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
