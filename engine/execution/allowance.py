"""How much of each instrument the signals let a decision hold: one arithmetic for the strategy (NumPy) and the training market (torch).

The budget of an instrument, the value that an exposure of 1 means, is `limits.max_position_frac` of equity, or less where a risk budget
gives it less. A ceiling bounds the exposure that a decision may lead to: at a daily rebalance 1, after a change half or nothing.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.changepoint.estimate import Advice, advise
from engine.contract.arrays import namespace
from engine.contract.config import Limits
from engine.contract.signals import names
from engine.signals.settings import SignalSettings

Floats = NDArray[np.float64]

LEAST_SHARE = 0.01
"""A weight below this share of `max_position_frac` counts as nothing: the instrument is left, and exposures keep their scale."""

BAND = 0.10
"""An exposure beyond its ceiling by no more than this fraction is left alone: trimming it would cost more than it is worth."""

REDUCED = 0.5
"""Ceiling after a change that asks to reduce."""

WEIGHT, REBALANCED = (names("risk_budget").index(name) for name in ("weight", "rebalanced"))
RECENT = names("changepoint").index("recent")


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
    budget = np.full(shape, limits.max_position_frac)
    ceiling = np.full(shape, np.inf)
    if settings.risk_budget is not None:
        said = signals["risk_budget"]
        weight = np.minimum(said[..., WEIGHT], limits.max_position_frac)
        nothing = weight < LEAST_SHARE * limits.max_position_frac
        budget = np.where(nothing, budget, weight)
        rebalanced = np.broadcast_to(said[..., REBALANCED].max(-1, keepdims=True) > 0.0, shape)
        ceiling = np.where(nothing, 0.0, np.where(rebalanced, 1.0, ceiling))
    if settings.changepoint is not None and settings.changepoint.acts:
        bounds = settings.changepoint.reduce_above, settings.changepoint.exit_above
        advice = advise(signals["changepoint"][..., RECENT], *bounds)
        bound = np.where(advice == Advice.EXIT, 0.0, np.where(advice == Advice.REDUCE, REDUCED, np.inf))
        ceiling = np.minimum(ceiling, bound)
    return Allowance(budget, ceiling)


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
