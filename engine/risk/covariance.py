"""The covariance of returns, learnt one observation at a time and shrunk by as much as the data leave it uncertain."""

from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from engine.contract.errors import ConfigError, DataError, broken

Floats = npt.NDArray[np.float64]
Target = Literal["none", "diagonal", "identity"]

LARGEST = 1e50
"""Returns beyond it cannot be taken to the fourth power safely; they count as missing."""


class CovarianceEstimate(NamedTuple):
    """Covariance of returns per observation, after the last one.

    Attributes
    ----------
    matrix : float64 of shape (N, N)
        Symmetric; NaN in the rows and columns of instruments that were never observed.
    shrinkage : float
        Share of the target in it, from 0 to 1.
    observations : int64 of shape (N,)
        How many returns of each instrument it rests on, weights aside.
    """

    matrix: Floats
    shrinkage: float
    observations: npt.NDArray[np.int64]


class OnlineCovariance:
    """Covariance around zero, exponentially weighted or not, shrunk towards a target.

    The mean is taken to be zero: for returns of bars it is small beside its own error. A missing return teaches nothing about
    its instrument: variances rest on the returns that were there, correlations on the products that were, over the norms of
    all. That keeps the matrix positive semi-definite, and pulls correlations of series that overlap little towards zero.

    Parameters
    ----------
    instruments
        Number of instruments N.
    half_life
        Observations after which a return counts half; None weighs all alike.
    target
        `diagonal`: the variances stay, the correlations shrink (Schäfer & Strimmer 2005, target D). `identity`: towards the mean
        variance on the diagonal (Ledoit & Wolf 2004), for series of like scale. `none`: no shrinkage.

    References
    ----------
    Ledoit & Wolf (2004), A well-conditioned estimator for large-dimensional covariance matrices. Schäfer & Strimmer
    (2005), A shrinkage approach to large-scale covariance matrix estimation, table 2.

    **Departure**: with a half-life, 1/T becomes the sum of squared weights over the square of their sum, and the fourth
    moments are weighted like the second.
    """

    def __init__(self, instruments: int, half_life: float | None = None, target: Target = "diagonal") -> None:
        if instruments < 1:
            raise ConfigError(broken("instruments", "be 1 or more", instruments))
        if half_life is not None and not 0.0 < half_life < np.inf:
            raise ConfigError(broken("half_life", "be more than 0 and finite, or absent", half_life))
        if target not in ("none", "diagonal", "identity"):
            raise ConfigError(broken("target", "be none, diagonal or identity", target))
        self.target = target
        self.keep = 1.0 if half_life is None else 0.5 ** (1.0 / half_life)
        self._products = np.zeros((instruments, instruments))
        self._weight = np.zeros(instruments)
        self._observations = np.zeros(instruments, dtype=np.int64)
        self._sums = np.zeros(4)

    def update(self, returns: Floats) -> None:
        """Learn from one return per instrument, float64 (N,); what is not finite is missing.

        Raises
        ------
        DataError
            The shape is another.
        """
        returns = np.asarray(returns, dtype=np.float64)
        if returns.shape != self._weight.shape:
            raise DataError(broken("returns", f"have the shape {self._weight.shape}", returns.shape))
        learn(np.ascontiguousarray(returns), self._products, self._weight, self._observations, self._sums, self.keep)

    def estimate(self) -> CovarianceEstimate:
        """Return the covariance as it is now. Known at: the time of the last return."""
        norms = np.diagonal(self._products).copy()
        variance = np.divide(norms, self._weight, out=np.full_like(norms, np.nan), where=self._weight > 0.0)
        scale = np.sqrt(np.divide(variance, norms, out=np.zeros_like(norms), where=norms > 0.0))
        matrix = self._products * np.outer(scale, scale)
        never = self._observations == 0
        matrix[never, :] = matrix[:, never] = np.nan
        shrinkage = self._shrinkage(matrix) if self.target != "none" and not never.any() else 0.0
        if self.target == "diagonal":
            matrix *= 1.0 - shrinkage
            np.fill_diagonal(matrix, variance)
        elif self.target == "identity":
            matrix *= 1.0 - shrinkage
            matrix[np.diag_indices_from(matrix)] += shrinkage * variance.mean()
        return CovarianceEstimate(matrix, shrinkage, self._observations.copy())

    def _shrinkage(self, matrix: Floats) -> float:
        """Estimate the share of the target that minimises the expected squared distance from the truth."""
        weight, weight_square, fourth, diagonal_fourth = self._sums
        diagonal = np.diagonal(matrix)
        squared, diagonal_squared = float((matrix * matrix).sum()), float((diagonal * diagonal).sum())
        if self.target == "identity":
            error = fourth / weight - squared
            distance = squared - float(diagonal.sum()) ** 2 / len(matrix)
        else:
            error = (fourth - diagonal_fourth) / weight - (squared - diagonal_squared)
            distance = squared - diagonal_squared
        error *= weight_square / weight**2
        return float(np.clip(error / distance, 0.0, 1.0)) if distance > 0.0 else 1.0

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs."""
        return {
            "products": self._products.copy(),
            "weight": self._weight.copy(),
            "observations": self._observations.copy(),
            "sums": self._sums.copy(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state; the next estimate has the same bits as without the interruption."""
        products = np.array(state["products"], dtype=np.float64)
        if products.shape != self._products.shape:
            raise DataError(broken("covariance state", f"have the shape {self._products.shape}", products.shape))
        self._products = products
        self._weight = np.array(state["weight"], dtype=np.float64)
        self._observations = np.array(state["observations"], dtype=np.int64)
        self._sums = np.array(state["sums"], dtype=np.float64)


@njit(cache=True)
def learn(
    returns: Floats, products: Floats, weight: Floats, observations: npt.NDArray[np.int64], sums: Floats, keep: float
) -> None:
    """Add one return per instrument to the weighted sums; nothing where all are missing."""
    instruments, norm, fourth, some = len(returns), 0.0, 0.0, False
    for i in range(instruments):
        if abs(returns[i]) < LARGEST:
            some = True
            norm += returns[i] ** 2
            fourth += returns[i] ** 4
    if not some:
        return
    for i in range(instruments):
        there = abs(returns[i]) < LARGEST
        weight[i] = keep * weight[i] + (1.0 if there else 0.0)
        observations[i] += 1 if there else 0
        for j in range(instruments):
            both = there and abs(returns[j]) < LARGEST
            products[i, j] = keep * products[i, j] + (returns[i] * returns[j] if both else 0.0)
    sums[0] = keep * sums[0] + 1.0
    sums[1] = keep**2 * sums[1] + 1.0
    sums[2] = keep * sums[2] + norm**2
    sums[3] = keep * sums[3] + fourth
