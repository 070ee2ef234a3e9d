"""The cost of trading at which a strategy earns nothing."""

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from engine.contract.errors import DataError, broken
from engine.evaluation.samples import Floats, series

BPS = 1e-4


def net_returns(gross: npt.ArrayLike, turnover: npt.ArrayLike, cost_bps: float) -> Floats:
    """Return what is left of gross returns after a cost on everything that was traded: gross - cost * turnover, float64 (T,).

    Parameters
    ----------
    gross : float64 (T,), simple return per bar before costs, fraction of equity
    turnover : float64 (T,), notional traded in the bar, fraction of equity, not negative
    cost_bps
        Fee plus half-spread, in 1/10,000 of the notional.
    """
    earned, traded = _pair(gross, turnover)
    return earned - cost_bps * BPS * traded


def break_even_bps(gross: npt.ArrayLike, turnover: npt.ArrayLike) -> float | None:
    """Return the cost at which the mean net return is zero: the sum of gross returns over that of turnover.

    Returns
    -------
    1/10,000 of the notional, fee and half-spread together; negative where the strategy lost before costs; None where it never traded.

    Examples
    --------
    >>> round(break_even_bps([0.002, -0.001, 0.001], [1.0, 0.0, 1.0]), 6)
    10.0
    """
    earned, traded = _pair(gross, turnover)
    total = float(traded.sum())
    return float(earned.sum()) / total / BPS if total > 0.0 else None


def break_even_compounded_bps(gross: npt.ArrayLike, turnover: npt.ArrayLike) -> float | None:
    """Return the cost at which the compounded total return is zero; below `break_even_bps` by what volatility takes from growth.

    Returns
    -------
    1/10,000 of the notional; None where the strategy never traded, or lost everything before costs.
    """
    earned, traded = _pair(gross, turnover)
    simple = break_even_bps(earned, traded)
    if simple is None or earned.min() <= -1.0:
        return None

    def growth(cost_bps: float) -> float:
        return float(np.log1p(earned - cost_bps * BPS * traded).sum())

    ruin = float(((1.0 + earned[traded > 0.0]) / traded[traded > 0.0]).min()) / BPS
    high = min(simple, ruin * (1.0 - 1e-12))
    low, step = min(high, 0.0) - 1.0, 1.0
    while growth(low) < 0.0:
        low, step = low - step, 2.0 * step
    return high if growth(high) >= 0.0 else float(brentq(growth, low, high, xtol=1e-10))


def _pair(gross: npt.ArrayLike, turnover: npt.ArrayLike) -> tuple[Floats, Floats]:
    earned, traded = series(gross, 1, "gross returns"), series(turnover, 1, "turnover")
    if len(earned) != len(traded):
        raise DataError(broken("turnover", f"have as many bars as gross returns, {len(earned)}", len(traded)))
    if traded.min() < 0.0:
        raise DataError(broken("turnover", "not be negative", float(traded.min()), f"bar {int(traded.argmin())}"))
    return earned, traded
