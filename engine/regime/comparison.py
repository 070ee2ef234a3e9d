"""The regime filter beside an HMM filter, a jump model and plain thresholds, fitted on one half and judged on the other."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.regime.chain import fit_chain, forward, log_density
from engine.regime.features import history
from engine.regime.filter import RegimeFilter
from engine.regime.fitting import fit
from engine.regime.jump import JumpFilter, fit_jump
from engine.regime.kinds import Regime
from engine.regime.scoring import Score, assign, score

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

JUMP_PENALTY = 2.0
HOLD_ODDS = 2.0
COMING_BARS = 24


class Bars(NamedTuple):
    """Bars of one instrument, float64 of shape (T,) each, quote, positive."""

    high: Floats
    low: Floats
    close: Floats


def regime_labels(bars: Bars, half: int) -> tuple[Labels, Labels]:
    """Return labels of the regime filter fitted on the first half, int64 (T,): regime and volatility state."""
    regime_filter = RegimeFilter([fit(bars.close[:half])])
    regime, volatility = np.empty(len(bars.close), dtype=np.int64), np.empty((len(bars.close), 3))
    for t in range(len(bars.close)):
        estimate = regime_filter.update(*(column[t : t + 1] for column in bars))
        regime[t], volatility[t] = estimate.regime[0], estimate.volatility[0]
    return regime, held(volatility, HOLD_ODDS)


def held(belief: Floats, odds: float) -> Labels:
    """Label a belief, (T, K) to int64 (T,), with hysteresis: the label moves to a state so many times as probable."""
    labels, label = np.empty(len(belief), dtype=np.int64), int(belief[0].argmax())
    for t, row in enumerate(belief):
        best = int(row.argmax())
        label = best if row[best] > odds * row[label] else label
        labels[t] = label
    return labels


def without_events(regime: Labels) -> Labels:
    """Replace breakout, reversal and unknown by the label before them; a low-volatility range where there is none."""
    out, last = np.empty_like(regime), int(Regime.LOW_VOLATILITY_RANGE)
    for t, kind in enumerate(regime):
        last = last if kind in (-1, Regime.BREAKOUT, Regime.REVERSAL) else int(kind)
        out[t] = last
    return out


def hmm_states(bars: Bars, half: int, states: int) -> Labels:
    """Return the likeliest state of a Student-t HMM, filtered forward; scale and location of each state are fitted."""
    returns = np.diff(np.log(bars.close), prepend=np.log(bars.close[0]))
    chain = fit_chain(returns[1:half], states, locate=True)
    likelihood = log_density(returns[:, None], chain.location, chain.scale, chain.freedom)
    return forward(likelihood, chain.transition, chain.initial)[0].argmax(axis=1)


def jump_states(bars: Bars, half: int, states: int) -> Labels:
    """Return the states of a jump model decoded online, on volatility and momentum."""
    features = np.stack(_volatility_and_momentum(bars), axis=1)
    usable = np.isfinite(features).all(axis=1)
    jump = JumpFilter(fit_jump(features[:half][usable[:half]], states, JUMP_PENALTY))
    return np.array([jump.update(row) for row in features])


def volatility_bins(bars: Bars, half: int, states: int) -> Labels:
    """Return the bin of the exponentially weighted volatility; edges are quantiles of the first half."""
    log_volatility = np.nan_to_num(_volatility_and_momentum(bars)[0], nan=-np.inf)
    edges = np.quantile(log_volatility[:half], np.arange(1, states) / states)
    return np.searchsorted(edges, log_volatility)


def volatility_and_momentum_bins(bars: Bars, half: int, states: int) -> Labels:
    """Return the bin of volatility, and whether momentum is below -1, between, or above 1 standard deviation."""
    momentum = np.nan_to_num(_volatility_and_momentum(bars)[1])
    return 3 * volatility_bins(bars, half, states) + np.searchsorted([-1.0, 1.0], momentum)


def _volatility_and_momentum(bars: Bars) -> tuple[Floats, Floats]:
    """Return log volatility (half-life 24) and the slow mean of standardised returns (half-life 72) in standard deviations."""
    features = history(bars.close, 24.0, 24.0)
    ready = np.isfinite(features.volatility) & (features.volatility > 0.0)
    unit = np.where(ready, features.volatility, 1.0)
    standardised = np.where(ready, features.log_return / unit, 0.0)
    keep, mean = 0.5 ** (1.0 / 72.0), 0.0
    momentum = np.empty(len(standardised))
    for t, value in enumerate(standardised):
        mean = keep * mean + (1.0 - keep) * value
        momentum[t] = mean
    now = np.append(features.volatility[1:], np.nan)
    now[-1] = features.volatility[-1]
    log_volatility = np.log(np.where(ready & (now > 0.0), now, np.nan))
    return log_volatility, momentum * np.sqrt((1.0 + keep) / (1.0 - keep))


def compare_kinds(bars: Bars, truth: Labels, kinds: dict[Regime, int]) -> dict[str, Score]:
    """Score all methods against a truth of several kinds, on the second half.

    The regime filter is scored by its own names (`kinds`: regime to class of the truth), the labels of events replaced by those before;
    the states of the others are named after the truth of the first half, which helps them.
    """
    half = len(truth) // 2
    regime, _ = regime_labels(bars, half)
    own = np.array([kinds.get(kind, -1) for kind in Regime])[without_events(regime)]
    scores = {"regime filter": score(truth[half:], own[half:])}
    named = assign(without_events(regime)[:half], truth[:half], len(Regime))[without_events(regime)]
    scores["regime filter, states named likewise"] = score(truth[half:], named[half:])
    others: dict[str, tuple[Callable[[Bars, int, int], Labels], int, int]] = {
        "HMM, 5 states, filtered": (hmm_states, 5, 5),
        "jump model, 5 states, online": (jump_states, 5, 5),
        "volatility, 5 bins": (volatility_bins, 5, 5),
        "volatility, 5 bins × momentum, 3 bins": (volatility_and_momentum_bins, 5, 15),
    }
    for name, (method, states, count) in others.items():
        scores[name] = _named_score(method(bars, half, states), truth, half, count)
    return scores


def compare_turbulence(bars: Bars, truth: Labels) -> dict[str, Score]:
    """Score all methods against a truth of two classes, calm 0 and turbulent 1, on the second half; states named alike."""
    half = len(truth) // 2
    _, volatility = regime_labels(bars, half)
    return {
        "regime filter, volatility states": _named_score(volatility, truth, half, 3),
        "HMM, 2 states, filtered": _named_score(hmm_states(bars, half, 2), truth, half, 2),
        "jump model, 2 states, online": _named_score(jump_states(bars, half, 2), truth, half, 2),
        "volatility threshold": _named_score(volatility_bins(bars, half, 2), truth, half, 2),
    }


def coming_turbulence(close: Floats, half: int) -> Labels:
    """Tell whether the volatility of the coming 24 bars is above its median over the first half: a truth for real markets.

    It looks ahead, and is for scoring alone. The last 24 bars have none of their own and repeat the one before.
    """
    square = np.diff(np.log(close), prepend=np.log(close[0])) ** 2
    total = np.concatenate([[0.0], np.cumsum(square)])
    coming = total[COMING_BARS + 1 :] - total[1:-COMING_BARS]
    coming = np.append(coming, np.full(len(close) - len(coming), coming[-1]))
    return (coming > np.median(coming[:half])).astype(np.int64)


def _named_score(states: Labels, truth: Labels, half: int, count: int) -> Score:
    """Name states by the first half, score them on the second."""
    return score(truth[half:], assign(states[:half], truth[:half], count)[states][half:])
