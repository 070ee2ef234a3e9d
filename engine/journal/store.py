"""The store of a running session: one SQLite file that holds the journal's rows and the components' states, turn by turn.

A turn is one transaction: its rows and the states at its end are all there, or none of them. The file is in write-ahead mode.

- The process is killed at any instant: every turn whose `end_turn` or `commit` returned True is there; of the turn that was open, nothing.
- The machine loses power: with `sync="normal"` the last turns since SQLite's last checkpoint (about 4 MB of them) may be missing as whole
  turns, the file stays sound and the chain unbroken; with `sync="full"` nothing that was committed is missing, at the price of waiting for
  the disk at every commit.

`turns_per_commit` joins turns: a back test, which can be run again, need not commit each. `every_row` commits each row by itself, for
orders that leave before the turn ends. Beside rows and states stand notes: what became of orders, in the order in which it was heard.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from engine.contract.errors import DataError, broken
from engine.journal.journal import SCHEMA, Chain, Entry, Journal
from engine.journal.state import Component, Saved, decode, digest, encode

APPLICATION_ID = 0x48555243
FORMAT = 1
EXPORT_ROWS = 65_536
"""Rows that are in memory at a time while the journal is written as Parquet."""

_NAMES = ("number", *SCHEMA.names)
_SQL_TYPES = {"int64": "INTEGER", "double": "ANY", "string": "TEXT"}
"""A REAL column would lose the sign of -0.0, and with it the chain."""

_FLOATS = tuple(index for index, field in enumerate(SCHEMA) if str(field.type) == "double")
_INSERT = f"INSERT INTO decisions ({', '.join(_NAMES)}) VALUES ({', '.join('?' * len(_NAMES))})"
_NOTES = "CREATE TABLE IF NOT EXISTS notes (number INTEGER PRIMARY KEY, kind TEXT NOT NULL, body BLOB NOT NULL) STRICT"
_CREATE = (
    "CREATE TABLE decisions (number INTEGER PRIMARY KEY, "
    + ", ".join(f"{field.name} {_SQL_TYPES[str(field.type)]}" for field in SCHEMA)
    + ") STRICT",
    "CREATE TABLE states (component TEXT PRIMARY KEY, ts_event INTEGER NOT NULL, version INTEGER NOT NULL, "
    "body BLOB NOT NULL, digest TEXT NOT NULL) STRICT",
    _NOTES,
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {FORMAT}",
)

States = Mapping[str, dict[str, Any]]


class Store:
    """One file, one writer; others may read it while it is written.

    Parameters
    ----------
    path
        A new file, or one that a session left behind: its chain is verified, and the journal goes on where it ended.
    turns_per_commit
        Turns that are joined into one transaction.
    every_row
        Commit each row as it is appended; a turn is then no longer all or nothing.
    sync
        See the module.

    Raises
    ------
    DataError
        The file is not a store, is damaged, was made by a later version, or its chain does not follow.
    """

    def __init__(
        self,
        path: Path,
        *,
        turns_per_commit: int = 1,
        every_row: bool = False,
        sync: Literal["normal", "full"] = "normal",
    ) -> None:
        self.path = path
        self._every_row = every_row
        self._turns_per_commit = turns_per_commit
        self._turns = 0
        self._waiting: list[tuple[Any, ...]] | None = [] if turns_per_commit > 1 and not every_row else None
        with self._mapped():
            self._database = sqlite3.connect(path, isolation_level=None, timeout=5.0)
            try:
                self._open(sync)
            except BaseException:
                self._database.close()
                raise

    def _open(self, sync: str) -> None:
        database = self._database
        (application_id,) = database.execute("PRAGMA application_id").fetchone()
        (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if application_id == 0 and tables == 0:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("BEGIN IMMEDIATE")
            for statement in _CREATE:
                database.execute(statement)
            database.execute("COMMIT")
        elif application_id != APPLICATION_ID:
            raise DataError(
                broken("store", f"be of application {APPLICATION_ID:#x}", f"{application_id:#x}", str(self.path))
            )
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version != FORMAT:
            raise DataError(
                broken("store format", f"be {FORMAT}", version, str(self.path), "use the code that wrote it")
            )
        database.execute(f"PRAGMA synchronous = {sync}")
        database.execute(_NOTES)
        self._chain, self._rows = Chain(), 0
        for _ in self.entries():
            pass
        (self._notes,) = database.execute("SELECT coalesce(max(number) + 1, 0) FROM notes").fetchone()
        self._durable = self._chain.head, self._rows, self._notes

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError as error:
            raise DataError(
                broken(f"row {self._rows} of the journal", "have one writer", "written by another", str(self.path))
            ) from error
        except sqlite3.OperationalError as error:
            remedy = "stop the other session" if "locked" in str(error) else ""
            raise DataError(
                broken("store", "be writable by this session alone", error, str(self.path), remedy)
            ) from error
        except sqlite3.DatabaseError as error:
            raise DataError(broken("store", "be a sound SQLite file", error, str(self.path))) from error

    def append(self, entry: Entry) -> None:
        """Add one row to the open turn, or, with `every_row`, durably; joined turns are written together when they are committed."""
        before = self._chain.head
        row = (self._rows, *entry, self._chain.follow(entry))
        if self._waiting is not None:
            self._waiting.append(row)
            self._rows += 1
            return
        try:
            with self._mapped():
                self._begin()
                self._database.execute(_INSERT, row)
                if self._every_row:
                    self._database.execute("COMMIT")
        except DataError:
            self._chain.head = before
            raise
        self._rows += 1
        if self._every_row:
            self._durable = self._chain.head, self._rows, self._notes

    def save(self, component: str, ts_event: int, state: dict[str, Any], version: int = 1) -> None:
        """Put the state of a component into the open turn; it replaces the one before when the turn is committed."""
        body = encode(state)
        with self._mapped():
            self._begin()
            self._database.execute(
                "INSERT OR REPLACE INTO states VALUES (?, ?, ?, ?, ?)",
                (component, ts_event, version, body, digest(component, ts_event, version, body)),
            )

    def note(self, kind: str, body: bytes) -> None:
        """Put a note into the open turn, behind the notes before."""
        with self._mapped():
            self._begin()
            self._database.execute("INSERT INTO notes VALUES (?, ?, ?)", (self._notes, kind, body))
        self._notes += 1

    @property
    def noted(self) -> int:
        """Notes so far."""
        return self._notes

    def notes(self, first: int = 0) -> list[tuple[int, str, bytes]]:
        """Return number, kind and body of all notes from the number `first` on, in order."""
        with self._mapped():
            found = self._database.execute("SELECT * FROM notes WHERE number >= ? ORDER BY number", (first,))
            return [(number, kind, bytes(body)) for number, kind, body in found]

    def end_turn(self, ts_event: int, states: Callable[[], States] | None = None) -> bool:
        """End a turn, and commit when it is its time.

        Parameters
        ----------
        states
            Called only when this turn is committed; component name to state.

        Returns
        -------
        Whether everything up to here was committed.
        """
        self._turns += 1
        if self._turns % self._turns_per_commit != 0:
            return False
        for component, state in (states() if states is not None else {}).items():
            self.save(component, ts_event, state)
        self.commit()
        return True

    @property
    def open_turn(self) -> bool:
        """Whether something waits to be committed."""
        return bool(self._waiting) or self._database.in_transaction

    def commit(self) -> None:
        """Make everything up to here durable."""
        self._flush()
        if self._database.in_transaction:
            with self._mapped():
                self._database.execute("COMMIT")
        self._durable = self._chain.head, self._rows, self._notes

    def undo(self) -> None:
        """Forget the open turn: its rows, notes and states; with `every_row`, what was not committed of it."""
        if self._waiting:
            self._waiting.clear()
        if self._database.in_transaction:
            with self._mapped():
                self._database.execute("ROLLBACK")
        self._chain.head, self._rows, self._notes = self._durable

    def _flush(self) -> None:
        if self._waiting:
            with self._mapped():
                self._begin()
                self._database.executemany(_INSERT, self._waiting)
            self._waiting.clear()

    def abandon(self) -> None:
        """Close without the open turn: the file is left as a kill would leave it."""
        if self._database.in_transaction:
            self._database.execute("ROLLBACK")
        self._database.close()

    def _begin(self) -> None:
        if not self._database.in_transaction:
            self._database.execute("BEGIN IMMEDIATE")

    def load(self, component: str, version: int = 1) -> Saved | None:
        """Return the last state of a component; None where it never saved one.

        Raises
        ------
        DataError
            The state was altered, or has another version.
        """
        with self._mapped():
            row = self._database.execute(
                "SELECT ts_event, version, body, digest FROM states WHERE component = ?", (component,)
            ).fetchone()
        if row is None:
            return None
        ts_event, found, body, written = row
        if found != version:
            raise DataError(broken(f"state of {component}", f"have version {version}", found, str(self.path)))
        made = digest(component, ts_event, found, body)
        if made != written:
            raise DataError(broken(f"state of {component}", f"have digest {made[:12]}", written[:12], str(self.path)))
        return Saved(component, ts_event, found, decode(body))

    def components(self) -> list[str]:
        """Names of the components that have a state, sorted."""
        with self._mapped():
            return [name for (name,) in self._database.execute("SELECT component FROM states ORDER BY component")]

    def __len__(self) -> int:
        return self._rows

    @property
    def decisions_sha256(self) -> str:
        """Head of the chain."""
        return self._chain.head

    def entries(self) -> Iterator[Entry]:
        """Yield all entries in their order, verifying the chain on the way.

        Raises
        ------
        DataError
            A row was altered, removed or added.
        """
        chain, number = Chain(), -1
        for number, row in enumerate(self._select()):
            entry = Entry(*row[1:-1])
            if row[0] != number or chain.follow(entry) != row[-1]:
                raise DataError(
                    broken(f"journal row {number}", f"have chain {chain.head[:12]}", str(row[-1])[:12], str(self.path))
                )
            yield entry
        self._chain, self._rows = chain, number + 1

    def _select(self) -> Iterator[tuple[Any, ...]]:
        self._flush()
        with self._mapped():
            for row in self._database.execute(f"SELECT {', '.join(_NAMES)} FROM decisions ORDER BY number"):
                yield _with_nan(row) if None in row else row

    def export(self, path: Path) -> None:
        """Write the journal as Parquet, as `engine.journal.journal.read` reads it; the open turn is committed first."""
        self.commit()
        with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
            batch: list[tuple[Any, ...]] = []
            for row in self._select():
                batch.append(row[1:])
                if len(batch) == EXPORT_ROWS:
                    writer.write_table(_table(batch))
                    batch = []
            writer.write_table(_table(batch))

    def close(self) -> None:
        """Commit and close; the write-ahead file is folded into the store."""
        try:
            self.commit()
        finally:
            self._database.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()


class Held(NamedTuple):
    """What a store holds, told without verifying it: decisions, and the event time of the last one, UTC ns; -1 where there is none."""

    decisions: int
    ts_event: int


def held(path: Path) -> Held:
    """Look into a store, also into one that is being written, or that is not there yet.

    Raises
    ------
    DataError
        The file is not a store, or is damaged.
    """
    if not path.is_file():
        return Held(0, -1)
    row = None
    try:
        database = sqlite3.connect(path, timeout=5.0)
        try:
            if database.execute("SELECT 1 FROM sqlite_master WHERE name = 'decisions'").fetchone() is not None:
                row = database.execute("SELECT number, ts_event FROM decisions ORDER BY number DESC LIMIT 1").fetchone()
        finally:
            database.close()
    except sqlite3.DatabaseError as error:
        raise DataError(broken("store", "be a sound SQLite file", error, str(path))) from error
    return Held(0, -1) if row is None else Held(row[0] + 1, row[1])


class StoredJournal(Journal):
    """A journal whose rows are in a store, not in memory."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.store = store

    def append(self, entry: Entry) -> None:
        """Add one entry to the store's open turn."""
        self.latest[entry.instrument_id] = entry
        self.store.append(entry)

    def end_turn(self, ts_event: int, components: Mapping[str, Component]) -> None:
        """End the turn in the store, with the states of the components where it is committed."""
        self.store.end_turn(ts_event, lambda: {name: part.state() for name, part in components.items()})

    def undo_turn(self) -> None:
        """Forget what the store has of the open turn."""
        self.store.undo()

    def end(self) -> None:
        """Make every turn durable."""
        self.store.commit()

    def __iter__(self) -> Iterator[Entry]:
        return self.store.entries()

    def __len__(self) -> int:
        return len(self.store)

    @property
    def decisions_sha256(self) -> str:
        """Head of the chain."""
        return self.store.decisions_sha256

    @property
    def entries(self) -> list[Entry]:
        """All entries, in the order of their decisions, read from the store."""
        return list(self.store.entries())

    def write(self, path: Path) -> None:
        """Write the entries with their chain as Parquet."""
        self.store.export(path)


def _with_nan(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """SQLite keeps NaN as NULL; no other column is ever NULL."""
    return tuple(float("nan") if value is None and index - 1 in _FLOATS else value for index, value in enumerate(row))


def _table(rows: list[tuple[Any, ...]]) -> pa.Table:
    columns: list[Any] = list(zip(*rows)) or [[] for _ in SCHEMA]
    return pa.Table.from_arrays(
        [pa.array(column, type=field.type) for column, field in zip(columns, SCHEMA)], schema=SCHEMA
    )
