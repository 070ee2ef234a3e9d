"""The risk budget: size, cap, Kelly, the day, refusals and what holds instead; expected values by hand."""

import numpy as np
import pytest

from engine.contract.errors import ConfigError, DataError
from engine.risk.budget import NS_PER_DAY, Budget, BudgetConfig, BudgetRefusal, RiskBudget, allocate
from engine.risk.covariance import CovarianceEstimate
from engine.risk.shares import diversification, inverse_volatility, risk_shares

ALL = np.ones(2, dtype=bool)


def config(**options) -> BudgetConfig:
    return BudgetConfig(**({"periods_per_year": 100.0, "most_gross": 10.0} | options))


def estimate(matrix, observations=500) -> CovarianceEstimate:
    matrix = np.array(matrix, dtype=float)
    return CovarianceEstimate(matrix, 0.0, np.full(len(matrix), observations))


def uncorrelated() -> CovarianceEstimate:
    """Two instruments of 10 % and 20 % a year."""
    return estimate(np.diag([0.01**2, 0.02**2]))


def test_budget_meets_the_volatility_target():
    budget = allocate(0, uncorrelated(), config(target_volatility=0.2), ALL)
    # unit weights 2/3 and 1/3 have a volatility of sqrt(2)·0.0667 a year; shares of the target are 0.2/sqrt(2) each
    np.testing.assert_allclose(budget.weights, [0.2 / np.sqrt(2) / 0.1, 0.2 / np.sqrt(2) / 0.2])
    assert budget.volatility == pytest.approx(0.2)
    np.testing.assert_allclose(budget.contributions, 0.5)
    assert budget.bound_by == "volatility"


def test_budget_is_bound_by_gross():
    budget = allocate(0, uncorrelated(), config(most_gross=1.0), ALL)
    np.testing.assert_allclose(budget.weights, [2 / 3, 1 / 3])
    assert budget.bound_by == "gross"


def test_budget_is_bound_by_a_fraction_of_kelly():
    edge = np.array([2e-5, 0.0])
    budget = allocate(0, uncorrelated(), config(kelly_frac=0.25), ALL, edge)
    # unit portfolio: edge 2/3·2e-5 over variance 2·(0.01·2/3)², times a quarter
    size = 0.25 * (2 / 3 * 2e-5) / (2 * (0.02 / 3) ** 2)
    np.testing.assert_allclose(budget.weights, size * np.array([2 / 3, 1 / 3]))
    assert budget.bound_by == "kelly"


def test_budget_without_an_edge_to_gain_is_nothing():
    budget = allocate(0, uncorrelated(), config(), ALL, np.array([-1e-4, 0.0]))
    np.testing.assert_array_equal(budget.weights, 0.0)
    assert budget.bound_by == "kelly"


def test_shares_below_the_cap_are_equal():
    correlation = np.array([[1.0, 0.59, -0.3], [0.59, 1.0, 0.6], [-0.3, 0.6, 1.0]])
    np.testing.assert_allclose(risk_shares(correlation, 0.6), 1 / 3)


def test_shares_of_a_pair_beyond_the_cap_shrink_with_the_excess():
    correlation = np.array([[1.0, -0.8, 0.0], [-0.8, 1.0, 0.0], [0.0, 0.0, 1.0]])
    # the excess is (0.8 - 0.6)/0.4 = 0.5: the pair has crowds of 1.5, shares 2/3, 2/3 and 1
    np.testing.assert_allclose(risk_shares(correlation, 0.6), np.array([2, 2, 3]) / 7)


def test_clones_get_together_what_one_gets():
    correlation = np.block([[np.ones((4, 4)), np.zeros((4, 1))], [np.zeros((1, 4)), np.ones((1, 1))]])
    np.testing.assert_allclose(risk_shares(correlation, 0.6), [0.125] * 4 + [0.5])


def test_cap_of_one_changes_nothing():
    np.testing.assert_allclose(risk_shares(np.ones((3, 3)), 1.0), 1 / 3)
    assert diversification(np.ones((3, 3)), np.full(3, 1 / 3), 1.0) == pytest.approx((1.0, 1.0))


def test_correlation_beyond_the_cap_restrains_the_size():
    mean, restraint = diversification(np.array([[1.0, 0.9], [0.9, 1.0]]), np.full(2, 0.5), 0.6)
    assert mean == pytest.approx(0.9)
    assert restraint == pytest.approx(np.sqrt((0.5 + 0.5 * 0.6) / (0.5 + 0.5 * 0.9)))
    budget = allocate(0, estimate([[1e-4, 0.9e-4], [0.9e-4, 1e-4]]), config(target_volatility=0.2), ALL)
    assert budget.volatility == pytest.approx(0.2 * restraint)


def test_correlation_below_the_cap_restrains_nothing():
    assert diversification(np.array([[1.0, 0.5], [0.5, 1.0]]), np.full(2, 0.5), 0.6) == pytest.approx((0.5, 1.0))
    assert diversification(np.ones((1, 1)), np.ones(1), 0.6) == (0.0, 1.0)


