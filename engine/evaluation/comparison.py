"""Whether one strategy is better than another over the same periods, and whether any of several is better than a baseline."""

import math
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit
from scipy.special import ndtr, ndtri

from engine.contract.errors import ConfigError, DataError, broken
from engine.evaluation.bootstrap import REPLICATES, block_length, resamples
from engine.evaluation.samples import NO_DEVIATION, Floats, Indices, panel, series, varying
from engine.evaluation.sharpe import LEAST, Lags, automatic_lags, influence, long_run_variance

Statistic = Literal["sharpe", "mean"]
Method = Literal["hac", "bootstrap"]


class Difference(NamedTuple):
    """First less second, per period.

    Attributes
    ----------
    value_per_period, error_per_period
        The difference of Sharpe ratios or mean returns, and its standard error.
    p_value
        Two-sided, of the hypothesis that the truth is zero.
    low_per_period, high_per_period
        95 % confidence interval.
    """

    value_per_period: float
    error_per_period: float
    p_value: float
    low_per_period: float
    high_per_period: float


class Family(NamedTuple):
    """Several strategies against one baseline, in the order in which they were given; each float64 (N,).

    Attributes
    ----------
    value_per_period, error_per_period
        Strategy less baseline.
    p_value
        One-sided, each strategy by itself: the truth is not above the baseline. Not to be used for choosing among several.
    romano_wolf
        Adjusted for all of them together, their correlation used: below 0.05 with probability at most 0.05 for any strategy that is no
        better, however many there are.
    holm, benjamini_hochberg
        The p-values adjusted without their correlation: for the probability of any false finding, and for the share of false ones.
    """

    value_per_period: Floats
    error_per_period: Floats
    p_value: Floats
    romano_wolf: Floats
    holm: Floats
    benjamini_hochberg: Floats


