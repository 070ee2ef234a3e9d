"""How unlike the bars of training a window of bars is: a robust distance in ten figures that know no price level.

The distance is Mahalanobis', d = sqrt(z' P z / k), with z the figures less their medians over 1.4826 median absolute deviations,
clipped at +-20, and P the inverse of their second moments, those off the diagonal shrunk by a tenth. It is smoothed exponentially over
time, and the bound of a false rate is a quantile of what parts of the training span scored under references that were fitted on the
other parts.

What it is not: a forecast. A market may change in ways that none of these figures sees, and may earn money while they are strange.

References
----------
.. [1] P. C. Mahalanobis, On the generalised distance in statistics, Proceedings of the National Institute of Sciences of India 2, 1936
.. [2] V. Vovk, Cross-conformal predictors, Annals of Mathematics and Artificial Intelligence 74, 2015 (the held-out parts; without its
   guarantee, which neighbouring bars do not have)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.contract.errors import DataError, PolicyError, broken

Floats = NDArray[np.float64]

REFERENCE = "reference.npz"
FIGURES = (
    "log volatility of the window",
    "log volatility of its last quarter",
    "last return, volatilities",
    "return of the window, volatilities",
    "lag-1 autocorrelation of returns",
    "log mean range",
    "log volume of the last quarter over the window's",
    "share of returns of zero",
    "log largest return, volatilities",
    "log mean gap between close and open",
)
TINY, CLIP, SHRINK, PARTS, CHUNK = 1e-6, 20.0, 0.1, 5, 4_096
LEAST_WINDOWS = 50
"""Windows of each part that a reference is made of."""

QUANTILES = 2_001
SCALE_OF_NORMAL = 1.4826
"""Median absolute deviations of a normal figure in one standard deviation."""


def figures(windows: Floats) -> Floats:
    """Describe windows of bars, float64 (n, W, 5): open, high, low, close, volume, oldest first; return float64 (n, 10)."""
    opening, high, low, close, volume = (np.maximum(windows[..., column], 0.0) for column in range(5))
    price = np.maximum(close, TINY)
    returns = np.diff(np.log(price), axis=1)
    quarter = max(2, returns.shape[1] // 4)
    deviation = returns.std(1) + TINY
    centred = returns - returns.mean(1, keepdims=True)
    lagged = (centred[:, 1:] * centred[:, :-1]).sum(1) / ((centred**2).sum(1) + TINY**2)
    gap = np.abs(np.log(np.maximum(opening[:, 1:], TINY) / price[:, :-1]))
    return np.stack(
        [
            np.log(deviation),
            np.log(returns[:, -quarter:].std(1) + TINY),
            returns[:, -1] / deviation,
            returns.sum(1) / deviation / np.sqrt(returns.shape[1]),
            lagged,
            np.log(((high - low) / price).mean(1) + TINY),
            np.log((volume[:, -quarter:].mean(1) + TINY) / (volume.mean(1) + TINY)),
            (returns == 0.0).mean(1),
            np.log(np.abs(returns).max(1) / deviation + TINY),
            np.log(gap.mean(1) + TINY),
        ],
        -1,
    )


@dataclass(frozen=True)
class Reference:
    """What windows of training were like.

    Attributes
    ----------
    centre, scale : float64 (10,)
        Median, and deviation, of each figure.
    precision : float64 (10, 10)
        Inverse of the shrunk second moments.
    calibration : float64 (2001,)
        Quantiles, evenly spaced from 0 to 1, of smoothed distances of held-out windows.
    half_life
        Of the smoothing, observations.
    window
        Bars in a window.
    """

    centre: Floats
    scale: Floats
    precision: Floats
    calibration: Floats
    half_life: float
    window: int

    def distance(self, described: Floats) -> Floats:
        """Return the distance of figures, float64 (n, 10), from the centre; about 1 for what is usual."""
        scaled = np.clip((described - self.centre) / self.scale, -CLIP, CLIP)
        square = np.einsum("ni,ij,nj->n", scaled, self.precision, scaled) / scaled.shape[1]
        found: Floats = np.sqrt(np.maximum(square, 0.0))
        return found

    def bound(self, false_rate: float) -> float:
        """Return the smoothed distance that a share `false_rate` of held-out windows exceeded."""
        return float(np.interp(1.0 - false_rate, np.linspace(0.0, 1.0, QUANTILES), self.calibration))

    @property
    def decay(self) -> float:
        """Weight of the smoothed distance before in the next one."""
        return decay(self.half_life)

    def save(self, path: Path) -> None:
        """Write `reference.npz`."""
        np.savez(path, **{name: np.asarray(value) for name, value in vars(self).items()})  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path) -> "Reference":
        """Read `reference.npz`.

        Raises
        ------
        PolicyError
            It is missing or cannot be read.
        """
        remedy = "train again, or leave [actors.drift] out"
        if not path.is_file():
            raise PolicyError(broken(REFERENCE, "be in the policy folder", "missing", str(path.parent), remedy))
        try:
            with np.load(path, allow_pickle=False) as held:
                values: dict[str, Any] = {name: held[name] for name in held.files}
            return cls(**{**values, "half_life": float(values["half_life"]), "window": int(values["window"])})
        except (ValueError, TypeError, KeyError, OSError) as error:
            raise PolicyError(broken(REFERENCE, "be readable", error, str(path), remedy)) from error


def decay(half_life: float) -> float:
    """Return the weight after which so many observations leave half."""
    return float(0.5 ** (1.0 / half_life))


def describe(bars: Floats, window: int) -> Floats:
    """Return the figures of every window of a history, float64 (T, 5), as float64 (T - window + 1, 10)."""
    views = np.lib.stride_tricks.sliding_window_view(bars, window, axis=0).swapaxes(1, 2)
    return np.concatenate([figures(views[first : first + CHUNK]) for first in range(0, len(views), CHUNK)])


def smoothed(distances: Floats, weight: float) -> Floats:
    """Smooth distances, float64 (n,), exponentially, from the first one on."""
    found, last = np.empty(len(distances)), float(distances[0]) if len(distances) else 0.0
    for index, value in enumerate(distances.tolist()):
        last = weight * last + (1.0 - weight) * value
        found[index] = last
    return found


def fit(histories: Sequence[Floats], window: int, half_life: float = 24.0) -> Reference:
    """Fit a reference on histories, float64 (T, 5) each, oldest first; calibrate it on parts that it was not fitted on.

    Raises
    ------
    DataError
        A history is too short.
    """
    described = []
    for bars in histories:
        count = len(bars) - window + 1
        if count < PARTS * LEAST_WINDOWS:
            rule = f"hold {PARTS * LEAST_WINDOWS} windows of {window} bars"
            raise DataError(broken("history of a reference", rule, max(0, count), remedy="give a longer span"))
        described.append(describe(bars, window))
    held_out = []
    for part in range(PARTS):
        splits = [np.array_split(one, PARTS) for one in described]
        others = np.concatenate([piece for split in splits for k, piece in enumerate(split) if k != part])
        terms = _terms(others)
        apart = Reference(*terms, np.zeros(QUANTILES), half_life, window)
        held_out += [smoothed(apart.distance(split[part]), apart.decay) for split in splits]
    calibration = np.quantile(np.concatenate(held_out), np.linspace(0.0, 1.0, QUANTILES))
    return Reference(*_terms(np.concatenate(described)), calibration, half_life, window)


def _terms(described: Floats) -> tuple[Floats, Floats, Floats]:
    centre = np.median(described, axis=0)
    spread = SCALE_OF_NORMAL * np.median(np.abs(described - centre), axis=0)
    scale = np.maximum(spread, np.maximum(0.1 * described.std(0), 1e-3))
    scaled = np.clip((described - centre) / scale, -CLIP, CLIP)
    second = scaled.T @ scaled / len(scaled)
    shrunk = (1.0 - SHRINK) * second + SHRINK * np.diag(np.diagonal(second) + TINY)
    return centre, scale, np.linalg.inv(shrunk)
