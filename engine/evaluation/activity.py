"""What a strategy did per bar: how much it held, how much it traded, and how often holding paid.

The measures of `engine.evaluation.metrics` named alike are of round trips, from fills; these are of bars, from exposures.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.contract.errors import DataError, broken
from engine.evaluation.samples import Floats, panel, positive


class Activity(NamedTuple):
    """Activity over a span.

    Attributes
    ----------
    exposure_frac
        Mean over bars of the sum of absolute exposures.
    net_exposure_frac
        Mean over bars of the sum of signed exposures.
    time_in_market
        Share of bars with any position.
    turnover_annualised
        Traded notional a year, in multiples of what exposures are fractions of; a round trip of an exposure of 1 is 2.
    holding_bars
        Mean bars until what is held has been traded away: twice the mean exposure over the mean turnover per bar; None without trades.
    hit_rate
        Share of the bars with a position whose return was above zero; None without any.
    profit_factor
        Sum of the positive returns of bars over that of the negative ones, without sign; None where none was negative.
    """

    exposure_frac: float
    net_exposure_frac: float
    time_in_market: float
    turnover_annualised: float
    holding_bars: float | None
    hit_rate: float | None
    profit_factor: float | None


def turnover_per_bar(exposure: npt.ArrayLike) -> Floats:
    """Return the sum over instruments of absolute changes of exposure; the first bar trades from flat.

    Parameters
    ----------
    exposure : float64 (T,) or (T, K), target exposure held over each bar, signed; a trade is a change of it

    Returns
    -------
    float64 (T,), in the unit of the exposure.

    Examples
    --------
    >>> turnover_per_bar([0.0, 1.0, 1.0, -1.0]).tolist()
    [0.0, 1.0, 0.0, 2.0]
    """
    held = panel(exposure, 1, name="exposure")
    return np.abs(np.diff(held, axis=0, prepend=0.0)).sum(axis=1)


def activity(exposure: npt.ArrayLike, returns: npt.ArrayLike, bars_per_year: float) -> Activity:
    """Measure activity from exposures and the strategy's returns.

    Parameters
    ----------
    exposure : float64 (T,) or (T, K), target exposure held over each bar, signed
    returns : float64 (T,), the strategy's simple return over the same bars
    bars_per_year
        Of the market's calendar.

    Raises
    ------
    DataError
        The two have different lengths, are empty, or not finite.
    """
    held, earned = panel(exposure, 1, name="exposure"), panel(returns, 1)[:, 0]
    if len(held) != len(earned):
        raise DataError(broken("exposure", f"have as many bars as returns, {len(earned)}", len(held)))
    gross = np.abs(held).sum(axis=1)
    inside = gross > 0.0
    traded = float(turnover_per_bar(held).mean())
    gains, losses = float(earned[earned > 0.0].sum()), float(-earned[earned < 0.0].sum())
    return Activity(
        float(gross.mean()),
        float(held.sum(axis=1).mean()),
        float(inside.mean()),
        traded * positive(bars_per_year, "bars_per_year"),
        2.0 * float(gross.mean()) / traded if traded > 0.0 else None,
        float((earned[inside] > 0.0).mean()) if inside.any() else None,
        gains / losses if losses > 0.0 else None,
    )
