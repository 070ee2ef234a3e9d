"""The probability of backtest overfitting: how often the best of many strategies in one half of history is poor in the other."""

import math
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.contract.errors import ConfigError, broken
from engine.evaluation.samples import NO_DEVIATION, Floats, panel

MOST_BLOCKS = 20
CELLS = 4_000_000
"""Numbers per array that are in memory at a time."""
ROUNDING = 1e-12
"""Share of the mean square that a difference of sums may leave of a variance that is zero."""


class Overfitting(NamedTuple):
    """What choosing the best in sample led to out of sample, over all combinations.

    Attributes
    ----------
    probability
        Share of combinations in which the chosen strategy came out at or below the median out of sample: PBO, 0 to 1. Near 0.5 when
        the choice means nothing, near 0 when it finds something, near 1 when it is harmful.
    loss_probability
        Share of combinations in which the chosen strategy's Sharpe ratio out of sample was below zero.
    slope, intercept
        Least squares of the chosen strategy's Sharpe ratio out of sample on that in sample: performance degradation. NaN where all
        ratios in sample are equal.
    combinations
        How many.
    strategies
        How many were chosen from.
    logits : float64 (combinations,)
        log(w / (1 - w)), with w the rank out of sample of what was chosen, over N + 1.
    in_sample_per_period, out_of_sample_per_period : float64 (combinations,)
        Sharpe ratios per period of what was chosen.
    """

    probability: float
    loss_probability: float
    slope: float
    intercept: float
    combinations: int
    strategies: int
    logits: Floats
    in_sample_per_period: Floats
    out_of_sample_per_period: Floats


def overfitting(returns: npt.ArrayLike, blocks: int = 16) -> Overfitting:
    """Estimate the probability of backtest overfitting by combinatorially symmetric cross-validation.

    Parameters
    ----------
    returns : float64 (T, N)
        Simple returns per period of all strategies that were tried, a column each, over the same periods; N is 2 or more. A column
        left out because it did badly makes the answer too good.
    blocks
        Consecutive blocks of periods, even, from 4 to 20; half of them are in sample. 16 makes 12,870 combinations.

    Raises
    ------
    ConfigError
        The number of blocks is odd or out of range.
    DataError
        There are fewer than 4 periods per block, fewer than 2 strategies, or values that are not finite.

    Notes
    -----
    Sums and sums of squares per block are multiplied with the matrix of combinations, so that no strategy is evaluated twice. A
    strategy that does not vary in a half has the Sharpe ratio zero there: holding nothing is a choice.
    Equal ranks share their mean.

    References
    ----------
    Bailey, Borwein, López de Prado & Zhu (2017), The Probability of Backtest Overfitting, Journal of Computational Finance 20(4),
    algorithm 2.3. **Departure**: where T is no multiple of the blocks, blocks differ by one period instead of dropping the rest.
    """
    if blocks % 2 or not 4 <= blocks <= MOST_BLOCKS:
        raise ConfigError(broken("blocks", f"be even, from 4 to {MOST_BLOCKS}", blocks))
    values = panel(returns, 4 * blocks, least_columns=2, name="returns of strategies")
    count = values.shape[1]
    edges = np.arange(blocks) * len(values) // blocks
    centre = values.mean(axis=0)
    sums = np.add.reduceat(values - centre, edges)
    squares = np.add.reduceat((values - centre) ** 2, edges)
    sizes = np.diff(edges, append=len(values)).astype(np.float64)
    chosen = halves(blocks)
    inside, outside, rank = [], [], []
    step = max(1, CELLS // count)
    for start in range(0, len(chosen), step):
        part = chosen[start : start + step]
        first = _sharpe(part @ sums, part @ squares, part @ sizes, centre)
        part = 1.0 - part
        second = _sharpe(part @ sums, part @ squares, part @ sizes, centre)
        row, best = np.arange(len(part)), first.argmax(axis=1)
        own = second[row, best]
        inside.append(first[row, best])
        outside.append(own)
        below, equal = (second < own[:, None]).sum(axis=1), (second == own[:, None]).sum(axis=1)
        rank.append(below + 0.5 * (equal + 1.0))
    own_in, own_out = np.concatenate(inside), np.concatenate(outside)
    relative = np.concatenate(rank) / (count + 1.0)
    logits = np.log(relative / (1.0 - relative))
    spread = own_in - own_in.mean()
    varies = float(spread @ spread) > NO_DEVIATION
    slope = float(spread @ own_out / (spread @ spread)) if varies else math.nan
    return Overfitting(
        float((logits <= 0.0).mean()),
        float((own_out < 0.0).mean()),
        slope,
        float(own_out.mean() - slope * own_in.mean()),
        len(chosen),
        count,
        logits,
        own_in,
        own_out,
    )


def halves(blocks: int) -> Floats:
    """Return every way to put half of the blocks in sample: float64 (binom(S, S/2), S), 1 in sample and 0 out.

    >>> halves(4).astype(int).tolist()[:2]
    [[1, 1, 0, 0], [1, 0, 1, 0]]
    """
    chosen = np.array(list(combinations(range(blocks), blocks // 2)))
    table = np.zeros((len(chosen), blocks))
    np.put_along_axis(table, chosen, 1.0, axis=1)
    return table


def _sharpe(total: Floats, square: Floats, size: Floats, centre: Floats) -> Floats:
    """Sharpe ratios from sums of centred returns, float64 (combinations, N); zero where returns do not vary."""
    periods = size[:, None]
    mean = total / periods
    variance = (square - periods * mean * mean) / (periods - 1.0)
    varies = variance > np.maximum(ROUNDING * square / periods, NO_DEVIATION**2)
    return np.divide(
        mean + centre, np.sqrt(variance, where=varies, out=np.ones_like(mean)), out=np.zeros_like(mean), where=varies
    )
