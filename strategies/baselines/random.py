"""Random: enter and leave by seeded coin tosses, with the turnover and the exposure of another strategy."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.contract.messages import Turn
from strategies.base import Choice, GatedStrategy
from strategies.mandate import Mandate
from strategies.parameters import checked

Probability = Annotated[float, msgspec.Meta(ge=0, le=1)]


class RandomParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A two-state Markov chain per instrument.

    Attributes
    ----------
    enter, leave
        Chances per decision of entering from flat, and of leaving a position.
    exposure
        Absolute exposure of a position, fraction of the budget.
    short
        Chance that an entry is short; 0 on cash accounts.
    """

    enter: Probability = 0.05
    leave: Probability = 0.05
    exposure: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    short: Probability = 0.0


class Random(GatedStrategy):
    """Decides by the run's seed alone."""

    policy_name = "random"

    def __init__(self, mandate: Mandate, parameters: dict[str, Any]) -> None:
        super().__init__(mandate, parameters)
        self._own = checked(RandomParameters, parameters, "random")
        self._short = self._own.short if mandate.venue.account == "margin" else 0.0
        self._generator = np.random.Generator(np.random.PCG64(mandate.seed))

    def state(self) -> dict[str, Any]:  # type: ignore[override]
        """Return everything that `restore` needs: the generator's state too."""
        return {**super().state(), "generator": dict(self._generator.bit_generator.state)}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state; the next coin is the one that would have been tossed."""
        super().restore(state)
        self._generator.bit_generator.state = state["generator"]

    def decide(self, turn: Turn, present: Sequence[int], exposure: NDArray[np.float64]) -> list[Choice]:
        """Toss two coins per instrument, whether they are needed or not, so that draws do not depend on positions."""
        choices = []
        coins = self._generator.random((len(exposure), 2))
        for index in present:
            now = float(exposure[index])
            target = now
            if now == 0.0 and coins[index, 0] < self._own.enter:
                target = -self._own.exposure if coins[index, 1] < self._short else self._own.exposure
            elif now != 0.0 and coins[index, 0] < self._own.leave:
                target = 0.0
            choices.append(Choice(index, target, target, target))
        return choices
