"""A side of a comparison: everything that a run wrote down and another run of the same stream must write as well."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine.journal.blotter import BreakerChange, Fill, Order
from engine.journal.certificate import Hashes
from engine.journal.journal import Chain, Entry, read
from engine.journal.run import BREAKER, EQUITY, FILLS, JOURNAL, ORDERS
from strategies.assembly import Assembly


@dataclass(frozen=True)
class Side:
    """One run.

    Attributes
    ----------
    entries
        Its decisions, in order.
    fills, orders, changes
        Fills in the order of their event times; orders in that of their decisions; what the breaker did.
    equity
        A row per turn, as `engine.journal.blotter.Blotter.equity_table`.
    inference
        What computed its policy's answers; None for a rule, or where it is not known.
    """

    entries: Sequence[Entry]
    fills: Sequence[Fill] = ()
    orders: Sequence[Order] = ()
    changes: Sequence[BreakerChange] = ()
    equity: pa.Table | None = None
    inference: dict[str, Any] | None = None

    @property
    def hashes(self) -> Hashes:
        """Digests of all of it."""
        chain = Chain()
        for entry in self.entries:
            chain.follow(entry)
        tables: list[Any] = [self.fills, [named_alike(order) for order in self.orders], self.changes]
        fills, orders, changes = (_digest(msgspec.json.encode(list(map(tuple, rows)))) for rows in tables)
        return Hashes(chain.head, fills, orders, _equity_digest(self.equity), changes)


def named_alike(order: Order) -> Order:
    """Return an order without its client order id, which begins with the name of the run."""
    return order._replace(client_order_id="")


def of_assembly(assembly: Assembly, inference: dict[str, Any] | None = None) -> Side:
    """Return the side of a run that has just ended in this process."""
    blotter = assembly.blotter
    return _side(
        assembly.journal.entries,
        blotter.fills,
        list(blotter.orders.values()),
        blotter.changes,
        blotter.equity_table(),
        inference,
    )


def of_folder(folder: Path, inference: dict[str, Any] | None = None) -> Side:
    """Read the side of a run from its folder; its journal's chain is verified.

    Raises
    ------
    DataError
        The journal is missing or was altered.
    """
    breaker = folder / BREAKER
    return _side(
        read(folder / JOURNAL),
        _rows(folder / FILLS, Fill),
        _rows(folder / ORDERS, Order),
        _rows(breaker, BreakerChange) if breaker.is_file() else [],
        pq.read_table(folder / EQUITY),
        inference,
    )


def _side(
    entries: list[Entry],
    fills: list[Fill],
    orders: list[Order],
    changes: list[BreakerChange],
    equity: pa.Table,
    inference: dict[str, Any] | None,
) -> Side:
    """Fills of one time come in the order in which a venue tells of its instruments, which means nothing."""
    ordered = sorted(fills, key=lambda fill: (fill.ts_event, fill.instrument_id))
    return Side(entries, ordered, orders, changes, equity, inference)


def _rows(path: Path, kind: Any) -> list[Any]:
    return [kind(**row) for row in pq.read_table(path).to_pylist()]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _equity_digest(table: pa.Table | None) -> str:
    digest = hashlib.sha256()
    for name in () if table is None else table.column_names:
        assert table is not None
        digest.update(name.encode() + np.ascontiguousarray(table[name].to_numpy()).tobytes())
    return digest.hexdigest()
