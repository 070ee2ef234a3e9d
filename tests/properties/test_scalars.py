"""One formula, computed on floats or on arrays, has the same bits."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.contract.account import portfolio_columns, position_columns
from engine.contract.action import ActionSpec, target_exposure
from engine.contract.arrays import FEW
from engine.execution.allowance import by_confidence, capped
from engine.execution.sizing import order_lots, target_lots
from engine.execution.tracker import AccountTracker

exposures = st.one_of(st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.9, 0.1]), st.floats(-1.5, 1.5))
answers = st.one_of(st.sampled_from([0.0, 0.1, -0.1, 1.0, -1.0]), st.floats(-1.0, 1.0))
positive = st.floats(1e-6, 1e9)
lots = st.integers(-50, 50).map(float)


def same(function: Any, *values: float) -> None:
    """Hold a function of floats to itself on arrays of one, and of twelve, which NumPy may compute in wider registers."""
    found = function(*values)
    found = found if isinstance(found, tuple) else (found,)
    for width in (1, 12):
        wanted = function(*(np.full(width, value) for value in values))
        for one, many in zip(found, wanted if isinstance(wanted, tuple) else (wanted,)):
            assert isinstance(one, (float, bool))
            assert np.asarray(one, many.dtype).tobytes() * width == (many + 0 if many.dtype != bool else many).tobytes()


@settings(derandomize=True, deadline=None, max_examples=300)
@given(answers, exposures, st.booleans(), st.floats(0.0, 0.5))
def test_continuous_answer(action: float, exposure: float, short: bool, zone: float) -> None:
    same(
        lambda a, e: target_exposure(ActionSpec("continuous", short=short, hold_zone=zone), a, e) + 0.0,
        action,
        exposure,
    )


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.integers(0, 6).map(float), exposures)
def test_discrete_answer(action: float, exposure: float) -> None:
    same(lambda a, e: target_exposure(ActionSpec(), a, e) + 0.0, action, exposure)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(exposures, exposures, lots, positive, st.floats(0.01, 1e5), st.sampled_from([1.0, 0.1, 1e-3, 1e-5]), positive)
def test_lots(
    target: float, exposure: float, position: float, budget: float, price: float, lot: float, least: float
) -> None:
    def traded(*values: Any) -> Any:
        wanted = target_lots(*values[:6])
        change, too_small = order_lots(wanted, *values[2:3], *values[4:])
        return wanted + 0.0, change + 0.0, too_small

    same(traded, target, exposure, position, budget, price, lot, least)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(exposures, exposures, st.one_of(st.just(float("nan")), st.floats(-0.5, 1.5)), st.sampled_from([0.0, 0.5, 1.0]))
def test_bounds(target: float, exposure: float, confidence: float, ceiling: float) -> None:
    same(lambda t, e, c: by_confidence(t, e, c) + 0.0, target, exposure, confidence)
    same(lambda t, c: capped(t, c) + 0.0, target, ceiling)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.floats(-100, 100), positive, positive, st.integers(0, 500).map(float), positive, positive)
def test_position_columns(
    quantity: float, entry: float, close: float, held: float, budget: float, equity: float
) -> None:
    same(lambda *v: tuple(c + 0.0 for c in position_columns(*v)), quantity, entry, close, held, budget, equity)


statistics = st.tuples(
    st.floats(-0.1, 0.1), st.floats(0, 0.01), st.one_of(st.just(0.0), st.floats(0, 0.01)), st.floats(0, 5)
)
levels = st.tuples(positive, positive, positive, st.floats(0, 1e9), st.floats(-1e6, 1e6))


@settings(derandomize=True, deadline=None, max_examples=300)
@given(levels, statistics)
def test_portfolio_columns(levels: tuple[float, ...], statistics: tuple[float, ...]) -> None:
    same(lambda *v: tuple(c + 0.0 for c in portfolio_columns(*v)), *levels, *statistics)


def test_account_of_many_instruments_sees_what_accounts_of_few_see() -> None:
    rng = np.random.default_rng(4)
    count = FEW + 5
    many, first = AccountTracker(count, 1_000.0), AccountTracker(FEW, 1_000.0)
    for index in range(count):
        quantity, entry, close = float(rng.normal()), float(rng.uniform(90, 110)), float(rng.uniform(90, 110))
        for tracker in (many, first):
            if index < len(tracker.quantity) and index % 3:
                tracker.hear_position(index, quantity, entry)
            if index < len(tracker.quantity):
                tracker.hear_close(index, close)
    for tracker in (many, first):
        tracker.decide_at(1, 990.0)
        tracker.decide_at(2, 1_010.0)
    budget = rng.uniform(50, 150, count)
    np.testing.assert_array_equal(many.bars_held[:FEW], first.bars_held)
    np.testing.assert_array_equal(many.position(budget, range(count))[:FEW], first.position(budget, range(FEW)))
    held = many.quantity * many.close
    assert many.gross_notional == float(np.abs(held).sum())
    assert first.gross_notional == float(np.abs(held[:FEW]).sum())
