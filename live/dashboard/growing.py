"""The record of a run that is going on: what its process appended since the last look, and nothing twice."""

import math
import sqlite3
from pathlib import Path
from typing import Any

import msgspec

from engine.journal.blotter import BreakerChange
from engine.journal.run import STORE
from live.dashboard.record import DECISION, Record
from live.recording.series import SERIES

_COLUMNS = ", ".join(("number", "ts_event", "instrument_id", *DECISION[1:], "gate", "context"))
_SELECT = f"SELECT {_COLUMNS} FROM decisions WHERE number > ? ORDER BY number LIMIT 50000"


class Tail:
    """The lines that were added to a file since the last look; a line without its end is left for the next.

    Parameters
    ----------
    path
        May not be there yet. A file that became shorter is read again from its start, and `restarted` says so.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.restarted = path, False
        self._offset = 0

    def read(self) -> list[bytes]:
        """Return the new lines, without their ends."""
        try:
            with self.path.open("rb") as file:
                size = file.seek(0, 2)
                self.restarted = size < self._offset
                if self.restarted:
                    self._offset = 0
                file.seek(self._offset)
                body = file.read(size - self._offset)
        except FileNotFoundError:
            return []
        whole = body.rfind(b"\n") + 1
        self._offset += whole
        return body[:whole].split(b"\n")[:-1]


class Growing:
    """Follows the folder of an unfinished run.

    Parameters
    ----------
    folder
        Of the run; it is only read.
    instruments
        In configuration order.
    """

    def __init__(self, folder: Path, instruments: list[str]) -> None:
        self.record = Record(list(instruments))
        self._instruments = list(instruments)
        self._folder, self._last = folder, -1
        self._series = Tail(folder / SERIES)

    def look(self) -> bool:
        """Take in what is new; tell whether there was something."""
        lines = self._series.read()
        if self._series.restarted:
            self.record, self._last = Record(list(self._instruments)), -1
        for line in lines:
            try:
                self._take(msgspec.json.decode(line))
            except (msgspec.DecodeError, ValueError, TypeError):
                continue
        return self._decisions() or bool(lines)

    def _take(self, row: list[Any]) -> None:
        kind, *rest = row
        record = self.record
        if kind == "turn":
            record.turns.extend([rest[0]], [[_number(value) for value in rest[1:]]])
        elif kind == "fill":
            key, ts_event, name, *numbers = rest
            record.fills.extend([ts_event], [[record.place(name), *map(_number, numbers[:5])]])
            record.fill_keys.append(key)
        elif kind == "change":
            record.changes.append(BreakerChange(*rest))

    def _decisions(self) -> bool:
        path, record = self._folder / STORE, self.record
        if not path.is_file():
            return False
        try:
            database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=0.2)
            try:
                rows = database.execute(_SELECT, (self._last,)).fetchall()
            finally:
                database.close()
        except sqlite3.Error:
            return False
        if not rows:
            return False
        self._last = rows[-1][0]
        numbers = [[record.place(row[2]), *map(_number, row[3:7])] for row in rows]
        record.decisions.extend([row[1] for row in rows], numbers)
        record.gates.extend(row[7] for row in rows)
        record.contexts.extend(row[8] for row in rows)
        return True


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
