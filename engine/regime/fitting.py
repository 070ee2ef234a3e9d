"""Fitting the parameters of a regime filter to the past of an instrument; nothing here runs while trading."""

import itertools
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.contract.errors import DataError, broken
from engine.regime.chain import fit_chain, forward, log_density
from engine.regime.features import history
from engine.regime.parameters import VOLATILITY_STATES, RegimeParameters

Floats = npt.NDArray[np.float64]

DRIFTS = (0.04, 0.08, 0.12, 0.16, 0.24)
PULLS = (0.0, 0.01, 0.02, 0.04)
TREND_BARS = (100.0, 200.0, 400.0)
LEAST_BARS = 500
DEFAULTS = {field.name: field.default for field in fields(RegimeParameters)}


def fit(close: Floats, **options: Any) -> RegimeParameters:
    """Fit volatility states by expectation-maximisation, trend states by the likelihood over a grid; deterministic.

    Parameters
    ----------
    close : float64 of shape (T,)
        Closes of the bars to learn from, positive, T ≥ 500; none after the moment from which the filter is to be judged.
    options
        Fields of `RegimeParameters` that are not fitted.

    Raises
    ------
    DataError
        Too few closes, or one is not positive.
    """
    close = np.asarray(close, dtype=np.float64)
    if len(close) < LEAST_BARS:
        raise DataError(broken("closes to fit", f"be {LEAST_BARS} or more", len(close)))
    if not (np.isfinite(close) & (close > 0.0)).all():
        raise DataError(broken("closes to fit", "be positive", float(np.min(close))))
    half_lives = (options.get(name, DEFAULTS[name]) for name in ("volatility_half_life", "mean_half_life"))
    features = history(close, *half_lives)
    freedom = options.get("freedom", DEFAULTS["freedom"])
    chain = fit_chain(features.log_return[1:], VOLATILITY_STATES, freedom=freedom)
    ready = np.isfinite(features.volatility) & (features.volatility > 0.0)
    if ready.sum() < LEAST_BARS // 2:
        raise DataError(broken("closes to fit", "move", int(ready.sum()), "bars with a volatility"))
    volatility = features.volatility[ready]
    standardised, distance = features.log_return[ready] / volatility, features.distance[ready] / volatility
    drift, pull, bars = _likeliest_trend(standardised, distance, chain.freedom)
    return RegimeParameters(
        volatility_scale=(float(chain.scale[0]), float(chain.scale[1]), float(chain.scale[2])),
        volatility_transition=tuple((float(a), float(b), float(c)) for a, b, c in chain.transition),
        drift=drift,
        pull=pull,
        trend_bars=bars,
        typical_volatility=float(np.median(volatility)),
        **options,
    )


def trend_likelihood(
    standardised: Floats, distance: Floats, drift: Floats | float, pull: Floats | float, freedom: float
) -> Floats:
    """Log density of standardised returns in a falling, a ranging and a rising market.

    Parameters
    ----------
    standardised, distance : float64 of shape (M,)
        Log return, and distance from the slow mean before, in volatilities.
    drift, pull : float64 broadcasting with (M,)
        See `RegimeParameters`.

    Returns
    -------
    float64 of shape (M, 3)
    """
    scale = np.sqrt((freedom - 2.0) / freedom)
    expected = np.stack(np.broadcast_arrays(-np.asarray(drift), -pull * distance, drift), axis=-1)
    return log_density(standardised[..., None], expected, scale, freedom)


def trend_transition(trend_bars: float) -> Floats:
    """Transitions between falling, ranging and rising, float64 (3, 3): stays of a mean duration, then either other state."""
    transition = np.full((3, 3), 0.5 / trend_bars)
    np.fill_diagonal(transition, 1.0 - 1.0 / trend_bars)
    return transition


def _likeliest_trend(standardised: Floats, distance: Floats, freedom: float) -> tuple[float, float, float]:
    """Return drift, pull and duration of the greatest likelihood over the grid; the first of equals."""
    initial = np.full(3, 1.0 / 3.0)
    best, found = -np.inf, (DRIFTS[0], PULLS[0], TREND_BARS[0])
    for drift, pull in itertools.product(DRIFTS, PULLS):
        likelihood = trend_likelihood(standardised, distance, drift, pull, freedom)
        for bars in TREND_BARS:
            total = forward(likelihood, trend_transition(bars), initial)[1]
            if total > best:
                best, found = total, (drift, pull, bars)
    return found
