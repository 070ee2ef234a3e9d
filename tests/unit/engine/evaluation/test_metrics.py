"""Every metric against a calculation by hand."""

import math

import numpy as np
import pytest

from engine.evaluation.metrics import EquityCurve, Fills, compute_metrics, round_trips, sharpe_standard_error

YEAR = 4.0


def curve(*equity: float, exposure: float = 0.5) -> EquityCurve:
    return EquityCurve(np.arange(len(equity)), np.array(equity), np.full(len(equity), exposure))


def fills(*rows: tuple[str, int, float, float, float]) -> Fills:
    names = [row[0] for row in rows]
    columns = [np.array([row[k] for row in rows], dtype=float) for k in range(1, 5)]
    return Fills(
        np.arange(len(rows)), names, columns[0], columns[1], columns[2], columns[3], columns[2] - columns[0] * 0.5
    )


NONE = fills()


def test_returns_and_ratios_by_hand():
    metrics = compute_metrics(curve(100, 110, 99, 108.9, 108.9), NONE, 0.0, YEAR)
    returns = np.array([0.1, -0.1, 0.1, 0.0])
    assert metrics["total_return"] == pytest.approx(0.089)
    assert metrics["cagr"] == pytest.approx(0.089)
    assert metrics["volatility"] == pytest.approx(np.std(returns, ddof=1) * 2)
    assert metrics["sharpe"] == pytest.approx(0.025 / np.std(returns, ddof=1) * 2)
    assert metrics["sortino"] == pytest.approx(0.025 / math.sqrt(0.01 / 4) * 2)
    assert metrics["max_drawdown"] == pytest.approx(0.1)
    assert metrics["calmar"] == pytest.approx(0.89)
    assert metrics["exposure"] == 0.5


def test_costs_and_turnover_by_hand():
    traded = fills(("A", 1, 2.0, 10.0, 0.1), ("A", -1, 2.0, 12.0, 0.2))
    metrics = compute_metrics(curve(100, 100, 100), traded, -3.0, YEAR)
    assert metrics["fees"] == pytest.approx(0.3)
    assert metrics["funding"] == -3.0
    assert metrics["slippage"] == pytest.approx(2.0)
    assert metrics["turnover"] == pytest.approx((20 + 24) / 100 / 0.5)
    assert (metrics["trades"], metrics["win_rate"], metrics["profit_factor"]) == (1, 1.0, None)


def test_round_trip_averages_additions_and_splits_the_fee_of_a_flip():
    profits = round_trips(
        fills(
            ("A", 1, 1.0, 100.0, 1.0),
            ("A", 1, 1.0, 110.0, 1.0),
            ("B", 1, 1.0, 50.0, 0.0),
            ("A", -1, 4.0, 120.0, 4.0),
            ("A", 1, 2.0, 100.0, 2.0),
            ("B", -1, 0.5, 40.0, 0.0),
        )
    )
    assert profits.tolist() == pytest.approx([2 * (120 - 105) - 2.0 - 2.0, 2 * (120 - 100) - 2.0 - 2.0])


def test_win_rate_and_profit_factor_are_net_of_fees():
    traded = fills(
        ("A", 1, 1.0, 100.0, 0.0), ("A", -1, 1.0, 106.0, 0.0),
        ("A", 1, 1.0, 100.0, 0.0), ("A", -1, 1.0, 98.0, 0.0),
        ("A", 1, 1.0, 100.0, 2.0), ("A", -1, 1.0, 101.0, 0.0),
    )  # fmt: skip
    metrics = compute_metrics(curve(100, 103), traded, 0.0, YEAR)
    assert (metrics["trades"], metrics["win_rate"]) == (3, pytest.approx(1 / 3))
    assert metrics["profit_factor"] == pytest.approx(6 / 3)


@pytest.mark.parametrize("equity", [(100.0,), (100.0, 100.0, 100.0)])
def test_curve_without_variance_has_no_ratios(equity):
    metrics = compute_metrics(curve(*equity), NONE, 0.0, YEAR)
    assert metrics["sharpe"] is metrics["sortino"] is metrics["calmar"] is None
    assert metrics["total_return"] == metrics["max_drawdown"] == 0.0
    assert metrics["win_rate"] is metrics["profit_factor"] is None


@pytest.mark.parametrize("equity", [(), (100.0,), (100.0, 101.0)])
def test_volatility_of_fewer_than_two_returns_is_undefined(equity):
    metrics = compute_metrics(curve(*equity), NONE, 0.0, YEAR)
    assert metrics["volatility"] is metrics["sharpe"] is None


def test_constant_equity_has_zero_volatility():
    assert compute_metrics(curve(100, 100, 100), NONE, 0.0, YEAR)["volatility"] == 0.0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("equity", [(100.0, 0.0, 0.0), (100.0, -10.0, -20.0, 5.0)])
def test_ratios_after_equity_is_gone_are_undefined_and_not_nan(equity):
    metrics = compute_metrics(curve(*equity), NONE, 0.0, YEAR)
    assert metrics["sharpe"] is metrics["sortino"] is metrics["volatility"] is None
    assert not any(isinstance(value, float) and math.isnan(value) for value in metrics.values())
    assert metrics["total_return"] == pytest.approx(equity[-1] / 100 - 1)


