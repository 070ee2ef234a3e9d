"""Whatever the covariance, the budget is within its limits or refused, and weights never leave their range."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engine.risk.budget import Budget, BudgetConfig, RiskBudget
from engine.risk.covariance import CovarianceEstimate, OnlineCovariance
from engine.risk.shares import risk_shares

CONFIG = BudgetConfig(periods_per_year=365.0, least_observations=5)
anything = st.one_of(st.floats(-1.0, 1.0), st.sampled_from([np.nan, np.inf, 0.0, 1e300]))


@settings(derandomize=True, deadline=None, max_examples=200)
@given(arrays(np.float64, (3, 3), elements=anything), st.booleans())
def test_any_matrix_gives_a_budget_within_limits_or_a_refusal(matrix, symmetric):
    if symmetric:
        matrix = np.where(np.abs(matrix) <= 1.0, matrix, 0.0)
        matrix = matrix @ matrix.T
    with np.errstate(all="ignore"):
        answer = RiskBudget(3, CONFIG).rebalance(0, CovarianceEstimate(matrix, 0.0, np.full(3, 10)))
    assert np.isfinite(answer.weights).all()
    assert (answer.weights >= 0.0).all()
    assert answer.weights.sum() <= 1.0 + 1e-9
    if isinstance(answer, Budget):
        assert answer.volatility <= CONFIG.target_volatility * (1 + 1e-6)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(arrays(np.float64, (12, 4), elements=st.one_of(st.floats(-0.2, 0.2), st.just(np.nan))), st.booleans())
def test_online_covariance_is_positive_semi_definite_with_returns_missing(returns, weighted):
    covariance = OnlineCovariance(4, half_life=6.0 if weighted else None)
    for row in returns:
        covariance.update(row)
    estimate = covariance.estimate()
    seen = estimate.observations > 0
    matrix = estimate.matrix[np.ix_(seen, seen)]
    assert 0.0 <= estimate.shrinkage <= 1.0
    if seen.any():
        assert np.linalg.eigvalsh(matrix).min() >= -1e-12


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.integers(1, 6), st.integers(0, 5), st.floats(0.0, 0.99))
def test_clones_of_an_instrument_never_add_to_its_share(clones, others, cap):
    size = clones + others
    correlation = np.eye(size)
    correlation[:clones, :clones] = 1.0
    shares = risk_shares(correlation, cap)
    assert abs(shares[:clones].sum() - 1.0 / (others + 1)) < 1e-12
