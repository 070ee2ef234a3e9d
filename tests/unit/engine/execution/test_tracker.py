"""The account as decisions see it, worked out by hand."""

import numpy as np
import pytest

from engine.contract.observation import PORTFOLIO_COLUMNS, POSITION_COLUMNS
from engine.execution.tracker import NS_PER_DAY, AccountTracker


def test_position_columns_of_a_long_by_hand():
    tracker = AccountTracker(1, 1_000.0)
    tracker.hear_position(0, 2.0, 100.0)
    tracker.hear_close(0, 110.0)
    for _ in range(3):
        tracker.decide_at(1, 1_020.0)
    columns = dict(zip(POSITION_COLUMNS, tracker.position(np.array([500.0]), [0])[0].tolist()))
    assert columns["entry_price"] == pytest.approx(np.log(100 / 110), rel=1e-6)
    assert columns["size"] == pytest.approx(220 / 500)
    assert columns["unrealised_pnl"] == pytest.approx(20 / 1_020)
    assert columns["holding_time"] == pytest.approx(np.log1p(3) / 5)
    assert columns["side"] == 1.0


def test_portfolio_columns_by_hand():
    tracker = AccountTracker(1, 1_000.0)
    tracker.hear_close(0, 110.0)
    tracker.decide_at(1, 1_100.0)
    tracker.hear_position(0, -1.0, 120.0)
    tracker.hear_fill(120.0)
    tracker.decide_at(2, 1_045.0)
    columns = dict(zip(PORTFOLIO_COLUMNS, tracker.portfolio().tolist()))
    weight = 2 / 65
    mean = (1 - weight) * weight * 0.1 + weight * -0.05
    square = (1 - weight) * weight * 0.01 + weight * 0.0025
    assert columns["equity"] == pytest.approx(np.log(1.045), rel=1e-6)
    assert columns["exposure"] == pytest.approx(110 / 1_045)
    assert columns["sharpe"] == pytest.approx(mean / np.sqrt(square - mean**2), rel=1e-5)
    assert columns["sortino"] == pytest.approx(mean / np.sqrt(weight * 0.0025), rel=1e-5)
    assert columns["realised_pnl"] == pytest.approx(0.045 - 0.010, rel=1e-5)
    assert columns["drawdown"] == pytest.approx(0.05, rel=1e-5)
    assert columns["cash"] == pytest.approx(1 - 110 / 1_045)
    assert columns["turnover"] == pytest.approx(weight * 120 / 1_045, rel=1e-5)


def test_flat_account_without_history_is_all_zero_but_cash():
    tracker = AccountTracker(2, 1_000.0)
    tracker.decide_at(0, 1_000.0)
    assert not tracker.position(np.full(2, 100.0), [0, 1]).any()
    assert tracker.portfolio().tolist() == [0, 0, 0, 0, 0, 0, 1, 0]


def test_flip_and_close_start_the_holding_time_anew_and_additions_do_not():
    tracker = AccountTracker(1, 1_000.0)
    held = []
    for quantity in (1.0, 2.0, -1.0, 0.0):
        tracker.hear_position(0, quantity, 10.0)
        tracker.decide_at(0, 1_000.0)
        held.append(float(tracker.bars_held[0]))
    assert held == [1.0, 2.0, 1.0, 0.0]


def test_new_utc_day_resets_the_days_equity_and_orders():
    tracker = AccountTracker(1, 1_000.0)
    tracker.decide_at(NS_PER_DAY - 1, 900.0)
    tracker.orders_today = 5
    tracker.decide_at(NS_PER_DAY, 800.0)
    assert (tracker.day_equity, tracker.orders_today, tracker.peak_equity) == (800.0, 0, 1_000.0)


def test_restored_tracker_goes_on_as_the_original():
    first, second = AccountTracker(1, 1_000.0), AccountTracker(1, 1_000.0)
    first.hear_position(0, 1.0, 10.0)
    first.decide_at(5, 1_010.0)
    second.restore(first.state())
    for tracker in (first, second):
        tracker.decide_at(6, 1_020.0)
    assert np.array_equal(first.portfolio(), second.portfolio())
    assert np.array_equal(first.position(np.array([10.0]), [0]), second.position(np.array([10.0]), [0]))
