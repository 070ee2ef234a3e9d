"""Decisions that are carried out late: a stress, which says how much of a result depends on being immediate."""

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.contract.errors import UsageError, broken

if TYPE_CHECKING:
    from strategies.base import Choice


class Delay:
    """What an instrument's strategy chose at a turn is acted on, and journaled, so many of its decisions later.

    A choice to hold stays one: what is then held is held. Any other is a target exposure, and stays that target. Until the first choice is
    due the instrument is left alone. Bounds, sizes and the gate are those of the turn at which it is acted on.

    Parameters
    ----------
    turns
        At least 1.
    """

    def __init__(self, turns: int) -> None:
        if turns < 1:
            raise UsageError(broken("delay", "be at least 1 turn", turns))
        self._turns = turns
        self._waiting: dict[int, deque[Choice]] = {}

    def __call__(self, choices: Sequence["Choice"], exposure: NDArray[np.float64]) -> list["Choice"]:
        """Take in the choices of a turn; return those that are due.

        Parameters
        ----------
        exposure : float64 (instruments,)
            Signed fraction of the budget held at this turn.
        """
        due = []
        for choice in choices:
            index = choice.instrument
            waiting = self._waiting.setdefault(index, deque())
            held = choice.target_exposure == float(exposure[index])
            waiting.append(choice._replace(target_exposure=float("nan")) if held else choice)
            if len(waiting) > self._turns:
                one = waiting.popleft()
                hold = one.target_exposure != one.target_exposure
                due.append(one._replace(target_exposure=float(exposure[index])) if hold else one)
        return due

    def state(self) -> list[list[Any]]:
        """Everything that `restore` needs: the choices that wait, in their order."""
        return [list(choice) for waiting in self._waiting.values() for choice in waiting]

    def restore(self, state: list[list[Any]]) -> None:
        """Go on from a state."""
        from strategies.base import Choice

        self._waiting = {}
        for fields in state:
            choice = Choice(*fields)
            self._waiting.setdefault(choice.instrument, deque()).append(choice)
