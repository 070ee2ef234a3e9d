"""The seven regimes, and the coarser views of them."""

from enum import IntEnum

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Regime(IntEnum):
    """Kinds of market."""

    TRENDING_BULL = 0
    TRENDING_BEAR = 1
    HIGH_VOLATILITY_RANGE = 2
    LOW_VOLATILITY_RANGE = 3
    BREAKOUT = 4
    REVERSAL = 5
    CRISIS = 6


class RiskView(IntEnum):
    """What the regime says about bearing risk."""

    RISK_ON = 0
    RISK_OFF = 1
    ROTATION = 2
    PANIC = 3


class ShapeView(IntEnum):
    """What the regime says about the shape of prices."""

    TREND = 0
    RANGE = 1
    PANIC = 2


def risk_view(probabilities: Floats, breakout_up: npt.NDArray[np.bool_]) -> Floats:
    """Sum regimes to risk-on, risk-off, rotation and panic.

    A breakout counts by its direction; ranges and reversals are rotation.

    Parameters
    ----------
    probabilities : float64 of shape (N, 7)
        Of the regimes.
    breakout_up : bool of shape (N,)
        Whether the last breakout went up.

    Returns
    -------
    float64 of shape (N, 4)
    """
    bull, bear, wild, quiet, breakout, reversal, crisis = probabilities.T
    on = bull + np.where(breakout_up, breakout, 0.0)
    off = bear + np.where(breakout_up, 0.0, breakout)
    return np.stack([on, off, wild + quiet + reversal, crisis], axis=1)


def shape_view(probabilities: Floats) -> Floats:
    """Sum regimes to trend (with breakouts), range (with reversals) and panic: float64 (N, 7) to (N, 3)."""
    bull, bear, wild, quiet, breakout, reversal, crisis = probabilities.T
    return np.stack([bull + bear + breakout, wild + quiet + reversal, crisis], axis=1)
