"""Risk parity: equal contributions for every size, weights by hand and beside an independent optimiser."""

import numpy as np
import pytest

from engine.risk.parity import factorise, risk_parity, substitute


def factor_covariance(instruments, seed=0):
    """Three factors, and volatilities over three orders of magnitude."""
    rng = np.random.default_rng([seed, instruments])
    loadings = rng.normal(size=(instruments, 3))
    matrix = loadings @ loadings.T + np.diag(rng.uniform(0.2, 2.0, instruments))
    scale = 10.0 ** rng.uniform(-3, 0, instruments)
    return matrix * np.outer(scale, scale)


def contributions(weights, covariance):
    each = weights * (covariance @ weights)
    return each / each.sum()


@pytest.mark.parametrize("instruments", [2, 3, 10, 50, 143, 500])
def test_contributions_are_equal(instruments):
    covariance = factor_covariance(instruments)
    found = risk_parity(covariance, np.full(instruments, 1 / instruments))
    assert found.weights.sum() == pytest.approx(1.0)
    assert (found.weights > 0).all()
    np.testing.assert_allclose(contributions(found.weights, covariance) * instruments, 1.0, atol=1e-6)
    np.testing.assert_allclose(found.contributions, contributions(found.weights, covariance), rtol=1e-9)


def test_contributions_equal_unequal_budgets():
    budgets = np.array([0.01, 0.09, 0.4, 0.5])
    covariance = factor_covariance(4)
    found = risk_parity(covariance, budgets)
    np.testing.assert_allclose(contributions(found.weights, covariance), budgets, rtol=1e-6)


def test_uncorrelated_weights_are_inverse_to_volatility():
    found = risk_parity(np.diag([1.0, 4.0, 16.0]), np.full(3, 1 / 3))
    np.testing.assert_allclose(found.weights, np.array([4.0, 2.0, 1.0]) / 7.0)


def test_two_instruments_are_inverse_to_volatility_whatever_their_correlation():
    for rho in (-0.95, 0.3, 1.0):
        covariance = np.array([[1.0, 3 * rho], [3 * rho, 9.0]])
        np.testing.assert_allclose(risk_parity(covariance, np.full(2, 0.5)).weights, [0.75, 0.25])


def test_clones_have_one_answer_though_the_covariance_is_singular():
    found = risk_parity(np.ones((5, 5)), np.full(5, 0.2))
    np.testing.assert_allclose(found.weights, 0.2)


def test_portfolio_that_hedges_itself_still_converges():
    covariance = np.eye(30) * (1 + 1e-6) - np.ones((30, 30)) / 30
    assert risk_parity(covariance, np.full(30, 1 / 30)).error < 1e-6


def test_factor_and_substitution_solve_a_system():
    matrix, vector = factor_covariance(20), np.arange(20.0)
    expected = np.linalg.solve(matrix, vector)
    upper = matrix.copy()
    assert factorise(upper)
    np.testing.assert_allclose(np.triu(upper).T @ np.triu(upper), matrix, rtol=1e-10)
    substitute(upper, vector)
    np.testing.assert_allclose(vector, expected, rtol=1e-6)
    assert not factorise(np.array([[1.0, 2.0], [2.0, 1.0]]))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("instruments", [3, 12, 30])
def test_weights_equal_those_of_skfolio(instruments):
    optimization = pytest.importorskip("skfolio.optimization")
    rng = np.random.default_rng(instruments)
    returns = 0.01 * rng.normal(size=(400, 1)) + rng.normal(size=(400, instruments)) * rng.uniform(
        0.005, 0.03, instruments
    )
    budgets = rng.uniform(0.5, 1.5, instruments)
    budgets /= budgets.sum()
    theirs = optimization.RiskBudgeting(risk_budget=budgets).fit(returns).weights_
    ours = risk_parity(np.cov(returns.T), budgets).weights
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
