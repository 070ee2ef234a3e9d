"""Learning rates over a training run: constant, falling, with warm restarts, and lowered or raised by what the run meets."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from engine.contract.config import Schedule

NEW_REGIME_DEVIATIONS = 4.0
"""A mean reward that lies this many deviations below its past is taken for another regime."""

PAST_WEIGHT = 0.1
"""Weight of the newest iteration in the mean and the variance of past rewards."""

PAST_NEEDED = 8
"""Iterations that must lie behind before one can be unlike them."""

HIGHEST, LOWEST = 4.0, 0.1
"""Bounds of the factor that plateaus and regimes put on the cosine."""

STATE = ("factor", "best", "waited", "seen", "mean", "variance")


def linear(iteration: int, iterations: int, lowest: float) -> float:
    """Fall evenly from 1, which would reach `lowest` after the last iteration."""
    return 1.0 - (1.0 - lowest) * iteration / max(iterations, 1)


def cosine(iteration: int, first_cycle: int, growth: int, lowest: float) -> float:
    """Fall from 1 towards `lowest` along half a cosine, again and again, each cycle `growth` times as long as the one before.

    Loshchilov & Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (2017), equation 5, in iterations.
    """
    since, length = iteration, first_cycle
    while since >= length:
        since, length = since - length, length * growth
    return lowest + (1.0 - lowest) * 0.5 * (1.0 + math.cos(math.pi * since / length))


class LearningRate:
    """The learning rate of every iteration of one run.

    Parameters
    ----------
    schedule
        [training.schedule].
    first
        The rate that factors multiply.
    iterations
        Length of the run.
    """

    def __init__(self, schedule: Schedule, first: float, iterations: int) -> None:
        self._schedule, self._first, self._iterations = schedule, first, iterations
        self.factor, self.best, self.waited, self.seen, self.mean, self.variance = 1.0, -math.inf, 0, 0, 0.0, 0.0

    def at(self, iteration: int) -> float:
        """Return the rate of an iteration, counted from 0."""
        kept = self._schedule
        match kept.kind:
            case "constant":
                return self._first
            case "linear":
                return self._first * linear(iteration, self._iterations, kept.lowest_frac)
            case "cosine":
                return self._first * cosine(iteration, kept.first_cycle, kept.cycle_growth, kept.lowest_frac)
            case "adaptive":
                wave = cosine(iteration, kept.first_cycle, kept.cycle_growth, kept.lowest_frac)
                return self._first * self.factor * wave

    def observe(self, win_rate: float, reward: float) -> None:
        """Learn what an iteration met; only `adaptive` heeds it.

        A mean reward far below its past is a new regime: the factor rises, and the best win rate is forgotten. Otherwise, a win rate that
        has not beaten its best by `margin` for `patience` iterations is a plateau: the factor falls.
        """
        if self._new_regime(reward):
            self.factor = min(self.factor * self._schedule.raise_factor, HIGHEST)
            self.best, self.waited = win_rate, 0
        elif win_rate > self.best + self._schedule.margin:
            self.best, self.waited = win_rate, 0
        else:
            self.waited += 1
            if self.waited >= self._schedule.patience:
                self.factor, self.waited = max(self.factor * self._schedule.lower_factor, LOWEST), 0

    def _new_regime(self, reward: float) -> bool:
        """Compare a reward with the exponentially weighted past, then add it; after a break the past begins anew."""
        deviation = math.sqrt(self.variance)
        broke = self.seen >= PAST_NEEDED and reward < self.mean - NEW_REGIME_DEVIATIONS * max(deviation, 1e-12)
        if broke or self.seen == 0:
            self.seen, self.mean, self.variance = 1, reward, 0.0
            return broke
        away = reward - self.mean
        self.seen += 1
        self.mean += PAST_WEIGHT * away
        self.variance = (1.0 - PAST_WEIGHT) * (self.variance + PAST_WEIGHT * away * away)
        return False

    def state(self) -> dict[str, Tensor]:
        """Everything that `restore` needs, float64."""
        return {name: torch.tensor(float(getattr(self, name)), dtype=torch.float64) for name in STATE}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state."""
        for name in STATE:
            value = state[name].item()
            setattr(self, name, int(value) if name in ("waited", "seen") else value)
