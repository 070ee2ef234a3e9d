"""The training market against NautilusTrader: the same answers on the same history, compared step by step.

Sequences of answers are played on accounts of the training market; then a strategy of the engine gives the very same answers, with the
same venue, gate and sizing as any back test. Lots, masks, refusals, denials and liquidations must be equal exactly; money within
`MONEY_TOLERANCE` of equity.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from catalogs.arrays import Bars, Funding
from engine.contract.action import ActionSpec, smooth, target_exposure, valid_actions
from engine.contract.calendar import bar_ns, iso
from engine.contract.config import Config
from engine.contract.messages import Turn
from models.accounting import LEAST_EQUITY_FRAC
from models.context import Histories
from models.equivalence_settings import Setting, settings
from models.equivalence_signals import States, listen, resume
from models.features import Recipe
from models.networks import PolicyGraph
from models.rewards import REWARD_LIMIT
from models.sequences import MAKERS, Play, play
from models.tape import CLOSE, NEXT_CLOSE, VOLATILITY, Tape, make_tape, with_signals
from strategies.backtest import Outcome, run
from strategies.base import Choice, GatedStrategy
from strategies.feed import InstrumentMarket
from strategies.feed import Market as EngineMarket
from strategies.verification import Verdict

MONEY_TOLERANCE = 1e-6
"""Largest difference of an amount of money, as a fraction of equity."""

COLUMN_TOLERANCE = 1e-5
"""Largest difference of a position or portfolio column, float32."""

BRIEF_STEPS = 200

OCCASIONS = (
    "long positions",
    "short positions",
    "flips",
    "partial reductions",
    "masked answers",
    "refusals by the gate",
    "denials by the venue",
    "liquidations",
    "funding",
    "gaps in the data",
    "ends of an episode",
)
"""What a comparison should have met; it names what it did not."""

Arrays = NDArray[Any]


class Played(GatedStrategy):
    """Gives prepared answers and writes down what it saw."""

    policy_name = "played"

    def __init__(self, mandate: Any, parameters: dict[str, Any]) -> None:
        super().__init__(mandate, parameters)
        self.spec = ActionSpec(**parameters)
        self.context: Sequence[str] = ()
        self.answers: dict[int, NDArray[np.float64]] = {}
        self.seen: dict[int, dict[str, Any]] = {}
        self._smoothed = np.zeros(len(self.instrument_ids))

    def decide(self, turn: Turn, present: Sequence[int], exposure: NDArray[np.float64]) -> list[Choice]:
        """Answer as prepared."""
        account = self.account
        shared = np.tile(account.portfolio(), (len(self.instrument_ids), 1))
        said = [turn.signals[name].astype(np.float32) for name in self.context]
        columns = np.concatenate([account.position(self.budget, range(len(self.budget))), shared, *said], -1)
        self.seen[turn.ts_event] = {
            "lots": np.round(account.quantity / self._lot),
            "mask": valid_actions(self.spec, exposure),
            "columns": columns,
            "equity": account.equity,
            "balance": self._balance(turn.ts_event),
        }
        answer = self.answers.get(turn.ts_event)
        if answer is None:
            return []
        heard = np.isin(np.arange(len(answer)), present)
        if self.spec.kind == "continuous":
            answer = smooth(self.spec, answer, self._smoothed)
            self._smoothed = np.where(heard, answer, self._smoothed)
        targets = target_exposure(self.spec, answer, exposure)
        return [Choice(k, float(targets[k]), float(answer[k]), float(answer[k])) for k in present]

    def _balance(self, ts_event: int) -> float:
        """What the venue's account holds, positions of a cash account at what they cost."""
        self.cache.purge_account_events(ts_event)
        held: Any = self.cache.account_for_venue(self._venue)
        money = {str(unit): float(amount.as_decimal()) for unit, amount in held.balances_total().items()}
        total = money[self.mandate.venue.currency]
        if self.mandate.venue.account == "cash":
            total += float((self.account.quantity * self.account.entry_price).sum())
        return total


