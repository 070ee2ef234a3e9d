"""Two sides held to each other row by row; the first difference is named by its row, its field, and both values."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from engine.contract.calendar import iso
from engine.journal.journal import Entry
from live.parity.sides import Side, named_alike

KINDS = {
    "turn": ("ts_event", "instrument_id", "seq", "missing"),
    "policy": ("policy", "version"),
    "context": ("context",),
    "observation": ("observation_sha",),
    "action": ("raw_action", "action", "confidence", "target_exposure"),
    "budget": ("budget", "headroom"),
    "gate": ("gate",),
    "order": ("order_key",),
}
"""Columns of a decision in the order of cause: what differs first made the rest differ."""

KIND_OF = {field: kind for kind, fields in KINDS.items() for field in fields}
NESTED = ("context", "headroom")
"""Columns that are JSON; the differing key in them is named."""

ORDERED = ("inference", "decisions", "breaker", "orders", "account", "fills")
"""Tables in the order in which one event time reaches them."""


@dataclass(frozen=True)
class Comparison:
    """What a comparison found.

    Attributes
    ----------
    figures
        Rows compared, by table.
    differences
        Differing rows, by table; those without one are left out.
    first
        The difference with the earliest event time; None where there is none.
    """

    figures: dict[str, int]
    differences: dict[str, int]
    first: dict[str, Any] | None

    @property
    def passed(self) -> bool:
        """Whether nothing differs."""
        return not self.differences


def compare(left: Side, right: Side) -> Comparison:
    """Compare everything that two runs wrote down.

    A missing decision is told as such: those behind it are held to their own counterparts, not to its.
    """
    found: dict[str, Iterator[tuple[int, dict[str, Any]]]] = {
        "inference": _inference(left, right),
        "decisions": _decisions(left.entries, right.entries),
        "breaker": _rows(left.changes, right.changes, "breaker"),
        "orders": _rows([*map(named_alike, left.orders)], [*map(named_alike, right.orders)], "order"),
        "account": _account(left, right),
        "fills": _rows(left.fills, right.fills, "fill"),
    }
    lengths = {
        "decisions": (left.entries, right.entries),
        "fills": (left.fills, right.fills),
        "orders": (left.orders, right.orders),
        "breaker": (left.changes, right.changes),
    }
    figures = {name: max(map(len, both)) for name, both in lengths.items()}
    figures["account"] = max(0 if side.equity is None else side.equity.num_rows for side in (left, right))
    differences, first, at = dict[str, int](), None, (2**63, 0)
    for rank, name in enumerate(ORDERED):
        for ts_event, difference in found[name]:
            differences[name] = differences.get(name, 0) + 1
            if (ts_event, rank) < at:
                first, at = difference, (ts_event, rank)
    return Comparison(figures, differences, first)


def _told(row: int, ts: int, instrument: str, kind: str, field: str, was: Any, became: Any) -> dict[str, Any]:
    where = {"row": row, "ts_event": iso(ts), "instrument_id": instrument}
    return {**where, "kind": kind, "field": field, "was": was, "became": became}


def _inference(left: Side, right: Side) -> Iterator[tuple[int, dict[str, Any]]]:
    was, became = left.inference or {}, right.inference or {}
    for field in sorted(was.keys() & became.keys()):
        if was[field] != became[field]:
            first = next(iter(left.entries), None)
            ts, name = (first.ts_event, first.instrument_id) if first is not None else (0, "")
            yield -1, _told(0, ts, name, "inference", field, was[field], became[field])


def _decisions(left: Sequence[Entry], right: Sequence[Entry]) -> Iterator[tuple[int, dict[str, Any]]]:
    keys = [[(entry.ts_event, entry.instrument_id) for entry in side] for side in (left, right)]
    if keys[0] == keys[1]:
        for row, (one, other) in enumerate(zip(left, right)):
            if one != other:
                yield one.ts_event, _decision(row, one, other)
        return
    held = dict(zip(keys[1], right))
    known = set(keys[0])
    for row, (key, entry) in enumerate(zip(keys[0], left)):
        if key not in held:
            yield entry.ts_event, _told(row, *key, "turn", "decision", "present", "absent")
        elif entry != held[key]:
            yield entry.ts_event, _decision(row, entry, held[key])
    for row, (key, entry) in enumerate(zip(keys[1], right)):
        if key not in known:
            yield entry.ts_event, _told(row, *key, "turn", "decision", "absent", "present")
    was, became = ([key for key in side if key in held and key in known] for side in keys)
    for row, ((ts, name), there) in enumerate(zip(was, became)):
        if (ts, name) != there:
            yield ts, _told(row, ts, name, "turn", "place in the turn", name, there[1])


def _decision(row: int, one: Entry, other: Entry) -> dict[str, Any]:
    field = next(name for name in KIND_OF if getattr(one, name) != getattr(other, name))
    was, became, path = getattr(one, field), getattr(other, field), field
    if field in NESTED:
        path, was, became = _inside(field, msgspec.json.decode(was), msgspec.json.decode(became))
    return _told(row, one.ts_event, one.instrument_id, KIND_OF[field], path, was, became)


def _inside(path: str, was: Any, became: Any) -> tuple[str, Any, Any]:
    """Follow two documents to the first key in which they differ."""
    if isinstance(was, dict) and isinstance(became, dict):
        for key in [*was, *(key for key in became if key not in was)]:
            if key not in was or key not in became:
                return f"{path}.{key}", was.get(key, "absent"), became.get(key, "absent")
            if was[key] != became[key]:
                return _inside(f"{path}.{key}", was[key], became[key])
    return path, was, became


def _rows(left: Sequence[Any], right: Sequence[Any], kind: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for row in range(max(len(left), len(right))):
        one, other = (side[row] if row < len(side) else None for side in (left, right))
        if one == other:
            continue
        known = one if one is not None else other
        assert known is not None
        ts = known.ts_decided if kind == "order" else known.ts_event
        where = known.scope if kind == "breaker" else known.instrument_id
        if one is None or other is None:
            there = ["absent" if side is None else "present" for side in (one, other)]
            yield ts, _told(row, ts, where, kind, kind, *there)
            continue
        field = next(name for name in one._fields if getattr(one, name) != getattr(other, name))
        yield ts, _told(row, ts, where, kind, field, getattr(one, field), getattr(other, field))


def _account(left: Side, right: Side) -> Iterator[tuple[int, dict[str, Any]]]:
    if left.equity is None or right.equity is None:
        return
    names = left.equity.column_names
    values = [{name: table[name].to_numpy() for name in names} for table in (left.equity, right.equity)]
    shared = min(left.equity.num_rows, right.equity.num_rows)
    for row in range(shared, max(left.equity.num_rows, right.equity.num_rows)):
        side = 0 if row < left.equity.num_rows else 1
        ts = int(values[side]["ts_event"][row])
        there = ["present", "absent"] if side == 0 else ["absent", "present"]
        yield ts, _told(row, ts, "", "account", "turn", *there)
    differs = {}
    for name in names:
        one, other = values[0][name][:shared], values[1][name][:shared]
        differs[name] = (one != other) & ~((one != one) & (other != other))
    for row in np.flatnonzero(np.any(list(differs.values()), axis=0)).tolist() if differs else []:
        field = next(name for name in names if differs[name][row])
        ts = int(values[0]["ts_event"][row])
        instrument = field.partition(":")[2]
        yield ts, _told(row, ts, instrument, "account", field, *(float(side[field][row]) for side in values))
