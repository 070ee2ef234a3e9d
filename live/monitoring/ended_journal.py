"""What a status needs of a journal that nobody writes any more: numbers of its rows, and the last row of each instrument."""

import sqlite3
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.contract.errors import DataError, broken
from engine.journal.journal import Entry
from engine.journal.run import JOURNAL, STORE

REFUSED = "refused"


class EndedJournal(NamedTuple):
    """Counts of a journal.

    Attributes
    ----------
    decisions, turns, refused
        Rows, distinct turns, and rows that the gate refused.
    missing_bars
        Bars that a turn went without.
    last
        The last entry of each instrument, in the order in which they were made.
    """

    decisions: int = 0
    turns: int = 0
    refused: int = 0
    missing_bars: int = 0
    last: tuple[Entry, ...] = ()


def read_ended(folder: Path) -> EndedJournal:
    """Read the journal of a finished run, or the store of one that was cut short, without its chain; empty where there is neither.

    Only the columns that are counted are read whole; a run of a year of minutes takes a blink.

    Raises
    ------
    DataError
        The store is no sound file.
    """
    if (folder / JOURNAL).is_file():
        return _of_table(folder / JOURNAL)
    if (folder / STORE).is_file():
        return _of_store(folder / STORE)
    return EndedJournal()


def _of_table(path: Path) -> EndedJournal:
    table = pq.read_table(path, columns=["seq", "instrument_id", "gate", "missing"])
    refused = pc.sum(pc.starts_with(table["gate"], REFUSED)).as_py() or 0
    lacking = table.filter(pc.not_equal(table["missing"], ""))
    lacked = dict(zip(lacking["seq"].to_pylist(), lacking["missing"].to_pylist()))
    names = set(pc.unique(table["instrument_id"]).to_pylist())
    return EndedJournal(
        table.num_rows,
        pc.count_distinct(table["seq"]).as_py() or 0,
        refused,
        _bars(lacked.values()),
        _last(pq.ParquetFile(path), names),
    )


def _last(file: pq.ParquetFile, names: set[str]) -> tuple[Entry, ...]:
    found: dict[str, Entry] = {}
    for group in reversed(range(file.metadata.num_row_groups)):
        table: pa.Table = file.read_row_group(group, columns=["instrument_id"])
        where = {name: row for row, name in enumerate(table["instrument_id"].to_pylist()) if name not in found}
        if where:
            rows = sorted(where.values())
            taken = file.read_row_group(group, columns=list(Entry._fields)).take(rows)
            found |= {row["instrument_id"]: Entry(**row) for row in taken.to_pylist()}
        if set(found) >= names:
            break
    return tuple(sorted(found.values(), key=lambda entry: entry.seq))


def _of_store(path: Path) -> EndedJournal:
    columns = ", ".join(Entry._fields)
    try:
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5.0)
        try:
            ask: Any = database.execute
            decisions, turns, refused = ask(
                f"SELECT count(*), count(DISTINCT seq), coalesce(sum(gate LIKE '{REFUSED}%'), 0) FROM decisions"
            ).fetchone()
            lacked = dict(ask("SELECT seq, missing FROM decisions WHERE missing <> ''").fetchall())
            last = "SELECT max(number) FROM decisions GROUP BY instrument_id"
            rows = ask(f"SELECT {columns} FROM decisions WHERE number IN ({last}) ORDER BY number").fetchall()
        finally:
            database.close()
    except sqlite3.DatabaseError as error:
        if "no such table" in str(error):
            return EndedJournal()
        raise DataError(broken("store", "be a sound SQLite file", error, str(path))) from error
    return EndedJournal(decisions, turns, refused, _bars(lacked.values()), tuple(map(_entry, rows)))


def _entry(row: tuple[Any, ...]) -> Entry:
    """SQLite keeps NaN as NULL."""
    values: list[Any] = [float("nan") if value is None else value for value in row]
    return Entry(*values)


def _bars(lacked: Any) -> int:
    return sum(len(names.split(",")) for names in lacked)