@dataclass
class Tally:
    """What was compared, what differed, and what occurred."""

    checked: int = 0
    differences: int = 0
    first: dict[str, Any] | None = None
    largest: dict[str, float] = field(default_factory=dict)
    steps: int = 0
    sequences: dict[str, int] = field(default_factory=lambda: dict.fromkeys(MAKERS, 0))
    occurred: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OCCASIONS, 0))

    def compare(self, name: str, found: Any, wanted: Any, tolerance: float, scale: Any, where: dict[str, Any]) -> None:
        """Compare the market's values with the engine's, element by element."""
        ours, theirs = np.atleast_1d(np.asarray(found, float)), np.atleast_1d(np.asarray(wanted, float))
        off = np.abs(ours - theirs) / scale
        self.checked += off.size
        self.largest[name] = max(self.largest.get(name, 0.0), float(off.max(initial=0.0)))
        wrong = ~(off <= tolerance)
        if wrong.any():
            self.differences += int(wrong.sum())
            at = tuple(int(i) for i in np.argwhere(wrong)[0])
            if self.first is None:
                values = {"field": name, "at": list(at), "market": float(ours[at]), "engine": float(theirs[at])}
                self.first = where | values


@dataclass(frozen=True)
class Equivalence:
    """The verdict, and the figures behind it; see `Tally`."""

    verdict: Verdict
    steps: int
    sequences: dict[str, int]
    occurred: dict[str, int]
    largest: dict[str, float]

    def document(self) -> dict[str, Any]:
        """Plain values: those of the verdict, and the figures."""
        figures = {"steps": self.steps, "sequences": self.sequences, "occurred": self.occurred, "largest": self.largest}
        return msgspec.to_builtins(self.verdict) | figures


def equivalence(
    config: Config,
    histories: Histories,
    steps: int = 10_000,
    seed: int = 1,
    graph: PolicyGraph | None = None,
    advance: Callable[[int], None] | None = None,
    spec: ActionSpec | None = None,
) -> Equivalence:
    """Play sequences in the training market and in NautilusTrader, and compare.

    Parameters
    ----------
    histories
        Bars, and funding rates or None, of the configured instruments.
    steps
        Turns of the longest account.
    graph
        Policy that makes some of the sequences, where the action space is its own.
    advance
        Called with the number of turns played since the last call.
    spec
        Play the configured fill assumption with this action space only.
    """
    recipe: Recipe = config.training.recipe if graph is None else graph.network["recipe"]
    context = config.training.context if graph is None else graph.network.get("context", ())
    tally = Tally()
    usual = make_tape(histories, config.venue, recipe)
    planned = settings(config, (usual.first_turn, len(usual.ts_turn)), steps, spec)
    told = listen(planned, histories, context)
    for number, setting in enumerate(planned):
        venue = setting.config.venue
        tape = usual if venue.fill == config.venue.fill else make_tape(histories, venue, recipe)
        heard, states = told[setting.config.limits]
        tape = with_signals(tape, heard)
        own = graph if graph is not None and graph.spec == setting.spec else None
        plays = play(
            tape, venue, setting.config.limits, setting.spec, list(setting.starts), setting.steps, seed + number, own
        )
        for one in plays:
            outcome, strategy = replayed(setting, histories, tape, one, context, states)
            hold_against(setting, tape, one, outcome, strategy, tally)
            if advance is not None:
                advance(len(one.steps))
    missing = [name for name in OCCASIONS if tally.occurred[name] == 0]
    if tally.sequences["policy"] == 0:
        missing.append("sequences made by a policy")
    verdict = Verdict(tally.differences == 0, tally.checked, tally.differences, tally.first, missing)
    return Equivalence(verdict, tally.steps, tally.sequences, tally.occurred, tally.largest)


def planned_steps(config: Config, histories: Histories, steps: int) -> int:
    """Return how many turns `equivalence` will play at most."""
    tape = make_tape(histories, config.venue, config.training.recipe)
    return sum(one.steps * len(one.starts) for one in settings(config, (tape.first_turn, len(tape.ts_turn)), steps))


def replayed(
    setting: Setting,
    histories: Histories,
    tape: Tape,
    one: Play,
    context: Sequence[str] = (),
    states: States | None = None,
) -> tuple[Outcome, Played]:
    """Give the answers of one account to the engine.

    Parameters
    ----------
    context
        Signals that the policy sees.
    states
        Of the signals, before the account's first turn; they are fresh there, if None.
    """
    ts = tape.ts_turn.numpy()
    first, last = one.steps[0].turn, one.steps[-1].turn + 1
    config = msgspec.structs.replace(
        setting.config,
        actors=msgspec.structs.replace(setting.config.actors, breaker=None),
        strategy={"name": f"{__name__}:Played", **msgspec.to_builtins(setting.spec)},
        universe=msgspec.structs.replace(
            setting.config.universe, instruments=[bars.instrument.instrument_id for bars, _ in histories]
        ),
    )
    parts = tuple(_slice(bars, funding, int(ts[first]), int(ts[last]), setting.config) for bars, funding in histories)
    market = EngineMarket(parts, int(ts[first]) - 1, (int(ts[first]), int(ts[last])))
    answers = {int(ts[step.turn]): step.answer for step in one.steps}
    players: list[Played] = []

    def prepare(assembly: Any) -> None:
        assembly.strategy.answers, assembly.strategy.context = answers, context
        players.append(assembly.strategy)
        if states is not None:
            resume(assembly.actors, states.get(first, []), int(ts[first]))

    outcome = run(config, market, None, prepare=prepare)
    return outcome, players[0]


