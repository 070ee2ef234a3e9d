"""The stationary bootstrap: its draws, its block length, and whether its intervals hold what they say."""

import math

import numpy as np
import pytest

from engine.contract.errors import ConfigError, DataError
from engine.evaluation.bootstrap import block_length, intervals, optimal_length, resamples, stationary_indices
from engine.evaluation.drawdown import max_drawdown


def autoregressive(generator: np.random.Generator, count: int, rho: float) -> np.ndarray:
    path = generator.normal(size=count)
    for t in range(1, count):
        path[t] += rho * path[t - 1]
    return path


def test_draws_are_blocks_of_the_mean_length_that_begin_anywhere():
    drawn = stationary_indices(1_000, 500, 20.0, np.random.default_rng(1))
    assert drawn.shape == (500, 1_000)
    goes_on = (np.diff(drawn, axis=1) % 1_000) == 1
    # a new block also goes on by chance, once in 1,000
    assert 1.0 - goes_on.mean() == pytest.approx(0.05 * 0.999, rel=0.03)
    share = np.bincount(drawn.ravel(), minlength=1_000) / drawn.size
    assert share == pytest.approx(0.001, rel=0.35)


def test_blocks_of_one_are_independent_draws():
    drawn = stationary_indices(100, 2_000, 1.0, np.random.default_rng(2))
    assert ((np.diff(drawn, axis=1) % 100) == 1).mean() == pytest.approx(0.01, abs=0.002)


def test_parts_continue_the_same_stream():
    whole = np.concatenate(list(resamples(50, 30, 5.0, seed=3)))
    np.testing.assert_array_equal(whole, stationary_indices(50, 30, 5.0, np.random.default_rng(3)))


@pytest.mark.slow
@pytest.mark.parametrize("count", [60, 500, 5_000])
@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_block_length_is_that_of_arch(count, rho):
    from arch.bootstrap import optimal_block_length

    path = autoregressive(np.random.default_rng(count), count, rho)
    assert optimal_length(path) == pytest.approx(float(optimal_block_length(path)["stationary"].iloc[0]))


def test_dependence_lengthens_blocks_of_returns_and_of_their_size():
    generator = np.random.default_rng(4)
    plain = generator.normal(size=3_000)
    size = np.exp(0.5 * autoregressive(generator, 3_000, 0.95))
    assert block_length(plain) < 6.0
    assert block_length(autoregressive(generator, 3_000, 0.9)) > 20.0
    assert block_length(plain * size) > 20.0


def test_figures_are_those_of_the_series_itself():
    returns = np.random.default_rng(5).normal(0.001, 0.02, 300)
    found = intervals(returns, 365.0, replicates=50)
    curve = np.cumprod(np.concatenate([[1.0], 1.0 + returns]))
    assert found.total_return.value == pytest.approx(curve[-1] - 1.0)
    assert found.max_drawdown_frac.value == pytest.approx(max_drawdown(curve))
    assert found.sharpe_annualised.value == pytest.approx(returns.mean() / returns.std(ddof=1) * math.sqrt(365))
    for one in found[:3]:
        assert one.low < one.high


def test_interval_of_the_sharpe_ratio_covers_the_truth_at_its_level():
    generator = np.random.default_rng(6)
    inside = 0
    for seed in range(150):
        found = intervals(generator.standard_t(5, 400) * 0.01 + 0.0005, 1.0, replicates=400, level=0.9, seed=seed)
        truth = 0.0005 / (0.01 * math.sqrt(5 / 3))
        inside += found.sharpe_annualised.low < truth < found.sharpe_annualised.high
    # standard deviation of the coverage of 150: 0.025
    assert 0.82 < inside / 150 < 0.97


def test_blocks_widen_the_interval_of_returns_that_trend():
    returns = 0.01 * autoregressive(np.random.default_rng(7), 2_000, 0.6)
    plain = intervals(returns, 365.0, block_periods=1.0).sharpe_annualised
    blocks = intervals(returns, 365.0).sharpe_annualised
    # long-run over short-run deviation of AR(1): sqrt((1 + rho) / (1 - rho)) = 2
    assert (blocks.high - blocks.low) / (plain.high - plain.low) == pytest.approx(2.0, abs=0.3)


def test_same_seed_gives_the_same_interval():
    returns = np.random.default_rng(8).normal(size=100) * 0.01
    first, again, other = (intervals(returns, 365.0, replicates=100, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_what_cannot_be_drawn_is_refused():
    returns = np.linspace(-0.01, 0.01, 50)
    with pytest.raises(ConfigError, match=r"block_periods must be 1 or more and finite, was 0\.5"):
        intervals(returns, 365.0, block_periods=0.5)
    with pytest.raises(ConfigError, match="replicates must be 1 or more, was 0"):
        intervals(returns, 365.0, replicates=0)
    with pytest.raises(DataError, match="8 observations or more, was 7"):
        intervals(returns[:7], 365.0)