def test_debt_is_a_drawdown_of_more_than_the_whole_peak():
    assert compute_metrics(curve(100, -10, -20, 5), NONE, 0.0, YEAR)["max_drawdown"] == pytest.approx(1.2)


def test_growth_that_a_float_cannot_hold_is_undefined():
    assert compute_metrics(curve(1, 1e9), NONE, 0.0, 1e6)["cagr"] is None


def test_calmar_without_drawdown_is_undefined():
    metrics = compute_metrics(curve(100, 101, 103), NONE, 0.0, YEAR)
    assert metrics["cagr"] == pytest.approx(1.03**2 - 1)
    assert metrics["calmar"] is metrics["sortino"] is None


def test_keys_are_those_of_the_contract():
    assert list(compute_metrics(curve(100, 101), NONE, 0.0, YEAR)) == [
        "total_return", "cagr", "sharpe", "sortino", "calmar", "max_drawdown", "volatility", "turnover", "trades", "win_rate",
        "profit_factor", "exposure", "fees", "funding", "slippage",
    ]  # fmt: skip


def test_short_round_trip_earns_when_price_falls():
    assert round_trips(fills(("A", -1, 2.0, 100.0, 1.0), ("A", 1, 2.0, 90.0, 0.5))).tolist() == pytest.approx([18.5])


def test_round_trip_still_open_is_not_counted():
    metrics = compute_metrics(curve(100, 101), fills(("A", 1, 1.0, 100.0, 0.0), ("A", -1, 0.4, 90.0, 0.0)), 0.0, YEAR)
    assert (metrics["trades"], metrics["win_rate"], metrics["profit_factor"]) == (0, None, None)


def test_round_trip_of_many_small_lots_ends_in_spite_of_rounding():
    generator = np.random.default_rng(0)
    for _ in range(50):
        lots = generator.integers(1, 5_000, size=400)
        bought = [("A", 1, lot * 0.001, 100.0, 0.0) for lot in lots]
        sold = [("A", -1, lot * 0.001, 101.0, 0.0) for lot in generator.permutation(lots)]
        after = [("A", -1, 0.001, 101.0, 0.0), ("A", 1, 0.001, 101.0, 0.0)]
        profits = round_trips(fills(*bought, *sold, *after))
        assert profits.tolist() == pytest.approx([lots.sum() * 0.001, 0.0])


def test_slippage_of_a_sale_below_its_reference_is_a_cost():
    one = Fills(
        np.array([0]), ["A"], np.array([-1]), np.array([3.0]), np.array([99.0]), np.array([0.0]), np.array([100.0])
    )
    assert compute_metrics(curve(100, 100), one, 0.0, YEAR)["slippage"] == pytest.approx(3.0)


def test_total_loss_has_no_growth_rate_and_the_whole_drawdown():
    metrics = compute_metrics(curve(100, 50, 0.0), NONE, 0.0, YEAR)
    assert metrics["cagr"] is None
    assert metrics["max_drawdown"] == 1.0


def test_standard_error_of_normal_returns_is_that_of_lo():
    returns = np.random.default_rng(3).normal(0.001, 0.01, 100_000)
    sharpe = returns.mean() / returns.std(ddof=1)
    expected = math.sqrt((1 + sharpe**2 / 2) / len(returns) * YEAR)
    assert sharpe_standard_error(returns, YEAR) == pytest.approx(expected, rel=0.01)


def test_standard_error_of_skewed_returns_is_that_of_mertens():
    returns = np.array([0.0, 0.0, 0.0, 0.4] * 2)
    # mean 0.1, variance 0.03 (n) or 0.24 / 7 (n - 1); z = (-0.1 six times, 0.3 twice) / sqrt(0.03): skew 2 / sqrt(3), kurtosis 7 / 3
    sharpe = 0.1 / math.sqrt(0.24 / 7)
    variance = (1 + sharpe**2 / 2 - 2 / math.sqrt(3) * sharpe + (7 / 3 - 3) * sharpe**2 / 4) / 8
    assert sharpe_standard_error(returns, YEAR) == pytest.approx(math.sqrt(variance * YEAR))


@pytest.mark.parametrize("returns", [(), (0.1,), (0.1, 0.2), (0.1,) * 10])
def test_standard_error_without_variation_is_undefined(returns):
    assert sharpe_standard_error(np.array(returns), YEAR) is None


def test_standard_error_covers_the_truth_at_the_stated_rate():
    generator = np.random.default_rng(4)
    inside = 0
    for _ in range(400):
        returns = generator.standard_t(6, 500) * 0.01 + 0.0005
        truth = 0.0005 / (0.01 * math.sqrt(6 / 4)) * math.sqrt(YEAR)
        sharpe = returns.mean() / returns.std(ddof=1) * math.sqrt(YEAR)
        error = sharpe_standard_error(returns, YEAR)
        inside += abs(sharpe - truth) < 1.96 * error
    assert 0.92 < inside / 400 < 0.98
