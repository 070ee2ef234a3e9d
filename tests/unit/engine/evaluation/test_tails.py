"""Moments and tails, by hand and against scipy."""

import math

import numpy as np
import pytest
from scipy import stats

from engine.contract.errors import ConfigError, DataError
from engine.evaluation.tails import expected_shortfall, moments, tail_ratio, value_at_risk


def test_moments_are_those_of_scipy():
    returns = np.random.default_rng(1).gamma(2.0, 0.01, 500)
    found = moments(returns)
    assert found.skew == pytest.approx(stats.skew(returns))
    assert found.kurtosis == pytest.approx(stats.kurtosis(returns, fisher=False))


def test_value_at_risk_and_shortfall_of_a_hundred_losses_by_hand():
    returns = -np.arange(1, 101) / 1_000
    assert value_at_risk(returns, 0.95) == pytest.approx(0.095)
    assert expected_shortfall(returns, 0.95) == pytest.approx((96 + 97 + 98 + 99 + 100) / 5 / 1_000)


def test_shortfall_counts_the_period_on_the_edge_in_part():
    # the worst 0.3 of 8 periods are 2.4 of them: 8, 7 and 0.4 of 6
    returns = -np.arange(1.0, 9.0)
    assert expected_shortfall(returns, 0.7) == pytest.approx((8 + 7 + 0.4 * 6) / 2.4)


def test_shortfall_of_normal_returns_is_the_known_one():
    returns = np.random.default_rng(2).normal(0.0, 1.0, 200_000)
    quantile = stats.norm.ppf(0.99)
    assert value_at_risk(returns, 0.99) == pytest.approx(quantile, rel=0.02)
    assert expected_shortfall(returns, 0.99) == pytest.approx(stats.norm.pdf(quantile) / 0.01, rel=0.02)


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_shortfall_is_at_least_the_value_at_risk(level):
    returns = np.random.default_rng(3).standard_t(3, 777)
    assert expected_shortfall(returns, level) >= value_at_risk(returns, level)


def test_tail_ratio_by_hand():
    returns = np.concatenate([[-0.02] * 2, [0.0] * 17, [0.06] * 2])
    assert tail_ratio(returns) == pytest.approx(3.0)
    assert tail_ratio(np.zeros(40)) is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: value_at_risk([0.1] * 99, 0.99), "100 observations or more for level 0.99, was 99"),
        (lambda: expected_shortfall([0.1, math.nan] * 20), "be finite, was nan"),
        (lambda: tail_ratio([0.1] * 9), "10 observations or more, was 9"),
        (lambda: moments([0.1] * 5), "must vary"),
    ],
)
def test_too_little_is_refused(call, message):
    with pytest.raises(DataError, match=message):
        call()


def test_level_outside_zero_and_one_is_refused():
    with pytest.raises(ConfigError, match=r"level must lie between 0 and 1, was 1\.5"):
        value_at_risk([0.1] * 99, 1.5)
