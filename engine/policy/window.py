"""The last W bars of every instrument, as the graph takes them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.contract.messages import BarRow
from engine.contract.observation import BAR_COLUMNS


class BarWindow:
    """Sliding windows of raw bars, oldest first.

    A missing bar leaves that instrument's window as it is: windows are made of the bars that exist, none is invented.

    Parameters
    ----------
    instruments
        Number of instruments.
    window
        Bars in a window.
    """

    def __init__(self, instruments: int, window: int) -> None:
        self._bars = np.zeros((instruments, window, len(BAR_COLUMNS)), dtype=np.float32)
        self._seen = np.zeros(instruments, dtype=np.int64)
        self._window = window

    def push(self, rows: Sequence[BarRow | None]) -> None:
        """Add one bar per instrument, where there is one."""
        for index, row in enumerate(rows):
            if row is not None:
                self._bars[index, :-1] = self._bars[index, 1:]
                self._bars[index, -1] = row
                self._seen[index] += 1

    def full(self, index: int) -> bool:
        """Tell whether the window of instrument `index` holds `window` bars."""
        return bool(self._seen[index] >= self._window)

    def rows(self, indices: Sequence[int]) -> NDArray[np.float32]:
        """Return float32 (len(indices), window, 5), a copy; indices ascend."""
        if len(indices) == len(self._bars):
            return self._bars.copy()
        return self._bars[list(indices)]

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs."""
        return {"bars": self._bars.copy(), "seen": self._seen.copy()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self._bars[:] = state["bars"]
        self._seen[:] = state["seen"]
