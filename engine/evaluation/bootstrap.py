"""How far a figure may lie from the truth: the stationary bootstrap, which draws blocks of random length and so keeps dependence."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from engine.contract.errors import ConfigError, broken
from engine.evaluation.samples import Floats, Indices, positive, series, share, varying
from engine.evaluation.sharpe import LEAST, autocovariances

REPLICATES = 1_000
CELLS = 4_000_000
"""Numbers per array that are in memory at a time."""


class Interval(NamedTuple):
    """A figure with the quantiles of its bootstrap distribution; `low` and `high` hold a share `level` of it."""

    value: float
    low: float
    high: float
    level: float


class Intervals(NamedTuple):
    """Intervals of one strategy, all from the same resamples.

    Attributes
    ----------
    sharpe_annualised
        Mean over standard deviation, annualised.
    total_return
        Compounded simple return of the whole span.
    max_drawdown_frac
        Largest fall from a peak. Its bootstrap distribution says what falls such returns might have led to in another order; the fall
        that was seen need not lie in its middle.
    block_periods
        Mean length of the blocks.
    replicates
        How many resamples.
    """

    sharpe_annualised: Interval
    total_return: Interval
    max_drawdown_frac: Interval
    block_periods: float
    replicates: int


def block_length(returns: npt.ArrayLike) -> float:
    """Choose the mean block length from the dependence of returns and of their size.

    Parameters
    ----------
    returns : float64 (T,), per period; 8 or more

    Returns
    -------
    Periods, 1 or more: the larger of the optimal lengths for returns and for their absolute values. Returns of a market are nearly
    uncorrelated while their size comes in clusters, which is what ratios and falls depend on.
    """
    values = series(returns, LEAST)
    varying(values)
    size = np.abs(values - values.mean())
    lengths = [optimal_length(one) for one in (values, size) if float(one.std()) > 0.0]
    return max(1.0, *lengths)


def optimal_length(values: Floats) -> float:
    """Return the block length that minimises the mean squared error of the variance of the mean of `values`.

    Parameters
    ----------
    values : float64 (T,), varying

    Returns
    -------
    Periods; below 1 where there is hardly any dependence.

    References
    ----------
    Politis & White (2004), Automatic Block-Length Selection for the Dependent Bootstrap, Econometric Reviews 23(1), with the
    correction of Patton, Politis & White (2009), Econometric Reviews 28(4): D = 2 g(0)² for the stationary bootstrap. Autocorrelations
    are scaled, and lengths bounded, as in Patton's program.
    """
    count = len(values)
    run = max(5, int(np.log10(count)))
    most = min(int(np.ceil(np.sqrt(count))) + run, count - 2)
    centred = values - values.mean()
    covariance = autocovariances(values, most)
    power = np.concatenate([[0.0], np.cumsum(centred * centred)])
    lag = np.arange(most + 1)
    scale = np.sqrt((power[count] - power[lag + 1]) * power[count - lag - 1])
    correlation = np.abs(covariance) * count / np.where(scale > 0.0, scale, 1.0)
    small = correlation < 2.0 * np.sqrt(np.log10(count) / count)
    last = most
    for first in range(most - run + 1):
        if small[first : first + run].all():
            last = min(2 * max(first, 1), most)
            break
    k = np.arange(1, last + 1)
    weight = np.minimum(1.0, 2.0 * (1.0 - k / last))
    slope = 2.0 * float((weight * k * covariance[1 : last + 1]).sum())
    level = float(covariance[0] + 2.0 * (weight * covariance[1 : last + 1]).sum())
    bound = float(np.ceil(min(3.0 * np.sqrt(count), count / 3.0)))
    return bound if level == 0.0 else min(bound, float((slope / level) ** 2 * count) ** (1.0 / 3.0))


def stationary_indices(periods: int, replicates: int, block_periods: float, generator: np.random.Generator) -> Indices:
    """Draw resamples: blocks that begin anywhere, last a geometric number of periods, and go on at the beginning behind the end.

    Parameters
    ----------
    periods
        Length of the series, T.
    replicates
        Resamples, R.
    block_periods
        Mean length of a block, 1 or more; 1 draws every period by itself.
    generator
        Source of randomness.

    Returns
    -------
    int64 (R, T)

    References
    ----------
    Politis & Romano (1994), The Stationary Bootstrap, Journal of the American Statistical Association 89.
    """
    _check(replicates, block_periods)
    return _indices(generator.random((replicates, periods)), 1.0 / block_periods)


def resamples(periods: int, replicates: int, block_periods: float, seed: int) -> Iterator[Indices]:
    """Yield the resamples of one seed in parts that fit in memory: int64 (r, T)."""
    _check(replicates, block_periods)
    for uniform in _uniform(periods, replicates, seed):
        yield _indices(uniform, 1.0 / block_periods)


def intervals(
    returns: npt.ArrayLike,
    periods_per_year: float,
    *,
    level: float = 0.95,
    replicates: int = REPLICATES,
    block_periods: float | None = None,
    seed: int = 0,
) -> Intervals:
    """Return percentile intervals of the Sharpe ratio, the total return and the largest fall.

    Parameters
    ----------
    returns : float64 (T,), simple returns per period; 8 or more, all above -1
    periods_per_year
        Of the market's calendar.
    level
        Share of the distribution inside.
    replicates
        Resamples; the ends of a 95 % interval wander by about 0.08 standard deviations with 1,000 of them.
    block_periods
        Mean length of blocks; `block_length` chooses it where None.
    seed
        The same seed gives the same intervals.

    Raises
    ------
    DataError
        The returns are too few, not finite, or do not vary.
    """
    values = series(returns, LEAST)
    varying(values)
    block = block_length(values) if block_periods is None else block_periods
    year = np.sqrt(positive(periods_per_year, "periods_per_year"))
    _check(replicates, block)
    parts = [_figures(values, _indices(uniform, 1.0 / block)) for uniform in _uniform(len(values), replicates, seed)]
    drawn = np.concatenate(parts)
    seen = _figures(values, np.arange(len(values))[None])[0]
    drawn[:, 0] *= year
    seen[0] *= year
    tail = 0.5 * (1.0 - share(level, "level"))
    low, high = np.quantile(drawn, [tail, 1.0 - tail], axis=0)
    made = [Interval(float(a), float(b), float(c), level) for a, b, c in zip(seen, low, high)]
    return Intervals(made[0], made[1], made[2], block, replicates)


def _check(replicates: int, block_periods: float) -> None:
    if replicates < 1:
        raise ConfigError(broken("replicates", "be 1 or more", replicates))
    if not 1.0 <= block_periods < np.inf:
        raise ConfigError(broken("block_periods", "be 1 or more and finite", block_periods))


def _uniform(periods: int, replicates: int, seed: int) -> Iterator[Floats]:
    generator = np.random.default_rng(seed)
    part = max(1, CELLS // periods)
    for start in range(0, replicates, part):
        yield generator.random((min(part, replicates - start), periods))


@njit(cache=True)
def _indices(uniform: Floats, jump: float) -> Indices:
    """A number below `jump` begins a block; how far below says where."""
    drawn = np.empty(uniform.shape, dtype=np.int64)
    periods = uniform.shape[1]
    for row in range(len(uniform)):
        at = 0
        for t in range(periods):
            at = at + 1 if at + 1 < periods else 0
            if t == 0:
                at = int(uniform[row, t] * periods)
            elif uniform[row, t] < jump:
                at = min(int(uniform[row, t] / jump * periods), periods - 1)
            drawn[row, t] = at
    return drawn


@njit(cache=True)
def _figures(returns: Floats, indices: Indices) -> Floats:
    """Sharpe ratio per period, total return and largest fall of each resample: float64 (R, 3)."""
    replicates, periods = indices.shape
    centre = returns.mean()
    figures = np.empty((replicates, 3))
    for row in range(replicates):
        total, square, curve, peak, fall = 0.0, 0.0, 1.0, 1.0, 0.0
        for t in range(periods):
            earned = returns[indices[row, t]]
            total += earned - centre
            square += (earned - centre) ** 2
            curve *= 1.0 + earned
            peak = max(peak, curve)
            fall = max(fall, 1.0 - curve / peak)
        mean = total / periods
        variance = (square - periods * mean * mean) / (periods - 1.0)
        figures[row, 0] = (mean + centre) / np.sqrt(variance) if variance > 0.0 else 0.0
        figures[row, 1] = curve - 1.0
        figures[row, 2] = fall
    return figures
