"""What a changepoint model hands on, and what a holder of positions should make of it."""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.contract.errors import ConfigError, broken

Floats = npt.NDArray[np.float64]


class ChangeEstimate(NamedTuple):
    """Belief about the current run of each instrument, after its last observation.

    Known at: the event time of the observation that was given.

    Attributes
    ----------
    recent : float64 of shape (N,)
        P(1 ≤ changes, the last one within k observations): P(run length ≤ k) without the run that began with the data,
        so that a start is not taken for a change. After more than k observations it is P(run length ≤ k).
    expected_run : float64 of shape (N,)
        Expected run length, observations.
    map_run : float64 of shape (N,)
        Most probable run length, observations; a whole number; the run began `map_run - 1` observations ago.
    map_drop : float64 of shape (N,)
        By how much the most probable run is shorter than if it had gone on; 0 when it went on.
    observed : bool of shape (N,)
        False where the observation was missing or not finite: the belief is the one before.
    """

    recent: Floats
    expected_run: Floats
    map_run: Floats
    map_drop: Floats
    observed: npt.NDArray[np.bool_]


class Advice(IntEnum):
    """What a probability of a recent change asks of a position."""

    KEEP = 0
    REDUCE = 1
    EXIT = 2


def advise(recent: Floats, reduce_above: float = 0.70, exit_above: float = 0.90) -> npt.NDArray[np.int8]:
    """Translate probabilities of a recent change into advice, one per instrument.

    Parameters
    ----------
    recent : float64 of shape (N,)
        `ChangeEstimate.recent`.
    reduce_above, exit_above
        Strict bounds, 0 < reduce_above ≤ exit_above ≤ 1.

    Returns
    -------
    int8 of shape (N,)
        Values of `Advice`. Not a number asks for nothing: absence of a belief is for the gate to judge.

    Raises
    ------
    ConfigError
        The bounds are out of order.

    >>> advise(np.array([0.70, 0.71, 0.91])).tolist()
    [0, 1, 2]
    """
    if not 0.0 < reduce_above <= exit_above <= 1.0:
        rule = "be above 0, and not above exit_above, itself at most 1"
        raise ConfigError(broken("reduce_above", rule, reduce_above, f"exit_above {exit_above}"))
    advice = np.where(recent > exit_above, Advice.EXIT, np.where(recent > reduce_above, Advice.REDUCE, Advice.KEEP))
    return advice.astype(np.int8)
