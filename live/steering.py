"""Controls of a running session: asked for in a file of its run folder, answered in the same file, and never erased.

`controls.jsonl` is the way and the journal at once: whoever asks appends a line, the session does it, and appends what came of it. Lines
are appended whole, so several processes may write. The file belongs to the user of the session and nobody else can read it.
"""

import os
import secrets
import time
from collections.abc import Collection
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from engine.contract.errors import UsageError, broken
from strategies.steering import Verb

CONTROLS = "controls.jsonl"


class Asked(msgspec.Struct, frozen=True, tag_field="kind", tag="asked"):
    """What a person asked for.

    Attributes
    ----------
    verb, scope, control
        As `strategies.steering` has them; `clear_latch` is no word to a session, but the end of an account's latch, written down.
    by, reason
        Who, and why.
    ts_ns
        Wall clock, UTC ns.
    """

    id: str
    verb: Verb | Literal["clear_latch"]
    scope: str
    by: str
    reason: str
    ts_ns: int
    control: str = ""


class Answered(msgspec.Struct, frozen=True, tag_field="kind", tag="answered"):
    """What came of it; `done` is False where it was refused, and `result` says why."""

    id: str
    done: bool
    result: str
    ts_ns: int


class Entry(NamedTuple):
    """A request and its answer; None while there is none."""

    asked: Asked
    answered: Answered | None


_LINE = msgspec.json.Decoder(Asked | Answered)


def _append(folder: Path, *lines: Asked | Answered) -> None:
    file = os.open(folder / CONTROLS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    finally:
        os.close(file)


def ask(folder: Path, verb: Verb, scope: str, by: str, reason: str, control: str = "") -> Asked:
    """Ask a session for something.

    Raises
    ------
    UsageError
        Nobody signs.
    """
    if not by.strip():
        raise UsageError(broken(verb, "be signed by a person", repr(by), remedy="say who you are"))
    asked = Asked(secrets.token_hex(8), verb, scope, by.strip(), reason.strip(), time.time_ns(), control)
    _append(folder, asked)
    return asked


def answer(folder: Path, id_: str, done: bool, result: str) -> None:
    """Write down what came of a request."""
    _append(folder, Answered(id_, done, result, time.time_ns()))


def record(folder: Path, verb: Literal["clear_latch"], scope: str, by: str, reason: str, result: str) -> Asked:
    """Write down what was done without the session, with its result."""
    now = time.time_ns()
    asked = Asked(secrets.token_hex(8), verb, scope, by.strip(), reason.strip(), now)
    _append(folder, asked, Answered(asked.id, True, result, now))
    return asked


def read_controls(folder: Path) -> list[Entry]:
    """Return every request with its answer, in the order in which they were asked; a line that is no control is left out."""
    try:
        body = (folder / CONTROLS).read_bytes()
    except FileNotFoundError:
        return []
    found: dict[str, Entry] = {}
    for line in body.split(b"\n")[:-1]:
        try:
            one = _LINE.decode(line)
        except msgspec.DecodeError:
            continue
        if isinstance(one, Asked):
            found.setdefault(one.id, Entry(one, None))
        elif one.id in found:
            found[one.id] = found[one.id]._replace(answered=one)
    return list(found.values())


class Inbox:
    """The requests of a session that nobody has answered yet.

    What was asked while no process was there is done when one is: no new risk is the safe answer. Only a resume is refused then: whoever
    asked for it did not know what would have happened since.

    Parameters
    ----------
    folder
        Of the run.
    known
        Ids of controls that are on the tape already: a session that was killed before it could answer.
    """

    def __init__(self, folder: Path, known: Collection[str] = ()) -> None:
        self._folder, self._taken, self._size = folder, set(known), -1
        for asked, answered in read_controls(folder):
            if answered is None and asked.id in known:
                answer(folder, asked.id, True, "done before the restart")
            elif answered is None and asked.verb == "resume":
                self._taken.add(asked.id)
                answer(folder, asked.id, False, "refused: asked while the session was not running")

    def new(self) -> list[Asked]:
        """Return what was asked since the last call."""
        try:
            size = os.stat(self._folder / CONTROLS).st_size
        except FileNotFoundError:
            return []
        if size == self._size:
            return []
        self._size = size
        fresh = [
            one.asked for one in read_controls(self._folder) if one.answered is None and one.asked.id not in self._taken
        ]
        self._taken.update(one.id for one in fresh)
        return fresh
