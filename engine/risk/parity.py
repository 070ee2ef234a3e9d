"""Long-only weights whose shares of the portfolio's risk are given, by damped Newton steps."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]

FULL_STEP_BELOW = 0.25
"""Once no coordinate would move by more than this fraction of itself, whole Newton steps converge quadratically."""


class Parity(NamedTuple):
    """Weights and how near they came.

    Attributes
    ----------
    weights : float64 of shape (N,)
        Positive, of sum 1.
    contributions : float64 of shape (N,)
        Shares of the variance, of sum 1.
    steps : int
        Newton steps taken.
    error : float
        Largest relative difference between a contribution and its budget.
    """

    weights: Floats
    contributions: Floats
    steps: int
    error: float


def risk_parity(covariance: Floats, budgets: Floats, tolerance: float = 1e-8, most_steps: int = 100) -> Parity:
    """Find the weights whose contributions to variance equal the budgets.

    Minimises ½ yᵀCy - Σ bᵢ ln yᵢ over y > 0, C the correlations, then returns to weights: wᵢ ∝ yᵢ/σᵢ. The problem is strictly convex,
    so the answer is the only one, also where C is singular. Not for long-short or boxed weights: those are other problems.

    Parameters
    ----------
    covariance : float64 of shape (N, N)
        Finite, positive semi-definite, positive on the diagonal; the caller sees to that.
    budgets : float64 of shape (N,)
        Shares of risk, positive, of sum 1.
    tolerance
        On `Parity.error`.
    most_steps
        Newton steps after which what was found is returned; see its error.

    References
    ----------
    Spinu (2013), An algorithm for computing risk parity weights: self-concordance, and the damping 1/(1 + δ), δ the
    largest relative move of a coordinate.

    **Departure**: whole steps begin where δ < 0.25, rather than by the Newton decrement; on correlations, not covariances.
    """
    sd = np.sqrt(np.diagonal(covariance))
    correlation = covariance / np.outer(sd, sd)
    y = np.full(len(sd), 1.0 / np.sqrt(max(float(correlation.sum()), 1e-3)))
    steps, error, share = 0, np.inf, budgets
    while True:
        pull = correlation @ y
        share = y * pull
        share = share / share.sum()
        error = float(np.max(np.abs(share / budgets - 1.0)))
        if error <= tolerance or steps >= most_steps:
            break
        hessian = correlation.copy()
        hessian[np.diag_indices_from(hessian)] += budgets / (y * y)
        move = pull - budgets / y
        if not factorise(hessian):
            break
        substitute(hessian, move)
        largest = float(np.max(np.abs(move / y)))
        y = y - (move if largest < FULL_STEP_BELOW else move / (1.0 + largest))
        steps += 1
    weights = y / sd
    return Parity(weights / weights.sum(), share, steps, error)


@njit(cache=True)
def factorise(matrix: Floats) -> bool:
    """Replace the upper triangle of a symmetric matrix by its Cholesky factor U, UᵀU = A; False where it is not positive definite.

    Compiled here rather than taken from BLAS, whose threads wait for each other: on busy cores a millisecond becomes a second. And
    the bits do not depend on the number of threads.
    """
    size = len(matrix)
    for k in range(size):
        pivot = matrix[k, k]
        if not pivot > 0.0:
            return False
        root = np.sqrt(pivot)
        for j in range(k, size):
            matrix[k, j] /= root
        for i in range(k + 1, size):
            factor = matrix[k, i]
            for j in range(i, size):
                matrix[i, j] -= factor * matrix[k, j]
    return True


@njit(cache=True)
def substitute(upper: Floats, vector: Floats) -> None:
    """Solve UᵀUx = v in place."""
    size = len(vector)
    for k in range(size):
        vector[k] /= upper[k, k]
        for j in range(k + 1, size):
            vector[j] -= upper[k, j] * vector[k]
    for k in range(size - 1, -1, -1):
        for j in range(k + 1, size):
            vector[k] -= upper[k, j] * vector[j]
        vector[k] /= upper[k, k]
