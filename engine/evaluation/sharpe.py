"""The Sharpe ratio with its uncertainty: per period in every formula, annualised only to be read.

`PerPeriod` and `Annualised` are floats to Python and different types to the type checker: a formula that wants the one refuses the other.
"""

import math
from typing import Literal, NamedTuple, NewType

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from engine.contract.errors import ConfigError, DataError, broken
from engine.evaluation.samples import Floats, positive, series, share, varying
from engine.evaluation.tails import moments

PerPeriod = NewType("PerPeriod", float)
"""A Sharpe ratio of one period's return: mean over standard deviation."""
Annualised = NewType("Annualised", float)
"""A Sharpe ratio times the square root of the periods in a year."""

Lags = int | Literal["automatic"]
LEAST = 8
"""Observations below which no Sharpe ratio is estimated."""


class SharpeEstimate(NamedTuple):
    """A Sharpe ratio, and how well it is known.

    Attributes
    ----------
    per_period, error_per_period
        The ratio and its standard error.
    periods
        Observations.
    periods_per_year
        Of the market's own calendar: `engine.contract.calendar.bars_per_year`.
    skew, kurtosis
        Of the returns; 0 and 3 for a normal distribution.
    lags
        Autocovariances in the standard error; 0 assumes that returns are independent.
    """

    per_period: PerPeriod
    error_per_period: PerPeriod
    periods: int
    periods_per_year: float
    skew: float
    kurtosis: float
    lags: int

    @property
    def annualised(self) -> Annualised:
        """The ratio, annualised."""
        return annualise(self.per_period, self.periods_per_year)

    @property
    def error_annualised(self) -> Annualised:
        """The standard error, annualised."""
        return annualise(self.error_per_period, self.periods_per_year)

    def interval_annualised(self, level: float = 0.95) -> tuple[Annualised, Annualised]:
        """Return the normal confidence interval of the annualised ratio, of coverage `level`."""
        half = float(ndtri(0.5 + 0.5 * share(level, "level"))) * self.error_annualised
        return Annualised(self.annualised - half), Annualised(self.annualised + half)

    def probability_above(self, benchmark_per_period: PerPeriod) -> float:
        """Return the probability that the true ratio exceeds a benchmark, with this estimate's own standard error.

        With `lags=0` it is close to `probabilistic_sharpe`; with more, it also allows for autocorrelation.
        """
        return float(ndtr((self.per_period - benchmark_per_period) / self.error_per_period))


def annualise(sharpe_per_period: PerPeriod, periods_per_year: float) -> Annualised:
    """Return a Sharpe ratio per period times the square root of the periods in a year.

    It is the ratio of a year of independent returns; autocorrelated ones scale otherwise (Lo 2002), which the standard error shows.

    >>> round(annualise(PerPeriod(0.02), 8760.0), 3)
    1.872
    """
    return Annualised(sharpe_per_period * math.sqrt(positive(periods_per_year, "periods_per_year")))


def per_period(sharpe_annualised: Annualised, periods_per_year: float) -> PerPeriod:
    """Return an annualised Sharpe ratio over the square root of the periods in a year."""
    return PerPeriod(sharpe_annualised / math.sqrt(positive(periods_per_year, "periods_per_year")))


def sharpe_per_period(returns: npt.ArrayLike) -> PerPeriod:
    """Return mean over standard deviation (n - 1); the risk-free rate is zero.

    Parameters
    ----------
    returns : float64 (T,), simple returns per period; 8 or more

    Raises
    ------
    DataError
        They are too few, not finite, or do not vary.
    """
    values = series(returns, LEAST)
    return PerPeriod(float(values.mean() / varying(values)))


def estimate(returns: npt.ArrayLike, periods_per_year: float, lags: Lags = "automatic") -> SharpeEstimate:
    """Estimate a Sharpe ratio and its standard error, under fat tails, skew and autocorrelation.

    Parameters
    ----------
    returns : float64 (T,), simple returns per period; 8 or more
    periods_per_year
        `bars_per_year(bar)` of the market's calendar.
    lags
        Autocovariances in the standard error: `automatic` chooses them, 0 assumes independence (Mertens 2002).

    Raises
    ------
    DataError
        The returns are too few, not finite, or do not vary.

    Notes
    -----
    The error is the square root of the long-run variance of `influence`, over T. With no lags that is Mertens' formula, for independent
    returns of any distribution (Opdyke 2007 derives the same); with lags it is the GMM estimator of Lo (2002), with Newey and West's
    Bartlett weights, which cannot become negative. One expression serves both, so that the difference between the two errors is
    autocorrelation, of returns or of their squares, and nothing else.

    References
    ----------
    Lo (2002), The Statistics of Sharpe Ratios, Financial Analysts Journal 58(4). Mertens (2002), Comments on variance of the IID
    estimator in Lo (2002). Opdyke (2007), Comparing Sharpe ratios: so where are the p-values?, Journal of Asset Management 8.
    Newey & West (1994), Automatic Lag Selection in Covariance Matrix Estimation, Review of Economic Studies 61.
    """
    values = series(returns, LEAST)
    ratio = sharpe_per_period(values)
    skew, kurtosis = moments(values)
    paths = influence(values)
    used = automatic_lags(paths) if lags == "automatic" else lags
    error = PerPeriod(math.sqrt(long_run_variance(paths, used) / len(values)))
    return SharpeEstimate(
        ratio, error, len(values), positive(periods_per_year, "periods_per_year"), skew, kurtosis, used
    )


