"""How much of each instrument the signals let a decision hold: one arithmetic for the strategy (NumPy) and the training market (torch).

The budget of an instrument, the value that an exposure of 1 means, is `limits.max_position_frac` of equity, or less where a risk budget
gives it less. A ceiling bounds the exposure that a decision may lead to: at a daily rebalance 1, after a change half or nothing.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from engine.contract.arrays import namespace
from engine.contract.config import Limits
from engine.signals.settings import SignalSettings

Floats = NDArray[np.float64]

LEAST_SHARE = 0.01
"""A weight below this share of `max_position_frac` counts as nothing: the instrument is left, and exposures keep their scale."""

BAND = 0.10
"""An exposure beyond its ceiling by no more than this fraction is left alone: trimming it would cost more than it is worth."""

REDUCED = 0.5
"""Ceiling after a change that asks to reduce."""

WEIGHT, REBALANCED, RECENT = 0, 3, 0
"""Places of these columns; constants, because the compiler's cache does not notice a change in another file."""

NOTHING = np.zeros((0, 0, 0))


class Allowance(NamedTuple):
    """What may be held.

    Attributes
    ----------
    budget_frac : float64 (..., N)
        Value of an exposure of 1, fraction of equity; positive.
    ceiling : float64 (..., N)
        Largest absolute exposure that a decision may lead to; infinite where nothing bounds it.
    """

    budget_frac: Floats
    ceiling: Floats


def allowance(
    signals: Mapping[str, Floats], settings: SignalSettings, limits: Limits, shape: tuple[int, ...]
) -> Allowance:
    """Read what signals allow.

    Parameters
    ----------
    signals
        Signal name to float64 (..., N, columns): of a turn, or of all turns of a history.
    shape
        (..., N).
    """
    turns, instruments = math.prod(shape[:-1]), shape[-1]
    budget, ceiling = np.empty((turns, instruments)), np.empty((turns, instruments))
    acts = settings.changepoint is not None and settings.changepoint.acts
    reduce_above, exit_above = np.inf, np.inf
    if settings.changepoint is not None and acts:
        reduce_above, exit_above = settings.changepoint.reduce_above, settings.changepoint.exit_above
    bound(
        signals["risk_budget"].reshape(turns, instruments, -1) if settings.risk_budget is not None else NOTHING,
        signals["changepoint"].reshape(turns, instruments, -1) if acts else NOTHING,
        limits.max_position_frac,
        reduce_above,
        exit_above,
        budget,
        ceiling,
    )
    return Allowance(budget.reshape(shape), ceiling.reshape(shape))


@njit(cache=True)
def bound(
    budgets: Floats,
    changes: Floats,
    most: float,
    reduce_above: float,
    exit_above: float,
    budget: Floats,
    ceiling: Floats,
) -> None:
    """Fill budget and ceiling, float64 (turns, N), from what the two signals say, (turns, N, columns) or without columns."""
    for g in range(budget.shape[0]):
        rebalanced = False
        for n in range(budget.shape[1]):
            rebalanced |= budgets.shape[2] > 0 and budgets[g, n, REBALANCED] > 0.0
        for n in range(budget.shape[1]):
            budget[g, n], ceiling[g, n] = most, np.inf
            if budgets.shape[2] > 0:
                weight = min(budgets[g, n, WEIGHT], most)
                nothing = not weight >= LEAST_SHARE * most
                budget[g, n] = most if nothing else weight
                ceiling[g, n] = 0.0 if nothing else 1.0 if rebalanced else np.inf
            if changes.shape[2] > 0:
                recent = changes[g, n, RECENT]
                after = 0.0 if recent > exit_above else REDUCED if recent > reduce_above else np.inf
                ceiling[g, n] = min(ceiling[g, n], after)


def capped(target: Any, ceiling: Any) -> Any:
    """Bring a target exposure down to its ceiling where it is beyond it by more than `BAND`; else return it unchanged, to the last bit.

    Parameters
    ----------
    target : float64 array or tensor (...), signed
    ceiling : float64 array or tensor (...), non-negative
    """
    xp = namespace(target, ceiling)
    size = abs(target)
    return xp.where(size > ceiling * (1.0 + BAND), xp.sign(target) * xp.minimum(size, ceiling), target)


def by_confidence(target: Any, exposure: Any, confidence: Any) -> Any:
    """Scale what a decision adds to a position by its confidence; what makes a position smaller stays whole.

    Parameters
    ----------
    target, exposure : float64 array (...), signed fractions of the budget
    confidence : float64 array (...), in [0, 1]; what is not a number counts as 0
    """
    xp = namespace(target, exposure)
    sure = xp.clip(xp.where(confidence == confidence, confidence, 0.0 * target), 0.0, 1.0)
    opposite = target * exposure < 0
    kept = xp.where(opposite, 0.0 * exposure, exposure)
    grows = abs(target) > abs(kept)
    return xp.where(grows, kept + sure * (target - kept), target)
