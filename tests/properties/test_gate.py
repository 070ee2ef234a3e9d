"""Random intents, accounts, open orders and breakers never get an order past a limit, and what reduces always passes."""

import math

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.contract.config import Limits
from engine.risk.breaker import Breaker
from engine.risk.breaker_settings import BreakerSettings
from engine.risk.breaker_values import Reading, Standing, Trip
from engine.risk.gate import (
    TOLERANCE,
    Account,
    Approved,
    Guard,
    Intent,
    OpenOrder,
    Refusal,
    judge,
    judge_list,
)

money = st.floats(min_value=1e-3, max_value=1e9)
signed = st.floats(min_value=-1e6, max_value=1e6, allow_subnormal=False)
anything = st.floats(allow_nan=True, allow_infinity=True)

HOUR = 3_600 * 10**9
NOW = 20_000 * 24 * HOUR
PRICES = {"A": 10.0, "B": 250.0}
EQUITY = 1_000.0
LIMITS = Limits(max_position_frac=0.5, max_gross_frac=0.8, max_order_notional=300.0)
SETTINGS = BreakerSettings(max_order_quantity={"A": 25.0}).resolved(LIMITS)
SLACK = 1 + 4 * TOLERANCE


@settings(derandomize=True, deadline=None, max_examples=500)
@given(signed, money, signed, money, money, money, st.integers(0, 200), st.floats(0.01, 3.0), st.floats(0.01, 3.0))
def test_approved_order_keeps_every_limit(
    quantity, price, position, equity, peak, other, orders, position_frac, gross_frac
):
    held = abs(position) * price
    account = Account(equity, max(peak, equity), equity, position, held + other, orders)
    limits = Limits(max_position_frac=position_frac, max_gross_frac=gross_frac, max_drawdown_frac=0.2, daily_trades=100)
    answer = judge(Intent("A", quantity, price), account, limits)
    reduces = position * quantity < 0 and abs(quantity) <= abs(position)
    if reduces:
        assert isinstance(answer, Approved)
    elif isinstance(answer, Approved):
        after = abs(position + quantity) * price
        slack = 1 + 2 * TOLERANCE
        assert after <= position_frac * equity * slack
        assert other + after <= gross_frac * equity * slack + 1e-9 * held
        assert orders < 100
        assert equity > 0.8 * account.peak_equity * (1 - 1e-12)


class Book:
    """Positions and open orders, counted the slow way: every order is there, and the worst is tried out."""

    def __init__(self):
        self.position = {"A": 0.0, "B": 0.0}
        self.open = []

    def worst(self, name):
        buys = sum(q for n, q, _ in self.open if n == name and q > 0)
        sells = sum(q for n, q, _ in self.open if n == name and q < 0)
        return max(abs(self.position[name] + buys), abs(self.position[name] + sells))

    def account(self, name):
        return Account(
            EQUITY,
            EQUITY,
            EQUITY,
            self.position[name],
            sum(self.worst(one) * PRICES[one] for one in PRICES),
            0,
            sum(q for n, q, _ in self.open if n == name and q > 0),
            -sum(q for n, q, _ in self.open if n == name and q < 0),
        )

    def check(self):
        for name, price in PRICES.items():
            assert self.worst(name) * price <= 0.5 * EQUITY * SLACK
        assert sum(self.worst(name) * PRICES[name] for name in PRICES) <= 0.8 * EQUITY * SLACK


ways = st.tuples(
    st.sampled_from(["submit", "submit", "list", "modify", "fill", "cancel", "close"]),
    st.sampled_from(["A", "B"]),
    st.floats(-60.0, 60.0).map(lambda size: size if abs(size) > 1e-6 else 0.0),
    st.integers(0, 7),
    st.sampled_from(["armed", "armed", "armed", "halt", "reduce", "unconfirmed", "silent", "old"]),
)


