"""Two strategies, and several against one: size, power, and adjustments by hand."""

import numpy as np
import pytest

from engine.contract.errors import ConfigError, DataError
from engine.evaluation.comparison import against_baseline, benjamini_hochberg, compare, holm


def test_difference_of_means_of_independent_pairs_is_the_paired_test():
    generator = np.random.default_rng(1)
    first, second = generator.normal(0.1, 1.0, 500), generator.normal(0.0, 1.0, 500)
    found = compare(first, second, statistic="mean", lags=0)
    away = first - second
    assert found.value_per_period == pytest.approx(away.mean())
    assert found.error_per_period == pytest.approx(away.std() / np.sqrt(500))


def test_error_of_a_difference_of_sharpe_ratios_is_that_of_jobson_korkie_and_memmel():
    generator = np.random.default_rng(2)
    common = generator.normal(size=200_000)
    first, second = 0.1 + common, 0.05 + 0.6 * common + 0.8 * generator.normal(size=200_000)
    found = compare(first, second, lags=0)
    # Memmel (2003) for normal returns: 2 - 2 rho + (a² + b² - 2 a b rho²) / 2
    a, b, rho = 0.1, 0.05, 0.6
    variance = 2 - 2 * rho + 0.5 * (a * a + b * b - 2 * a * b * rho * rho)
    assert found.error_per_period == pytest.approx(np.sqrt(variance / 200_000), rel=0.01)


@pytest.mark.parametrize("method", ["hac", "bootstrap"])
def test_strategies_that_are_equally_good_differ_at_the_stated_rate(method):
    generator = np.random.default_rng(3)
    found = []
    for seed in range(150):
        common = generator.standard_t(5, 300)
        pair = 0.1 + common[:, None] + generator.standard_t(5, (300, 2))
        found.append(compare(pair[:, 0], pair[:, 1], method=method, replicates=200, seed=seed).p_value)
    # standard deviation of a share of 150 at 0.05: 0.018
    assert np.mean(np.array(found) < 0.05) < 0.11
    assert np.mean(np.array(found) < 0.5) == pytest.approx(0.5, abs=0.13)


@pytest.mark.parametrize("method", ["hac", "bootstrap"])
@pytest.mark.parametrize("statistic", ["sharpe", "mean"])
def test_better_strategy_is_found(method, statistic):
    generator = np.random.default_rng(4)
    common = generator.normal(size=2_000)
    first, second = common + 0.2 + 0.3 * generator.normal(size=2_000), common
    found = compare(first, second, method=method, statistic=statistic)
    assert found.p_value < 0.01
    assert 0.0 < found.low_per_period < found.value_per_period < found.high_per_period
    turned = compare(second, first, method=method, statistic=statistic)
    assert turned.value_per_period == pytest.approx(-found.value_per_period)
    assert turned.p_value == pytest.approx(found.p_value)


def test_leverage_changes_the_mean_and_not_the_sharpe_ratio():
    first = np.random.default_rng(5).normal(0.1, 1.0, 400)
    found = compare(2.0 * first, first)
    assert found.value_per_period == pytest.approx(0.0, abs=1e-12)
    assert found.p_value > 0.99
    assert compare(2.0 * first, first, statistic="mean").value_per_period == pytest.approx(first.mean())


def test_holm_and_benjamini_hochberg_by_hand():
    p_values = [0.01, 0.02, 0.03, 0.5]
    assert holm(p_values) == pytest.approx([0.04, 0.06, 0.06, 0.5])
    assert benjamini_hochberg(p_values) == pytest.approx([0.04, 0.04, 0.04, 0.5])
    assert holm([0.9, 0.8]) == pytest.approx([1.0, 1.0])


def test_several_against_one_find_the_good_and_spare_the_rest():
    generator = np.random.default_rng(6)
    baseline = generator.normal(size=2_000)
    strategies = baseline[:, None] + 0.5 * generator.normal(size=(2_000, 8))
    strategies[:, 2] += 0.1
    found = against_baseline(strategies, baseline)
    assert found.romano_wolf[2] < 0.01
    assert (np.delete(found.romano_wolf, 2) > 0.05).all()
    assert (found.romano_wolf >= found.p_value).all()
    assert (found.holm >= found.benjamini_hochberg - 1e-15).all()


def test_stepdown_uses_correlation_where_holm_cannot():
    generator = np.random.default_rng(7)
    baseline = generator.normal(size=1_000)
    edge = baseline + 0.5 * generator.normal(size=1_000) + 0.04
    twins = edge[:, None] + 0.001 * generator.normal(size=(1_000, 20))
    found = against_baseline(twins, baseline)
    assert (found.romano_wolf < found.holm).all()
    assert found.romano_wolf.max() < 3 * found.p_value.max()


def test_any_false_finding_among_ten_is_as_rare_as_stated():
    generator = np.random.default_rng(8)
    adjusted, alone = 0, 0
    for seed in range(100):
        baseline = generator.normal(size=250)
        strategies = baseline[:, None] + generator.normal(size=(250, 10))
        found = against_baseline(strategies, baseline, statistic="mean", replicates=200, seed=seed)
        adjusted += found.romano_wolf.min() < 0.05
        alone += found.p_value.min() < 0.05
    # standard deviation of a share of 100 at 0.05: 0.022
    assert adjusted <= 11
    assert alone > 25


@pytest.mark.slow
def test_stepdown_agrees_with_arch_on_which_are_better():
    from arch.bootstrap import StepM

    generator = np.random.default_rng(9)
    baseline = generator.normal(size=800)
    strategies = baseline[:, None] + generator.normal(size=(800, 6)) + np.array([0.3, 0.25, 0.2, 0.0, -0.1, 0.02])
    found = against_baseline(strategies, baseline, statistic="mean")
    other = StepM(-baseline, -strategies, size=0.05, block_size=1, reps=1_000, studentize=True, seed=1)
    other.compute()
    assert sorted(np.flatnonzero(found.romano_wolf <= 0.05).tolist()) == sorted(other.superior_models)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (np.arange(9.0), np.arange(8.0), "as many periods, 9, was 8"),
        (np.arange(9.0), np.ones(9), "returns compared with must vary"),
        (np.arange(9.0), np.arange(9.0) + 1.0, "difference of returns must vary"),
    ],
)
def test_what_cannot_be_compared_is_refused(first, second, message):
    with pytest.raises(DataError, match=message):
        compare(first, second)


def test_unknown_statistic_and_impossible_p_values_are_refused():
    with pytest.raises(ConfigError, match="be sharpe or mean, was median"):
        compare(np.arange(9.0), np.arange(9.0) ** 2, statistic="median")
    with pytest.raises(DataError, match=r"lie from 0 to 1, was 0\.5 to 1\.5"):
        holm([0.5, 1.5])
