"""The regime of each instrument as a signal."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.contract.messages import Turn
from engine.regime.filter import RegimeFilter
from engine.regime.parameters import RegimeParameters
from engine.signals.signal import Floats

ABSENT = (np.nan,) * 5
HIGH_LOW_CLOSE = (1, 2, 3)


class RegimeSignal:
    """Probabilities of the seven regimes; available from the first volatility on.

    Parameters
    ----------
    parameters
        One per instrument, from `engine.regime.fitting.fit`.
    """

    name = "regime"

    def __init__(self, parameters: Sequence[RegimeParameters]) -> None:
        self._parameters = list(parameters)
        self._filter = RegimeFilter(parameters)

    @property
    def settings(self) -> dict[str, Any]:
        """Every parameter of every instrument."""
        return {"parameters": [one.to_dict() for one in self._parameters]}

    def hear(self, turn: Turn) -> Floats:
        """Filter a turn's bars; an instrument without a bar keeps its belief."""
        rows = [ABSENT if row is None else row for row in turn.rows]
        self._filter.advance(np.array([[row[column] for row in rows] for column in HIGH_LOW_CLOSE]))
        return self._filter.said()

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs."""
        return {"filter": self._filter.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self._filter.restore(state["filter"])
