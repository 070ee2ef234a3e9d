"""Seeded markets whose truth is known: what a learner must find, and where there is nothing to find."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from catalogs.candles import Candles, candles, clustered
from catalogs.columns import Floats, Ints
from engine.contract.calendar import bar_ns
from engine.contract.errors import UsageError, broken

START_NS = 1_577_836_800_000_000_000
START_PRICE = 10_000.0
HOUR_NS = 3_600_000_000_000
MOST_BARS = 5_000_000
UNIT = 0.01
REGIMES = ("bull", "bear", "quiet_range", "wild_range", "crisis")

Labels = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class SyntheticMarket:
    """One instrument of a synthetic market.

    Attributes
    ----------
    ts_open : int64 of shape (T,)
        Open times, from 2020-01-01 00:00 UTC without gaps.
    candles
        Prices and volumes, rounded as they are stored.
    truth
        Labels of shape (T,): the hidden state that held during the bar. Never an input of a policy.
    parameters
        What the market was made with.
    """

    instrument_id: str
    market: str
    bar: str
    seed: int
    ts_open: Ints
    candles: Candles = field(repr=False)
    truth: Labels = field(repr=False)
    parameters: dict[str, float | int | str]


@dataclass(frozen=True)
class Draw:
    """Returns within the bars of one instrument, their volatility, labels and parameters, before they become candles."""

    symbol: str
    returns: Floats
    volatility: Floats
    truth: Labels
    parameters: dict[str, float | int | str]


def synthesise(market: str, bars: int, seed: int, bar: str = "1-HOUR") -> list[SyntheticMarket]:
    """Make a market; the same arguments give the same bytes.

    Parameters
    ----------
    market
        `null`, `trend`, `reversion`, `regimes`, `leadlag` (two instruments) or `panic`; see the functions of these names.
    bars
        Number of bars, at least 2. Parameters are per bar of an hour; volatility of other lengths scales with the square root, drifts
        in proportion, and durations stay the same number of bars.
    seed
        Non-negative.

    Raises
    ------
    UsageError
        The market is unknown, or a number is out of its range.
    """
    if market not in MARKETS:
        raise UsageError(broken("market", f"be one of {', '.join(MARKETS)}", market))
    if not 2 <= bars <= MOST_BARS:
        raise UsageError(broken("--bars", f"be from 2 to {MOST_BARS}", bars))
    if seed < 0:
        raise UsageError(broken("--seed", "be 0 or more", seed))
    rng = np.random.default_rng([seed, list(MARKETS).index(market)])
    scale = (bar_ns(bar) / HOUR_NS) ** 0.5
    ts_open = START_NS + bar_ns(bar) * np.arange(bars, dtype=np.int64)
    return [
        SyntheticMarket(
            instrument_id=f"{draw.symbol}USDT.SIM",
            market=market,
            bar=bar,
            seed=seed,
            ts_open=ts_open,
            candles=candles(rng, draw.returns, draw.volatility, START_PRICE),
            truth=draw.truth,
            parameters={"market": market, "bars": bars, "seed": seed, "bar": bar, **draw.parameters},
        )
        for draw in MARKETS[market](rng, bars, scale)
    ]


def null(rng: np.random.Generator, bars: int, scale: float) -> list[Draw]:
    """No edge: returns are a martingale difference, with clustered volatility and fat tails."""
    level = 0.006 * scale
    returns, volatility = clustered(rng, bars, level)
    return [Draw("NULL", returns, volatility, {"volatility": volatility}, {"level": level})]


def trend(rng: np.random.Generator, bars: int, scale: float) -> list[Draw]:
    """Planted momentum: a drift of fixed size that alternates in sign, 72 bars at a time on average.

    Signal to noise is 0.2 a bar (drift 0.1 % against a volatility of 0.5 %), so the mean of 24 returns has 1.0. Durations are gamma
    distributed with shape 4; the first sign is even odds, so holding has no expected drift.
    """
    drift, level, mean_bars, shape = 0.001 * scale * scale, 0.005 * scale, 72.0, 4.0
    runs = np.maximum(np.rint(rng.gamma(shape, mean_bars / shape, size=int(bars / mean_bars * 2) + 50)).astype(int), 6)
    first = 1 if rng.random() < 0.5 else -1
    sign = np.repeat(first * (-1) ** np.arange(len(runs)), runs)
    sign = np.append(sign, np.full(max(bars - len(sign), 0), sign[-1]))[:bars]
    noise, volatility = clustered(rng, bars, level)
    parameters: dict[str, float | int | str] = {"drift": drift, "level": level, "mean_bars": mean_bars, "shape": shape}
    return [Draw("TREND", noise + drift * sign, volatility, {"drift": drift * sign}, parameters)]


def reversion(rng: np.random.Generator, bars: int, scale: float) -> list[Draw]:
    """Planted reversion: the price swings around a slow random walk, with a half-life of 6.6 bars and a spread of 1.15 %."""
    level, shock, persistence = 0.0025 * scale, 0.005 * scale, 0.9
    walk, volatility = clustered(rng, bars, level)
    shocks, _ = clustered(rng, bars, shock)
    deviation = np.empty(bars)
    last = 0.0
    for t in range(bars):
        last = persistence * last + shocks[t]
        deviation[t] = last
    returns = np.expm1(np.log1p(walk) + np.diff(deviation, prepend=0.0))
    parameters: dict[str, float | int | str] = {"level": level, "shock": shock, "persistence": persistence}
    return [Draw("REVERSION", returns, np.hypot(volatility, shock), {"deviation": deviation}, parameters)]


def regimes(rng: np.random.Generator, bars: int, scale: float) -> list[Draw]:
    """Labelled switches between bull and bear trends, quiet and wild ranges, and crises.

    In a range the price is pulled back to where the range began, by 3 % of the distance a bar.
    """
    drifts = np.array([0.0006, -0.0007, 0.0, 0.0, -0.002]) * scale * scale
    levels = np.array([0.0045, 0.006, 0.002, 0.009, 0.02]) * scale
    mean_bars = np.array([300.0, 250.0, 250.0, 150.0, 40.0])
    weights = np.array([0.30, 0.28, 0.19, 0.17, 0.06])
    pull = 0.03
    small, small_volatility = clustered(rng, bars, UNIT)
    noise, volatility = small / UNIT, small_volatility / UNIT
    label = np.empty(bars, dtype=np.int8)
    t, state = 0, int(rng.choice(len(REGIMES), p=weights))
    starts = [0]
    while t < bars:
        length = max(int(rng.gamma(4.0, mean_bars[state] / 4.0)), 6)
        label[t : t + length] = state
        t += length
        starts.append(t)
        others = np.where(np.arange(len(REGIMES)) == state, 0.0, weights)
        state = int(rng.choice(len(REGIMES), p=others / others.sum()))
    begins = set(starts)
    returns = np.empty(bars)
    distance = 0.0
    for t in range(bars):
        distance = 0.0 if t in begins else distance
        towards = -pull * distance if label[t] in (2, 3) else 0.0
        returns[t] = min(max(drifts[label[t]] + towards + levels[label[t]] * noise[t], -0.3), 0.3)
        distance += np.log1p(returns[t])
    parameters: dict[str, float | int | str] = {f"label_{i}": name for i, name in enumerate(REGIMES)}
    parameters |= {f"drift_{name}": float(drifts[i]) for i, name in enumerate(REGIMES)}
    parameters |= {f"level_{name}": float(levels[i]) for i, name in enumerate(REGIMES)} | {"pull": pull}
    return [Draw("REGIMES", returns, levels[label] * volatility, {"regime": label}, parameters)]


def leadlag(rng: np.random.Generator, bars: int, scale: float) -> list[Draw]:
    """Two instruments: LAG repeats 0.8 of LEAD's return of k bars before, plus noise; k is 1 to 4, and in the truth."""
    level, share = 0.006 * scale, 0.8
    lag = int(rng.integers(1, 5))
    lead, lead_volatility = clustered(rng, bars, level)
    noise, noise_volatility = clustered(rng, bars, 0.4 * level)
    carried = np.append(np.zeros(min(lag, bars)), lead[:-lag])[:bars]
    parameters: dict[str, float | int | str] = {"lag_bars": lag, "share": share, "level": level}
    lags = np.full(bars, lag, dtype=np.int8)
    volatility = np.hypot(share * level, noise_volatility)
    return [
        Draw("LEAD", lead, lead_volatility, {"lag_bars": lags}, parameters),
        Draw("LAG", share * carried + noise, volatility, {"lag_bars": lags, "carried": share * carried}, parameters),
    ]


