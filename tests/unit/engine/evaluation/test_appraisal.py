"""What is known of a run, by hand where it can be, and None with a reason where nothing is known."""

import numpy as np
import pytest

from engine.evaluation.appraisal import NOT_TRADED, RUIN, Record, appraise
from engine.evaluation.sharpe import estimate
from engine.evaluation.trials import Trials

HOUR = 3_600_000_000_000
YEAR = 8_760.0
ONE = Trials(1, 1, 0, 0, np.zeros(0), YEAR, np.zeros(0))


def record(returns, turnover=None, cost=0.0, weight=None, earned=None, **changes) -> Record:
    returns = np.asarray(returns, dtype=float)
    bars = len(returns)
    values = {
        "ts_ns": HOUR * np.arange(bars + 1),
        "equity": 1_000.0 * np.cumprod(np.append(1.0, 1.0 + returns)),
        "weight": np.zeros((bars, 1)) if weight is None else np.asarray(weight, dtype=float)[:, None],
        "bar_returns": np.zeros((bars, 1)) if earned is None else np.asarray(earned, dtype=float)[:, None],
        "turnover": np.zeros(bars) if turnover is None else np.asarray(turnover, dtype=float),
        "cost": np.full(bars, cost),
        "bars_per_year": YEAR,
        "cost_bps": 6.0,
        "look_back": 24,
        "seed": 7,
    }
    return Record(**{**values, **changes})


@pytest.fixture(scope="module")
def timed() -> Record:
    random = np.random.default_rng(3)
    earned = random.normal(0.0, 0.01, 800)
    weight = np.repeat((earned.reshape(-1, 10).sum(1) > 0).astype(float), 10)
    turnover = np.abs(np.diff(weight, prepend=0.0))
    return record(weight * earned - 6e-4 * turnover, turnover, 6e-4 * turnover, weight, earned)


def test_ratio_carries_the_error_that_allows_for_autocorrelation(timed):
    known, found = appraise(timed, ONE), estimate(np.diff(timed.equity) / timed.equity[:-1], YEAR)
    assert known["sharpe_error"] == pytest.approx(found.error_annualised)
    assert known["sharpe_lags"] == found.lags
    low, high = known["interval"]
    assert (high - low) / 2.0 == pytest.approx(1.959964 * known["sharpe_error"])
    assert known["reasons"] == {}


def test_one_trial_is_not_deflated_and_many_are(timed):
    fifty = Trials(50, 50, 0, 0, np.linspace(-0.2, 0.2, 50), YEAR, np.full(50, 800.0))
    alone, many = appraise(timed, ONE), appraise(timed, fifty)
    assert (alone["trials"], alone["dsr"], alone["dsr_benchmark"]) == (1, alone["psr"], 0.0)
    assert many["trials"] == 50
    assert many["dsr"] < many["psr"] == alone["psr"]


def test_perfect_timing_is_beyond_chance(timed):
    known = appraise(timed, ONE)
    assert known["chance"]["apart_bars"] == 40
    assert known["chance"]["policies"] == 760
    assert known["p_value"] == pytest.approx(1.0 / 761.0)


def test_break_even_and_paid_cost_by_hand():
    returns, turnover = np.tile([0.001, -0.0005], 10), np.tile([1.0, 0.0], 10)
    known = appraise(record(returns, turnover, 0.0003 * turnover), ONE)
    assert known["break_even_bps"] == pytest.approx((0.0005 + 0.0003) * 1e4)
    assert known["paid_bps"] == pytest.approx(3.0)
    assert known["break_even_compounded_bps"] < known["break_even_bps"]


def test_falls_are_told_with_their_times():
    equity = np.array([100.0, 90.0, 95.0, 100.0, 80.0, 81.0, 82.0, 83.0, 84.0, 85.0])
    falls = appraise(record(np.zeros(9), equity=equity), ONE)["drawdowns"]
    assert falls["deepest"][0] == {
        "depth": pytest.approx(0.2), "peak": "1970-01-01T03:00:00Z", "trough": "1970-01-01T04:00:00Z", "recovery": None, "bars": 6,
    }  # fmt: skip
    assert (falls["falls"], falls["longest_bars"], falls["recovery_bars"]) == (2, 6, None)
    assert falls["underwater_share"] == pytest.approx(0.8)


@pytest.mark.parametrize("bars", [0, 1, 7])
def test_too_few_bars_leave_no_figure_and_a_reason(bars):
    known = appraise(record(np.linspace(-0.01, 0.01, bars)), ONE)
    assert known["trials"] == 1
    for name in ("sharpe_error", "interval", "psr", "dsr", "intervals"):
        assert known[name] is None
        assert f"was {bars}" in known["reasons"]["sharpe_error"]
    assert (known["p_value"], known["reasons"]["p_value"]) == (None, NOT_TRADED)


def test_run_that_never_traded_has_reasons():
    known = appraise(record(np.zeros(100)), ONE)
    assert "must vary" in known["reasons"]["sharpe_error"]
    assert known["reasons"]["break_even_bps"] == known["reasons"]["p_value"] == NOT_TRADED
    assert known["tails"]["tail_ratio"] is None
    assert known["drawdowns"]["deepest"] == []


def test_run_that_lost_everything_has_reasons():
    equity = np.append(np.linspace(100.0, 0.0, 60), np.zeros(41))
    held = np.ones(100)
    known = appraise(record(np.zeros(100), held, 0.0, held, held, equity=equity), ONE)
    assert {known["reasons"][name] for name in ("sharpe_error", "dsr", "p_value", "break_even_bps")} == {RUIN}
    assert known["drawdowns"]["deepest"][0]["depth"] == 1.0


def test_policy_that_trades_in_too_few_bars_has_no_p_value():
    known = appraise(record(np.tile([0.01, -0.005], 10), np.ones(20), 0.0, np.ones(20), np.ones(20)), ONE)
    assert known["p_value"] is None
    assert "have 50 observations or more, was 20" in known["reasons"]["p_value"]
