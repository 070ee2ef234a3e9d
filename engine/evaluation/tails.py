"""The shape of returns beyond mean and deviation: moments, and what the worst of them cost."""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.contract.errors import DataError, broken
from engine.evaluation.samples import series, share, varying


class Moments(NamedTuple):
    """Third and fourth standardised moments of a sample, dividing by n; those of a normal distribution are 0 and 3."""

    skew: float
    kurtosis: float


def moments(returns: npt.ArrayLike) -> Moments:
    """Measure skewness and kurtosis (not excess kurtosis), with population moments, as the formulas of the Sharpe ratio take them.

    Parameters
    ----------
    returns : float64 (T,), per period; 4 or more

    Raises
    ------
    DataError
        They are too few, not finite, or do not vary.

    Examples
    --------
    >>> [round(moment, 6) for moment in moments([0.0, 0.0, 0.0, 0.0, 1.0])]
    [1.5, 3.25]
    """
    values = series(returns, 4)
    varying(values)
    standard = (values - values.mean()) / values.std()
    square = standard * standard
    return Moments(float((square * standard).mean()), float((square * square).mean()))


def value_at_risk(returns: npt.ArrayLike, level: float = 0.95) -> float:
    """Return the loss per period that a share `level` of past periods did not exceed: historical value at risk.

    Parameters
    ----------
    returns : float64 (T,), simple returns per period
    level
        Confidence, between 0 and 1.

    Returns
    -------
    A loss is positive: 0.03 is 3 % of equity in one period. Negative where even that period gained.

    Raises
    ------
    DataError
        Fewer observations than one is expected beyond the level: 20 for 0.95.

    Notes
    -----
    The smallest loss whose share of periods at or below it reaches `level`: an observation, no interpolation.

    Examples
    --------
    >>> value_at_risk([-0.05, -0.01, 0.0, 0.01], level=0.75)
    0.01
    """
    losses = _sorted_losses(returns, level)
    return float(losses[math.ceil(level * len(losses) - 1e-9) - 1])


def expected_shortfall(returns: npt.ArrayLike, level: float = 0.95) -> float:
    """Return the mean loss per period over the worst share `1 - level` of past periods.

    Parameters
    ----------
    returns : float64 (T,), simple returns per period
    level
        Confidence, between 0 and 1.

    Returns
    -------
    A loss is positive. At least the value at risk of the same level.

    References
    ----------
    Acerbi & Tasche (2002), On the coherence of expected shortfall, Definition 2.6: where the share is no whole number of periods,
    the period on the edge counts with the rest, so that the measure is coherent.

    Examples
    --------
    >>> round(expected_shortfall([-0.05, -0.01, 0.0, 0.01], level=0.5), 6)
    0.03
    """
    losses = _sorted_losses(returns, level)
    tail = (1.0 - level) * len(losses)
    whole = math.floor(tail + 1e-9)
    worst = losses[len(losses) - whole :].sum()
    edge = max(tail - whole, 0.0) * losses[len(losses) - whole - 1] if whole < len(losses) else 0.0
    return float((worst + edge) / tail)


def tail_ratio(returns: npt.ArrayLike, tail: float = 0.05) -> float | None:
    """Return the size of the best returns over that of the worst: the upper quantile over the lower one, absolute values.

    Parameters
    ----------
    returns : float64 (T,), per period
    tail
        Share of periods beyond each of the two quantiles, below a half.

    Returns
    -------
    More than 1: good surprises are larger than bad ones. None where the lower quantile is zero, as for a strategy that is mostly flat.
    """
    values = series(returns, math.ceil(1.0 / share(2.0 * tail, "twice the tail")))
    low, high = np.quantile(values, [tail, 1.0 - tail])
    return float(abs(high) / abs(low)) if low != 0.0 else None


def _sorted_losses(returns: npt.ArrayLike, level: float) -> npt.NDArray[np.float64]:
    values = series(returns, 1)
    least = math.ceil(1.0 / (1.0 - share(level, "level")) - 1e-9)
    if len(values) < least:
        raise DataError(broken("returns", f"have {least} observations or more for level {level:g}", len(values)))
    return np.sort(-values)
