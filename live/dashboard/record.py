"""What happened in a run, as columns that grow: turns, decisions, fills, changes of the breaker."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.journal.blotter import BreakerChange

Floats = NDArray[np.float64]
Times = NDArray[np.int64]
LEAST = 1024

TURN = ("equity", "balance", "gross_frac")
OF_INSTRUMENT = ("quantity", "exposure", "target", "close")
DECISION = ("instrument", "action", "confidence", "target_exposure", "budget")
FILL = ("instrument", "side", "quantity", "price", "fee", "reference_price")


class Rows:
    """Rows of an event time and some numbers, added at the end.

    Parameters
    ----------
    names
        Of the numbers.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._column = {name: number for number, name in enumerate(names)}
        self._times, self._values = np.zeros(LEAST, np.int64), np.zeros((LEAST, len(self.names)))
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def extend(self, times: Any, values: Any) -> None:
        """Add rows: int64 (n,) event times, UTC ns, and float64 (n, names)."""
        added = len(times)
        needed = self._count + added
        if needed > len(self._times):
            size = max(2 * len(self._times), needed)
            times_before, values_before = self.times, self._values[: self._count]
            self._times, self._values = np.zeros(size, np.int64), np.zeros((size, len(self.names)))
            self._times[: self._count], self._values[: self._count] = times_before, values_before
        if added:
            self._times[self._count : needed], self._values[self._count : needed] = times, values
            self._count = needed

    @property
    def times(self) -> Times:
        """Event times, int64 (n,), UTC ns."""
        return self._times[: self._count]

    def __getitem__(self, name: str) -> Floats:
        return self._values[: self._count, self._column[name]]


class Said(msgspec.Struct, frozen=True):
    """The part of a decision's context that is shown; None where nothing was said."""

    regime: dict[str, float | None] | None = None
    changepoint: dict[str, float | None] | None = None
    risk_budget: dict[str, float | None] | None = None
    breaker: dict[str, float | None] | None = None
    attention: list[float] | None = None


_SAID = msgspec.json.Decoder(Said)


@dataclass
class Record:
    """What a run did so far.

    Attributes
    ----------
    instruments
        In configuration order; the column `instrument` of decisions and fills is a place in it.
    turns
        Columns `TURN`, then `OF_INSTRUMENT` as `NAME:INSTRUMENT`; as in `equity.parquet`.
    decisions, gates, contexts
        Columns `DECISION`, and beside each row what the gate answered, and the context as JSON.
    fills, fill_keys
        Columns `FILL`, and the key of each order.
    changes
        Of the breaker.
    """

    instruments: list[str]
    turns: Rows = field(init=False)
    decisions: Rows = field(default_factory=lambda: Rows(DECISION))
    gates: list[str] = field(default_factory=list)
    contexts: list[str] = field(default_factory=list)
    fills: Rows = field(default_factory=lambda: Rows(FILL))
    fill_keys: list[str] = field(default_factory=list)
    changes: list[BreakerChange] = field(default_factory=list)

    def __post_init__(self) -> None:
        of_instruments = [f"{name}:{one}" for name in OF_INSTRUMENT for one in self.instruments]
        self.turns = Rows([*TURN, *of_instruments])

    def place(self, instrument_id: str) -> int:
        """Return the place of an instrument; one that the configuration does not know is added behind the others."""
        if instrument_id not in self.instruments:
            self.instruments.append(instrument_id)
        return self.instruments.index(instrument_id)

    def said(self, row: int) -> Said:
        """Return what was said at a decision."""
        text = self.contexts[row]
        return Said() if text in ("", "{}") else _SAID.decode(text)

    def of(self, instrument: int) -> NDArray[np.intp]:
        """Return the rows of the decisions on one instrument."""
        return np.flatnonzero(self.decisions["instrument"] == instrument)
