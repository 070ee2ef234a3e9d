"""Whether timing did it: a policy against random policies that hold and trade as much as it does.

`shift`   the policy's own exposures, moved in time by a random number of bars, the end going on at the beginning (the default). Turnover,
          exposure, sizes and holding times are exactly its own; only their place in time is lost. Where returns are stationary, every
          shift is, but for the seam, as likely as none. Small shifts to earlier are left out: a rule that follows prices, moved a
          little earlier, would know the future.
`chain`   a two-state Markov chain per instrument, as the baseline `random` plays it: time in the market, mean size, side and turnover
          agree in expectation. It holds one size, so that against a policy of many sizes, or one that is never flat, it is a rougher
          match, and its p-values are not uniform without skill.

Both are replayed with the policy's own arithmetic: return = exposure * budget * bar's return - cost on every change of exposure.
"""

import math
from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from engine.contract.errors import ConfigError, DataError, broken
from engine.evaluation.samples import Floats, Indices, panel, positive
from engine.evaluation.sharpe import PerPeriod

Method = Literal["shift", "chain"]
LEAST_BARS = 50
POLICIES = 1_000
CELLS = 2_000_000
"""Exposures in memory at a time."""


class Chance(NamedTuple):
    """What random policies made of the same market.

    Attributes
    ----------
    p_value
        (1 + random policies with at least the policy's Sharpe ratio) / (1 + random policies).
    error
        Monte Carlo standard error of the p-value, from the finite number of random policies.
    sharpe_per_period
        Of the policy, after costs.
    median_per_period, upper_per_period
        Of the random policies: the median, and what 5 % of them exceed.
    policies
        How many random policies.
    method
        How they were made.
    """

    p_value: float
    error: float
    sharpe_per_period: PerPeriod
    median_per_period: PerPeriod
    upper_per_period: PerPeriod
    policies: int
    method: Method