def _slice(bars: Bars, funding: Funding | None, first_ns: int, last_ns: int, config: Config) -> InstrumentMarket:
    """Bars from the one before the first turn to the last turn, and the rates from the first turn on."""
    low = max(int(np.searchsorted(bars.ts_close, first_ns, side="right")) - 2, 0)
    high = int(np.searchsorted(bars.ts_close, last_ns, side="right"))
    columns = {
        name: getattr(bars, name)[low:high]
        for name in ("ts_open", "ts_close", "open", "high", "low", "close", "volume")
    }
    charged = funding if config.venue.funding and bars.instrument.kind == "perpetual" else None
    if charged is None:
        return InstrumentMarket(replace(bars, **columns), Funding(np.zeros(0, np.int64), np.zeros(0)))
    inside = (charged.ts > first_ns) & (charged.ts <= last_ns)
    return InstrumentMarket(replace(bars, **columns), Funding(charged.ts[inside], charged.rate[inside]))


def hold_against(setting: Setting, tape: Tape, one: Play, outcome: Outcome, strategy: Played, tally: Tally) -> None:
    """Compare one account, turn by turn, and count what occurred."""
    names = [segment.instrument.instrument_id for segment in tape.segments]
    ts = tape.ts_turn.numpy()
    facts = _facts(outcome, names, ts)
    for name, number in one.sequences.items():
        tally.sequences[name] += number
    tally.steps += len(one.steps)
    lots = np.array([step.lots for step in one.steps] + [one.end[2]])
    for index, step in enumerate(one.steps):
        time = int(ts[step.turn])
        where = {"setting": setting.name, "ts_event": iso(time), "step": index, "instruments": names}
        seen = strategy.seen[time]
        last = index + 1 == len(one.steps)
        turn = step.turn
        for name in ("lots", "mask"):
            tally.compare(name, getattr(step, name), seen[name], 0.0, 1.0, where)
        for name in ("refused", "denied"):
            tally.compare(name, getattr(step, name), facts[name][turn], 0.0, 1.0, where)
        tally.compare("liquidated", step.liquidated, facts["liquidated"][turn].any(), 0.0, 1.0, where)
        tally.compare("observation", step.columns, seen["columns"], COLUMN_TOLERANCE, 1.0, where)
        for name in ("equity", "balance"):
            tally.compare(name, getattr(step, name), seen[name], MONEY_TOLERANCE, step.equity, where)
        tally.compare(
            "unrealised",
            step.equity - step.balance,
            seen["equity"] - seen["balance"],
            MONEY_TOLERANCE,
            step.equity,
            where,
        )
        for name in ("fee", "funding"):
            tally.compare(name, getattr(step, name), facts[name][turn], MONEY_TOLERANCE, step.equity, where)
        after = one.end if last else (one.steps[index + 1].equity, one.steps[index + 1].balance, lots[index + 1])
        later = strategy.seen.get(int(ts[turn + 1])) or _worthless(outcome, tape, int(ts[turn + 1]))
        realised = (step.balance - after[1], seen["balance"] - later["balance"])
        tally.compare("realised", realised[0], realised[1], MONEY_TOLERANCE, step.equity, where)
        result = _results(facts, tape, turn, seen["lots"], later["lots"])
        tally.compare("result", step.result, result, MONEY_TOLERANCE, step.equity, where)
        reward, unit = _reward(setting, tape, turn, seen["equity"], result)
        tally.compare(
            "reward", step.reward, reward, 1.0, MONEY_TOLERANCE * REWARD_LIMIT + 2 * MONEY_TOLERANCE / unit, where
        )
        if last:
            tally.compare("lots", after[2], later["lots"], 0.0, 1.0, where)
            tally.compare("equity", after[0], later["equity"], MONEY_TOLERANCE, step.equity, where)
            tally.compare("balance", after[1], later["balance"], MONEY_TOLERANCE, step.equity, where)
        _count(tally, setting, tape, step, lots[index + 1])
    tally.occurred["flips"] += sum(_flips(side) for side in np.sign(lots).T)
    tally.occurred["ends of an episode"] += one.ended or one.steps[-1].turn + 2 == len(ts)


