"""Questions to the gate: for every control that it looks at, an order that it must approve and one that it must refuse."""

from collections.abc import Callable
from typing import NamedTuple

from engine.contract.config import Limits
from engine.risk.breaker_drills import EQUITY, PRICE, Bench, Drilled, alone
from engine.risk.breaker_values import Standing, fingerprint
from engine.risk.gate import Account, Guard, Intent, Refusal, judge


class Question(NamedTuple):
    """One order as the gate is asked about it."""

    intent: Intent
    account: Account
    limits: Limits
    guard: Guard


Change = Callable[[Question, float], Question]


class Pair(NamedTuple):
    """How to change a question that is approved so that it keeps its limit to the last, and so that it just breaks it.

    Attributes
    ----------
    limit
        Of the bench; None where the control is off.
    kept, broken
        (question, limit) to question.
    """

    limit: Callable[[Bench], float | None]
    kept: Change
    broken: Change


def ask(bench: Bench) -> Question:
    """Return a question that nothing speaks against: the position grows by a tenth."""
    name, ts_event = bench.instruments[0], bench.ts(0)
    limits = Limits(max_position_frac=bench.limits.max_position_frac, max_gross_frac=bench.limits.max_gross_frac)
    account = Account(EQUITY, EQUITY, EQUITY, bench.held, bench.held * PRICE, 0)
    deployed = frozenset(bench.instruments)
    guard = Guard(Standing(ts_event), bench.settings, ts_event, bench.bar_ns, PRICE, deployed)
    return Question(Intent(name, 0.1 * bench.held, PRICE, "drill"), account, limits, guard)


def _intent(question: Question, **changed: object) -> Question:
    return question._replace(intent=question.intent._replace(**changed))  # type: ignore[arg-type]


def _guard(question: Question, **changed: object) -> Question:
    return question._replace(guard=question.guard._replace(**changed))  # type: ignore[arg-type]


def _standing(question: Question, **changed: object) -> Question:
    standing = question.guard.standing
    assert standing is not None
    return _guard(question, standing=standing._replace(**changed))  # type: ignore[arg-type]


def _aged(question: Question, bars: float, extra_ns: int) -> Question:
    return _standing(question, ts_event=question.guard.ts_event - int(bars * question.guard.bar_ns) - extra_ns)


def _quantity_limit(bench: Bench) -> float | None:
    return bench.settings.max_order_quantity.get(bench.instruments[0])


def _sized(question: Question, quantity: float) -> Question:
    wide = Limits(max_position_frac=1e12, max_gross_frac=1e12)
    return _intent(question, quantity=quantity)._replace(limits=wide)


def _notional(question: Question, limit: float, quantity: float) -> Question:
    wide = Limits(max_position_frac=1e12, max_gross_frac=1e12, max_order_notional=limit)
    return _intent(question, quantity=quantity)._replace(limits=wide)


def _position(question: Question, limit: float, times: float) -> Question:
    """Half of the allowed position is held, and an open order already takes a part of the other half."""
    allowed, account = limit * EQUITY / PRICE, question.account
    open_buys = 0.25 * allowed
    account = account._replace(open_buys=open_buys, gross_notional=account.gross_notional + open_buys * PRICE)
    limits = Limits(max_position_frac=limit, max_gross_frac=1e12)
    left = allowed - account.position - open_buys
    return _intent(question, quantity=times * left)._replace(account=account, limits=limits)


def _gross(question: Question, limit: float, times: float) -> Question:
    account = question.account._replace(gross_notional=0.9 * limit * EQUITY)
    limits = Limits(max_position_frac=1e12, max_gross_frac=limit)
    return _intent(question, quantity=times * 0.1 * limit * EQUITY / PRICE)._replace(account=account, limits=limits)


def _same(question: Question) -> Question:
    mark = fingerprint(question.intent.instrument_id, question.intent.quantity, question.intent.price)
    return _standing(question, keys=frozenset({"drill"}), equals=frozenset({mark}))


QUESTIONS: dict[str, Pair] = {
    "heartbeat": Pair(lambda b: b.settings.heartbeat, lambda q, x: _aged(q, x, 0), lambda q, x: _aged(q, x, 1_000)),
    "deployment": Pair(lambda b: 0.0, lambda q, x: q, lambda q, x: _guard(q, deployed=frozenset({"DRILL.NOWHERE"}))),
    "duplicate_order": Pair(lambda b: 0.0, lambda q, x: q, lambda q, x: _same(q)),
    "orders_per_second": Pair(
        lambda b: b.settings.orders_per_second,
        lambda q, x: _standing(q, sent_second=int(x) - 1),
        lambda q, x: _standing(q, sent_second=int(x)),
    ),
    "orders_per_minute": Pair(
        lambda b: b.settings.orders_per_minute,
        lambda q, x: _standing(q, sent_minute=int(x) - 1),
        lambda q, x: _standing(q, sent_minute=int(x)),
    ),
    "daily_trades": Pair(
        lambda b: b.settings.daily_trades,
        lambda q, x: _standing(q, sent_today=int(x) - 1),
        lambda q, x: _standing(q, sent_today=int(x)),
    ),
    "price_collar": Pair(
        lambda b: b.settings.price_collar,
        lambda q, x: _guard(q, reference=PRICE / (1.0 + 0.99 * x)),
        lambda q, x: _guard(q, reference=PRICE / (1.0 + 1.01 * x)),
    ),
    "confidence": Pair(
        lambda b: b.settings.confidence,
        lambda q, x: _intent(q, confidence=x),
        lambda q, x: _intent(q, confidence=0.99 * x),
    ),
    "max_order_quantity": Pair(_quantity_limit, lambda q, x: _sized(q, x), lambda q, x: _sized(q, 1.001 * x)),
    "max_order_notional": Pair(
        lambda b: b.limits.max_order_notional,
        lambda q, x: _notional(q, x, x / PRICE),
        lambda q, x: _notional(q, x, 1.001 * x / PRICE),
    ),
    "max_position_frac": Pair(
        lambda b: b.limits.max_position_frac, lambda q, x: _position(q, x, 0.999), lambda q, x: _position(q, x, 1.001)
    ),
    "max_gross_frac": Pair(
        lambda b: b.limits.max_gross_frac, lambda q, x: _gross(q, x, 0.999), lambda q, x: _gross(q, x, 1.001)
    ),
}


def drill_gate(bench: Bench, control: str) -> Drilled:
    """Ask the two questions of a control, and a third in which the broken one only reduces."""
    pair = QUESTIONS[control]
    limit = pair.limit(bench)
    if limit is None:
        return Drilled(control, None, 0, "off in the configuration")
    question = ask(bench._replace(settings=alone(bench.settings, control)))
    kept, broken = pair.kept(question, limit), pair.broken(question, limit)
    answer = judge(*kept)
    if isinstance(answer, Refusal):
        return Drilled(control, False, 0, f"an order at the limit was {answer}")
    answer = judge(*broken)
    if not isinstance(answer, Refusal) or answer.limit != control:
        return Drilled(control, False, 0, f"an order over the limit was answered {answer}")
    reducing = _intent(broken, quantity=-broken.account.position, price=float("nan"))
    answer = judge(*reducing)
    if isinstance(answer, Refusal):
        return Drilled(control, False, 0, f"a risk-reducing order was {answer}")
    silent = _guard(reducing, standing=None)
    if isinstance(judge(*silent), Refusal):
        return Drilled(control, False, 0, "a risk-reducing order was refused without a breaker")
    return Drilled(control, True, 0, "")