def chance(
    exposure: npt.ArrayLike,
    bar_returns: npt.ArrayLike,
    *,
    cost_bps: float,
    budget_frac: float = 1.0,
    policies: int = POLICIES,
    method: Method = "shift",
    apart_bars: int | None = None,
    seed: int = 0,
) -> Chance:
    """Compare a policy's Sharpe ratio with that of random policies of the same turnover and exposure.

    Parameters
    ----------
    exposure : float64 (T,) or (T, K)
        Target exposure held over each bar, signed, fraction of the instrument's budget; a trade is a change of it.
    bar_returns : float64 (T,) or (T, K)
        Simple return of the instrument over the same bar, from the price at which the exposure is taken to the next such price.
        Known at: the end of the bar; row t must not be known when exposure t is decided.
    cost_bps
        Fee plus half-spread, in 1/10,000 of the traded notional.
    budget_frac
        Equity behind an exposure of 1: `limits.max_position_frac`.
    policies
        Random policies; where fewer shifts exist, all of them are taken.
    method
        See the module.
    apart_bars
        Of `shift`: shifts to earlier by fewer bars are left out; at least the bars that a decision looks back and is held, T/20
        where None.
    seed
        The same seed gives the same answer.

    Raises
    ------
    DataError
        The shapes differ, values are not finite, there are fewer than 50 bars, or the policy's return does not vary.
    ConfigError
        A parameter is out of range.

    Notes
    -----
    Equity is not compounded and exposures do not drift within a position: both sides are simplified alike. Funding can be part of
    `bar_returns`. A policy that never changes its exposure has no timing: every shift ties with it, and the p-value is 1.

    References
    ----------
    Phipson & Smyth (2010), Permutation p-values should never be zero, Statistical Applications in Genetics and Molecular Biology 9(1).
    Lotwick & Silverman (1982), Methods for analysing spatial processes of several types of points, Journal of the Royal Statistical
    Society B 44, for shifts around the end.
    """
    held, earned = panel(exposure, LEAST_BARS, name="exposure"), panel(bar_returns, LEAST_BARS, name="bar returns")
    if held.shape != earned.shape:
        raise DataError(broken("exposure", f"have the shape of bar returns, {earned.shape}", held.shape))
    if not 0.0 <= cost_bps < math.inf:
        raise ConfigError(broken("cost_bps", "be finite and not negative", cost_bps))
    if policies < 1:
        raise ConfigError(broken("policies", "be 1 or more", policies))
    weight, cost = held * positive(budget_frac, "budget_frac"), cost_bps * 1e-4
    generator = np.random.default_rng(seed)
    if method == "shift":
        least = max(1, len(held) // 20) if apart_bars is None else apart_bars
        if not 1 <= least <= len(held) // 2:
            raise ConfigError(broken("apart_bars", f"be from 1 to half of {len(held)} bars", least))
        possible = np.arange(1, len(held) - least + 1)
        shifts = generator.permutation(possible)[:policies]
        whole = len(shifts) == len(possible)
        own = float(_shifted_sharpes(weight, earned, cost, np.zeros(1, dtype=np.int64))[0])
        drawn = _shifted_sharpes(weight, earned, cost, shifts)
    elif method == "chain":
        whole = False
        own = float(path_sharpes(weight[None], earned, cost_bps)[0])
        parts = _chains_like(held, policies, generator)
        drawn = np.concatenate([path_sharpes(part * budget_frac, earned, cost_bps) for part in parts])
    else:
        raise ConfigError(broken("method", "be shift or chain", method))
    if math.isnan(own):
        raise DataError(
            broken("return of the policy", "vary", "constant", "", "a policy that holds nothing has no timing")
        )
    drawn = np.nan_to_num(drawn, nan=0.0)
    reached = int((drawn >= own - 1e-9 * max(abs(own), 1e-3)).sum())
    p_value = (1 + reached) / (1 + len(drawn))
    error = 0.0 if whole else math.sqrt(p_value * (1.0 - p_value) / len(drawn))
    median, upper = np.quantile(drawn, [0.5, 0.95])
    return Chance(p_value, error, PerPeriod(own), PerPeriod(float(median)), PerPeriod(float(upper)), len(drawn), method)


def path_sharpes(weights: Floats, bar_returns: Floats, cost_bps: float) -> Floats:
    """Return the Sharpe ratio per period, after costs, of many paths of weights at once.

    Parameters
    ----------
    weights : float64 (P, T, K), notional over equity held over each bar; the first bar trades from flat
    bar_returns : float64 (T, K)
    cost_bps
        Fee plus half-spread, in 1/10,000 of the traded notional.

    Returns
    -------
    float64 (P,); NaN where a path's return does not vary.
    """
    return _path_sharpes(weights, bar_returns, cost_bps * 1e-4)


def matched(exposure: Floats, traded: float) -> dict[str, float]:
    """Choose parameters of the two-state chain so that time in the market, size, side and turnover equal in expectation those seen.

    Parameters
    ----------
    exposure : float64 (n_decisions, instruments)
        Signed exposure held at each decision, fraction of the budget.
    traded
        Value traded per decision and instrument, fraction of the budget; a round trip trades twice its exposure.

    Returns
    -------
    `enter`, `leave`, `exposure`, `short`: parameters of the `random` strategy. In the stationary chain, entries per decision =
    (1 - held) * enter = held * leave.
    """
    held = exposure != 0
    share = float(held.mean()) if held.size else 0.0
    if share == 0.0 or traded == 0.0:
        return {"enter": 0.0, "leave": 0.0, "exposure": 0.0, "short": 0.0}
    size = min(1.0, float(np.abs(exposure[held]).mean()))
    entries = traded / (2.0 * size)
    return {
        "enter": min(1.0, entries / max(1.0 - share, entries)),
        "leave": min(1.0, entries / share),
        "exposure": size,
        "short": float((exposure[held] < 0).mean()),
    }


def random_exposures(exposure: npt.ArrayLike, policies: int, generator: np.random.Generator) -> Floats:
    """Return paths of the chain that matches each instrument's exposure: float64 (policies, T, K), fraction of the budget."""
    return np.concatenate(list(_chains_like(panel(exposure, 1, name="exposure"), policies, generator)))


def _chains_like(exposure: Floats, policies: int, generator: np.random.Generator) -> Iterator[Floats]:
    bars, instruments = exposure.shape
    traded = np.abs(np.diff(exposure, axis=0, prepend=0.0)).mean(axis=0)
    fits = [matched(exposure[:, k : k + 1], float(traded[k])) for k in range(instruments)]
    part = max(1, CELLS // (bars * instruments))
    for start in range(0, policies, part):
        count = min(part, policies - start)
        paths = np.empty((count, bars, instruments))
        for k, fit in enumerate(fits):
            coins = generator.random((count, bars, 2))
            paths[:, :, k] = _chains(coins, fit["enter"], fit["leave"], fit["exposure"], fit["short"])
        yield paths


@njit(cache=True)
def _chains(coins: Floats, enter: float, leave: float, size: float, short: float) -> Floats:
    """Paths of the chain, begun in its stationary state: float64 (P, T)."""
    policies, bars = coins.shape[:2]
    paths = np.zeros((policies, bars))
    share = enter / (enter + leave) if enter + leave > 0.0 else 0.0
    for row in range(policies):
        now = 0.0
        for t in range(bars):
            side = -size if coins[row, t, 1] < short else size
            if t == 0:
                now = side if coins[row, t, 0] < share else 0.0
            elif now == 0.0:
                now = side if coins[row, t, 0] < enter else 0.0
            elif coins[row, t, 0] < leave:
                now = 0.0
            paths[row, t] = now
    return paths


@njit(cache=True)
def _path_sharpes(weights: Floats, bar_returns: Floats, cost: float) -> Floats:
    paths, bars, instruments = weights.shape
    ratios = np.empty(paths)
    for row in range(paths):
        total, square = 0.0, 0.0
        for t in range(bars):
            net = 0.0
            for k in range(instruments):
                held = weights[row, t, k]
                before = weights[row, t - 1, k] if t else 0.0
                net += held * bar_returns[t, k] - cost * abs(held - before)
            total += net
            square += net * net
        ratios[row] = _ratio(total, square, bars)
    return ratios


@njit(cache=True)
def _shifted_sharpes(weight: Floats, bar_returns: Floats, cost: float, shifts: Indices) -> Floats:
    """Sharpe ratios of the same path, later by each of `shifts` bars; its costs move with it, the first bar trades from the last."""
    bars, instruments = weight.shape
    paid = np.zeros(bars)
    for t in range(bars):
        for k in range(instruments):
            paid[t] += cost * abs(weight[t, k] - weight[t - 1, k])
    ratios = np.empty(len(shifts))
    for row in range(len(shifts)):
        total, square = 0.0, 0.0
        source = bars - shifts[row]
        for t in range(bars):
            if source >= bars:
                source -= bars
            net = -paid[source]
            for k in range(instruments):
                net += weight[source, k] * bar_returns[t, k]
            total += net
            square += net * net
            source += 1
        ratios[row] = _ratio(total, square, bars)
    return ratios


@njit(cache=True)
def _ratio(total: float, square: float, count: int) -> float:
    mean = total / count
    variance = (square - count * mean * mean) / (count - 1)
    return mean / np.sqrt(variance) if variance > 1e-12 * square / count and square > 0.0 else np.nan
