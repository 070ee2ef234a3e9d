"""Observations in units of a volatility that was known before they arrived."""

from typing import Any

import numpy as np
import numpy.typing as npt

from engine.changepoint.kernels import standardise
from engine.contract.errors import ConfigError, DataError, broken

Floats = npt.NDArray[np.float64]


class CausalStandardiser:
    """Divide each observation by the exponentially weighted root mean square of those before it.

    The mean is not taken out: it is what a changepoint model looks for, and for returns of bars it is small beside the
    volatility. Not a volatility forecast for sizing; see the risk budget for that.

    Parameters
    ----------
    instruments
        Number of instruments N.
    half_life
        Observations after which a squared observation counts half.
    warmup
        Observations of an instrument before its first standardised value.
    floor
        A volatility of this or less standardises nothing: the value is missing.
    """

    def __init__(self, instruments: int, half_life: float = 100.0, warmup: int = 50, floor: float = 1e-12) -> None:
        if instruments < 1:
            raise ConfigError(broken("instruments", "be 1 or more", instruments))
        if not 0.0 < half_life < np.inf:
            raise ConfigError(broken("half_life", "be more than 0 and finite", half_life))
        if warmup < 1:
            raise ConfigError(broken("warmup", "be 1 or more", warmup))
        if not floor >= 0.0:
            raise ConfigError(broken("floor", "be 0 or more", floor))
        self.keep = 0.5 ** (1.0 / half_life)
        self.warmup = warmup
        self.floor = floor
        self._square = np.zeros(instruments)
        self._weight = np.zeros(instruments)
        self._seen = np.zeros(instruments, dtype=np.int64)

    @property
    def volatility(self) -> Floats:
        """Volatility that the next observation will be divided by, float64 (N,); NaN before the warm-up is over."""
        ready = self._seen >= self.warmup
        square = np.divide(self._square, self._weight, out=np.full_like(self._square, np.nan), where=ready)
        return np.sqrt(square)

    def update(self, x: Floats) -> Floats:
        """Standardise one observation per instrument, then learn from it.

        Parameters
        ----------
        x : float64 of shape (N,)
            Observations; what is not finite, or beyond 1e100, is missing, standardises to NaN and teaches nothing.

        Returns
        -------
        float64 of shape (N,)
            NaN where x is missing, during the warm-up, and where nothing has moved. Known at: the time of x; the divisor
            was known before.
        """
        x = np.ascontiguousarray(x, dtype=np.float64)
        if x.shape != self._square.shape:
            raise DataError(broken("observations", f"have the shape {self._square.shape}", x.shape))
        standardised = np.empty_like(x)
        standardise(x, self._square, self._weight, self._seen, self.keep, self.warmup, self.floor, standardised)
        return standardised

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs."""
        return {"square": self._square.copy(), "weight": self._weight.copy(), "seen": self._seen.copy()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state; the next update gives the same bits as without the interruption."""
        self._square = np.array(state["square"], dtype=np.float64)
        self._weight = np.array(state["weight"], dtype=np.float64)
        self._seen = np.array(state["seen"], dtype=np.int64)