def _worthless(outcome: Outcome, tape: Tape, time: int) -> dict[str, Any]:
    """What the engine wrote of an account that decides no more, because nothing is left of it."""
    table = outcome.blotter.equity_table()
    row = int(np.searchsorted(table["ts_event"].to_numpy(), time))
    found: dict[str, Any] = {name: table[name][row].as_py() for name in ("equity", "balance")}
    lots = [
        round(table[f"quantity:{part.instrument.instrument_id}"][row].as_py() / part.instrument.lot)
        for part in tape.segments
    ]
    return found | {"lots": np.array(lots, float)}


def _facts(outcome: Outcome, names: list[str], ts: NDArray[np.int64]) -> dict[str, Arrays]:
    """What the engine says of every turn and instrument: float64 (G, K)."""
    column = {name: k for k, name in enumerate(names)}
    facts = {
        name: np.zeros((len(ts), len(names)))
        for name in ("fee", "funding", "bought", "refused", "denied", "liquidated")
    }

    def turn(time: int) -> int:
        return int(np.searchsorted(ts, time)) - 1

    for fill in outcome.blotter.fills:
        at = (turn(fill.ts_event), column[fill.instrument_id])
        facts["fee"][at] += fill.fee
        facts["bought"][at] += fill.side * fill.quantity * fill.price
        facts["liquidated"][at] += fill.order_key not in outcome.blotter.orders
    for time, name, received in outcome.settlements:
        facts["funding"][turn(time), column[name]] -= received
    for order in outcome.blotter.orders.values():
        if order.status.startswith("denied"):
            facts["denied"][turn(order.ts_submitted), column[order.instrument_id]] += 1
    for entry in outcome.journal.entries:
        if entry.gate.startswith("refused") and "min_notional" not in entry.gate:
            facts["refused"][int(np.searchsorted(ts, entry.ts_event)), column[entry.instrument_id]] += 1
    return facts


def _results(facts: dict[str, Arrays], tape: Tape, turn: int, before: Arrays, after: Arrays) -> Arrays:
    """Equity gained per instrument by the engine's own fills, fees, funding and marks."""
    unit = np.array([segment.instrument.lot for segment in tape.segments])
    close, following = (tape.turns[turn, :, column].numpy() for column in (CLOSE, NEXT_CLOSE))
    costs = facts["bought"][turn] + facts["fee"][turn] + facts["funding"][turn]
    gained: Arrays = after * unit * following - before * unit * close - costs
    return gained


def _reward(setting: Setting, tape: Tape, turn: int, equity: float, result: Arrays) -> tuple[Arrays, Arrays]:
    """Log growth of the engine's equity over the risk of the largest position, and that risk."""
    risk = tape.turns[turn, :, VOLATILITY].numpy() * setting.config.limits.max_position_frac
    alive = np.maximum(equity + result, LEAST_EQUITY_FRAC * setting.config.venue.starting_balance)
    return np.clip(np.log(alive / equity) / risk, -REWARD_LIMIT, REWARD_LIMIT), risk


def _flips(side: Arrays) -> int:
    """Count changes from long to short or back, with or without a while in cash between them."""
    held = side[side != 0]
    return int((held[1:] != held[:-1]).sum())


def _count(tally: Tally, setting: Setting, tape: Tape, step: Any, after: Arrays) -> None:
    occurred, before = tally.occurred, step.lots
    occurred["long positions"] += int((before > 0).sum())
    occurred["short positions"] += int((before < 0).sum())
    occurred["partial reductions"] += int(((before * after > 0) & (abs(after) < abs(before))).sum())
    if setting.spec.kind == "discrete7":
        chosen = np.take_along_axis(step.mask, step.answer.astype(int)[:, None], -1)[:, 0]
        occurred["masked answers"] += int((~chosen).sum())
    for name, values in (("refusals by the gate", step.refused), ("denials by the venue", step.denied)):
        occurred[name] += int(values.sum())
    occurred["liquidations"] += step.liquidated
    occurred["funding"] += int((step.funding != 0).sum())
    elapsed = int(tape.ts_turn[step.turn + 1] - tape.ts_turn[step.turn])
    gap = elapsed > bar_ns(setting.config.universe.bar) or not step.decides.all()
    occurred["gaps in the data"] += int(gap)
