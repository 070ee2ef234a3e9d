"""Cash: never trade."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.contract.messages import Turn
from strategies.base import Choice, GatedStrategy
from strategies.mandate import Mandate
from strategies.parameters import checked


class CashParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """None."""


class Cash(GatedStrategy):
    """Holds what it has: nothing."""

    policy_name = "cash"

    def __init__(self, mandate: Mandate, parameters: dict[str, Any]) -> None:
        super().__init__(mandate, parameters)
        checked(CashParameters, parameters, "cash")

    def decide(self, turn: Turn, present: Sequence[int], exposure: NDArray[np.float64]) -> list[Choice]:
        """Hold."""
        return [Choice(index, float(exposure[index]), 0.0, 0.0) for index in present]
