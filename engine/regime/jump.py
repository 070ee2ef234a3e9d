"""A statistical jump model: states are centres of features, and a change of state costs a penalty."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from engine.contract.errors import DataError, broken

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class JumpParameters:
    """A fitted jump model; states ascend in the first feature, which is the volatility.

    Attributes
    ----------
    centre, spread : tuple of F floats
        Mean and standard deviation of each feature while fitting.
    centroids : tuple of K tuples of F floats
        Of the standardised features.
    penalty : float
        Cost λ of a change of state, in halves of squared standard deviations.
    """

    centre: tuple[float, ...]
    spread: tuple[float, ...]
    centroids: tuple[tuple[float, ...], ...]
    penalty: float

    def to_dict(self) -> dict[str, Any]:
        """Return the parameters by name, as JSON takes them."""
        return asdict(self)


class JumpFilter:
    """Decode states online: the end of the cheapest path so far, for one instrument.

    Not the path itself: that would be revised by what comes later.

    References
    ----------
    Bemporad, Breschi, Piga & Boyd (2018), Fitting jump models. Nystrup, Lindström & Madsen (2020), Learning hidden Markov models with
    persistent states by penalizing jumps: the online labels.
    """

    def __init__(self, parameters: JumpParameters) -> None:
        self.parameters = parameters
        self._centre, self._spread = np.array(parameters.centre), np.array(parameters.spread)
        self._centroids = np.array(parameters.centroids)
        self._cost = np.zeros(len(self._centroids))

    def update(self, features: Floats) -> int:
        """Take in features of one bar, float64 (F,); return the state. What is not finite changes nothing."""
        if np.isfinite(features).all():
            z = (features - self._centre) / self._spread
            stay = np.minimum(self._cost, self._cost.min() + self.parameters.penalty)
            self._cost = stay + 0.5 * ((z - self._centroids) ** 2).sum(axis=1)
            self._cost -= self._cost.min()
        return int(self._cost.argmin())

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs."""
        return {"cost": self._cost.copy()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self._cost = np.array(state["cost"], dtype=np.float64)


def fit_jump(
    features: Floats, states: int, penalty: float, starts: int = 5, steps: int = 30, seed: int = 0
) -> JumpParameters:
    """Fit by turns: the cheapest path for given centroids, the centroids of a given path; the best of several starts.

    Parameters
    ----------
    features : float64 of shape (T, F)
        Finite; the first orders the states.
    states, penalty
        K, and the cost of a change.
    starts, steps, seed
        Random starts (k-means++), iterations of each at most, and their seed.

    Raises
    ------
    DataError
        Too few rows, or some not finite.
    """
    features = np.ascontiguousarray(features, dtype=np.float64)
    if len(features) < 10 * states or not np.isfinite(features).all():
        raise DataError(broken("features to fit", f"be finite and of {10 * states} rows or more", features.shape))
    centre, spread = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-12)
    z = (features - centre) / spread
    rng = np.random.default_rng(seed)
    best, found = np.inf, z[:states]
    for _ in range(starts):
        centroids = _spread_out(z, states, rng)
        before = np.inf
        for _ in range(steps):
            path, cost = cheapest_path(0.5 * ((z[:, None, :] - centroids) ** 2).sum(axis=2), penalty)
            for k in range(states):
                if (path == k).any():
                    centroids[k] = z[path == k].mean(axis=0)
            if not cost < before - 1e-9 * abs(before):
                break
            before = cost
        if cost < best:
            best, found = cost, centroids.copy()
    found = found[np.argsort(found[:, 0], kind="stable")]
    return JumpParameters(
        centre=tuple(centre.tolist()),
        spread=tuple(spread.tolist()),
        centroids=tuple(tuple(row) for row in found.tolist()),
        penalty=penalty,
    )


@njit(cache=True)
def cheapest_path(loss: Floats, penalty: float) -> tuple[Labels, float]:
    """Return the path of the least loss plus penalties, int64 (T,), and its cost; for fitting alone, it looks ahead."""
    length, states = loss.shape
    cost = loss[0].copy()
    came = np.empty((length, states), dtype=np.int64)
    for t in range(1, length):
        cheapest = cost.argmin()
        least = cost[cheapest] + penalty
        for k in range(states):
            came[t, k] = k
            if least < cost[k]:
                cost[k], came[t, k] = least, cheapest
        cost += loss[t]
    path = np.empty(length, dtype=np.int64)
    path[-1] = cost.argmin()
    for t in range(length - 1, 0, -1):
        path[t - 1] = came[t, path[t]]
    return path, cost.min()


def _spread_out(z: Floats, states: int, rng: np.random.Generator) -> Floats:
    """Choose centroids by k-means++ (Arthur & Vassilvitskii 2007)."""
    centroids = [z[rng.integers(len(z))]]
    for _ in range(states - 1):
        distance = np.min([((z - c) ** 2).sum(axis=1) for c in centroids], axis=0)
        centroids.append(z[rng.choice(len(z), p=distance / distance.sum())])
    return np.array(centroids)
