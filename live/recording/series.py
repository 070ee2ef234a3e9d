"""What a running session did so far, a row a line, for whoever looks on: equity at every turn, fills, changes of the breaker.

The file is dropped when the run's tables are written, and made anew by a session that goes on after a kill.
"""

from pathlib import Path

import msgspec

from engine.journal.blotter import Blotter

SERIES = "series.jsonl"


class Series:
    """Appends what a blotter has collected since the last time.

    A line is an array: `turn`, event time, then the columns of `equity.parquet`; `fill` or `change`, then the columns of `fills.parquet`
    or `breaker.parquet`. A number that is none is null.

    Parameters
    ----------
    folder
        Of the run.
    blotter
        Of its session.
    """

    def __init__(self, folder: Path, blotter: Blotter) -> None:
        self._path, self._blotter = folder / SERIES, blotter
        self._path.write_bytes(b"")
        self._turns = self._fills = self._changes = 0

    def write(self) -> int:
        """Append what is new; return the number of lines. A disk that does not take them is tried again: it stops no trading."""
        blotter, encode = self._blotter, msgspec.json.encode
        turns = blotter.turns_from(self._turns)
        fills, changes = blotter.fills[self._fills :], blotter.changes[self._changes :]
        lines = [encode(["turn", ts_event, *values]) for ts_event, values in turns]
        lines += [encode(["fill", *fill]) for fill in fills]
        lines += [encode(["change", *change]) for change in changes]
        try:
            if lines:
                with self._path.open("ab") as file:
                    file.write(b"\n".join(lines) + b"\n")
        except OSError:
            return 0
        self._turns, self._fills = self._turns + len(turns), self._fills + len(fills)
        self._changes += len(changes)
        return len(lines)
