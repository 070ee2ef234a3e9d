"""The registry of promotions: per policy name an append-only, hash-chained history, and the assignment that follows from it.

`var/registry/NAME/history.jsonl` is the truth: a row a line, each under the SHA-256 of the row before and its own fields. `assignment.json`
beside it repeats what the rows come to, under the last row's hash, so that a session can look at it often and cheaply.
"""

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec

from engine.contract.errors import DataError, EnvironmentFault, broken
from engine.journal.run import write_json
from engine.policy.assignment import Assignment, Event, Seat, change, to_document

REGISTRY = Path("var/registry")
HISTORY, ASSIGNMENT = "history.jsonl", "assignment.json"
GENESIS = hashlib.sha256(b"huracan registry 1").hexdigest()

Noted = Literal["candidate", "refused"]
"""Rows that change no place: a policy was made and may be tried; a policy was refused."""


NOTED: tuple[str, ...] = ("candidate", "refused")


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of the history.

    Attributes
    ----------
    number
        From 0.
    ts_ns
        Wall clock, UTC ns.
    event
        What happened.
    seat
        Whom it is about; None for a rollback that names nobody, and for a refusal of what is no policy.
    share
        Of a canary.
    by, why
        Who did it: a person's name, `rule`, or a command; and the reason.
    evidence
        Figures and digests that it stands on.
    chain
        SHA-256 over the chain before and the canonical JSON of all other fields.
    """

    number: int
    ts_ns: int
    event: Event | Noted
    seat: Seat | None
    share: float
    by: str
    why: str
    evidence: dict[str, Any]
    chain: str = ""


class Current(msgspec.Struct, frozen=True):
    """`assignment.json`: the assignment, the chain of the last row, and who changed a place last, and why."""

    head: str
    rows: int
    assignment: Assignment
    by: str = ""
    why: str = ""


class History:
    """History and assignment of one policy name.

    Parameters
    ----------
    name
        Of the policy.
    root
        Folder of the registry.
    """

    def __init__(self, name: str, root: Path = REGISTRY) -> None:
        self.name, self.folder = name, root / name

    def rows(self) -> list[Row]:
        """Return all rows, the chain verified; none where there is no history.

        Raises
        ------
        DataError
            A row was altered, removed or added.
        """
        path = self.folder / HISTORY
        if not path.is_file():
            return []
        found, head = [], GENESIS
        for number, line in enumerate(path.read_bytes().splitlines()):
            try:
                row = msgspec.json.decode(line, type=Row)
            except (msgspec.ValidationError, msgspec.DecodeError) as error:
                raise DataError(broken(f"row {number} of the history", "be readable", error, str(path))) from error
            head = _chained(head, row)
            if row.number != number or row.chain != head:
                raise DataError(
                    broken(f"row {number} of the history", f"have chain {head[:12]}", row.chain[:12], str(path))
                )
            found.append(row)
        return found

    @property
    def assignment(self) -> Assignment:
        """What the rows come to."""
        return _folded(self.rows())

    def current(self) -> Current | None:
        """Read `assignment.json`, without verifying the history behind it; None where nobody was promoted yet.

        Raises
        ------
        DataError
            It cannot be read.
        """
        try:
            body = (self.folder / ASSIGNMENT).read_bytes()
        except FileNotFoundError:
            return None
        try:
            return msgspec.json.decode(body, type=Current)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            raise DataError(
                broken(ASSIGNMENT, "be readable", error, str(self.folder), "huracan policy history makes it again")
            ) from error

    def append(
        self,
        event: Event | Noted,
        seat: Seat | None,
        by: str,
        why: str,
        evidence: dict[str, Any] | None = None,
        share: float = 0.0,
    ) -> Assignment:
        """Add a row and write the assignment that follows.

        Raises
        ------
        Refused
            The event does not fit the assignment; nothing is written.
        DataError
            The history is damaged.
        EnvironmentFault
            The folder cannot be written.
        """
        with self._locked():
            rows = self.rows()
            head = rows[-1].chain if rows else GENESIS
            row = Row(len(rows), time.time_ns(), event, seat, share, by, why, evidence or {})
            row = msgspec.structs.replace(row, chain=_chained(head, row))
            rows.append(row)
            after = _folded(rows)
            with (self.folder / HISTORY).open("ab") as file:
                file.write(msgspec.json.encode(row, order="sorted") + b"\n")
                file.flush()
                os.fsync(file.fileno())
            self._write(rows, after)
        return after

    def repair(self) -> Assignment:
        """Write `assignment.json` again from the history."""
        with self._locked():
            rows = self.rows()
            after = _folded(rows)
            if rows:
                self._write(rows, after)
        return after

    def expiry(self, digest: str) -> int | None:
        """Return when a registered policy expires, UTC ns, as its last row says; None: never, or it is not registered."""
        seats = [row.seat for row in self.rows() if row.seat is not None and row.seat.digest == digest]
        return seats[-1].expires_ns if seats else None

    def registered(self, policy: str) -> Seat | None:
        """Return the first seat under which `NAME@VERSION` was registered; its digest counts from then on."""
        return next((row.seat for row in self.rows() if row.seat is not None and row.seat.policy == policy), None)

    def _write(self, rows: list[Row], after: Assignment) -> None:
        last = next((row for row in reversed(rows) if row.event not in NOTED), None)
        document = {
            "head": rows[-1].chain,
            "rows": len(rows),
            "assignment": to_document(after),
            "by": "" if last is None else last.by,
            "why": "" if last is None else last.why,
        }
        write_json(self.folder / ASSIGNMENT, document)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = os.open(self.folder / ".lock", os.O_CREAT | os.O_RDWR, 0o644)
        except OSError as error:
            raise EnvironmentFault(broken("registry", "be writable", str(error), str(self.folder))) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)


def _chained(head: str, row: Row) -> str:
    body = msgspec.json.encode(msgspec.structs.replace(row, chain=""), order="sorted")
    return hashlib.sha256(head.encode() + body).hexdigest()


def _folded(rows: list[Row]) -> Assignment:
    assignment = Assignment()
    for row in rows:
        match row.event:
            case "candidate" | "refused":
                continue
            case "shadow" | "canary" | "promote" | "rollback":
                assignment = change(assignment, row.event, row.seat, row.share)
    return assignment


def names(root: Path = REGISTRY) -> list[str]:
    """Names that have a history, sorted."""
    return sorted(path.parent.name for path in root.glob(f"*/{HISTORY}"))


def champion(name: str, root: Path = REGISTRY) -> Seat | None:
    """Return the champion of a name; None where there is none.

    Raises
    ------
    DataError
        The assignment cannot be read.
    """
    now = History(name, root).current()
    return None if now is None else now.assignment.champion
