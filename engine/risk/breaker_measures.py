"""Measures that a reading is made of: worst position, correlation exposure, entropy of an answer."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def worst_quantity(position: float, open_buys: float, open_sells: float) -> float:
    """Return the largest position, unsigned, that any part of the open orders can lead to.

    Parameters
    ----------
    position
        Signed, base units, without the open orders.
    open_buys, open_sells
        Unfilled quantities of open orders, both non-negative, base units.

    Returns
    -------
    float, NaN where any of the three is.

    >>> worst_quantity(10.0, 5.0, 30.0)
    20.0
    """
    bought, sold = abs(position + open_buys), abs(position - open_sells)
    return bought if bought != bought or bought >= sold else sold


def correlation_exposure(notional: Floats, correlation: Floats) -> float:
    """Return the mean correlation of all pairs of positions, weighted by the product of their values; a short counts with its sign.

    1 says that the book is one bet held several times; 0 that nothing is shared, or that there are fewer than two positions; below 0,
    that positions hedge one another.

    Parameters
    ----------
    notional : float64 (n,), signed, quote
    correlation : float64 (n, n), of returns; what is on the diagonal plays no part

    Returns
    -------
    float in [-1, 1] for correlations in [-1, 1].
    """
    products = np.outer(notional, notional)
    np.fill_diagonal(products, 0.0)
    total = float(np.abs(products).sum())
    return float((products * correlation).sum()) / total if total > 0.0 else 0.0


def entropy_nats(logits: NDArray[np.floating[Any]]) -> float:
    """Return the mean entropy of the softmax over the last axis.

    Parameters
    ----------
    logits : float (..., n), -inf where an answer is masked; every row has a finite one

    Returns
    -------
    float in [0, log n], nats.
    """
    shifted = np.asarray(logits, dtype=np.float64)
    shifted = shifted - shifted.max(-1, keepdims=True)
    weights = np.exp(shifted)
    total = weights.sum(-1, keepdims=True)
    finite = np.where(weights > 0.0, shifted, 0.0)
    return float(np.mean(np.log(total[..., 0]) - (weights * finite).sum(-1) / total[..., 0]))
