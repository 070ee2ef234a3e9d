"""Drills: for every control, inputs that must trip it and inputs that must not, and what has to follow.

Each control is drilled alone, every other one off, on a made-up account that holds half of what it may. A control of the breaker has to:
stay armed at the edge of its limit and through one breach less than it takes to trip; trip at the turn that its confirmation says, with
its action; be refused by the gate from then on, while what reduces passes; stay tripped over a restart; flatten in its stages when it
halts; and be armed again after a person resets it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from engine.contract.calendar import NS_PER_SEC
from engine.contract.config import Limits
from engine.risk.breaker import ALL, Breaker
from engine.risk.breaker_anchors import NS_PER_DAY
from engine.risk.breaker_controls import Control
from engine.risk.breaker_settings import BreakerSettings
from engine.risk.breaker_values import Change, Reading
from engine.risk.gate import Account, Approved, Guard, Intent, Refusal, judge

EQUITY, PRICE = 100_000.0, 100.0
START_NS = 20_000 * NS_PER_DAY
CALM_TURNS = 3
SWITCHES = (
    "loss_streak",
    "correlation",
    "entropy",
    "stale_data",
    "connectivity",
    "spread",
    "repeated_execution",
    "orders_per_second",
    "orders_per_minute",
    "price_collar",
    "confidence",
)
"""Settings that None switches off."""


class Bench(NamedTuple):
    """What a drill is made for: the configuration whose controls are drilled."""

    instruments: tuple[str, ...]
    settings: BreakerSettings
    limits: Limits
    bar_ns: int

    def ts(self, turn: int) -> int:
        """Event time of a turn, UTC ns."""
        return START_NS + (turn + 1) * self.bar_ns

    @property
    def held(self) -> float:
        """Quantity of the first instrument: half of the limit, base units."""
        return 0.5 * min(self.limits.max_position_frac, self.limits.max_gross_frac) * EQUITY / PRICE

    def calm(self, turn: int) -> Reading:
        """A turn at which nothing is broken."""
        ts_event, rest = self.ts(turn), len(self.instruments) - 1
        quantity = (self.held, *(0.0,) * rest)
        return Reading(ts_event, EQUITY, quantity, quantity, (PRICE,) * (rest + 1), (ts_event,) * (rest + 1))


class Drill(NamedTuple):
    """Readings of one control.

    Attributes
    ----------
    breaking, allowed
        (bench, limit, calm reading, number of the turn among its like) to the same reading with the limit just broken, and just kept.
    """

    control: str
    breaking: Callable[[Bench, float, Reading, int], Reading]
    allowed: Callable[[Bench, float, Reading, int], Reading]


class Drilled(NamedTuple):
    """What a drill found.

    Attributes
    ----------
    passed
        None where it was not exercised.
    turns
        Turns from the first breach to the trip; 0 for a control of the gate.
    detail
        What failed, or why it was not exercised; "" otherwise.
    """

    control: str
    passed: bool | None
    turns: int
    detail: str


DRILLS: tuple[Drill, ...] = (
    Drill("equity", lambda b, x, r, n: r._replace(equity=float("nan")), lambda b, x, r, n: r._replace(equity=1e-6)),
    Drill(
        "drawdown",
        lambda b, x, r, n: r._replace(equity=EQUITY * (1.0 - 1.01 * x)),
        lambda b, x, r, n: r._replace(equity=EQUITY * (1.0 - 0.99 * x)),
    ),
    Drill(
        "daily_loss",
        lambda b, x, r, n: r._replace(equity=EQUITY * max(0.0, 1.0 - 1.01 * x) ** (n + 1)),
        lambda b, x, r, n: r._replace(equity=EQUITY * (1.0 - 0.99 * x)),
    ),
    Drill(
        "loss_streak",
        lambda b, x, r, n: r._replace(closed=(-1.0,) * -int(-x // 1)),
        lambda b, x, r, n: r._replace(closed=(*(-1.0,) * (-int(-x // 1) - 1), 1.0)),
    ),
    Drill(
        "position",
        lambda b, x, r, n: _first(r, "worst_quantity", 1.01 * x * EQUITY / PRICE),
        lambda b, x, r, n: _first(r, "worst_quantity", 0.99 * x * EQUITY / PRICE),
    ),
    Drill(
        "correlation",
        lambda b, x, r, n: r._replace(correlation=x),
        lambda b, x, r, n: r._replace(correlation=0.99 * x),
    ),
    Drill("entropy", lambda b, x, r, n: r._replace(entropy=0.99 * x), lambda b, x, r, n: r._replace(entropy=x)),
    Drill(
        "stale_data",
        lambda b, x, r, n: _first(r, "heard_ns", r.ts_event - int(x * b.bar_ns) - 1_000),
        lambda b, x, r, n: _first(r, "heard_ns", r.ts_event - int(x * b.bar_ns)),
    ),
    Drill(
        "connectivity",
        lambda b, x, r, n: r._replace(links={"drill": r.ts_event - int(x * NS_PER_SEC) - 1_000}),
        lambda b, x, r, n: r._replace(links={"drill": r.ts_event - int(x * NS_PER_SEC)}),
    ),
    Drill(
        "spread",
        lambda b, x, r, n: _spread(r, 1.01 * x),
        lambda b, x, r, n: _spread(r, x),
    ),
)


def _first(reading: Reading, name: str, value: float) -> Reading:
    changed: Any = {name: (value, *getattr(reading, name)[1:])}
    return reading._replace(**changed)


def _spread(reading: Reading, value: float) -> Reading:
    return reading._replace(spread_bps=(value, *(float("nan"),) * (len(reading.price) - 1)))


def spares(bench: Bench, drill: Drill, limit: float) -> list[Reading]:
    """Return turns that must not trip the control: the edge of the limit for long, and breaches that end before they are confirmed."""
    confirm = bench.settings.control(drill.control).confirm
    turns = [bench.calm(turn) for turn in range(CALM_TURNS)]
    for number in range(3 * confirm):
        turns.append(drill.allowed(bench, limit, bench.calm(len(turns)), number))
    for _ in range(3):
        turns.append(bench.calm(len(turns)))
        for number in range(confirm - 1):
            turns.append(drill.breaking(bench, limit, bench.calm(len(turns)), number))
        turns.append(drill.allowed(bench, limit, bench.calm(len(turns)), 0))
    return turns


def breaches(bench: Bench, drill: Drill, limit: float) -> list[Reading]:
    """Return turns of which the last, and none before it, must trip the control."""
    confirm = bench.settings.control(drill.control).confirm
    turns = [bench.calm(turn) for turn in range(CALM_TURNS)]
    for number in range(confirm):
        turns.append(drill.breaking(bench, limit, bench.calm(len(turns)), number))
    return turns


def alone(settings: BreakerSettings, control: str) -> BreakerSettings:
    """Return the settings with every control off but one; what cannot be off is out of reach."""
    off: dict[str, Any] = {name: None for name in SWITCHES if name != control}
    reach = {"drawdown": 1.0, "daily_loss": 1.0, "position": 1e12, "daily_trades": 1e12}
    off |= {name: value for name, value in reach.items() if name != control}
    if control != "max_order_quantity":
        off["max_order_quantity"] = {}
    return msgspec.structs.replace(settings, **off)


def drill_breaker(bench: Bench, drill: Drill) -> Drilled:
    """Run one drill of a control that the breaker looks at."""
    row = bench.settings.control(drill.control)
    limit = bench.settings.limit(drill.control)
    if limit is None or (drill.control in ("drawdown", "daily_loss") and limit >= 1.0):
        return Drilled(drill.control, None, 0, "off in the configuration")
    bench = bench._replace(settings=alone(bench.settings, drill.control))
    spared = _breaker(bench)
    for reading in spares(bench, drill, limit):
        if any(change.kind == "tripped" for change in spared.hear(reading)):
            return Drilled(drill.control, False, 0, f"tripped on what is allowed: {reading}")
    breaker = _breaker(bench)
    *before, last = breaches(bench, drill, limit)
    for reading in before:
        if breaker.hear(reading):
            return Drilled(drill.control, False, 0, "tripped before it was confirmed")
    return _follow(bench, breaker, row, breaker.hear(last), len(before) + 1, row.confirm)


def drill_repeated_execution(bench: Bench) -> Drilled:
    """Send equal orders: one less than the limit within a minute and again a minute later, then up to the limit."""
    name = "repeated_execution"
    limit = bench.settings.limit(name)
    if limit is None:
        return Drilled(name, None, 0, "off in the configuration")
    bench = bench._replace(settings=alone(bench.settings, name))
    breaker, count = _breaker(bench), -int(-limit // 1)
    breaker.hear(bench.calm(0))
    ts_event = bench.ts(0)
    changes: list[Change] = []
    for minute in range(2):
        for number in range(count - 1):
            ts_event = bench.ts(0) + minute * 60 * NS_PER_SEC + number
            changes += breaker.hear_order(ts_event, f"drill{minute}:{number}", bench.instruments[0], 1.0, PRICE)
    if changes:
        return Drilled(name, False, 0, "tripped on what is allowed")
    last = breaker.hear_order(ts_event + 1, "drill", bench.instruments[0], 1.0, PRICE)
    return _follow(bench, breaker, bench.settings.control(name), last, 1, 0)


def drill_manual(bench: Bench) -> Drilled:
    """Stop by hand."""
    bench = bench._replace(settings=alone(bench.settings, "manual"))
    breaker = _breaker(bench)
    breaker.hear(bench.calm(0))
    change = breaker.stop(bench.ts(0), "drill", "drill")
    return _follow(bench, breaker, bench.settings.control("manual"), (change,), 1, 0)


def _breaker(bench: Bench) -> Breaker:
    return Breaker(bench.instruments, bench.settings, bench.bar_ns)


def _follow(
    bench: Bench, breaker: Breaker, row: Control, changes: tuple[Change, ...], turn: int, turns: int
) -> Drilled:
    """Check all that has to follow a trip."""
    trips = [change.trip for change in changes if change.kind == "tripped" and change.trip.control == row.name]
    if len(trips) != 1 or trips[0].action != row.action:
        return Drilled(row.name, False, turns, f"did not trip to {row.action}")
    state = msgspec.json.decode(msgspec.json.encode(breaker.state()))
    restarted = _breaker(bench)
    restarted.restore(state)
    stands = restarted.standing(bench.ts(turn - 1))
    if (row.name, trips[0].scope) not in [(trip.control, trip.scope) for trip in stands.trips]:
        return Drilled(row.name, False, turns, "was armed again by a restart")
    refused = _ask(bench, restarted, turn - 1, bench.held * 0.1)
    if not isinstance(refused, Refusal) or refused.limit != row.name:
        return Drilled(row.name, False, turns, f"new risk was answered {refused}")
    if isinstance(_ask(bench, restarted, turn - 1, -bench.held), Refusal):
        return Drilled(row.name, False, turns, "a risk-reducing order was refused")
    if row.action == "halt":
        for number, closed in enumerate(bench.settings.stages):
            ceiling = restarted.standing(bench.ts(turn + number - 1)).ceilings.get(bench.instruments[0])
            if ceiling is None and row.release == "day" and number > 0:
                break
            if ceiling is None or abs(ceiling - (1.0 - closed) * bench.held) > 1e-9 * bench.held:
                return Drilled(row.name, False, turns, f"stage {number + 1} kept {ceiling} of {bench.held:.6g}")
            restarted.hear(bench.calm(turn + number))
        turn += len(bench.settings.stages)
    if any(trip.control == row.name for trip in restarted.standing(bench.ts(turn - 1)).trips):
        restarted.reset(bench.ts(turn - 1), ALL, "drill", "drill", row.name)
    restarted.hear(bench.calm(turn))
    answer = _ask(bench, restarted, turn, bench.held * 0.1)
    if isinstance(answer, Refusal):
        return Drilled(row.name, False, turns, f"after the reset, new risk was still {answer}")
    return Drilled(row.name, True, turns, "")


def _ask(bench: Bench, breaker: Breaker, turn: int, quantity: float) -> Approved | Refusal:
    ts_event = bench.ts(turn)
    account = Account(EQUITY, EQUITY, EQUITY, bench.held, bench.held * PRICE, 0)
    guard = Guard(breaker.standing(ts_event), bench.settings, ts_event, bench.bar_ns, PRICE)
    limits = Limits(max_position_frac=bench.limits.max_position_frac, max_gross_frac=bench.limits.max_gross_frac)
    return judge(Intent(bench.instruments[0], quantity, PRICE), account, limits, guard)
