"""Buy and hold: take the target exposure at the first decision, then never trade again."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.contract.messages import Turn
from strategies.base import Choice, GatedStrategy
from strategies.mandate import Mandate
from strategies.parameters import checked


class BuyAndHoldParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`exposure`: signed fraction of the budget to take."""

    exposure: Annotated[float, msgspec.Meta(ge=-1, le=1)] = 1.0


class BuyAndHold(GatedStrategy):
    """Buys each instrument once, at the first bar that it sees of it."""

    policy_name = "buy_and_hold"

    def __init__(self, mandate: Mandate, parameters: dict[str, Any]) -> None:
        super().__init__(mandate, parameters)
        self._exposure = checked(BuyAndHoldParameters, parameters, "buy_and_hold").exposure
        self._bought = [False] * len(mandate.instruments)

    def state(self) -> dict[str, Any]:  # type: ignore[override]
        """Return everything that `restore` needs: what was bought too."""
        return {**super().state(), "bought": list(self._bought)}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        super().restore(state)
        self._bought = list(state["bought"])

    def decide(self, turn: Turn, present: Sequence[int], exposure: NDArray[np.float64]) -> list[Choice]:
        """Buy what was not bought yet, hold the rest."""
        choices = []
        for index in present:
            target = float(exposure[index]) if self._bought[index] else self._exposure
            self._bought[index] = True
            choices.append(Choice(index, target, target, target))
        return choices
