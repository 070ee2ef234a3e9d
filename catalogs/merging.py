"""Merging rows into one series: in order, each once, with a rule for two rows that say different things of one time."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from catalogs.columns import Ints, Rows, concatenated, decode, names
from engine.contract.calendar import iso
from engine.contract.errors import DataError, broken

Conflict = Literal["refuse", "keep", "replace"]


@dataclass(frozen=True)
class Settled:
    """Rows in order, each once; how many stood out of order, repeated another, or gave other values for a time."""

    rows: Rows
    out_of_order: int
    duplicates: int
    conflicts: int


def settle(rows: Rows, on_conflict: Conflict, where: str, held: Rows | None = None) -> Settled:
    """Sort rows and keep one of each identity, together with those already `held`.

    Identity is the time of a bar or funding rate; time and place among the quotes of that time; the id of a trade.

    Parameters
    ----------
    on_conflict
        Among rows of one identity and different values: `refuse` raises, `keep` takes the first (the held one), `replace` the last.

    Raises
    ------
    DataError
        Two rows of one identity differ, and `on_conflict` is refuse.
    """
    out_of_order = int((rows.ts < np.maximum.accumulate(rows.ts)).sum())
    parts = [part for part in (held, rows) if part is not None]
    everything = concatenated(parts)
    groups = np.concatenate([identity(part) for part in parts])
    order = (
        np.lexsort((np.arange(len(everything)), groups, everything.ts))
        if rows.kind == "quotes"
        else grouped(everything)
    )
    everything = everything.take(order)
    same = same_identity(everything, groups[order])
    if not same.any():
        return Settled(in_time_order(everything), out_of_order, 0, 0)
    differs = same & ~(everything.equal_to_previous() & np.append(False, everything.ts[1:] == everything.ts[:-1]))
    if differs.any() and on_conflict == "refuse":
        raise DataError(conflict(everything, int(np.argmax(differs)), where))
    chosen = ~same if on_conflict != "replace" else ~np.append(same[1:], False)
    return Settled(
        in_time_order(everything.take(chosen)), out_of_order, int((same & ~differs).sum()), int(differs.sum())
    )


def identity(rows: Rows) -> Ints:
    """Place of a quote among those of its time, in the order given; 0 for other kinds."""
    if rows.kind != "quotes":
        return np.zeros(len(rows), dtype=np.int64)
    order = np.argsort(rows.ts, kind="stable")
    sorted_ts = rows.ts[order]
    places = np.empty(len(rows), dtype=np.int64)
    places[order] = np.arange(len(rows)) - np.searchsorted(sorted_ts, sorted_ts)
    return places


def grouped(rows: Rows) -> npt.NDArray[np.intp]:
    """Order that puts rows of one identity next to each other, earlier rows first."""
    key = rows.columns["trade_id"] if rows.kind == "trades" else rows.ts
    return np.argsort(key, kind="stable")


def same_identity(rows: Rows, places: Ints) -> npt.NDArray[np.bool_]:
    """Whether each row has the identity of the row before it."""
    same = np.zeros(len(rows), dtype=bool)
    if rows.kind == "trades":
        ids = rows.columns["trade_id"]
        same[1:] = ids[1:] == ids[:-1]
    else:
        same[1:] = (rows.ts[1:] == rows.ts[:-1]) & (places[1:] == places[:-1])
    return same


def in_time_order(rows: Rows) -> Rows:
    """Rows by time; trades of one time by id, shorter ids first, so that numbers count up."""
    if rows.kind != "trades":
        return rows
    ids = rows.columns["trade_id"]
    return rows.take(np.lexsort((ids, np.char.str_len(ids), rows.ts)))


def conflict(rows: Rows, row: int, where: str) -> str:
    """Message that names both values of the first column in which a row differs from the one before it."""
    now, before = rows.take(np.array([row])), rows.take(np.array([row - 1]))
    thing = f"trade {now.columns['trade_id'][0].decode()}" if rows.kind == "trades" else f"{rows.kind} row"
    remedy = "choose with --on-conflict keep or replace"
    for name in names(rows.kind):
        a, b = shown(before.columns[name]), shown(now.columns[name])
        if a != b:
            return broken(thing, f"have one value of {name} at {iso(int(now.ts[0]))}", f"{a} and {b}", where, remedy)
    return broken(thing, "have one time", f"{iso(int(before.ts[0]))} and {iso(int(now.ts[0]))}", where, remedy)


def shown(column: npt.NDArray[Any]) -> object:
    """One value of a column, for a message."""
    return float(decode(column)[0]) if column.ndim == 2 else column[0]
