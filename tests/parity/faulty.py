"""A strategy that breaks a rule which a back test alone cannot show broken."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.contract.messages import Turn
from strategies.base import Choice, GatedStrategy


class SetOrdered(GatedStrategy):
    """Goes through its factors in the order of a set: another one in every process."""

    policy_name = "set-ordered"
    factors = frozenset(f"factor {number}" for number in range(64))

    def decide(self, turn: Turn, present: Sequence[int], exposure: NDArray[np.float64]) -> list[Choice]:
        """Follow the factor that happens to come first."""
        first = int(next(iter(self.factors)).split()[1])
        target = (first + turn.seq) % 7 / 8
        return [Choice(index, target, float(first), target) for index in present]
