"""How well labels agree with a truth that is known afterwards: accuracy, switches, delay."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.contract.errors import DataError, broken

Labels = npt.NDArray[np.int64]


class Score(NamedTuple):
    """Agreement of labels with the truth.

    Attributes
    ----------
    balanced_accuracy : float
        Mean over the classes present in the truth of the share of their bars that is labelled right.
    switches : float
        Changes of label per 1,000 bars.
    delay : float
        Median over runs of the truth of bars until the label is right, 0 at once; runs that are never labelled right count
        as long as they are.
    missed : float
        Share of those runs.
    """

    balanced_accuracy: float
    switches: float
    delay: float
    missed: float


def score(truth: Labels, label: Labels, least_run: int = 24) -> Score:
    """Score labels against the truth, both int64 (T,); delays over runs of the truth of at least `least_run` bars.

    The first run is left out of the delays: it began before it was looked at.

    Raises
    ------
    DataError
        The lengths differ, or nothing is given.
    """
    if len(truth) != len(label) or not len(truth):
        raise DataError(broken("labels", f"be {len(truth)}, more than 0", len(label)))
    accuracy = float(np.mean([(label[truth == kind] == kind).mean() for kind in np.unique(truth)]))
    switches = 1000.0 * float((np.diff(label) != 0).sum()) / len(label)
    begins = np.flatnonzero(np.diff(truth)) + 1
    ends = np.append(begins[1:], len(truth))
    waits, missed = [], []
    for begin, end in zip(begins, ends):
        if end - begin >= least_run:
            right = label[begin:end] == truth[begin]
            waits.append(int(right.argmax()) if right.any() else end - begin)
            missed.append(not right.any())
    delay = float(np.median(waits)) if waits else np.nan
    return Score(accuracy, switches, delay, float(np.mean(missed)) if missed else np.nan)


def assign(states: Labels, truth: Labels, count: int) -> Labels:
    """Name each state after the class in which it is most at home: the largest share of that class's bars.

    Parameters
    ----------
    states, truth : int64 of shape (T,)
        Of the bars that were fitted on.
    count
        Number of states.

    Returns
    -------
    int64 of shape (count,)
        Class of each state; a state that never occurred gets that of the nearest below, or of the first that did.
    """
    kinds = np.unique(truth)
    shares = np.array([[(states[truth == kind] == state).mean() for kind in kinds] for state in range(count)])
    named = kinds[shares.argmax(axis=1)]
    seen = np.flatnonzero(shares.max(axis=1) > 0.0)
    if not len(seen):
        raise DataError(broken("states", f"be from 0 to {count - 1}", states[:3].tolist()))
    nearest = seen[np.maximum(np.searchsorted(seen, np.arange(count), side="right") - 1, 0)]
    return np.asarray(named[nearest], dtype=np.int64)