def guard_of(state, name):
    trip = Trip("drawdown", 0.15, 0.2, name if state == "reduce" else "account", NOW, "halt")
    standing = {
        "armed": Standing(NOW),
        "halt": Standing(NOW, (trip,)),
        "reduce": Standing(NOW, (trip,)),
        "unconfirmed": Standing(NOW, (), (trip,)),
        "silent": None,
        "old": Standing(NOW - 2 * HOUR),
    }[state]
    return Guard(standing, SETTINGS, NOW, HOUR, PRICES[name])


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.lists(ways, max_size=40))
def test_no_run_of_orders_modifications_and_fills_gets_past_a_limit(steps):
    book = Book()
    for way, name, size, pick, state in steps:
        quantity = size * 10.0 / PRICES[name]
        price = PRICES[name] * (1.0 + 0.01 * (pick - 3))
        guard, account = guard_of(state, name), book.account(name)
        worst = book.worst(name)
        placed = []
        if way == "fill" and book.open:
            one = book.open.pop(pick % len(book.open))
            part = one[1] * (0.5 if pick % 2 else 1.0)
            book.position[one[0]] += part
            if part != one[1]:
                book.open.append((one[0], one[1] - part, one[2]))
        elif way == "cancel" and book.open:
            book.open.pop(pick % len(book.open))
        elif way == "close":
            closing = account.open_sells if account.position > 0 else account.open_buys
            left = abs(account.position) - closing
            if left > 0:
                intent = Intent(name, -math.copysign(left, account.position), math.nan)
                assert judge(intent, account, LIMITS, guard) == Approved(intent, reducing=True)
                book.position[name] += intent.quantity
        elif way == "modify" and book.open:
            number = pick % len(book.open)
            name, old, at = book.open[number]
            worst, account, guard = book.worst(name), book.account(name), guard_of(state, name)
            new = math.copysign(abs(size) * 10.0 / PRICES[name], old)
            answer = judge(Intent(name, new, at, replaces=OpenOrder(old, at)), account, LIMITS, guard)
            if abs(new) <= abs(old):
                assert isinstance(answer, Approved)
            if isinstance(answer, Approved):
                book.open[number] = (name, new, at)
                placed = [answer]
        elif way == "submit":
            answer = judge(Intent(name, quantity, price), account, LIMITS, guard)
            if isinstance(answer, Approved):
                book.open.append((name, quantity, price))
                placed = [answer]
        elif way == "list":
            intents = [Intent(one, size * 10.0 / PRICES[one], PRICES[one]) for one in ("A", "B", name)]
            accounts = {one: book.account(one) for one in PRICES}
            answers = judge_list(intents, accounts, LIMITS, guard, PRICES)
            if not isinstance(answers, Refusal):
                book.open += [(one.intent.instrument_id, one.intent.quantity, one.intent.price) for one in answers]
                placed = list(answers)
        book.check()
        if state != "armed" and placed:
            covered = [answer for answer in placed if state != "reduce" or answer.intent.instrument_id == name]
            assert all(answer.reducing for answer in covered)
            assert book.worst(name) <= worst * SLACK
        for answer in placed:
            assert answer.reducing or abs(answer.intent.quantity) * PRICES[answer.intent.instrument_id] <= 300.0 * SLACK


@settings(derandomize=True, deadline=None, max_examples=300)
@given(anything, anything, anything, anything, anything, anything, anything, anything)
def test_what_is_no_number_is_never_approved_as_new_risk(
    quantity, price, equity, position, gross, buys, sells, reference
):
    account = Account(equity, 1_000.0, 1_000.0, position, gross, 0, buys, sells)
    guard = Guard(Standing(NOW), SETTINGS, NOW, HOUR, reference)
    answer = judge(Intent("A", quantity, price), account, LIMITS, guard)
    if isinstance(answer, Approved) and not answer.reducing:
        values = (quantity, price, equity, position, gross, reference, buys, sells)
        assert not any(math.isnan(value) for value in values)
        assert math.isfinite(quantity)
        assert math.isfinite(price)


readings = st.tuples(
    st.floats(50.0, 120.0), st.integers(0, 5), st.sampled_from([None, 10.0, 80.0]), st.sampled_from([None, 0.01, 1.0])
)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.lists(readings, min_size=1, max_size=40), st.integers(0, 39))
def test_breaker_restarted_at_any_turn_says_what_it_would_have_said(turns, cut):
    def made():
        return Breaker(("A",), BreakerSettings(confirm={"entropy": 3}).resolved(LIMITS), HOUR)

    def reading(number, turn):
        equity, late, spread, entropy = turn
        ts_event = NOW + number * HOUR
        spreads = None if spread is None else (spread,)
        return Reading(ts_event, equity, (1.0,), (1.0,), (10.0,), (ts_event - late * HOUR,), spreads, None, entropy)

    whole, part = made(), made()
    for number, turn in enumerate(turns):
        heard = whole.hear(reading(number, turn))
        if number == cut:
            state = msgspec.json.decode(msgspec.json.encode(part.state()))
            part = made()
            part.restore(state)
        assert part.hear(reading(number, turn)) == heard
        assert part.standing(NOW + number * HOUR) == whole.standing(NOW + number * HOUR)
        person = [t for t in whole.standing(NOW).trips if t.control in ("drawdown", "entropy", "equity")]
        if any(change.kind == "released" for change in heard):
            assert all(c.trip not in person for c in heard if c.kind == "released")
