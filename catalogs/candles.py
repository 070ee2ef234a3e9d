"""From returns to candles: opens, extremes and volumes that look like a market's and know nothing of its future."""

from dataclasses import dataclass

import numpy as np

from catalogs.columns import Floats

PRICE_DECIMALS = 2
VOLUME_DECIMALS = 3
GAP_FRAC = 0.02
INTRABAR_FRAC = 0.8
MEDIAN_VOLUME = 400.0


@dataclass(frozen=True)
class Candles:
    """Open, high, low, close (quote units, 2 decimals) and volume (base units, 3 decimals), float64 of shape (T,)."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats


def student(rng: np.random.Generator, count: int, freedom: float = 5.0, most: float = 12.0) -> Floats:
    """Draws of Student's t with unit variance (before the symmetric cut at +-`most`), shape (count,)."""
    return np.clip(rng.standard_t(freedom, count) * np.sqrt((freedom - 2.0) / freedom), -most, most)


def clustered(
    rng: np.random.Generator, count: int, level: float, alpha: float = 0.06, beta: float = 0.92
) -> tuple[Floats, Floats]:
    """Draw GARCH(1,1) returns: a martingale difference with clustered volatility and Student-t tails.

    Parameters
    ----------
    level
        Unconditional standard deviation per bar.

    Returns
    -------
    returns, volatility : float64 of shape (count,)
        `volatility[t]` is known at the end of bar t - 1.
    """
    draws = student(rng, count)
    returns, volatility = np.empty(count), np.empty(count)
    omega, variance = level * level * (1.0 - alpha - beta), level * level
    for t in range(count):
        variance = min(variance, 64.0 * level * level)
        volatility[t] = np.sqrt(variance)
        returns[t] = max(volatility[t] * draws[t], -0.5)
        variance = omega + alpha * returns[t] * returns[t] + beta * variance
    return np.minimum(returns, 0.5), volatility


def candles(rng: np.random.Generator, returns: Floats, volatility: Floats, start_price: float) -> Candles:
    """Make candles whose simple return from open to close is `returns`.

    The open is the last close times one plus a small independent gap of mean zero, so a martingale stays one. Extremes follow the law
    of a Brownian bridge between open and close. Volume grows with the size of the return, with a persistent factor of its own.

    Parameters
    ----------
    returns : float64 of shape (T,)
        Simple returns within the bar, above -1.
    volatility : float64 of shape (T,)
        Standard deviation of the return that the market had before the bar.
    """
    count = len(returns)
    gaps = GAP_FRAC * volatility * np.clip(rng.standard_normal(count), -4.0, 4.0)
    close = start_price * np.cumprod((1.0 + gaps) * (1.0 + returns))
    opening = np.append(start_price, close[:-1]) * (1.0 + gaps)
    spread = 2.0 * (INTRABAR_FRAC * volatility) ** 2
    upward = (returns + np.sqrt(returns**2 - spread * np.log(1.0 - rng.random(count)))) / 2.0
    downward = (returns - np.sqrt(returns**2 - spread * np.log(1.0 - rng.random(count)))) / 2.0
    tick = 10.0**-PRICE_DECIMALS
    opening, close = (np.maximum(np.round(price, PRICE_DECIMALS), tick) for price in (opening, close))
    high = np.maximum(np.round(opening * (1.0 + upward), PRICE_DECIMALS), np.maximum(opening, close))
    low = np.minimum(np.round(opening * (1.0 + np.maximum(downward, -0.9)), PRICE_DECIMALS), np.minimum(opening, close))
    activity = np.empty(count)
    level, shocks = 0.0, 0.25 * rng.standard_normal(count)
    for t in range(count):
        level = 0.9 * level + shocks[t]
        activity[t] = level
    size = np.abs(returns) / np.median(volatility)
    volume = MEDIAN_VOLUME * (0.4 + size) * np.exp(activity + 0.3 * rng.standard_normal(count))
    low = np.maximum(low, tick)
    return Candles(opening, high, low, close, np.maximum(np.round(volume, VOLUME_DECIMALS), 10.0**-VOLUME_DECIMALS))
