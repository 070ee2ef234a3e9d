"""False alarms where nothing changes, and delays where something does: `python -m engine.changepoint.calibration`."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.changepoint.bocd import Bocd
from engine.changepoint.detector import Detector
from engine.changepoint.robust import RobustBocd
from engine.changepoint.standardise import CausalStandardiser

Floats = npt.NDArray[np.float64]

BURN_IN = 200
HORIZON = 100
SERIES = 20
SEEDS = tuple(range(10))

MODELS: dict[str, tuple[type[Bocd | RobustBocd], bool]] = {
    "plain": (Bocd, False),
    "standardised": (Bocd, True),
    "robust": (RobustBocd, True),
}
"""Name to model, and whether the observations are standardised before."""


class Measured(NamedTuple):
    """A figure over seeds.

    Attributes
    ----------
    mean, error
        Over seeds: the mean, and its standard error.
    """

    mean: float
    error: float

    def __str__(self) -> str:
        return f"{self.mean:.2f} ± {self.error:.2f}"


def normal(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Draw standard normal observations."""
    return rng.standard_normal(shape)


def student(rng: np.random.Generator, shape: tuple[int, int], freedom: float) -> Floats:
    """Draw Student-t observations of unit variance, more than 2 degrees of freedom."""
    return rng.standard_t(freedom, shape) / np.sqrt(freedom / (freedom - 2.0))


def clustered(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Draw a stationary GARCH(1,1) of unit variance with t5 shocks: α = 0.08, β = 0.90."""
    shocks = student(rng, shape, 5.0)
    out, variance = np.empty(shape), np.ones(shape[1])
    for t in range(shape[0]):
        out[t] = np.sqrt(variance) * shocks[t]
        variance = 0.02 + 0.08 * out[t] ** 2 + 0.90 * variance
    return out


DRAWS: dict[str, Callable[[np.random.Generator, tuple[int, int]], Floats]] = {
    "normal": normal,
    "t5": lambda rng, shape: student(rng, shape, 5.0),
    "t3": lambda rng, shape: student(rng, shape, 3.0),
    "GARCH, t5 shocks": clustered,
}

CHANGES: dict[str, tuple[float, float]] = {
    "mean + 1 sd": (1.0, 1.0),
    "mean + 2 sd": (2.0, 1.0),
    "volatility × 2": (0.0, 2.0),
    "volatility × 3": (0.0, 3.0),
    "volatility ÷ 3": (0.0, 1.0 / 3.0),
}
"""Name to what is added and what is multiplied from the change on."""


def recent_mass(model: str, x: Floats) -> Floats:
    """Run a model over series; return P(recent change) after each observation, float64 of the shape of x: (T, series)."""
    kind, standardised = MODELS[model]
    detector: Detector = kind(x.shape[1])
    standardiser = CausalStandardiser(x.shape[1])
    return np.array([detector.update(standardiser.update(row) if standardised else row).recent for row in x])


def false_alarms(
    model: str, draw: str, level: float = 0.70, observations: int = 2000, seeds: tuple[int, ...] = SEEDS
) -> Measured:
    """Count how often P(recent change) rises through a level in 1,000 observations without a change.

    The first 200 observations are not counted.
    """
    rates: list[float] = []
    for seed in seeds:
        rng = np.random.default_rng([seed, list(DRAWS).index(draw)])
        alarm = recent_mass(model, DRAWS[draw](rng, (BURN_IN + observations, SERIES)))[BURN_IN - 1 :] > level
        rates.append(1000.0 * float((alarm[1:] & ~alarm[:-1]).sum()) / (observations * SERIES))
    return over_seeds(rates)


def delay(
    model: str, change: str, draw: str = "t5", level: float = 0.70, before: int = 500, seeds: tuple[int, ...] = SEEDS
) -> tuple[Measured, Measured]:
    """Measure a planted change: median observations until P(recent change) is above a level, and the share missed.

    An observation that shows the change at once has a delay of 1. Missed are changes without an alarm within 100
    observations; they count as 101 in the median.
    """
    shift, stretch = CHANGES[change]
    medians, missed = [], []
    for seed in seeds:
        rng = np.random.default_rng([seed, 100 + list(CHANGES).index(change)])
        x = DRAWS[draw](rng, (before + HORIZON, SERIES))
        x[before:] = shift + stretch * x[before:]
        alarm = recent_mass(model, x)[before:] > level
        first = np.where(alarm.any(axis=0), alarm.argmax(axis=0) + 1, HORIZON + 1)
        medians.append(float(np.median(first)))
        missed.append(float((first > HORIZON).mean()))
    return over_seeds(medians), over_seeds(missed)


def over_seeds(values: Sequence[float]) -> Measured:
    """Return the mean over seeds and its standard error; 0 for a single seed."""
    error = float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
    return Measured(float(np.mean(values)), error)


def tables() -> str:
    """Measure everything; return two Markdown tables. About two minutes."""
    lines = [f"| without a change | level | {' | '.join(MODELS)} |", "|---|---" + "|---" * len(MODELS) + "|"]
    for draw in DRAWS:
        for level in (0.70, 0.90):
            cells = [str(false_alarms(model, draw, level)) for model in MODELS]
            lines.append(f"| {draw} | {level:.2f} | {' | '.join(cells)} |")
    lines += ["", f"| planted change, t5 | {' | '.join(MODELS)} |", "|---" + "|---" * len(MODELS) + "|"]
    for change in CHANGES:
        found = [delay(model, change) for model in MODELS]
        cells = [f"{median.mean:.1f} ± {median.error:.1f}, {100 * lost.mean:.0f} %" for median, lost in found]
        lines.append(f"| {change} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(tables())