def test_budget_is_made_once_a_day():
    risk = RiskBudget(2, config())
    first = risk.rebalance(5 * NS_PER_DAY + 1, uncorrelated())
    same = risk.rebalance(6 * NS_PER_DAY - 1, estimate(np.diag([1.0, 1.0])))
    after = risk.rebalance(6 * NS_PER_DAY, estimate(np.diag([1e-4, 1e-4])))
    assert same is first
    assert after.ts_event == 6 * NS_PER_DAY
    assert after.weights[0] == pytest.approx(after.weights[1])


def test_time_that_runs_backwards_is_an_error():
    risk = RiskBudget(2, config())
    risk.rebalance(10, uncorrelated())
    with pytest.raises(DataError, match="not be before 10, was 9"):
        risk.rebalance(9, uncorrelated())


def test_instruments_that_are_not_active_get_nothing_and_are_not_looked_at():
    matrix = np.diag([1e-4, np.nan, 1e-4])
    answer = RiskBudget(3, config()).rebalance(0, estimate(matrix), active=np.array([True, False, True]))
    assert isinstance(answer, Budget)
    assert answer.weights[1] == 0.0
    assert answer.weights[0] == pytest.approx(answer.weights[2])


@pytest.mark.parametrize(
    ("matrix", "observations", "reason"),
    [
        ([[1e-4, np.nan], [np.nan, 1e-4]], 500, "2 covariances are not finite"),
        ([[1e-4, np.inf], [np.inf, 1e-4]], 500, "2 covariances are not finite"),
        ([[1e-4, 0.0], [0.0, 0.0]], 500, "variance of instrument 1 of the active is 0"),
        ([[1e-4, 2e-4], [2e-4, 1e-4]], 500, "not positive semi-definite"),
        ([[1e-4, 1e-5], [2e-5, 1e-4]], 500, "not symmetric"),
        ([[1e-4, 0.0], [0.0, 1e-4]], 99, "99 returns of instrument 0 of the active, 100 are needed"),
    ],
)
def test_degenerate_covariance_is_refused_with_its_reason(matrix, observations, reason):
    answer = allocate(0, estimate(matrix, observations), config(), ALL)
    assert isinstance(answer, BudgetRefusal)
    assert reason in answer.reason
    np.testing.assert_array_equal(answer.weights, 0.0)


def test_edge_that_is_not_finite_is_refused():
    answer = allocate(0, uncorrelated(), config(), ALL, np.array([np.nan, 0.0]))
    assert isinstance(answer, BudgetRefusal)
    assert answer.reason == "1 edges are not finite"


def test_nobody_active_is_refused():
    answer = RiskBudget(2, config()).rebalance(0, uncorrelated(), active=np.zeros(2, dtype=bool))
    assert isinstance(answer, BudgetRefusal)
    assert answer.fallback == "zero"


def test_refusal_holds_the_previous_budget_while_it_is_fresh():
    risk = RiskBudget(2, config(fresh_days=3))
    made = risk.rebalance(0, uncorrelated())
    broken = estimate(np.full((2, 2), np.nan))
    held = risk.rebalance(3 * NS_PER_DAY, broken)
    assert (held.fallback, held.weights.tolist()) == ("previous", made.weights.tolist())
    stale = risk.rebalance(4 * NS_PER_DAY, broken)
    assert (stale.fallback, stale.weights.tolist()) == ("zero", [0.0, 0.0])
    assert str(stale) == "no risk budget: 4 covariances are not finite; zero holds"


def test_refusal_without_a_previous_budget_holds_inverse_volatility():
    answer = RiskBudget(2, config(target_volatility=0.2)).rebalance(0, estimate([[1e-4, 3e-4], [3e-4, 4e-4]]))
    assert answer.fallback == "inverse_volatility"
    np.testing.assert_allclose(answer.weights, [0.2 / 2 / 0.1, 0.2 / 2 / 0.2])


def test_inverse_volatility_stays_within_the_largest_gross():
    np.testing.assert_allclose(inverse_volatility(np.array([0.1, 0.3]), 0.2, 0.8), [0.6, 0.2])


def test_restored_budget_answers_the_rest_of_the_day():
    first, second, third = (RiskBudget(2, config()) for _ in range(3))
    made = first.rebalance(0, uncorrelated())
    second.restore(first.state())
    np.testing.assert_array_equal(second.rebalance(5, estimate(np.eye(2))).weights, made.weights)
    second.rebalance(NS_PER_DAY, estimate(np.full((2, 2), np.nan)))
    third.restore(second.state())
    again = third.rebalance(NS_PER_DAY + 1, uncorrelated())
    assert isinstance(again, BudgetRefusal)
    assert again.fallback == "previous"


def test_covariance_of_another_shape_is_an_error():
    with pytest.raises(DataError, match="get 2 instruments"):
        RiskBudget(2, config()).rebalance(0, estimate(np.eye(3)))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("periods_per_year", 0.0),
        ("target_volatility", -0.1),
        ("correlation_cap", 1.1),
        ("kelly_frac", 0.0),
        ("most_gross", np.inf),
        ("least_observations", 1),
        ("fresh_days", -1),
    ],
)
def test_config_out_of_range_is_an_error(field, value):
    with pytest.raises(ConfigError, match=f"{field} must .*was {value}"):
        config(**{field: value})
