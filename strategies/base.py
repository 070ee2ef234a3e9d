"""The strategy base: hears turns, sizes decisions, holds every order to the gate, and writes the journal.

Subclasses implement `decide` and nothing else: they answer with target exposures, never with orders of their own making. Should one
send an order all the same, by whatever way Nautilus offers, the gate stands there too.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from catalogs.instruments import currency as unit
from engine.actors.guard import guarded
from engine.contract.errors import ConfigError, broken
from engine.contract.messages import STRATEGY_PRIORITY, TURN_TOPIC, Turn
from engine.contract.signals import COLUMNS, WATCHES, names
from engine.execution.allowance import allowance, by_confidence, capped
from engine.execution.sizing import order_lots, target_lots
from engine.journal.journal import APPROVED, Entry
from engine.policy.assignment import Assignment
from engine.risk.breaker_measures import worst_quantity
from engine.risk.breaker_values import Reading, closing_part, flatten
from engine.risk.drift import ceilings
from engine.risk.gate import Intent, Refusal, headroom
from engine.signals.settings import SignalSettings
from strategies.delay import Delay
from strategies.mandate import Mandate
from strategies.ways_out import WaysOut

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


class GatedStrategy(WaysOut):
    """Base of every strategy of this product.

    Parameters
    ----------
    mandate
        What may be traded, and how.
    parameters
        The keys beside `strategy.name` in the configuration; each subclass checks its own.

    Attributes
    ----------
    answered
        Called with every event of an order.
    worth
        Asked for the equity at a turn's event time, with the function that values the account; None: that function alone.
    """

    name = "strategy"
    policy_name = ""
    policy_version = ""

    def __init__(self, mandate: Mandate, parameters: dict[str, Any]) -> None:
        super().__init__(mandate)
        self.parameters = parameters
        count = len(mandate.instruments)
        self._target = np.zeros(count)
        self._allowed = allowance({}, SignalSettings(), mandate.limits, (count,))
        self.budget = self._allowed.budget_frac * mandate.venue.starting_balance
        self._bounds = mandate.signals.bounding()
        self._drift_ceiling = np.full(count, np.inf)
        self._columns = {name: names(name) for name in (*COLUMNS, *WATCHES)}
        self._heard_ns = [0] * count
        self._begun = False
        self.entropy: float | None = None
        self._valued = (-1, 0.0)
        self._taken: tuple[int, list[int]] = (-1, [])
        self._allowed_for: bytes | None = None
        self._json = msgspec.json.Encoder()
        self.delay: Delay | None = None
        self.answered: Callable[[Any], None] | None = None
        self.worth: Callable[[int, Callable[[], float]], float] | None = None

    def state(self) -> dict[str, Any]:  # type: ignore[override]
        """Return everything that `restore` needs at the end of a turn; a subclass adds what it remembers.

        It hides the engine's own `state`, which `is_running` and its like tell as well.
        """
        decided = {"target": self._target.copy(), "heard_ns": list(self._heard_ns), "entropy": self.entropy}
        decided["begun"] = self._begun
        delayed = None if self.delay is None else self.delay.state()
        return self.orders_state() | decided | {"delay": delayed}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state, as `restore_orders` does."""
        self.restore_orders(state)
        self._target, self._heard_ns = state["target"].copy(), list(state["heard_ns"])
        self.entropy, self._begun = state["entropy"], state["begun"]
        if self.delay is not None:
            self.delay.restore(state["delay"])

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

    def assign(self, assignment: Assignment, by: str, why: str) -> None:
        """Take another policy, or a candidate beside the one that decides; only a policy strategy with a [lifecycle] can.

        Raises
        ------
        ConfigError
            This one cannot.
        """
        raise ConfigError(broken("run", "have a [lifecycle] to change its policy", "without one", self.name))

    def warm_up(self, turn: Turn) -> None:
        """Take in a turn's bars; called for every turn, before `decide`."""

    def on_start(self) -> None:
        """Listen to turns and, where orders are held, to quotes."""
        if self.mandate.mode == "live":
            self.take_over()
        self.subscribe_topic(TURN_TOPIC, self.on_turn, STRATEGY_PRIORITY)  # type: ignore[arg-type]
        for instrument_id in self.instrument_ids:
            self.subscribe_quotes(instrument_id)
        if self.mandate.mode == "paper" and self.mandate.venue.funding:
            for instrument_id, spec in zip(self.instrument_ids, self.mandate.instruments):
                if spec.kind == "perpetual":
                    self.subscribe_funding_rates(instrument_id)

    def on_order_event(self, event: Any) -> None:
        """Let whoever records the session hear what the venue answered."""
        if self.answered is not None:
            self.answered(event)

    @guarded
    def on_turn(self, turn: Turn) -> None:
        """Take in the bars, then decide, size, ask the gate, hold or submit, and journal."""
        self._deciding = True
        try:
            self._hear_turn(turn)
        finally:
            self._deciding = False

    def _hear_turn(self, turn: Turn) -> None:
        account = self.account
        present = self._take(turn)
        self.warm_up(turn)
        if not turn.decides:
            return
        equity = self._equity(turn)
        if self.mandate.mode == "live" and not self._begun:
            self._begun = True
            account.begin(equity)
        account.decide_at(turn.ts_event, equity)
        self._decided_ns = turn.ts_event
        if equity <= 0.0:
            self._record(turn.ts_event, np.zeros(len(self._lot)))
            return
        self._allow(turn, equity)
        exposure = account.notional / self.budget
        choices = self.decide(turn, present, exposure)
        if self.delay is not None:
            choices = self.delay(choices, exposure)
        missing = ""
        if len(present) < len(turn.rows):
            missing = ",".join(str(self.instrument_ids[i]) for i, row in enumerate(turn.rows) if row is None)
        for choice in choices:
            self._act(turn, self._bounded(choice, exposure), float(exposure[choice.instrument]), missing)
        self._record(turn.ts_event, exposure)
        if self._fills >= PURGE_EVERY_FILLS:
            self._fills = 0
            self.cache.purge_account_events(self.clock.timestamp_ns())

    def _allow(self, turn: Turn, equity: float) -> None:
        said = b"".join([turn.signals[name].tobytes() for name in self._bounds])
        if said != self._allowed_for:
            self._allowed_for = said
            self._allowed = allowance(turn.signals, self.mandate.signals, self.mandate.limits, self._lot.shape)
        self.budget = self._allowed.budget_frac * equity
        if self.mandate.drift_bounds:
            self._drift_ceiling = ceilings(turn.signals["drift"])

    def _bounded(self, choice: Choice, exposure: NDArray[np.float64]) -> Choice:
        """Bound what is wanted by confidence and ceiling; a target that is within both comes back unchanged."""
        if not self._bounds and not self.mandate.drift_bounds:
            return choice
        index, wanted = choice.instrument, choice.target_exposure
        budget = self.mandate.signals.risk_budget
        ceiling = min(float(self._allowed.ceiling[index]), float(self._drift_ceiling[index]))
        by_size = budget is not None and budget.size_by_confidence
        if ceiling == math.inf and not by_size:
            return choice
        if by_size:
            wanted = by_confidence(wanted, float(exposure[index]), choice.confidence)
        wanted = capped(wanted, ceiling)
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
        if turn.seq == self._taken[0]:
            return self._taken[1]
        present: list[int] = []
        self._taken = (turn.seq, present)
        self._hear_time(turn.ts_event)
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
        correlation = None
        if known is not None:
            correlation = known.correlation(account.notional) if len(quantity) > 1 else 0.0
        links = {} if self.mandate.links is None else self.mandate.links()
        equity = self._equity(turn)
        return Reading(
            turn.ts_event, equity, quantity, worst, prices, heard, spread, correlation, self.entropy, closed, links
        )

    @property
    def decided_ns(self) -> int:
        """Event time of the last decided turn, UTC ns; 0 before the first."""
        return self._decided_ns

    def left(self, index: int) -> dict[str, float]:
        """Return what is left of every limit for an instrument, at the equity of the last decision; empty without equity."""
        if not self.account.equity > 0.0:
            return {}
        guard = self._guard(index, self._decided_ns)
        return headroom(self._view(index), float(self.account.close[index]), self.mandate.limits, guard)

    def balances(self) -> tuple[float, float] | None:
        """Return equity at the last closes and the balance in the account currency, as the engine has them now; None before it has any."""
        held: Any = self.cache.account_for_venue(self._venue)
        if held is None:
            return None
        total = held.balance_total(unit(self.mandate.venue.currency))
        settled = float(self.funding.total) if self.funding.settlements else 0.0
        return self._value(), (0.0 if total is None else float(total.as_decimal())) + settled

    def _act(self, turn: Turn, choice: Choice, exposure: float, missing: str) -> None:
        index, account, spec = choice.instrument, self.account, self.mandate.instruments[choice.instrument]
        self._supersede(index)
        lot, price, budget = spec.lot, float(account.close[index]), float(self.budget[index])
        lots, too_small = 0.0, 0.0
        if choice.target_exposure != exposure:
            position = float(round(float(account.quantity[index]) / lot))
            wanted = target_lots(choice.target_exposure, exposure, position, budget, price, lot)
            lots, below = order_lots(wanted, position, price, lot, spec.min_notional)
            too_small = abs(wanted - position) if below else 0.0
        view, guard = self._view(index), self._guard(index, turn.ts_event)
        if guard is not None and guard.standing is not None:
            if any(trip.covers(spec.instrument_id) for trip in guard.standing.trips):
                lots = closing_part(lots, float(round(view.position / lot)))
            forced = flatten(view.position, guard.standing.ceilings.get(spec.instrument_id, np.inf), lot) / lot
            if forced * lots < 0.0 or abs(forced) > abs(lots):
                lots, too_small = float(round(forced)), 0.0
        by_hand = self.halts.over(spec.instrument_id)
        if by_hand is not None:
            held = float(round(view.position / lot))
            closing = by_hand.flatten and held != 0.0
            lots, too_small = (-held, 0.0) if closing else (closing_part(lots, held), too_small)
        left = self._json.encode(headroom(view, price, self.mandate.limits, guard)).decode()
        verdict, order_key, approved = HOLD, "", None
        if too_small:
            verdict = BELOW_MINIMUM.format(too_small * lot * price, spec.min_notional)
        elif lots != 0.0:
            order_key = f"{turn.seq}:{spec.instrument_id}"
            intent = Intent(spec.instrument_id, lots * lot, price, order_key, choice.confidence)
            answer = self._judged(intent, index, guard)
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
            value = self._value() if self.worth is None else self.worth(turn.ts_event, self._value)
            self._valued = (turn.seq, value)
        return self._valued[1]

    def _value(self) -> float:
        balances = self.portfolio.equity(self._venue)
        account = self.account
        total = 0.0
        for currency, money in balances.items():
            amount = float(money.as_decimal())
            if str(currency) == self.mandate.venue.currency:
                total += float(money.as_decimal() + self.funding.total) if self.funding.settlements else amount
            else:
                base = [i for i, spec in enumerate(self.mandate.instruments) if spec.base == str(currency)]
                total += amount * float(account.close[base[0]]) if base else 0.0
        return total

    def _record(self, ts_event: int, exposure: NDArray[np.float64]) -> None:
        account = self.account
        gross_frac = account.gross_notional / account.equity if account.equity > 0 else 0.0
        self.mandate.blotter.equity(
            ts_event,
            account.equity,
            account.equity - account.unrealised,
            gross_frac,
            account.quantity,
            exposure,
            self._target,
            account.close,
        )
