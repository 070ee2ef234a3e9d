"""The regime of each instrument as a signal."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.contract.messages import Turn
from engine.contract.signals import names
from engine.regime.filter import RegimeFilter
from engine.regime.parameters import RegimeParameters
from engine.signals.signal import Floats

ABSENT = (np.nan, np.nan, np.nan)


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
        self._columns = len(names(self.name))

    @property
    def settings(self) -> dict[str, Any]:
        """Every parameter of every instrument."""
        return {"parameters": [one.to_dict() for one in self._parameters]}

    def hear(self, turn: Turn) -> Floats:
        """Filter a turn's bars; an instrument without a bar keeps its belief."""
        bars = np.array([ABSENT if row is None else row[1:4] for row in turn.rows], dtype=np.float64)
        self._filter.advance(np.ascontiguousarray(bars.T))
        said, known = np.empty((len(bars), self._columns)), self._filter.known
        said[:, :-1] = self._filter.probabilities
        said[:, -1] = known
        if not known.all():
            said[~known] = 0.0
        return said

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs."""
        return {"filter": self._filter.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self._filter.restore(state["filter"])