def panic(rng: np.random.Generator, bars: int, scale: float) -> list[Draw]:
    """Rare crashes: one in every 1,500 bars, 15 to 35 % down within 6 to 24 bars, and a third of it back over 48 bars."""
    level, every, rebound_bars = 0.005 * scale, 1_500, 48
    returns, volatility = clustered(rng, bars, level)
    phase = np.zeros(bars, dtype=np.int8)
    for block in range(max(bars // every, 1)):
        width = min(every, bars)
        begin = block * width + int(rng.integers(width // 4, max(width // 4 * 3, width // 4 + 1)))
        length, depth = int(rng.integers(6, 25)), float(rng.uniform(0.15, 0.35))
        fall, back = slice(begin, begin + length), slice(begin + length, begin + length + rebound_bars)
        returns[fall] = np.clip(3.0 * returns[fall] + np.expm1(np.log1p(-depth) / length), -0.3, 0.3)
        returns[back] = np.clip(1.5 * returns[back] - np.log1p(-depth) / 3.0 / rebound_bars, -0.3, 0.3)
        volatility[fall], volatility[back] = 3.0 * volatility[fall], 1.5 * volatility[back]
        phase[fall], phase[back] = 1, 2
    upward = np.where(phase == 0, 0.19 / every, 0.0)
    parameters: dict[str, float | int | str] = {"level": level, "every": every, "rebound_bars": rebound_bars}
    parameters |= {"phase_0": "calm", "phase_1": "crash", "phase_2": "rebound", "calm_drift": 0.19 / every}
    return [Draw("PANIC", returns + upward, volatility, {"phase": phase}, parameters)]


MARKETS: dict[str, Callable[[np.random.Generator, int, float], list[Draw]]] = {
    "null": null,
    "trend": trend,
    "reversion": reversion,
    "regimes": regimes,
    "leadlag": leadlag,
    "panic": panic,
}
