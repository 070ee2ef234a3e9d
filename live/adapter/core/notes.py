"""The adapter's notes: what it did and why, in the order it happened; the story that is read after a fault."""

import json
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TextIO

MOST_ROWS = 20_000
"""Notes that are kept in memory; the file keeps them all."""


class Note(NamedTuple):
    """One thing that happened.

    Attributes
    ----------
    ts_ns
        Wall clock, UTC ns; nothing decides by it.
    what
        Kind, such as `order unknown`, `gap`, `pause`.
    about
        Client order id or name of a stream; "" where it is about the whole session.
    detail
        Reason or numbers, for a person.
    """

    ts_ns: int
    what: str
    about: str
    detail: str


class Notes:
    """Keeps notes in memory, and in a file of JSON lines where there is one.

    Parameters
    ----------
    path
        File to append to; None keeps them in memory only.
    tell
        Called with every note, to log it.
    """

    def __init__(self, path: Path | None = None, tell: Callable[[Note], None] | None = None) -> None:
        self._rows: deque[Note] = deque(maxlen=MOST_ROWS)
        self._tell = tell
        self._file: TextIO | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8")

    def write(self, what: str, about: str = "", detail: object = "") -> None:
        """Write one note."""
        note = Note(time.time_ns(), what, about, str(detail))
        self._rows.append(note)
        if self._file is not None:
            self._file.write(json.dumps(note._asdict()) + "\n")
            self._file.flush()
        if self._tell is not None:
            self._tell(note)

    def all(self, what: str | None = None, about: str | None = None) -> list[Note]:
        """Return the notes so far, of one kind or about one thing where asked."""
        return [
            note
            for note in self._rows
            if (what is None or note.what == what) and (about is None or note.about == about)
        ]

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


Recorder = Callable[[str, int, Any], None]
"""Called with everything that is received, as it came: kind (`frame` or `rest`), wall clock in UTC ns, payload."""
