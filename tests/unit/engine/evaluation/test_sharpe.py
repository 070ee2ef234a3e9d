"""The Sharpe ratio and its uncertainty, against published examples and simulation."""

import math

import numpy as np
import pytest

from engine.contract.calendar import bars_per_year
from engine.contract.errors import ConfigError, DataError
from engine.evaluation.sharpe import (
    Annualised,
    PerPeriod,
    annualise,
    autocovariances,
    automatic_lags,
    estimate,
    influence,
    long_run_variance,
    minimum_track_record,
    per_period,
    probabilistic_sharpe,
    sharpe_per_period,
)

HOURS = bars_per_year("1-HOUR")


def autoregressive(generator: np.random.Generator, shape: tuple[int, int], rho: float) -> np.ndarray:
    noise = generator.normal(size=shape)
    path = np.empty(shape)
    path[:, 0] = noise[:, 0] / math.sqrt(1 - rho**2)
    for t in range(1, shape[1]):
        path[:, t] = rho * path[:, t - 1] + noise[:, t]
    return path * math.sqrt(1 - rho**2)


def test_ratio_by_hand_is_annualised_on_the_calendar_that_never_closes():
    returns = [0.01, -0.01, 0.03, 0.01] * 2
    deviation = math.sqrt(8 * 0.0002 / 7)
    assert sharpe_per_period(returns) == pytest.approx(0.01 / deviation)
    found = estimate(returns, HOURS)
    assert found.annualised == pytest.approx(0.01 / deviation * math.sqrt(8_760))
    assert per_period(found.annualised, HOURS) == pytest.approx(found.per_period)


def test_error_without_lags_is_that_of_mertens():
    returns = np.random.default_rng(1).standard_t(5, 400) * 0.01 + 0.002
    found = estimate(returns, HOURS, lags=0)
    ratio, skew, kurtosis = found.per_period, found.skew, found.kurtosis
    variance = (1 + ratio**2 / 2 - skew * ratio + (kurtosis - 3) / 4 * ratio**2) / 400
    assert found.error_per_period == pytest.approx(math.sqrt(variance))
    assert found.error_annualised == pytest.approx(math.sqrt(variance * HOURS))


def test_influence_is_the_change_of_the_ratio_when_an_observation_is_added():
    returns = np.random.default_rng(2).normal(0.1, 1.0, 2_000)
    changed = np.append(returns, 2.5)
    direct = (changed.mean() / changed.std() - returns.mean() / returns.std()) * 2_001
    z = (2.5 - returns.mean()) / returns.std()
    ratio = returns.mean() / returns.std()
    assert z - ratio * (z * z - 1) / 2 == pytest.approx(direct, rel=0.01)
    assert influence(returns).mean() == pytest.approx(0.0, abs=1e-12)


def test_long_run_variance_by_hand():
    values = np.array([1.0, 2.0, 4.0, 1.0])
    # centred -1, 0, 2, -1: autocovariances 6/4, (0 + 0 - 2)/4, (-2 + 0)/4; weights 2/3, 1/3
    assert autocovariances(values, 2).tolist() == [1.5, -0.5, -0.5]
    assert long_run_variance(values, 2) == pytest.approx(1.5 + 2 * (-0.5 * 2 / 3 - 0.5 / 3))
    with pytest.raises(ConfigError, match="lags must be from 0 to 3, was 4"):
        long_run_variance(values, 4)


def test_long_run_variance_of_an_autoregression_comes_near_its_own():
    path = autoregressive(np.random.default_rng(3), (1, 50_000), 0.5)[0]
    assert automatic_lags(path) > 10
    # long-run over short-run variance of AR(1): (1 + rho) / (1 - rho)
    assert long_run_variance(path, automatic_lags(path)) == pytest.approx(3.0, rel=0.08)


def test_long_run_variance_of_alternating_values_is_not_negative():
    assert long_run_variance(np.array([1.0, -1.0] * 20), 5) >= 0.0


def test_interval_covers_the_truth_under_autocorrelation_where_the_plain_one_does_not():
    paths = autoregressive(np.random.default_rng(5), (400, 1_000), 0.4) + 0.05
    covered = {}
    for lags in (0, "automatic"):
        bounds = [estimate(path, 1.0, lags=lags).interval_annualised() for path in paths]
        covered[lags] = np.mean([low < 0.05 < high for low, high in bounds])
    # error of a coverage over 400 paths: 0.011 at 0.95
    assert covered[0] < 0.85
    assert 0.90 < covered["automatic"] < 0.98


@pytest.mark.parametrize(("year", "normal", "skewed"), [(252.0, 2.73, None), (52.0, 2.83, None), (12.0, 3.24, 4.99)])
def test_track_record_is_that_of_bailey_and_lopez_de_prado(year, normal, skewed):
    two, one = per_period(Annualised(2.0), year), per_period(Annualised(1.0), year)
    assert round(minimum_track_record(two, one) / year, 2) == normal
    if skewed is not None:
        assert round(minimum_track_record(two, one, -0.72, 5.78) / year, 2) == skewed


def test_probability_at_the_minimum_track_record_is_the_level():
    ratio, benchmark = PerPeriod(0.1), PerPeriod(0.04)
    periods = minimum_track_record(ratio, benchmark, skew=-0.5, kurtosis=6.0, level=0.9)
    assert probabilistic_sharpe(ratio, benchmark, round(periods), -0.5, 6.0) == pytest.approx(0.9, abs=1e-3)
    assert minimum_track_record(benchmark, ratio) is None


def test_probability_without_lags_agrees_with_the_probabilistic_ratio():
    returns = np.random.default_rng(6).normal(0.05, 1.0, 1_000)
    found = estimate(returns, HOURS, lags=0)
    direct = probabilistic_sharpe(found.per_period, PerPeriod(0.0), 1_000, found.skew, found.kurtosis)
    assert found.probability_above(PerPeriod(0.0)) == pytest.approx(direct, abs=1e-3)
    assert annualise(PerPeriod(0.1), 4.0) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("returns", "message"),
    [
        ([0.1] * 7, "have 8 observations or more, was 7"),
        ([0.1] * 9, "returns must vary, was the same 0.1"),
        ([0.1, 0.2, math.nan] * 3, r"be finite, was nan \(observation 2\)"),
        (np.ones((4, 4)), r"have one dimension, was shape \(4, 4\)"),
    ],
)
def test_returns_without_a_ratio_are_refused(returns, message):
    with pytest.raises(DataError, match=message):
        estimate(returns, HOURS)


def test_impossible_moments_are_refused_with_their_values():
    with pytest.raises(DataError, match="was 5 and 3 at 1 a period"):
        probabilistic_sharpe(PerPeriod(1.0), PerPeriod(0.0), 100, skew=5.0)