def compare(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    *,
    statistic: Statistic = "sharpe",
    method: Method = "hac",
    lags: Lags = "automatic",
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Difference:
    """Compare two strategies on paired returns.

    Parameters
    ----------
    first, second : float64 (T,), simple returns per period over the same periods; 8 or more
    statistic
        Difference of Sharpe ratios, or of mean returns.
    method
        `hac`: delta method with a long-run variance; good for long samples. `bootstrap`: pairs in blocks, for short or fat-tailed ones.
    lags
        Of `hac`; see `engine.evaluation.sharpe.estimate`.
    replicates, seed
        Of `bootstrap`.

    Raises
    ------
    DataError
        The two have different lengths, are too few, do not vary, or their difference does not.

    References
    ----------
    Ledoit & Wolf (2008), Robust performance hypothesis testing with the Sharpe ratio, Journal of Empirical Finance 15. **Departure**:
    Bartlett instead of the prewhitened quadratic spectral kernel; the bootstrap is stationary, and not studentised within resamples.
    """
    pair = _pair(first, second)
    value = _statistic(pair[None], statistic)[0]
    if method == "hac":
        path = _path(pair, statistic)
        used = automatic_lags(path) if lags == "automatic" else lags
        error = math.sqrt(max(long_run_variance(path, used), NO_DEVIATION**2) / len(path))
        p_value = 2.0 * float(ndtr(-abs(value) / error))
        half = float(ndtri(0.975)) * error
        return Difference(value, error, p_value, value - half, value + half)
    block = max(block_length(pair[:, 0]), block_length(pair[:, 1]))
    drawn = [_statistic(pair[index], statistic) for index in resamples(len(pair), replicates, block, seed)]
    away = np.concatenate(drawn) - value
    p_value = (1 + int((np.abs(away) >= abs(value)).sum())) / (1 + replicates)
    low, high = np.quantile(away, [0.025, 0.975])
    return Difference(value, float(away.std(ddof=1)), p_value, value - float(high), value - float(low))


def against_baseline(
    strategies: npt.ArrayLike,
    baseline: npt.ArrayLike,
    *,
    statistic: Statistic = "sharpe",
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Family:
    """Ask of several strategies at once which are better than a baseline.

    Parameters
    ----------
    strategies : float64 (T, N), simple returns per period, a column each
    baseline : float64 (T,), over the same periods
    statistic
        What must be larger.
    replicates, seed
        Of the stationary bootstrap, which draws all columns together.

    Raises
    ------
    DataError
        Lengths differ, there are fewer than 8 periods, or a column, or its difference from the baseline, does not vary.

    References
    ----------
    Romano & Wolf (2005), Stepwise multiple testing as formalized data snooping, Econometrica 73; (2016), Efficient computation of
    adjusted p-values for resampling-based stepdown multiple testing, Statistics & Probability Letters 113. **Departure**: resampled
    is the influence of each period on the difference, not the difference itself; to first order they agree.
    """
    columns = panel(strategies, LEAST, name="returns of strategies")
    pairs = [_pair(columns[:, number], baseline) for number in range(columns.shape[1])]
    values = np.array([_statistic(pair[None], statistic)[0] for pair in pairs])
    paths = np.stack([_path(pair, statistic) for pair in pairs], axis=1)
    block = max(block_length(paths[:, number]) for number in range(paths.shape[1]))
    drawn = np.concatenate([_means(paths, index) for index in resamples(len(paths), replicates, block, seed)])
    error = drawn.std(axis=0, ddof=1)
    student, noise = values / error, drawn / error
    alone = (1 + (noise >= student).sum(axis=0)) / (1 + replicates)
    return Family(values, error, alone, _stepdown(student, noise), holm(alone), benjamini_hochberg(alone))


def holm(p_values: npt.ArrayLike) -> Floats:
    """Adjust p-values so that the probability of any false finding stays below the level, whatever their dependence: Holm (1979).

    >>> [round(p, 6) for p in holm([0.01, 0.04, 0.03]).tolist()]
    [0.03, 0.06, 0.06]
    """
    values = _probabilities(p_values)
    order = np.argsort(values, kind="stable")
    adjusted = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    return _unsorted(np.minimum(adjusted, 1.0), order)


def benjamini_hochberg(p_values: npt.ArrayLike) -> Floats:
    """Adjust p-values so that the expected share of false findings stays below the level: Benjamini & Hochberg (1995).

    It holds for independent or positively dependent p-values.

    >>> [round(p, 6) for p in benjamini_hochberg([0.01, 0.04, 0.03]).tolist()]
    [0.03, 0.04, 0.04]
    """
    values = _probabilities(p_values)
    order = np.argsort(values, kind="stable")
    scaled = values[order] * len(values) / np.arange(1, len(values) + 1)
    adjusted = np.minimum.accumulate(scaled[::-1])[::-1]
    return _unsorted(np.minimum(adjusted, 1.0), order)


def _stepdown(student: Floats, noise: Floats) -> Floats:
    """Romano-Wolf adjusted p-values, from the statistics (N,) and their centred resamples (R, N)."""
    order = np.argsort(-student, kind="stable")
    largest = np.maximum.accumulate(noise[:, order][:, ::-1], axis=1)[:, ::-1]
    reached = (largest >= student[order]).sum(axis=0)
    return _unsorted(np.maximum.accumulate((1.0 + reached) / (1.0 + len(noise))), order)


def _unsorted(values: Floats, order: Indices) -> Floats:
    back = np.empty_like(values)
    back[order] = values
    return back


def _probabilities(p_values: npt.ArrayLike) -> Floats:
    values = series(p_values, 1, "p-values")
    if values.min() < 0.0 or values.max() > 1.0:
        raise DataError(broken("p-values", "lie from 0 to 1", f"{values.min():g} to {values.max():g}"))
    return values


def _pair(first: npt.ArrayLike, second: npt.ArrayLike) -> Floats:
    one, other = series(first, LEAST, "returns"), series(second, LEAST, "returns compared with")
    if len(one) != len(other):
        raise DataError(broken("returns compared with", f"have as many periods, {len(one)}", len(other)))
    varying(one)
    varying(other, "returns compared with")
    varying(one - other, "difference of returns")
    return np.stack([one, other], axis=1)


def _path(pair: Floats, statistic: Statistic) -> Floats:
    """Influence of each period on the difference: float64 (T,), of mean zero."""
    contribution = influence(pair) if statistic == "sharpe" else pair - pair.mean(axis=0)
    return contribution[:, 0] - contribution[:, 1]


def _statistic(pairs: Floats, statistic: Statistic) -> Floats:
    """The difference, for each of (R, T, 2) pairs of series."""
    if statistic not in ("sharpe", "mean"):
        raise ConfigError(broken("statistic", "be sharpe or mean", statistic))
    figure = pairs.mean(axis=1)
    if statistic == "sharpe":
        figure = figure / np.maximum(pairs.std(axis=1, ddof=1), NO_DEVIATION)
    return figure[:, 0] - figure[:, 1]


@njit(cache=True)
def _means(paths: Floats, indices: Indices) -> Floats:
    """Means of each column over each resample: float64 (R, N)."""
    replicates, periods = indices.shape
    means = np.zeros((replicates, paths.shape[1]))
    for row in range(replicates):
        for t in range(periods):
            for column in range(paths.shape[1]):
                means[row, column] += paths[indices[row, t], column]
    return means / periods
