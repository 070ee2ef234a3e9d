"""A hidden Markov chain with Student-t emissions: fitted once over history, filtered forward ever after."""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from engine.contract.errors import DataError, broken

Floats = npt.NDArray[np.float64]


class Chain(NamedTuple):
    """States of a chain, the least scale first.

    Attributes
    ----------
    location, scale : float64 of shape (K,)
        Of the Student-t emission; scales ascend.
    transition : float64 of shape (K, K)
        Row: from; column: to; rows of sum 1.
    initial : float64 of shape (K,)
        Before the first observation, of sum 1.
    freedom : float
        Degrees of freedom of all emissions.
    """

    location: Floats
    scale: Floats
    transition: Floats
    initial: Floats
    freedom: float


def log_density(x: Floats, location: Floats, scale: Floats | float, freedom: float) -> Floats:
    """Log density of a Student-t, broadcast over its arguments."""
    constant = math.lgamma((freedom + 1.0) / 2.0) - math.lgamma(freedom / 2.0) - 0.5 * math.log(math.pi * freedom)
    z = (x - location) / scale
    return np.asarray(constant - np.log(scale) - 0.5 * (freedom + 1.0) * np.log1p(z * z / freedom), dtype=np.float64)


@njit(cache=True)
def forward(log_likelihood: Floats, transition: Floats, initial: Floats) -> tuple[Floats, float]:
    """Filter a whole series: P(state | observations until then), and the log likelihood of them all.

    Parameters
    ----------
    log_likelihood : float64 of shape (T, K)
        Log density of each observation in each state.
    transition, initial
        Of the chain.

    Returns
    -------
    float64 of shape (T, K), and float
        Row t uses rows 0 to t alone.
    """
    length, states = log_likelihood.shape
    filtered = np.empty((length, states))
    total = 0.0
    for t in range(length):
        peak = log_likelihood[t].max()
        mass = 0.0
        for k in range(states):
            prior = initial[k]
            if t > 0:
                prior = 0.0
                for j in range(states):
                    prior += filtered[t - 1, j] * transition[j, k]
            filtered[t, k] = prior * np.exp(log_likelihood[t, k] - peak)
            mass += filtered[t, k]
        filtered[t] /= mass
        total += np.log(mass) + peak
    return filtered, total


@njit(cache=True)
def _smooth(log_likelihood: Floats, transition: Floats, filtered: Floats) -> tuple[Floats, Floats]:
    """Return P(state | all) of shape (T, K) and expected transitions (K, K); for fitting alone, it looks ahead."""
    length, states = filtered.shape
    smoothed = filtered.copy()
    moves = np.zeros((states, states))
    for t in range(length - 2, -1, -1):
        for k in range(states):
            prior = 0.0
            for j in range(states):
                prior += filtered[t, j] * transition[j, k]
            ratio = smoothed[t + 1, k] / max(prior, 1e-300)
            for j in range(states):
                moves[j, k] += filtered[t, j] * transition[j, k] * ratio
        for j in range(states):
            mass = 0.0
            for k in range(states):
                prior = 0.0
                for i in range(states):
                    prior += filtered[t, i] * transition[i, k]
                mass += transition[j, k] * smoothed[t + 1, k] / max(prior, 1e-300)
            smoothed[t, j] = filtered[t, j] * mass
    return smoothed, moves


def fit_chain(
    x: Floats, states: int, locate: bool = False, freedom: float = 5.0, steps: int = 60, persistence: float = 0.99
) -> Chain:
    """Fit a chain by expectation-maximisation; deterministic, states ordered by scale.

    Parameters
    ----------
    x : float64 of shape (T,)
        Observations, finite.
    states
        Number of states K, 2 or more; at least 20 observations each.
    locate
        Whether each state has a location of its own; else all are 0.
    freedom
        Degrees of freedom, not fitted.
    steps
        Iterations.
    persistence
        Probability of staying that the fit begins with.

    Raises
    ------
    DataError
        Too few observations, some not finite, or none that differs from zero.

    References
    ----------
    Baum et al. (1970) for the chain; Liu & Rubin (1995), ML estimation of the t distribution, for the weights
    (ν + 1)/(ν + z²).
    """
    x = np.ascontiguousarray(x, dtype=np.float64)
    if len(x) < 20 * states:
        raise DataError(broken("observations to fit", f"be {20 * states} or more", len(x), f"{states} states"))
    if not np.isfinite(x).all() or not np.abs(x).max() > 0.0:
        raise DataError(broken("observations to fit", "be finite and not all zero", float(np.abs(x).max())))
    magnitude = np.abs(x)
    floor = 1e-3 * float(np.sqrt((x * x).mean()))
    levels = np.quantile(magnitude, (np.arange(states) + 0.5) / states)
    scale = np.maximum(levels, floor)
    location = np.zeros(states)
    transition = np.full((states, states), (1.0 - persistence) / (states - 1))
    np.fill_diagonal(transition, persistence)
    initial = np.full(states, 1.0 / states)
    for _ in range(steps):
        likelihood = log_density(x[:, None], location, scale, freedom)
        filtered, _ = forward(likelihood, transition, initial)
        smoothed, moves = _smooth(likelihood, transition, filtered)
        z = (x[:, None] - location) / scale
        weight = smoothed * (freedom + 1.0) / (freedom + z * z)
        if locate:
            location = (weight * x[:, None]).sum(axis=0) / np.maximum(weight.sum(axis=0), 1e-300)
        square = (weight * (x[:, None] - location) ** 2).sum(axis=0)
        scale = np.maximum(np.sqrt(square / np.maximum(smoothed.sum(axis=0), 1e-300)), floor)
        moves += 1e-3
        transition = moves / moves.sum(axis=1, keepdims=True)
        initial = smoothed[0] / smoothed[0].sum()
    order = np.argsort(scale, kind="stable")
    return Chain(location[order], scale[order], transition[np.ix_(order, order)], initial[order], freedom)
