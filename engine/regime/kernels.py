"""The compiled arithmetic of the regime filter: features, rules of events, one step of the beliefs.

In one file, constants included: the compiler's cache notices a change of the file that it compiled, and not of what that file imports.
Thresholds of the rules are in volatilities, so that they fit all instruments; the sources cited use percentages.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

WARMUP = 24
"""Returns before the first volatility."""

UNKNOWN = -1
BULL, BEAR, WILD, QUIET, BREAKOUT, REVERSING, CRISIS = range(7)
"""Columns of probabilities; of the values of Regime, which a test holds."""

LOG_CLOSE, SLOW_MEAN, SQUARE, WEIGHT, RETURNS, LABEL, BARS, FAST_SQUARE, RULES = range(9)
LEVEL, SIDE, BREAK_WEIGHT, BREAK_AGE, EXTREME, DIRECTION, TURN_WEIGHT, TURN_AGE = range(8)
DRIFT, PULL, FREEDOM, KEEP, KEEP_MEAN, KEEP_FAST, REVERSAL, FALL, CRISIS_VOLATILITY, EVENT_BARS, ODDS = range(11)

FEATURES_FRESH = np.array([np.nan, np.nan, 0.0, 0.0, 0.0])
RULES_FRESH = np.array([0.0, 1.0, 0.0, 0.0, np.nan, 1.0, 0.0, 0.0])
FRESH = np.concatenate([FEATURES_FRESH, [UNKNOWN, 0.0, 0.0], RULES_FRESH])
"""Memory of an instrument that has seen nothing: sides and directions are 1 upward, -1 downward."""


@njit(cache=True)
def log_student(x: float, location: float, scale: float, freedom: float) -> float:
    """Log density of a Student-t, less what is the same in all states."""
    z = (x - location) / scale
    return -np.log(scale) - 0.5 * (freedom + 1.0) * np.log1p(z * z / freedom)


@njit(cache=True)
def follow(memory: Floats, close: float, keep: float, keep_mean: float) -> tuple[float, float, float]:
    """Take in a close, positive and finite; return log return, volatility before it and distance from the slow mean before it.

    Parameters
    ----------
    memory : float64 of shape (5,) or longer
        Overwritten.
    close
        Quote.
    keep, keep_mean
        Weights that a square and the slow mean keep for a bar.
    """
    log_close = np.log(close)
    log_return = log_close - memory[LOG_CLOSE]
    distance = memory[LOG_CLOSE] - memory[SLOW_MEAN]
    volatility = np.nan
    if memory[RETURNS] >= WARMUP:
        volatility = np.sqrt(memory[SQUARE] / memory[WEIGHT])
    if np.isnan(log_return):
        memory[SLOW_MEAN] = log_close
    else:
        memory[SQUARE] = keep * memory[SQUARE] + (1.0 - keep) * log_return * log_return
        memory[WEIGHT] = keep * memory[WEIGHT] + (1.0 - keep)
        memory[RETURNS] += 1.0
        memory[SLOW_MEAN] = keep_mean * memory[SLOW_MEAN] + (1.0 - keep_mean) * log_close
    memory[LOG_CLOSE] = log_close
    return log_return, volatility, distance


@njit(cache=True)
def follow_all(close: Floats, memory: Floats, keep: float, keep_mean: float) -> Floats:
    """Follow a whole series, (T,) to (3, T)."""
    out = np.empty((3, len(close)))
    for t in range(len(close)):
        out[0, t], out[1, t], out[2, t] = follow(memory, close[t], keep, keep_mean)
    return out


@njit(cache=True)
def break_out(memory: Floats, close: float, highest: float, lowest: float, ranging: float, event_bars: float) -> float:
    """Weigh a breakout: the close leaves the range of the bars before it.

    It begins with the probability that the market was ranging, fades over `event_bars`, and is over when the price closes back inside.

    Parameters
    ----------
    memory : float64 of shape (8,)
        Overwritten.
    close, highest, lowest
        Of this bar; of the highs and lows of the channel before it, NaN while the channel is not full. Quote.
    ranging
        P(ranging) before this bar.
    event_bars
        Bars until it has faded.

    References
    ----------
    Donchian's channel; Brock, Lakonishok & LeBaron (1992), Simple technical trading rules, the trading range break.
    """
    memory[BREAK_AGE] += 1.0
    if (memory[LEVEL] - close) * memory[SIDE] > 0.0 or memory[BREAK_AGE] >= event_bars:
        memory[BREAK_WEIGHT] = 0.0
    side = 1.0 if close > highest else -1.0 if close < lowest else 0.0
    if side != 0.0 and (memory[BREAK_WEIGHT] == 0.0 or side != memory[SIDE]):
        memory[LEVEL] = highest if side > 0.0 else lowest
        memory[SIDE], memory[BREAK_WEIGHT], memory[BREAK_AGE] = side, ranging, 0.0
    return memory[BREAK_WEIGHT] * (1.0 - memory[BREAK_AGE] / event_bars)


@njit(cache=True)
def turn(memory: Floats, log_close: float, threshold: float, falling: float, rising: float, event_bars: float) -> float:
    """Weigh a reversal: the price has come back from its last extreme by a threshold (directional change).

    It begins with the probability that the market was trending towards that extreme, and fades over `event_bars`.

    Parameters
    ----------
    memory : float64 of shape (8,)
        Overwritten.
    log_close
        Of this bar.
    threshold
        Log distance; NaN while unknown.
    falling, rising
        P(falling), P(rising) before this bar.
    event_bars
        Bars until it has faded.

    References
    ----------
    Guillaume et al. (1997), From the bird's eye to the microscope; Glattfelder, Dupuis & Olsen (2011), Patterns in
    high-frequency FX data.
    """
    memory[TURN_AGE] += 1.0
    if memory[TURN_AGE] >= event_bars:
        memory[TURN_WEIGHT] = 0.0
    if np.isnan(memory[EXTREME]) or (log_close - memory[EXTREME]) * memory[DIRECTION] > 0.0:
        memory[EXTREME] = log_close
    elif (memory[EXTREME] - log_close) * memory[DIRECTION] >= threshold:
        memory[TURN_WEIGHT] = rising if memory[DIRECTION] > 0.0 else falling
        memory[TURN_AGE] = 0.0
        memory[EXTREME] = log_close
        memory[DIRECTION] = -memory[DIRECTION]
    return memory[TURN_WEIGHT] * (1.0 - memory[TURN_AGE] / event_bars)


@njit(cache=True)
def crisis(fall: float, crisis_fall: float, volatility: float, crisis_volatility: float) -> float:
    """Weigh a crisis: a large fall from the highest close, in a volatility far beyond the usual.

    Each condition counts 0 at half of its threshold, 1 at the threshold, and in proportion between; their product counts.

    Parameters
    ----------
    fall, crisis_fall
        Log distance of the close from the highest close of the window, non-negative; its threshold.
    volatility, crisis_volatility
        Now, this bar included; its threshold. Log return a bar.

    References
    ----------
    Patel & Sarkar (1998), Crises in developed and emerging stock markets: the fall from a rolling maximum (CMAX).
    """
    deep = min(max(2.0 * fall / crisis_fall - 1.0, 0.0), 1.0)
    wild = min(max(2.0 * volatility / crisis_volatility - 1.0, 0.0), 1.0)
    return deep * wild


@njit(cache=True)
def step(belief: Floats, transition: Floats, log_likelihood: Floats) -> None:
    """Predict a belief by the transitions and weigh it by the likelihood, in place."""
    states = len(belief)
    predicted = np.zeros(states)
    for j in range(states):
        for k in range(states):
            predicted[k] += belief[j] * transition[j, k]
    peak, mass = log_likelihood.max(), 0.0
    for k in range(states):
        belief[k] = predicted[k] * np.exp(log_likelihood[k] - peak)
        mass += belief[k]
    belief /= mass


@njit(cache=True)
def tell(memory: Floats, probabilities: Floats, said: Floats) -> None:
    """Write the probabilities and a 1 into (N, 8) `said`; zeros while there is no belief."""
    for n in range(len(memory)):
        known = memory[n, LABEL] >= 0.0
        for k in range(probabilities.shape[1]):
            said[n, k] = probabilities[n, k] if known else 0.0
        said[n, -1] = 1.0 if known else 0.0


@njit(cache=True)
def advance(
    bars: Floats,
    observed: Flags,
    settings: Floats,
    scale: Floats,
    volatility_transition: Floats,
    trend_transition: Floats,
    memory: Floats,
    highs: Floats,
    lows: Floats,
    log_closes: Floats,
    volatility_belief: Floats,
    trend_belief: Floats,
    probabilities: Floats,
) -> None:
    """Advance every instrument whose bar came."""
    likelihood = np.empty(3)
    for n in range(bars.shape[1]):
        high, low, close = bars[0, n], bars[1, n], bars[2, n]
        observed[n] = 0.0 < high < np.inf and 0.0 < low < np.inf and 0.0 < close < np.inf
        if not observed[n]:
            continue
        mine, given, trend = memory[n], settings[n], trend_belief[n]
        moved, usual, distance = follow(mine, close, given[KEEP], given[KEEP_MEAN])
        if np.isfinite(moved):
            mine[FAST_SQUARE] = given[KEEP_FAST] * mine[FAST_SQUARE] + (1.0 - given[KEEP_FAST]) * moved * moved
            for k in range(3):
                likelihood[k] = log_student(moved, 0.0, scale[n, k], given[FREEDOM])
            step(volatility_belief[n], volatility_transition[n], likelihood)
        falling, ranging, rising = trend[0], trend[1], trend[2]
        known = np.isfinite(moved) and usual > 0.0
        if known:
            unit = np.sqrt((given[FREEDOM] - 2.0) / given[FREEDOM])
            pulled = -given[PULL] * distance / usual
            likelihood[0] = log_student(moved / usual, -given[DRIFT], unit, given[FREEDOM])
            likelihood[1] = log_student(moved / usual, pulled, unit, given[FREEDOM])
            likelihood[2] = log_student(moved / usual, given[DRIFT], unit, given[FREEDOM])
            step(trend, trend_transition[n], likelihood)

        count = int(mine[BARS])
        highest = highs[n].max() if count >= highs.shape[1] else np.nan
        lowest = lows[n].min() if count >= lows.shape[1] else np.nan
        events = mine[RULES:]
        breakout = break_out(events, close, highest, lowest, ranging, given[EVENT_BARS])
        threshold = given[REVERSAL] * usual
        reversal = turn(events, mine[LOG_CLOSE], threshold, falling, rising, given[EVENT_BARS])
        highs[n, count % highs.shape[1]] = high
        lows[n, count % lows.shape[1]] = low
        log_closes[n, count % log_closes.shape[1]] = mine[LOG_CLOSE]
        mine[BARS] += 1.0
        fall = np.nanmax(log_closes[n]) - mine[LOG_CLOSE]
        now = np.sqrt(mine[FAST_SQUARE]) if known else 0.0
        panic = crisis(fall, given[FALL], now, given[CRISIS_VOLATILITY])

        row = probabilities[n]
        row[CRISIS] = panic
        row[REVERSING] = (1.0 - panic) * reversal
        row[BREAKOUT] = (1.0 - panic) * (1.0 - reversal) * breakout
        left = (1.0 - panic) * (1.0 - reversal) * (1.0 - breakout)
        row[BEAR], row[BULL] = left * trend[0], left * trend[2]
        row[QUIET] = left * trend[1] * volatility_belief[n, 0]
        row[WILD] = left * trend[1] * (1.0 - volatility_belief[n, 0])
        label = int(mine[LABEL])
        best = row.argmax()
        if known and (label == UNKNOWN or row[best] > given[ODDS] * row[label]):
            mine[LABEL] = best
