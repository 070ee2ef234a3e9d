"""The strategy base: hears turns, sizes decisions, holds every order to the gate, and writes the journal.

Subclasses implement `decide` and nothing else: they answer with target exposures, never with orders of their own making. Should one
send an order all the same, by whatever way Nautilus offers, the gate stands there too.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from nautilus_trader.model import (
    ClientOrderId,
    InstrumentId,
    OrderFilled,
    OrderSide,
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
from numpy.typing import NDArray

from engine.actors.guard import guarded
from engine.contract.calendar import bar_ns
from engine.contract.errors import DataError, broken
from engine.contract.messages import STRATEGY_PRIORITY, TURN_TOPIC, Turn
from engine.contract.signals import COLUMNS, names
from engine.execution.allowance import allowance, by_confidence, capped
from engine.execution.sizing import order_lots, target_lots
from engine.execution.tracker import AccountTracker
from engine.journal.blotter import Fill, Order
from engine.journal.journal import APPROVED, Entry
from engine.risk.breaker_measures import worst_quantity
from engine.risk.breaker_values import Reading, closing_part, flatten
from engine.risk.gate import Account, Guard, Intent, OpenOrder, Refusal, headroom, judge
from engine.risk.readings import MarketReadings
from engine.signals.settings import SignalSettings
from strategies.mandate import Mandate

PURGE_EVERY_FILLS = 50
"""The engine copies the account with all its past events at every quote; they are dropped after so many fills."""

HOLD = "hold"
BELOW_MINIMUM = "refused: min_notional {:.6g} under {:.6g}"


class Choice(NamedTuple):
    """What a strategy wants of one instrument.

    Attributes
    ----------
    instrument
        Position of the instrument in the mandate.
    target_exposure
        Signed fraction of the budget; the present exposure, to the last bit, means hold.
    raw_action, action
        What was answered, and what the contract made of it; the target for a rule-based strategy.
    confidence
        In [0, 1].
    observation_sha
        First 16 digits of the SHA-256 over the inputs, or "".
    """

    instrument: int
    target_exposure: float
    raw_action: float
    action: float
    confidence: float = 1.0
    observation_sha: str = ""


class GatedStrategy(Strategy):
    """Base of every strategy of this product.

    Parameters
    ----------
    mandate
        What may be traded, and how.
    parameters
        The keys beside `strategy.name` in the configuration; each subclass checks its own.
    """

    name = "strategy"
    policy_name = ""
    policy_version = ""

    def __new__(cls, *_args: object, **_kwargs: object) -> "GatedStrategy":
        """Hand the base class its configuration only."""
        return super().__new__(cls, cls._nautilus_config())  # type: ignore[call-arg]

    @classmethod
    def _nautilus_config(cls) -> StrategyConfig:
        return StrategyConfig(strategy_id=StrategyId("HURACAN-001"), order_id_tag="001")

    def __init__(self, mandate: Mandate, parameters: dict[str, Any]) -> None:
        super().__init__(self._nautilus_config())
        self.failure: Exception | None = None
        self.mandate = mandate
        self.parameters = parameters
        specs = mandate.instruments
        self.instrument_ids = [InstrumentId.from_str(spec.instrument_id) for spec in specs]
        self._index = {instrument_id: index for index, instrument_id in enumerate(self.instrument_ids)}
        self._venue = Venue(specs[0].venue)
        self._lot = np.array([spec.lot for spec in specs])
        self.account = AccountTracker(len(specs), mandate.venue.starting_balance)
        self._target = np.zeros(len(specs))
        self._allowed = allowance({}, SignalSettings(), mandate.limits, self._lot.shape)
        self.budget = self._allowed.budget_frac * mandate.venue.starting_balance
        self._bounds = mandate.signals.bounding()
        self._columns = {name: names(name) for name in COLUMNS}
        self._held: dict[int, Any] = {}
        self._on_their_way: dict[str, tuple[int, float]] = {}
        self._resting: dict[str, tuple[int, float]] = {}
        self._bar_ns = bar_ns(mandate.bar)
        self._deployed = frozenset(spec.instrument_id for spec in specs)
        self._heard_ns = [0] * len(specs)
        self._closed: list[float] = []
        self.entropy: float | None = None
        self._mid = np.full(len(specs), np.nan)
        self._order_keys: dict[str, str] = {}
        self._valued = (-1, 0.0)
        self._decided_ns = 0
        self._stray = 0
        self._fills = 0
        self._json = msgspec.json.Encoder()
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

    def state(self) -> dict[str, Any]:  # type: ignore[override]
        """Return everything that `restore` needs at the end of a turn; a subclass adds what it remembers.

        Orders stand as plain values: of one that is held its instrument, order key, client order id and signed quantity. It hides the
        engine's own `state`, which `is_running` and its like tell as well.
        """
        out = {**self._on_their_way, **self._resting}
        held = [[index, key, str(order.client_order_id), out[key][1]] for index, (order, key) in self._held.items()]
        return {
            "account": self.account.state(),
            "target": self._target.copy(),
            "held": held,
            "on_their_way": [[key, *order] for key, order in self._on_their_way.items()],
            "resting": [[key, *order] for key, order in self._resting.items()],
            "order_keys": {id_: key for id_, key in self._order_keys.items() if key in out},
            "heard_ns": list(self._heard_ns),
            "closed": list(self._closed),
            "entropy": self.entropy,
            "mid": self._mid.copy(),
            "decided_ns": self._decided_ns,
            "stray": self._stray,
            "fills": self._fills,
            "readings": None if self.readings is None else self.readings.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state; a held order that is not here is made again, under its client order id.

        Raises
        ------
        DataError
            An order that is not here was no market order.
        """
        here = {str(order.client_order_id): order for order, _ in self._held.values()}
        self.account.restore(state["account"])
        self._target, self._mid = state["target"].copy(), state["mid"].copy()
        self._on_their_way = {key: (index, quantity) for key, index, quantity in state["on_their_way"]}
        self._resting = {key: (index, quantity) for key, index, quantity in state["resting"]}
        self._order_keys.update(state["order_keys"])
        self._held = {
            index: (here.get(client_order_id) or self._again(index, quantity, key, client_order_id), key)
            for index, key, client_order_id, quantity in state["held"]
        }
        self._heard_ns, self._closed = list(state["heard_ns"]), list(state["closed"])
        self.entropy, self._decided_ns = state["entropy"], state["decided_ns"]
        self._stray, self._fills = state["stray"], state["fills"]
        if self.readings is not None:
            self.readings.restore(state["readings"])

    def decide(self, turn: Turn, present: Sequence[int], exposure: NDArray[np.float64]) -> list[Choice]:
        """Choose for the instruments whose bar came; an instrument without a choice is left alone and not journaled.

        Parameters
        ----------
        turn
            Event time and bars.
        present
            Instruments whose bar came, in order.
        exposure : float64 (instruments,)
            Signed fraction of the budget held.
        """
        raise NotImplementedError

    def warm_up(self, turn: Turn) -> None:
        """Take in a turn's bars; called for every turn, before `decide`."""

    def on_start(self) -> None:
        """Listen to turns and, where orders are held, to quotes."""
        self.subscribe_topic(TURN_TOPIC, self.on_turn, STRATEGY_PRIORITY)  # type: ignore[arg-type]
        for instrument_id in self.instrument_ids:
            self.subscribe_quotes(instrument_id)

    @guarded
    def on_turn(self, turn: Turn) -> None:
        """Take in the bars, then decide, size, ask the gate, hold or submit, and journal."""
        account = self.account
        present = self._take(turn)
        self.warm_up(turn)
        if not turn.decides:
            return
        equity = self._equity(turn)
        account.decide_at(turn.ts_event, equity)
        self._decided_ns = turn.ts_event
        if equity <= 0.0:
            self._record(turn.ts_event, np.zeros(len(self._lot)))
            return
        self._allow(turn, equity)
        exposure = account.notional / self.budget
        choices = self.decide(turn, present, exposure)
        missing = ",".join(str(self.instrument_ids[i]) for i, row in enumerate(turn.rows) if row is None)
        for choice in choices:
            self._act(turn, self._bounded(choice, exposure), float(exposure[choice.instrument]), missing)
        self._record(turn.ts_event, exposure)
        if self._fills >= PURGE_EVERY_FILLS:
            self._fills = 0
            self.cache.purge_account_events(turn.ts_event)

    def _allow(self, turn: Turn, equity: float) -> None:
        if self._bounds:
            self._allowed = allowance(turn.signals, self.mandate.signals, self.mandate.limits, self._lot.shape)
        self.budget = self._allowed.budget_frac * equity

    def _bounded(self, choice: Choice, exposure: NDArray[np.float64]) -> Choice:
        """Bound what is wanted by confidence and ceiling; a target that is within both comes back unchanged."""
        if not self._bounds:
            return choice
        index, wanted = choice.instrument, choice.target_exposure
        budget, ceiling = self.mandate.signals.risk_budget, self._allowed.ceiling[index]
        if ceiling == np.inf and not (budget is not None and budget.size_by_confidence):
            return choice
        if budget is not None and budget.size_by_confidence:
            wanted = float(by_confidence(np.float64(wanted), exposure[index], np.float64(choice.confidence)))
        wanted = float(capped(np.float64(wanted), ceiling))
        return choice if wanted == choice.target_exposure else choice._replace(target_exposure=wanted)

    def _context(self, turn: Turn, index: int) -> str:
        """What was said of the account, and of this instrument."""
        if not turn.signals:
            return self._json.encode(turn.context).decode() if turn.context else "{}"
        of_instrument = {
            name: dict(zip(self._columns[name], said[index].tolist())) for name, said in turn.signals.items()
        }
        return self._json.encode(of_instrument | turn.context).decode()

    def _take(self, turn: Turn) -> list[int]:
        present = []
        for index, row in enumerate(turn.rows):
            if row is not None:
                self.account.hear_close(index, row[3])
                self._heard_ns[index] = turn.ts_event
                present.append(index)
        if self.readings is not None:
            self.readings.hear_closes(turn.ts_event, [None if row is None else row[3] for row in turn.rows])
        return present

    def reading(self, turn: Turn) -> Reading:
        """Tell the breaker what is known of account and market at a turn, before its decisions; entropy is that of the turn before."""
        self._take(turn)
        account, closed = self.account, tuple(self._closed)
        self._closed.clear()
        heard = tuple(ns or turn.ts_event for ns in self._heard_ns)
        quantity = tuple(account.quantity.tolist())
        worst = tuple(worst_quantity(held, *self._open(index)) for index, held in enumerate(quantity))
        prices = tuple(account.close.tolist())
        known = self.readings
        spread = known.spread_bps(turn.ts_event) if known is not None and self.quotes_measured else None
        correlation = known.correlation(account.notional) if known is not None else None
        return Reading(
            turn.ts_event, self._equity(turn), quantity, worst, prices, heard, spread, correlation, self.entropy, closed
        )

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

    def _act(self, turn: Turn, choice: Choice, exposure: float, missing: str) -> None:
        index, account, spec = choice.instrument, self.account, self.mandate.instruments[choice.instrument]
        self._supersede(index)
        lot, price, budget = spec.lot, float(account.close[index]), float(self.budget[index])
        lots, too_small = 0.0, 0.0
        if choice.target_exposure != exposure:
            position = float(round(float(account.quantity[index]) / lot))
            wanted = target_lots(choice.target_exposure, exposure, position, budget, price, lot)
            change, below = order_lots(wanted, position, price, lot, spec.min_notional)
            lots, too_small = float(change), float(abs(wanted - position)) if below else 0.0
        view, guard = self._view(index), self._guard(index, turn.ts_event)
        if guard is not None and guard.standing is not None:
            if any(trip.covers(spec.instrument_id) for trip in guard.standing.trips):
                lots = closing_part(lots, float(np.round(view.position / lot)))
            forced = flatten(view.position, guard.standing.ceilings.get(spec.instrument_id, np.inf), lot) / lot
            if forced * lots < 0.0 or abs(forced) > abs(lots):
                lots, too_small = float(np.round(forced)), 0.0
        left = self._json.encode(headroom(view, price, self.mandate.limits, guard)).decode()
        verdict, order_key, approved = HOLD, "", None
        if too_small:
            verdict = BELOW_MINIMUM.format(too_small * lot * price, spec.min_notional)
        elif lots != 0.0:
            order_key = f"{turn.seq}:{spec.instrument_id}"
            intent = Intent(spec.instrument_id, lots * lot, price, order_key, choice.confidence)
            answer = judge(intent, view, self.mandate.limits, guard)
            if isinstance(answer, Refusal):
                verdict, order_key = str(answer), ""
            else:
                verdict, approved = APPROVED, intent
        self._target[index] = choice.target_exposure
        self.mandate.journal.append(
            Entry(
                turn.ts_event,
                spec.instrument_id,
                turn.seq,
                self.policy_name,
                self.policy_version,
                choice.observation_sha,
                self._context(turn, index),
                choice.raw_action,
                choice.action,
                choice.confidence,
                choice.target_exposure,
                budget,
                left,
                verdict,
                order_key,
                missing,
            )
        )
        if approved is not None:
            self._place(index, approved, order_key)

    def _equity(self, turn: Turn) -> float:
        """Equity of the account at a turn, asked for once: nothing is filled while a turn is being heard."""
        if turn.seq != self._valued[0]:
            self._valued = (turn.seq, self._value())
        return self._valued[1]

    def _value(self) -> float:
        balances = self.portfolio.equity(self._venue)
        account = self.account
        total = 0.0
        for currency, money in balances.items():
            amount = float(money.as_decimal())
            if str(currency) == self.mandate.venue.currency:
                total += amount
            else:
                base = [i for i, spec in enumerate(self.mandate.instruments) if spec.base == str(currency)]
                total += amount * float(account.close[base[0]])
        return total

    def _view(self, index: int) -> Account:
        account = self.account
        after, close = account.quantity, account.close
        if self._on_their_way:
            after = after.copy()
            for other, quantity in self._on_their_way.values():
                after[other] += quantity
        gross, open_buys, open_sells = float((np.abs(after) * close).sum()), 0.0, 0.0
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
        named = None if client_order_id is None else ClientOrderId(client_order_id)
        return self.order_factory.market(
            self.instrument_ids[index], side, quantity, tags=[order_key], client_order_id=named
        )

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
            now = max(self._decided_ns, self.clock.timestamp_ns())
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
        self.mandate.blotter.order(row._replace(ts_submitted=self.clock.timestamp_ns(), status="submitted"))
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

    def _record(self, ts_event: int, exposure: NDArray[np.float64]) -> None:
        account = self.account
        unrealised = float((account.quantity * (account.close - account.entry_price)).sum())
        gross_frac = account.gross_notional / account.equity if account.equity > 0 else 0.0
        self.mandate.blotter.equity(
            ts_event,
            account.equity,
            account.equity - unrealised,
            gross_frac,
            account.quantity,
            exposure,
            self._target,
            account.close,
        )

    @guarded
    def on_quote(self, quote: QuoteTick) -> None:
        """Submit what was held for this instrument since an earlier time."""
        if self.quotes_measured and self.readings is not None:
            index = self._index[quote.instrument_id]
            self.readings.hear_quote(index, quote.ts_event, float(quote.bid_price), float(quote.ask_price))
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
        commission: Any = event.commission
        price, quantity = float(event.last_px), float(event.last_qty)
        self.account.hear_fill(price * quantity)
        self._fills += 1
        reference = float(self._mid[index])
        self.mandate.blotter.fills.append(
            Fill(
                order_key,
                event.ts_event,
                str(event.instrument_id),
                1 if event.order_side == OrderSide.BUY else -1,
                quantity,
                price,
                float(commission.as_decimal()),
                reference if reference == reference else price,
                self.mandate.venue.fill,
            )
        )
        if order.is_closed:
            self._settle(order_key, "filled")
        elif order_key in self._resting:
            left = float(order.leaves_qty)
            self._resting[order_key] = (index, left if event.order_side == OrderSide.BUY else -left)

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
                self._closed.append(float(profit.as_decimal()))

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

    def submit_order(self, order: Any, *_args: Any, **_kwargs: Any) -> None:
        """Hold an order that did not come from a decision to the gate; refused orders are written down and go nowhere."""
        if str(order.client_order_id) in self._order_keys:
            super().submit_order(order)
            return
        self._gate_stray([order])

    def submit_order_list(self, order_list: Any, *_args: Any, **_kwargs: Any) -> None:
        """Hold every order of a list to the gate, one after the other; one refusal refuses them all."""
        self._gate_stray(list(order_list.orders))

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
        answer = judge(intent, self._view(index), self.mandate.limits, self._guard(index, self.clock.timestamp_ns()))
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
            answer = judge(
                intent, self._view(index), self.mandate.limits, self._guard(index, self.clock.timestamp_ns())
            )
            self._on_their_way[f"list{number}"] = (index, intent.quantity)
            admitted.append((index, order, intent))
            if isinstance(answer, Refusal):
                self._stray += 1
                key = f"stray{self._stray}:{intent.instrument_id}"
                self.mandate.blotter.order(
                    Order(
                        key,
                        str(order.client_order_id),
                        self.clock.timestamp_ns(),
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
