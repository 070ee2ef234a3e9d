"""The Sharpe ratio of the best of many trials, judged against what the best of as many trials without any skill would show.

Every ratio and every variance here is per period: the names say so, and the types refuse an annualised one.
"""

import math
from typing import NamedTuple, NewType

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from engine.contract.errors import DataError, broken
from engine.evaluation.samples import panel, positive, series, varying
from engine.evaluation.sharpe import PerPeriod, probabilistic_sharpe

VariancePerPeriod = NewType("VariancePerPeriod", float)
"""Variance, across trials, of Sharpe ratios per period."""
VarianceAnnualised = NewType("VarianceAnnualised", float)
"""Variance, across trials, of annualised Sharpe ratios."""

FEW_TRIALS = 10
"""Sharpe ratios below which their variance is too uncertain to be believed when it is small."""


class Deflated(NamedTuple):
    """A deflated Sharpe ratio with what it rests on.

    Attributes
    ----------
    probability
        That the true ratio is above zero, given that it is the best of so many trials: the deflated Sharpe ratio, 0 to 1.
    benchmark_per_period
        The expected maximum of as many ratios without skill.
    trials
        Independent trials that were assumed.
    variance_per_period
        Of the ratios across trials.
    """

    probability: float
    benchmark_per_period: PerPeriod
    trials: float
    variance_per_period: VariancePerPeriod


def expected_maximum_sharpe(trials: float, variance_per_period: VariancePerPeriod) -> PerPeriod:
    """Return the expected largest of `trials` independent estimates of a Sharpe ratio that is zero.

    Parameters
    ----------
    trials
        Independent trials, 1 or more; need not be whole.
    variance_per_period
        Variance of the estimates per period.

    Returns
    -------
    PerPeriod, not negative; 0 for one trial, where nothing was selected.

    Raises
    ------
    DataError
        There is less than one trial, or the variance is negative or not finite.

    Notes
    -----
    An approximation from extreme value theory: 8 % below the expected maximum of two normal variables, within 3 % from three on.

    References
    ----------
    Bailey & López de Prado (2014), The Deflated Sharpe Ratio, Journal of Portfolio Management 40(5), equation 1.

    Examples
    --------
    Their example: 100 trials, annualised variance 1/2, 250 days a year.

    >>> round(expected_maximum_sharpe(100, variance_of_period(VarianceAnnualised(0.5), 250.0)), 4)
    0.1132
    """
    if not 1.0 <= trials < math.inf:
        raise DataError(broken("trials", "be 1 or more and finite", trials))
    if not 0.0 <= variance_per_period < math.inf:
        raise DataError(broken("variance of Sharpe ratios", "be finite and not negative", variance_per_period))
    if trials == 1.0:
        return PerPeriod(0.0)
    first, second = float(ndtri(1.0 - 1.0 / trials)), float(ndtri(1.0 - 1.0 / (trials * math.e)))
    standard = (1.0 - np.euler_gamma) * first + np.euler_gamma * second
    return PerPeriod(max(0.0, math.sqrt(variance_per_period) * standard))


def variance_of_period(variance_annualised: VarianceAnnualised, periods_per_year: float) -> VariancePerPeriod:
    """Return the variance of ratios per period, from that of annualised ones."""
    return VariancePerPeriod(variance_annualised / positive(periods_per_year, "periods_per_year"))


def selection_variance(sharpes_per_period: npt.ArrayLike, periods: int) -> VariancePerPeriod:
    """Return the variance (n - 1) across trials' Sharpe ratios, or the one that chance alone gives where the trials are few.

    Parameters
    ----------
    sharpes_per_period : float64 (N,), one per trial that has a result; may be empty
    periods
        Observations behind the ratio that is to be deflated.

    Notes
    -----
    Two trials whose ratios happen to be alike have no variance, and would deflate nothing. With fewer than 10 ratios the variance is
    therefore at least 1 / (periods - 1), that of a ratio of zero estimated from normal returns. **Departure** from the paper, which
    takes the variance as known; it can only lower the deflated ratio.
    """
    values = series(sharpes_per_period, 0, "Sharpe ratios")
    if periods < 2:
        raise DataError(broken("periods", "be 2 or more", periods))
    seen = float(values.var(ddof=1)) if len(values) > 1 else 0.0
    return VariancePerPeriod(seen if len(values) >= FEW_TRIALS else max(seen, 1.0 / (periods - 1.0)))


def deflated_sharpe(
    sharpe_per_period: PerPeriod,
    periods: int,
    trials: float,
    variance_per_period: VariancePerPeriod,
    skew: float = 0.0,
    kurtosis: float = 3.0,
) -> Deflated:
    """Return the probability that the Sharpe ratio of the selected trial is above zero, after counting the trials.

    Parameters
    ----------
    sharpe_per_period, periods, skew, kurtosis
        Of the trial that was selected.
    trials
        Independent trials it was selected from, itself included; `effective_trials` where they are correlated.
    variance_per_period
        Of the Sharpe ratios across all trials; `selection_variance` measures it.

    Raises
    ------
    DataError
        A number is out of its range; the message names it.

    References
    ----------
    Bailey & López de Prado (2014), equation 2: the probabilistic Sharpe ratio with the expected maximum as its benchmark.

    Examples
    --------
    Their example, a Sharpe ratio of 2.5 a year over five years of 250 days:

    >>> variance = variance_of_period(VarianceAnnualised(0.5), 250.0)
    >>> round(deflated_sharpe(PerPeriod(2.5 / 250**0.5), 1_250, 100, variance, skew=-3.0, kurtosis=10.0).probability, 4)
    0.9004
    """
    benchmark = expected_maximum_sharpe(trials, variance_per_period)
    probability = probabilistic_sharpe(sharpe_per_period, benchmark, periods, skew, kurtosis)
    return Deflated(probability, benchmark, trials, variance_per_period)


def effective_trials(returns: npt.ArrayLike) -> float:
    """Return how many independent trials a set of correlated ones is worth: rho + (1 - rho) N, with rho their mean correlation.

    Parameters
    ----------
    returns : float64 (T, N), a column per trial over the same periods

    Returns
    -------
    From 1 (all the same) to N (uncorrelated; a negative mean correlation counts as none).

    Raises
    ------
    DataError
        There are fewer than 8 periods, or a column does not vary.

    Notes
    -----
    The mean is taken over all pairs. Where trials fall into a few groups that are alike within and unlike between, it errs towards too
    many: five groups of twenty twins have rho 0.19 and count as 81, not 5. That lowers the deflated ratio, the safe side.

    References
    ----------
    Bailey & López de Prado (2014), appendix A.3, equation 9.
    """
    values = panel(returns, 8, name="returns of trials")
    deviation = varying(values, "returns of trials")
    count = values.shape[1]
    if count == 1:
        return 1.0
    total = float(((values - values.mean(axis=0)) / deviation).sum(axis=1).var(ddof=1))
    mean_correlation = min(1.0, max(0.0, (total - count) / (count * (count - 1.0))))
    return mean_correlation + (1.0 - mean_correlation) * count
