"""The regime filter: bars in, probabilities of seven regimes out, from the past alone."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.contract.errors import ConfigError, DataError, broken
from engine.regime.fitting import trend_transition
from engine.regime.kernels import BEAR, BULL, FRESH, LABEL, QUIET, RULES, SIDE, WILD, advance, tell
from engine.regime.kinds import Regime, risk_view, shape_view
from engine.regime.parameters import VOLATILITY_STATES, RegimeParameters

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


class RegimeEstimate(NamedTuple):
    """Belief about the regime of each instrument.

    Known at: the close of the bar that was given.

    Attributes
    ----------
    probabilities : float64 of shape (N, 7)
        Of `Regime`, rows of sum 1.
    regime : int8 of shape (N,)
        The label, with hysteresis; -1 until a volatility is known.
    risk : float64 of shape (N, 4)
        Of `RiskView`, rows of sum 1.
    shape : float64 of shape (N, 3)
        Of `ShapeView`, rows of sum 1.
    volatility : float64 of shape (N, 3)
        P(low), P(high), P(extreme).
    trend : float64 of shape (N, 3)
        P(falling), P(ranging), P(rising).
    observed : bool of shape (N,)
        False where the bar did not come: the belief is the one before.
    """

    probabilities: Floats
    regime: npt.NDArray[np.int8]
    risk: Floats
    shape: Floats
    volatility: Floats
    trend: Floats
    observed: Flags


class RegimeFilter:
    """Filter volatility states and trend states forward, and lay the rules of events over them.

    Crisis comes before reversal, reversal before breakout; what they leave is shared among bull, bear and the ranges. Trend
    and volatility states are filtered apart from each other. Nothing is smoothed; a belief is never revised.

    Parameters
    ----------
    parameters
        One per instrument, from `fit`; `channel_bars` and `crisis_bars` alike in all.

    References
    ----------
    Hamilton (1989), A new approach to the economic analysis of nonstationary time series, for the filter. States are ordered
    by volatility and by drift, so a refit does not exchange labels.
    """

    def __init__(self, parameters: Sequence[RegimeParameters]) -> None:
        windows = {(p.channel_bars, p.crisis_bars) for p in parameters}
        if len(windows) != 1:
            rule = "be of 1 instrument or more, channel_bars and crisis_bars alike"
            raise ConfigError(broken("regime parameters", rule, sorted(windows)))
        instruments, (channel_bars, crisis_bars) = len(parameters), windows.pop()
        self._settings = np.array([_settings(p) for p in parameters])
        self._scale = np.array([p.volatility_scale for p in parameters])
        self._volatility_transition = np.array([p.volatility_transition for p in parameters])
        self._trend_transition = np.stack([trend_transition(p.trend_bars) for p in parameters])
        self._memory = np.tile(FRESH, (instruments, 1))
        self._high = np.full((instruments, channel_bars), np.nan)
        self._low = np.full((instruments, channel_bars), np.nan)
        self._log_close = np.full((instruments, crisis_bars), np.nan)
        self._volatility = np.full((instruments, VOLATILITY_STATES), 1.0 / VOLATILITY_STATES)
        self._trend = np.full((instruments, 3), 1.0 / 3.0)
        self._probabilities = _compose(self._trend, self._volatility)

    def update(self, high: Floats, low: Floats, close: Floats) -> RegimeEstimate:
        """Take in one bar per instrument.

        Parameters
        ----------
        high, low, close : float64 of shape (N,)
            Quote. A bar with a value that is not positive or not finite did not come; the next return spans the gap.

        Raises
        ------
        DataError
            A shape is another.
        """
        observed = self.advance(np.array([high, low, close], dtype=np.float64))
        probabilities = self._probabilities.copy()
        return RegimeEstimate(
            probabilities,
            self._memory[:, LABEL].astype(np.int8),
            risk_view(probabilities, self._memory[:, RULES + SIDE] > 0.0),
            shape_view(probabilities),
            self._volatility.copy(),
            self._trend.copy(),
            observed,
        )

    def said(self) -> Floats:
        """Return the probabilities, and 1 where there is a belief: float64 (N, 8), rows of zeros before a volatility is known."""
        said = np.empty((len(self._memory), len(Regime) + 1))
        tell(self._memory, self._probabilities, said)
        return said

    def advance(self, bars: Floats) -> Flags:
        """Take in bars, float64 (3, N): high, low, close; return which came, bool (N,). As `update`, without an estimate."""
        if bars.shape != (3, len(self._memory)):
            raise DataError(broken("bars", f"have the shape (3, {len(self._memory)})", bars.shape))
        observed = np.zeros(len(self._memory), dtype=np.bool_)
        advance(
            bars,
            observed,
            self._settings,
            self._scale,
            self._volatility_transition,
            self._trend_transition,
            self._memory,
            self._high,
            self._low,
            self._log_close,
            self._volatility,
            self._trend,
            self._probabilities,
        )
        return observed

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs, as arrays by name; the parameters aside."""
        return {name: getattr(self, f"_{name}").copy() for name in STATE}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state; the next update gives the same bits as without the interruption.

        Raises
        ------
        DataError
            The state is of another number of instruments, or of other windows.
        """
        for name in STATE:
            mine, given = getattr(self, f"_{name}"), np.asarray(state[name], dtype=np.float64)
            if given.shape != mine.shape:
                raise DataError(broken("regime state", f"have the shape {mine.shape}", given.shape, name))
            mine[:] = given


STATE = ("memory", "high", "low", "log_close", "volatility", "trend", "probabilities")


def _settings(p: RegimeParameters) -> list[float]:
    """Return what the kernel needs of the parameters, in the order of its constants."""
    keeps = [0.5 ** (1.0 / life) for life in (p.volatility_half_life, p.mean_half_life, p.crisis_half_life)]
    fall = p.crisis_sd * float(np.sqrt(p.crisis_bars)) * p.typical_volatility
    reversal = p.reversal_sd * float(np.sqrt(p.reversal_bars))
    crisis_volatility = p.crisis_volatility * p.typical_volatility
    return [p.drift, p.pull, p.freedom, *keeps, reversal, fall, crisis_volatility, p.event_bars, p.switch_odds]


def _compose(trend: Floats, volatility: Floats) -> Floats:
    """Share probability among the regimes where no event holds, (N, 3) and (N, 3) to (N, 7)."""
    out = np.zeros((len(trend), len(Regime)))
    out[:, BULL], out[:, BEAR], out[:, QUIET] = trend[:, 2], trend[:, 0], trend[:, 1] * volatility[:, 0]
    out[:, WILD] = trend[:, 1] - out[:, QUIET]
    return out
