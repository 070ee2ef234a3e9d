"""What all signals are: a core that hears every turn, says one row per instrument, and can be saved."""

import math
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.contract.messages import Turn

Floats = NDArray[np.float64]


class Signal(Protocol):
    """A core behind an actor; the same object is replayed over history for training."""

    @property
    def name(self) -> str:
        """Its key in `engine.contract.signals.COLUMNS`, and its section in the configuration."""

    @property
    def settings(self) -> dict[str, Any]:
        """Plain values that decide what it says; a policy carries them, so that it never trades on other ones."""

    def hear(self, turn: Turn) -> Floats:
        """Take in a turn, warm-up included, and return float64 (instruments, columns). Known at: `turn.ts_event`."""

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs."""

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state; what follows has the same bits as without the interruption."""


class LogReturns:
    """Log return of every instrument since its last bar.

    Parameters
    ----------
    instruments
        Number of instruments N.
    """

    def __init__(self, instruments: int) -> None:
        self._log_close = [math.nan] * instruments

    def hear(self, turn: Turn) -> Floats:
        """Return float64 (N,); NaN without a bar, for the first bar, and where a close is not positive. A return spans a gap."""
        before, found = self._log_close, [math.nan] * len(self._log_close)
        for index, row in enumerate(turn.rows):
            if row is not None and row[3] > 0.0:
                log_close = math.log(row[3])
                found[index] = log_close - before[index]
                before[index] = log_close
        return np.array(found)

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs."""
        return {"log_close": np.array(self._log_close)}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self._log_close = np.asarray(state["log_close"], dtype=np.float64).tolist()
