"""Signals over history: the very cores of the actors, turn by turn, as training needs them."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.contract.messages import BarRow, Turn
from engine.signals.signal import Floats, Signal


class BarHistory(NamedTuple):
    """Bars of one instrument, in order of time.

    Attributes
    ----------
    ts_close : int64 (T,)
        UTC ns.
    rows : float64 (T, 5)
        Open, high, low, close (quote), volume (base).
    """

    ts_close: NDArray[np.int64]
    rows: Floats


def replay(
    signals: Sequence[Signal],
    histories: Sequence[BarHistory],
    ts_turn: NDArray[np.int64],
    look: Callable[[int], None] | None = None,
) -> dict[str, Floats]:
    """Let signals hear history.

    Parameters
    ----------
    signals
        Fresh ones.
    histories
        One per instrument, in configuration order.
    ts_turn : int64 (G,)
        Closes that any of the instruments has; the turns.
    look
        Called before each turn with its number, for whoever wants the states at that time.

    Returns
    -------
    dict
        Signal name to float64 (G, instruments, columns). Row g is known at `ts_turn[g]`.
    """
    found: dict[str, list[Floats]] = {signal.name: [] for signal in signals}
    bars: list[dict[int, BarRow]] = [
        dict(zip(one.ts_close.tolist(), map(tuple, one.rows.tolist()))) for one in histories
    ]
    for seq, ts_event in enumerate(ts_turn.tolist()):
        if look is not None:
            look(seq)
        turn = Turn(ts_event, seq, tuple(one.get(ts_event) for one in bars), False)
        for signal in signals:
            found[signal.name].append(signal.hear(turn))
    return {name: np.stack(rows) for name, rows in found.items()}


def settings_of(signals: Sequence[Signal]) -> dict[str, dict[str, Any]]:
    """Return the settings of signals by name, in their order."""
    return {signal.name: signal.settings for signal in signals}