def influence(returns: Floats) -> Floats:
    """Return what each observation contributes to the error of the Sharpe ratio S: z - S (z² - 1) / 2, with standardised returns z.

    Parameters
    ----------
    returns : float64 (T,) or (T, N), each column varying

    Returns
    -------
    The same shape; of mean zero. Its variance is 1 - skew S + (kurtosis - 1) S² / 4.
    """
    mean = returns.mean(axis=0)
    ratio = mean / returns.std(axis=0, ddof=1)
    standard = (returns - mean) / returns.std(axis=0)
    return standard - 0.5 * ratio * (standard * standard - 1.0)


def automatic_lags(values: Floats) -> int:
    """Choose the number of autocovariances for Bartlett weights from the data.

    Parameters
    ----------
    values : float64 (T,)

    References
    ----------
    Newey & West (1994), equations 3.5 to 3.10 and table II C, Bartlett kernel: n = 4 (T/100)^(2/9), then
    1.1447 (s1 / s0)^(2/3) T^(1/3). **Departure**: no prewhitening, and at most T/4.
    """
    count = len(values)
    first = min(int(4.0 * (count / 100.0) ** (2.0 / 9.0)), count // 4)
    covariance = autocovariances(values, first)
    lag = np.arange(1, first + 1)
    level = covariance[0] + 2.0 * covariance[1:].sum()
    slope = 2.0 * (lag * covariance[1:]).sum()
    if level <= 0.0:
        return first
    return int(min(1.1447 * ((slope / level) ** 2) ** (1.0 / 3.0) * count ** (1.0 / 3.0), count // 4))


def autocovariances(values: Floats, lags: int) -> Floats:
    """Return the autocovariances of lag 0 to `lags`, each divided by T: float64 (lags + 1,)."""
    centred = values - values.mean()
    count = len(centred)
    return np.array([centred[lag:] @ centred[: count - lag] / count for lag in range(lags + 1)])


def long_run_variance(values: Floats, lags: int) -> float:
    """Return the variance of the mean of `values` times T, with Bartlett weights 1 - k / (lags + 1): Newey & West (1987).

    Parameters
    ----------
    values : float64 (T,)
    lags
        0 returns the variance.

    Raises
    ------
    ConfigError
        `lags` is negative, or not below the number of observations.
    """
    if not 0 <= lags < len(values):
        raise ConfigError(broken("lags", f"be from 0 to {len(values) - 1}", lags))
    covariance = autocovariances(values, lags)
    weight = 1.0 - np.arange(1, lags + 1) / (lags + 1.0)
    return float(covariance[0] + 2.0 * (weight * covariance[1:]).sum())


def probabilistic_sharpe(
    sharpe_per_period: PerPeriod,
    benchmark_per_period: PerPeriod,
    periods: int,
    skew: float = 0.0,
    kurtosis: float = 3.0,
) -> float:
    """Return the probability that the true Sharpe ratio exceeds a benchmark, for independent returns that may be skewed and fat-tailed.

    Parameters
    ----------
    sharpe_per_period, benchmark_per_period
        Both per period: never annualised.
    periods
        Observations behind the ratio; 2 or more.
    skew, kurtosis
        Of the returns; 0 and 3 for a normal distribution.

    Raises
    ------
    DataError
        There are too few periods, or no distribution has such moments together with such a ratio: the variance is not positive.

    References
    ----------
    Bailey & López de Prado (2012), The Sharpe Ratio Efficient Frontier, Journal of Risk 15(2), equation 11.
    """
    if periods < 2:
        raise DataError(broken("periods", "be 2 or more", periods))
    spread = math.sqrt(_variance(sharpe_per_period, skew, kurtosis))
    return float(ndtr((sharpe_per_period - benchmark_per_period) * math.sqrt(periods - 1.0) / spread))


def minimum_track_record(
    sharpe_per_period: PerPeriod,
    benchmark_per_period: PerPeriod,
    skew: float = 0.0,
    kurtosis: float = 3.0,
    level: float = 0.95,
) -> float | None:
    """Return the periods needed before the probabilistic Sharpe ratio reaches `level`, were the ratio to stay as it is.

    Returns
    -------
    Periods, not years, and not rounded; None where the ratio does not exceed the benchmark: no record is long enough.

    References
    ----------
    Bailey & López de Prado (2012), equation 13.

    Examples
    --------
    A daily record of annualised Sharpe 2 needs 2.73 years to exceed 1 (their exhibit):

    >>> two, one = (per_period(Annualised(ratio), 252.0) for ratio in (2.0, 1.0))
    >>> round(minimum_track_record(two, one) / 252.0, 2)
    2.73
    """
    distance = sharpe_per_period - benchmark_per_period
    if distance <= 0.0:
        return None
    quantile = float(ndtri(share(level, "level")))
    return 1.0 + _variance(sharpe_per_period, skew, kurtosis) * (quantile / distance) ** 2


def _variance(ratio: float, skew: float, kurtosis: float) -> float:
    """Variance of the Sharpe ratio times T: Mertens (2002)."""
    variance = 1.0 - skew * ratio + 0.25 * (kurtosis - 1.0) * ratio * ratio
    if variance <= 0.0:
        rule = "leave the Sharpe ratio a positive variance"
        raise DataError(broken("skew and kurtosis", rule, f"{skew:g} and {kurtosis:g} at {ratio:g} a period"))
    return variance
