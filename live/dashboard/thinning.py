"""Fewer points for a screen: what stays is what an eye would see of all of them."""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray


def thin(values: NDArray[np.float64], points: int) -> NDArray[np.intp]:
    """Choose rows of a series by its extremes: of each of equal stretches the lowest and the highest, besides the first and the last row.

    Parameters
    ----------
    values : float64 (n,)
        A stretch of nothing but NaN keeps its first row.
    points
        At most so many rows come back; at least 4.

    Returns
    -------
    intp (at most points,), rising; all rows where there are no more than that.
    """
    count = len(values)
    if count <= points:
        return np.arange(count)
    edges = np.linspace(0, count, (points - 2) // 2 + 1).astype(np.intp)
    known = np.isnan(values)
    low, high = np.where(known, np.inf, values), np.where(known, -np.inf, values)
    chosen = [0, count - 1]
    for first, last in pairwise(edges.tolist()):
        chosen.append(int(first + np.argmin(low[first:last])))
        chosen.append(int(first + np.argmax(high[first:last])))
    return np.unique(np.array(chosen, dtype=np.intp))


def spread(count: int, points: int) -> NDArray[np.intp]:
    """Choose rows that lie evenly, the first and the last among them: for series that are drawn above each other."""
    return np.arange(count) if count <= points else np.unique(np.linspace(0, count - 1, points).astype(np.intp))


def short(values: NDArray[np.float64], digits: int = 6) -> list[float | None]:
    """Round to significant digits and write what is no number as None: a chart's JSON stays small, and is JSON."""
    found: list[Any] = []
    for value in values.tolist():
        found.append(float(f"{value:.{digits}g}") if value - value == 0.0 else None)
    return found
