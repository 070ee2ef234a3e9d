"""What the regime filter sees of a bar: its return, and a volatility and a slow mean known before it."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.regime.kernels import FEATURES_FRESH, follow_all

Floats = npt.NDArray[np.float64]


class BarFeatures(NamedTuple):
    """Features of the bars of one instrument; float64 of shape (T,), NaN while there is nothing to compare with.

    Attributes
    ----------
    log_return
        From the close before.
    volatility
        Exponentially weighted root mean square of the log returns before the bar.
    distance
        Log of the close before, less its slow mean then.
    """

    log_return: Floats
    volatility: Floats
    distance: Floats


def history(close: Floats, volatility_half_life: float, mean_half_life: float) -> BarFeatures:
    """Run the online features over a series of closes, float64 (T,), positive and finite."""
    keeps = 0.5 ** (1.0 / volatility_half_life), 0.5 ** (1.0 / mean_half_life)
    return BarFeatures(*follow_all(np.ascontiguousarray(close, dtype=np.float64), FEATURES_FRESH.copy(), *keeps))
