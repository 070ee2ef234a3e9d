"""The deflated Sharpe ratio, against the example of its authors and against simulation."""

import math
from itertools import pairwise

import numpy as np
import pytest

from engine.contract.errors import DataError
from engine.evaluation.deflated import (
    VarianceAnnualised,
    VariancePerPeriod,
    deflated_sharpe,
    effective_trials,
    expected_maximum_sharpe,
    selection_variance,
    variance_of_period,
)
from engine.evaluation.sharpe import Annualised, PerPeriod, per_period, probabilistic_sharpe

VARIANCE = variance_of_period(VarianceAnnualised(0.5), 250.0)
BEST = per_period(Annualised(2.5), 250.0)


def test_example_of_bailey_and_lopez_de_prado_is_reproduced():
    found = deflated_sharpe(BEST, 1_250, 100, VARIANCE, skew=-3.0, kurtosis=10.0)
    assert round(found.benchmark_per_period, 4) == 0.1132
    assert round(found.probability, 4) == 0.9004


def test_forty_six_trials_would_have_been_enough_as_they_say():
    assert round(deflated_sharpe(BEST, 1_250, 46, VARIANCE, skew=-3.0, kurtosis=10.0).probability, 4) == 0.9505


def test_one_trial_is_deflated_by_nothing():
    found = deflated_sharpe(BEST, 1_250, 1, VARIANCE, skew=-3.0, kurtosis=10.0)
    assert found.benchmark_per_period == 0.0
    assert found.probability == probabilistic_sharpe(BEST, PerPeriod(0.0), 1_250, -3.0, 10.0)


@pytest.mark.parametrize(("trials", "within"), [(2, 0.09), (5, 0.03), (20, 0.03), (200, 0.03), (2_000, 0.03)])
def test_expected_maximum_is_that_of_normal_variables(trials, within):
    drawn = np.random.default_rng(trials).normal(0.0, 0.3, (max(4_000, 200_000 // trials), trials)).max(axis=1).mean()
    assert expected_maximum_sharpe(trials, VariancePerPeriod(0.09)) == pytest.approx(drawn, rel=within)


def test_more_trials_raise_the_benchmark_and_lower_the_probability():
    found = [deflated_sharpe(BEST, 1_250, trials, VARIANCE) for trials in (1, 1.5, 2, 10, 100, 1_000)]
    assert all(a.benchmark_per_period <= b.benchmark_per_period for a, b in pairwise(found))
    assert all(a.probability >= b.probability for a, b in pairwise(found))


def test_best_of_many_lucky_trials_is_not_significant_at_its_level():
    generator = np.random.default_rng(8)
    false = plain = 0
    for _ in range(150):
        returns = generator.normal(0.0, 0.01, (50, 500))
        ratios = returns.mean(axis=1) / returns.std(axis=1, ddof=1)
        best = PerPeriod(float(ratios.max()))
        false += deflated_sharpe(best, 500, 50, selection_variance(ratios, 500)).probability > 0.95
        plain += probabilistic_sharpe(best, PerPeriod(0.0), 500) > 0.95
    assert plain > 130
    assert false <= 4


def test_few_trials_that_agree_by_chance_have_the_variance_of_chance():
    assert selection_variance([0.01, 0.01], 401) == pytest.approx(1 / 400)
    assert selection_variance([], 401) == pytest.approx(1 / 400)
    assert selection_variance([0.2, -0.2], 401) == pytest.approx(0.08)
    assert selection_variance([0.01] * 10, 401) == pytest.approx(0.0, abs=1e-20)


def test_effective_trials_of_twins_strangers_and_a_known_correlation():
    generator = np.random.default_rng(9)
    common, own = generator.normal(size=(20_000, 1)), generator.normal(size=(20_000, 20))
    assert effective_trials(np.repeat(common, 20, axis=1)) == pytest.approx(1.0)
    assert effective_trials(own) == pytest.approx(20.0, abs=0.1)
    assert effective_trials(common + own) == pytest.approx(0.5 + 0.5 * 20, abs=0.3)
    assert effective_trials(common) == 1.0


@pytest.mark.parametrize(
    ("trials", "variance", "message"),
    [
        (0, 0.1, "trials must be 1 or more and finite, was 0"),
        (math.inf, 0.1, "was inf"),
        (5, -0.1, "not negative, was -0.1"),
        (5, math.nan, "was nan"),
    ],
)
def test_numbers_out_of_range_are_refused(trials, variance, message):
    with pytest.raises(DataError, match=message):
        expected_maximum_sharpe(trials, VariancePerPeriod(variance))
