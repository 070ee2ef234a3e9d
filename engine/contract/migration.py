"""From one action space to the other: a discrete policy runs through the continuous executor, and a continuous one through the discrete.

An answer is carried over by the target exposure that it means.
"""

from typing import Any

from engine.contract.action import ActionSpec, Discrete7, target_exposure, valid_actions
from engine.contract.arrays import namespace


def continuous_answer(target: Any, exposure: Any) -> Any:
    """Return the continuous answer that moves `exposure` to `target`: the inverse of `target_exposure`.

    Every valid `discrete7` answer but HOLD gives one outside the hold zone of 0.10, so that nothing is lost.

    Parameters
    ----------
    target, exposure : float64 array or tensor (...), signed fractions of the budget
        Targets beyond the other side of zero are met half-way, at zero: a flip takes two decisions.

    Returns
    -------
    float64 (...), in [-1, 1]; 0 where target and exposure are equal to the last bit.
    """
    xp = namespace(target, exposure)
    size, free = abs(exposure), 1.0 - abs(exposure)
    side = xp.where(exposure == 0, xp.sign(target), xp.sign(exposure))
    towards = target * side
    grown = side * (towards - size) / xp.where(free > 0, free, 1.0 + 0.0 * free)
    shrunk = -side * (1.0 - xp.clip(towards, 0.0, None) / xp.where(size > 0, size, 1.0 + 0.0 * size))
    answer = xp.where(towards > size, grown, shrunk)
    return xp.where(target == exposure, 0.0 * answer, xp.clip(answer, -1.0, 1.0))


def discrete_answer(spec: ActionSpec, target: Any, exposure: Any) -> Any:
    """Return the valid `discrete7` answer whose target exposure is nearest to `target`; the lower index where two are as near.

    Parameters
    ----------
    spec
        A `discrete7` specification.
    target, exposure : float64 array or tensor (...)

    Returns
    -------
    int64 (...)
    """
    xp = namespace(target, exposure)
    flat = 0 * xp.sign(exposure)
    distances = [abs(target_exposure(spec, int(answer) + flat, exposure) - target) for answer in Discrete7]
    allowed = valid_actions(spec, exposure)
    stacked = xp.stack(distances, -1)
    return xp.where(allowed, stacked, stacked * 0.0 + float("inf")).argmin(-1)
