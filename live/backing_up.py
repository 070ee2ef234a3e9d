"""Backups of runs: the store by SQLite's online backup, everything else by copy, all of it verified by reading it again.

A backup of a session that goes on is what a kill at that instant would have left: first the store, then the tape, which must not be
shorter than what the store decided on. It is a folder of its own, `DEST/RUN/TIME`, and appears there only when it is whole.
"""

import hashlib
import os
import shutil
import sqlite3
import time
from pathlib import Path

import msgspec

from engine.contract.calendar import iso
from engine.contract.errors import CheckFailed, DataError, UsageError, broken
from engine.journal.journal import read
from engine.journal.run import JOURNAL, MANIFEST, STORE, UNFINISHED, read_json, run_id_of, write_json
from engine.journal.store import Store
from live.control import CONTROL
from live.monitoring.status import STATUS

LABEL = "backup.json"
LEFT_OUT = (STATUS, CONTROL, f"{STORE}-wal", f"{STORE}-shm")
"""What belongs to a process, not to its run."""


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup says of itself.

    Attributes
    ----------
    ts_ns
        When it was made, wall clock, UTC ns.
    unfinished
        Whether the run went on, or had been cut short.
    decisions, decisions_sha256
        Rows of the journal and head of its chain, as they were read from the copy.
    files
        Name to SHA-256.
    """

    run_id: str
    ts_ns: int
    unfinished: bool
    decisions: int
    decisions_sha256: str
    files: dict[str, str]


def back_up(folder: Path, destination: Path, now_ns: int | None = None) -> tuple[Path, Backup]:
    """Copy a run and read the copy.

    Parameters
    ----------
    folder
        Of a run, finished or not; a session may be writing it.
    destination
        Where backups are kept.
    now_ns
        Wall clock, UTC ns; None: as it is.

    Returns
    -------
    The backup's folder, and its label.

    Raises
    ------
    CheckFailed
        The copy does not hold an unbroken chain.
    """
    now_ns = time.time_ns() if now_ns is None else now_ns
    run_id, unfinished = run_id_of(folder), folder.name.endswith(UNFINISHED)
    whole = destination / run_id / iso(now_ns).replace(":", "")
    staged = whole.with_name(f".{whole.name}.partial")
    staged.mkdir(parents=True)
    try:
        if (folder / STORE).is_file():
            _copy_store(folder / STORE, staged / STORE)
        for path in sorted(folder.iterdir()):
            if path.is_file() and path.name not in (*LEFT_OUT, STORE) and not path.name.endswith(".new"):
                shutil.copy2(path, staged / path.name)
        decisions, head = _verified(staged)
        files = {path.name: _digest(path) for path in sorted(staged.iterdir())}
        label = Backup(
            run_id=run_id,
            ts_ns=now_ns,
            unfinished=unfinished,
            decisions=decisions,
            decisions_sha256=head,
            files=files,
        )
        write_json(staged / LABEL, msgspec.to_builtins(label))
        os.replace(staged, whole)
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        raise
    return whole, label


def restore(backup: Path, runs: Path) -> Path:
    """Put a backup back as a run; an unfinished one can then be gone on with by `--resume`.

    Raises
    ------
    UsageError
        It is no backup, or there is a run of this id.
    CheckFailed
        A file was altered, or the chain is broken.
    """
    if not (backup / LABEL).is_file():
        raise UsageError(broken("backup", f"be a folder with {LABEL}", backup))
    label = msgspec.convert(read_json(backup / LABEL), Backup)
    there = [path for path in (runs / label.run_id, runs / f".{label.run_id}{UNFINISHED}") if path.exists()]
    if there:
        raise UsageError(broken(f"run {label.run_id}", "be absent", there[0], str(runs), "move it away first"))
    runs.mkdir(parents=True, exist_ok=True)
    staged = runs / f".{label.run_id}.restored"
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir()
    try:
        _put_back(backup, label, staged)
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        raise
    final = runs / (f".{label.run_id}{UNFINISHED}" if label.unfinished else label.run_id)
    os.replace(staged, final)
    return final


def _put_back(backup: Path, label: Backup, staged: Path) -> None:
    for name, digest in label.files.items():
        if not (backup / name).is_file():
            raise CheckFailed(broken(f"{name} of the backup", "be there", "missing", str(backup)))
        shutil.copy2(backup / name, staged / name)
        found = _digest(staged / name)
        if found != digest:
            raise CheckFailed(broken(f"{name} of the backup", f"have digest {digest[:12]}", found[:12], str(backup)))
    if _verified(staged) != (label.decisions, label.decisions_sha256):
        raise CheckFailed(broken("journal of the backup", f"have {label.decisions} decisions", "others", str(backup)))


def prune(destination: Path, run_id: str, keep: int) -> list[Path]:
    """Remove the oldest backups of a run beyond so many; return those that went."""
    found = sorted(path for path in (destination / run_id).glob("*") if (path / LABEL).is_file())
    gone = found[: max(0, len(found) - keep)]
    for path in gone:
        shutil.rmtree(path)
    return gone


def _copy_store(source: Path, target: Path) -> None:
    try:
        reading = sqlite3.connect(source, timeout=10.0)
        writing = sqlite3.connect(target)
        try:
            reading.backup(writing)
        finally:
            writing.close()
            reading.close()
    except sqlite3.DatabaseError as error:
        raise DataError(broken("store", "be a sound SQLite file", error, str(source))) from error


def _verified(folder: Path) -> tuple[int, str]:
    """Read every row and follow the chain."""
    try:
        if not (folder / MANIFEST).is_file():
            raise DataError(broken("run", f"hold {MANIFEST}", "without one", str(folder)))
        if (folder / STORE).is_file():
            with Store(folder / STORE) as store:
                found = len(store), store.decisions_sha256
            for left in (f"{STORE}-wal", f"{STORE}-shm"):
                (folder / left).unlink(missing_ok=True)
            return found
        if (folder / JOURNAL).is_file():
            return len(read(folder / JOURNAL)), str(read_json(folder / MANIFEST)["decisions_sha256"])
    except DataError as error:
        raise CheckFailed(broken("backup", "hold an unbroken journal", str(error), str(folder))) from error
    return 0, ""


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
