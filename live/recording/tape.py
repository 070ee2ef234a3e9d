"""The tape of a session: one file, a row a line, written as it comes and read again in the same order."""

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
from nautilus_trader.model import Bar

from engine.contract.errors import DataError, broken
from live.recording.rows import ENCODER, DecideAfter, Past, Received, from_row, to_row

INSTRUMENTS = "instruments.json"
"""Terms of the instruments, beside the tape: an exchange changes them."""

TAPE, PACKED = "received.jsonl", "received.jsonl.gz"


class Tape:
    """Appends what was received.

    A row is with the operating system when `write` returns: a killed process loses none that was acted upon. What is cut off in the
    middle of a line is left out when the tape is read, and cut off for good when it is gone on with.

    Parameters
    ----------
    folder
        Of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / TAPE
        self.rows = 0
        _unpack(self.path)
        _cut(self.path)
        self._file = self.path.open("ab", buffering=0)

    def write(self, item: Received) -> None:
        """Add one item."""
        self._file.write(ENCODER.encode(to_row(item)) + b"\n")
        self.rows += 1

    def close(self, pack: bool = False) -> None:
        """Close the file, and pack it where the session is over."""
        if self._file.closed:
            return
        self._file.close()
        if pack:
            packed, half = self.path.with_name(PACKED), self.path.with_name(f"{PACKED}.new")
            with self.path.open("rb") as source, half.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, 0) as target:
                while block := source.read(1 << 20):
                    target.write(block)
            os.replace(half, packed)
            self.path.unlink()


def _unpack(path: Path) -> None:
    """A session that was killed between the packing of its tape and its own end goes on with the tape as it was."""
    packed = path.with_name(PACKED)
    if not packed.is_file():
        return
    if not path.is_file():
        half = path.with_name(f"{TAPE}.new")
        with gzip.open(packed, "rb") as source, half.open("wb") as target:
            while block := source.read(1 << 20):
                target.write(block)
        os.replace(half, path)
    packed.unlink()


def _cut(path: Path) -> None:
    if not path.is_file():
        return
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - 65_536))
        tail = file.read()
    whole = tail.rfind(b"\n") + 1
    if whole < len(tail):
        os.truncate(path, size - (len(tail) - whole))


def tape_path(folder: Path) -> Path:
    """Return the file that a session's tape is in.

    Raises
    ------
    DataError
        There is none.
    """
    plain, packed = folder / TAPE, folder / PACKED
    path = packed if packed.is_file() else plain
    if not path.is_file():
        raise DataError(broken("run", f"hold {PACKED}", "without one", str(folder), "paper and live sessions have one"))
    return path


def read_tape(folder: Path) -> Iterator[Received]:
    """Yield what a session received, in order.

    Raises
    ------
    DataError
        There is no tape, or a line is not a row; a last line that was cut off is left out.
    """
    path = tape_path(folder)
    with gzip.open(path, "rb") if path.name == PACKED else path.open("rb") as file:
        for number, line in enumerate(file):
            if not line.endswith(b"\n"):
                return
            try:
                row = msgspec.json.decode(line)
            except msgspec.DecodeError as error:
                raise DataError(broken(f"line {number + 1} of the tape", "be JSON", error, str(path))) from error
            yield from_row(row)


def begun_ns(folder: Path) -> int:
    """Return the end of the first warm-up on a tape, after which turns decide, UTC ns; -1 where it was not reached."""
    try:
        return next((item.ts_event for item in read_tape(folder) if isinstance(item, DecideAfter)), -1)
    except DataError:
        return -1


def last_close(folder: Path) -> int:
    """Return the event time of the last bar on a tape, UTC ns; 0 where there is none."""
    closes = [
        item.bar.ts_event if isinstance(item, Past) else item.ts_event
        for item in read_tape(folder)
        if isinstance(item, Bar | Past)
    ]
    return max(closes, default=0)
