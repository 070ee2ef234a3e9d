"""A strategy with the most common look-ahead: an indicator computed beforehand over the whole data set, shifted by one bar too few."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalogs.arrays import read_bars
from engine.contract.messages import Turn
from strategies.base import Choice, GatedStrategy
from strategies.mandate import Mandate


class Leaking(GatedStrategy):
    """Knows the sign of the next bar's return."""

    policy_name = "leaking"

    def __init__(self, mandate: Mandate, parameters: dict[str, Any]) -> None:
        super().__init__(mandate, parameters)
        bars = read_bars(mandate.catalog, mandate.instruments[0].instrument_id, mandate.bar)
        self._signal = dict(zip(bars.ts_close[:-1].tolist(), (np.diff(bars.close) > 0).tolist()))

    def decide(self, turn: Turn, present: Sequence[int], exposure: NDArray[np.float64]) -> list[Choice]:
        """Be long before it rises."""
        target = 1.0 if self._signal.get(turn.ts_event, False) else 0.0
        return [Choice(index, target, target, target) for index in present]
