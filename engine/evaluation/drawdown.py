"""Falls from the peak: how deep, how long, and how long until they were made good."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.contract.errors import DataError, broken
from engine.evaluation.samples import Floats, series


class Episode(NamedTuple):
    """One fall from a peak.

    Attributes
    ----------
    depth_frac
        Largest fall, a non-negative fraction of the peak; above one where equity fell below zero.
    peak, trough
        Index of the last equity at the peak, and of the lowest one.
    recovery
        Index of the first equity at or above the peak again; None where it never came back.
    """

    depth_frac: float
    peak: int
    trough: int
    recovery: int | None


class Underwater(NamedTuple):
    """How a curve lived below its peaks.

    Attributes
    ----------
    max_drawdown_frac
        Largest fall, a non-negative fraction of the peak.
    mean_drawdown_frac
        Mean fall over all periods, those at a peak included: the pain index.
    ulcer_frac
        Root of the mean squared fall over all periods: the ulcer index, as a fraction (Martin & McCann 1989 quote it in percent).
    underwater_share
        Share of periods below the peak.
    longest_periods
        Longest stretch from a peak until it was reached again; one that is still open counts up to the end.
    recovery_periods
        From the trough of the deepest fall until its peak was reached again; None where it has not been, 0 without any fall.
    """

    max_drawdown_frac: float
    mean_drawdown_frac: float
    ulcer_frac: float
    underwater_share: float
    longest_periods: int
    recovery_periods: int | None


def drawdowns(equity: Floats) -> Floats:
    """Return the fall from the peak so far, a non-negative fraction: float64 (n,)."""
    return 1.0 - equity / np.maximum.accumulate(equity)


def max_drawdown(equity: Floats) -> float:
    """Return the largest fall from a peak, a non-negative fraction of it; 0 of an empty curve."""
    return float(drawdowns(equity).max()) if len(equity) else 0.0


def calmar(growth_annualised: float | None, max_drawdown_frac: float) -> float | None:
    """Return growth per year over the largest fall; None where either has no value, or nothing fell.

    >>> calmar(0.2, 0.1), calmar(0.2, 0.0)
    (2.0, None)
    """
    return growth_annualised / max_drawdown_frac if growth_annualised is not None and max_drawdown_frac > 0 else None


def episodes(equity: npt.ArrayLike) -> list[Episode]:
    """Return every fall from a peak, the deepest first.

    Parameters
    ----------
    equity : float64 (n,), account currency; the first one above zero

    Raises
    ------
    DataError
        The curve is empty, not finite, or does not begin above zero.

    Examples
    --------
    >>> episodes([100.0, 90.0, 95.0, 100.0, 80.0])
    [Episode(depth_frac=0.2, peak=3, trough=4, recovery=None), Episode(depth_frac=0.1, peak=0, trough=1, recovery=3)]
    """
    curve = _curve(equity)
    fall = np.maximum.accumulate(curve) - curve
    below = np.concatenate([[False], fall > 0.0, [False]])
    edges = np.flatnonzero(below[1:] != below[:-1])
    found = []
    for first, stop in zip(edges[::2].tolist(), edges[1::2].tolist()):
        trough = first + int(np.argmin(curve[first:stop]))
        peak = float(curve[first - 1])
        depth = (peak - float(curve[trough])) / peak
        found.append(Episode(depth, first - 1, trough, stop if stop < len(curve) else None))
    return sorted(found, key=lambda episode: (-episode.depth_frac, episode.peak))


def underwater(equity: npt.ArrayLike) -> Underwater:
    """Summarise a curve's falls.

    Parameters
    ----------
    equity : float64 (n,), account currency; the first one above zero

    Raises
    ------
    DataError
        The curve is empty, not finite, or does not begin above zero.
    """
    curve = _curve(equity)
    fall, found = drawdowns(curve), episodes(curve)
    last = len(curve) - 1
    recovery: int | None = 0
    if found:
        recovery = None if found[0].recovery is None else found[0].recovery - found[0].trough
    lengths = [(last if one.recovery is None else one.recovery) - one.peak for one in found]
    return Underwater(
        float(fall.max()),
        float(fall.mean()),
        float(np.sqrt(np.mean(fall * fall))),
        float((fall > 0.0).mean()),
        max(lengths, default=0),
        recovery,
    )


def _curve(equity: npt.ArrayLike) -> Floats:
    curve = series(equity, 1, "equity")
    if curve[0] <= 0.0:
        raise DataError(broken("equity", "begin above zero", float(curve[0])))
    return curve
