"""Markets without a direction, made from a real one: the volatility stays, what could be foreseen of the sign is gone.

`random_signs`  every bar is turned upside down or left, by the toss of a coin that all instruments of a turn share, so that what they do
                together they still do together. Sizes of bars, their order, gaps and volumes stay.
`shuffled`      every bar is drawn, with replacement, from all bars of the span, measured in the volatility that was known before it, and
                put where the volatility is another. All instruments draw the same moment. Clusters of volatility and volumes stay, shapes
                and signs of bars come in a random order.

Both are martingales, by construction and not only on average over history: the expected simple return of open and close, given all that
came before, is zero. For that log returns x become s x - log cosh(x), and drawn ones are divided by their mean growth; half the variance a
bar is what the fair coin alone would have paid to whoever holds. Drawn with replacement, because a permutation would lead back to where
the span ended, and a price far from there could be expected to return.

Bars before the span stay as they are, so that what was fitted on them is the same.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from catalogs.arrays import Bars
from catalogs.columns import Floats, Ints
from engine.contract.errors import DataError, broken

OPEN, HIGH, LOW, CLOSE = range(4)
HALF_LIFE = 24.0
"""Bars, of the volatility that shuffled bars are measured in."""

QUIET = 1e-5
"""Volatility of one bar is never taken as less than this."""

WILDEST = 20.0
"""A bar that moved by more volatilities than this is drawn as one that moved by so many."""

GRID = 129
"""Volatilities at which the mean growth of drawn bars is computed; in between it is interpolated."""


def random_signs(parts: Sequence[Bars], from_ns: int, seed: int) -> list[Bars]:
    """Turn bars that open at or after `from_ns` upside down at random.

    Parameters
    ----------
    parts
        One per instrument.
    from_ns
        UTC nanoseconds.
    seed
        Of the coin.

    Raises
    ------
    DataError
        No bar opens at or after `from_ns`.
    """
    turns = _turns(parts, from_ns)
    coin = np.random.default_rng([seed, 0]).choice([-1.0, 1.0], len(turns))
    made = []
    for bars in parts:
        first = int(np.searchsorted(bars.ts_open, from_ns))
        moves = _moves(bars)[first:]
        sign = coin[np.searchsorted(turns, bars.ts_open[first:])][:, None]
        turned = sign * moves - np.log(np.cosh(moves))
        down = sign[:, 0] < 0.0
        turned[np.ix_(down, [HIGH, LOW])] = turned[np.ix_(down, [LOW, HIGH])]
        made.append(_rebuilt(bars, first, turned))
    return made


def shuffled(parts: Sequence[Bars], from_ns: int, seed: int) -> list[Bars]:
    """Draw the bars that open at or after `from_ns` anew, from one another; parameters and errors as in `random_signs`.

    Raises
    ------
    DataError
        There is no turn at which every instrument has a bar.
    """
    turns = _turns(parts, from_ns)
    common = turns
    for bars in parts:
        common = common[np.isin(common, bars.ts_open)]
    if len(common) == 0:
        raise DataError(broken("span", "hold a turn at which every instrument has a bar", "none"))
    drawn = common[np.random.default_rng([seed, 1]).integers(0, len(common), len(turns))]
    made = []
    for bars in parts:
        first = int(np.searchsorted(bars.ts_open, from_ns))
        moves = _moves(bars)
        volatility = _known_volatility(moves[:, CLOSE], first)
        shape = _shape(moves[first:]) / volatility[:, None]
        shape *= np.minimum(1.0, WILDEST / np.maximum(np.abs(shape).max(-1), 1.0))[:, None]
        opens = bars.ts_open[first:]
        pool = shape[np.searchsorted(opens, common)]
        own = shape[np.searchsorted(opens, drawn[np.searchsorted(turns, opens)])] * volatility[:, None]
        opening = own[:, OPEN] - _log_growth(pool[:, OPEN], volatility)
        close = own[:, CLOSE] - _log_growth(pool[:, CLOSE], volatility)
        high, low = np.maximum(opening, close) + own[:, HIGH], np.minimum(opening, close) - own[:, LOW]
        made.append(_rebuilt(bars, first, np.stack([opening, high, low, close], -1)))
    return made


def _turns(parts: Sequence[Bars], from_ns: int) -> Ints:
    """Open times of the bars to be altered, of any instrument."""
    turns: Ints = np.unique(np.concatenate([bars.ts_open[bars.ts_open >= from_ns] for bars in parts]))
    if len(turns) == 0 or any(int(bars.ts_open[-1]) < from_ns for bars in parts):
        raise DataError(broken("span", "hold bars of every instrument", "none", f"from {from_ns} ns"))
    return turns


def _moves(bars: Bars) -> Floats:
    """Logs of open, high, low and close over the close before, float64 (T, 4); of the first bar over its open."""
    before = np.append(bars.open[:1], bars.close[:-1])
    return np.log(np.stack([bars.open, bars.high, bars.low, bars.close], -1) / before[:, None])


def _shape(moves: Floats) -> Floats:
    """Open and close, and in the places of high and low what they add to the higher and take from the lower of the two."""
    shape = moves.copy()
    shape[:, HIGH] = moves[:, HIGH] - np.maximum(moves[:, OPEN], moves[:, CLOSE])
    shape[:, LOW] = np.minimum(moves[:, OPEN], moves[:, CLOSE]) - moves[:, LOW]
    return shape


def _known_volatility(returns: Floats, first: int) -> Floats:
    """Exponentially weighted root mean square of the returns before each bar from `first` on, float64 (T - first,)."""
    kept = 0.5 ** (1.0 / HALF_LIFE)
    square = float(np.mean(returns[:first] ** 2 if first else returns**2))
    found = np.empty(len(returns))
    for t, value in enumerate(returns.tolist()):
        found[t] = square
        square = kept * square + (1.0 - kept) * value * value
    return np.maximum(np.sqrt(found[first:]), QUIET)


def _log_growth(drawn: Floats, volatility: Floats) -> Floats:
    """Log of the mean of exp(volatility * drawn), over what may be drawn, float64 like `volatility`."""
    grid = np.geomspace(volatility.min(), volatility.max() * (1.0 + 1e-9), GRID)
    growth = np.array([np.log(np.mean(np.exp(one * drawn))) for one in grid])
    return np.interp(volatility, grid, growth)


def _rebuilt(bars: Bars, first: int, moves: Floats) -> Bars:
    """Put moves, float64 (n, 4), behind the bars before `first`."""
    base = bars.close[first - 1] if first else bars.open[0]
    total = np.cumsum(moves[:, CLOSE])
    before = np.append(0.0, total[:-1])
    decimals = bars.instrument.price_precision
    prices = np.maximum(np.round(base * np.exp(before[:, None] + moves), decimals), 10.0**-decimals)
    whole = [
        np.append(kept[:first], prices[:, place])
        for place, kept in enumerate((bars.open, bars.high, bars.low, bars.close))
    ]
    return replace(bars, open=whole[OPEN], high=whole[HIGH], low=whole[LOW], close=whole[CLOSE])
