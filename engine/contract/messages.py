"""What components say to each other inside the event loop, and in which order they hear it."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

TURN_TOPIC = "huracan.turn"
STRATEGY_PRIORITY = 1
BREAKER_PRIORITY = 40
SIGNAL_PRIORITIES = {"regime": 80, "changepoint": 70, "risk_budget": 50}
DRIFT_PRIORITY = 45
"""Actors listen to the turn with higher priorities; the strategy decides last."""

BarRow = tuple[float, float, float, float, float]
"""Open, high, low, close (quote) and volume (base) of one bar."""


@dataclass(slots=True)
class Turn:
    """One event time, all instruments: collected by the conductor, enriched by the actors, decided by the strategy.

    Attributes
    ----------
    ts_event
        Close of the bars, UTC ns. Known at: `ts_event`.
    seq
        Number of the turn from 0, warm-up included.
    rows
        One bar per instrument in configuration order; None where it did not come in time.
    decides
        False while the turn only warms up windows.
    context
        What is said of the account: actor name to column name to value.
    signals
        What is said of each instrument: signal name to float64 (instruments, columns), as `engine.contract.signals` names them.
    """

    ts_event: int
    seq: int
    rows: tuple[BarRow | None, ...]
    decides: bool
    context: dict[str, dict[str, float]] = field(default_factory=dict)
    signals: dict[str, NDArray[np.float64]] = field(default_factory=dict)
