"""What became of decisions: orders, fills, the breaker's changes, and the equity at every turn, as tables."""

from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from engine.risk.breaker_values import Change


class Fill(NamedTuple):
    """One fill.

    Attributes
    ----------
    order_key
        Names the decision it belongs to.
    ts_event
        Event time, UTC ns.
    side
        +1 bought, -1 sold.
    quantity, price, fee
        Base units; quote; account currency, positive is paid.
    reference_price
        Mid price that the fill assumption names, quote.
    source
        Where the price came from: the fill assumption in a back test and in paper, `venue` live.
    """

    order_key: str
    ts_event: int
    instrument_id: str
    side: int
    quantity: float
    price: float
    fee: float
    reference_price: float
    source: str


class Order(NamedTuple):
    """One order as it stood at the end.

    Attributes
    ----------
    ts_decided, ts_submitted
        Event times, UTC ns; -1 where it was never submitted.
    quantity
        Signed, base units.
    decision_price
        Close that it was sized on, quote.
    status
        `held`, `submitted`, `filled`, `superseded`, `cancelled`, or `denied: …` / `rejected: …` / `refused: …`.
    """

    order_key: str
    client_order_id: str
    ts_decided: int
    ts_submitted: int
    instrument_id: str
    quantity: float
    decision_price: float
    status: str


class BreakerChange(NamedTuple):
    """A trip of the breaker that came or went, as a row.

    Attributes
    ----------
    kind
        `tripped`, `released` or `reset`.
    tripped_ns
        Event time of the trip, UTC ns; `ts_event` is that of the change.
    by, reason
        Of a stop or a reset by a person; "" otherwise.
    """

    ts_event: int
    kind: str
    control: str
    limit: float
    value: float
    scope: str
    action: str
    tripped_ns: int
    by: str
    reason: str


class Blotter:
    """Collects orders, fills, changes of the breaker, and equity rows.

    Parameters
    ----------
    instruments
        Instrument ids, in configuration order.

    Attributes
    ----------
    keep
        Called with the kind and the fields of everything that is added, by whoever keeps it beyond the process; None keeps nothing.
    """

    def __init__(self, instruments: list[str]) -> None:
        self.instruments = instruments
        self.keep: Callable[[str, Sequence[Any]], None] | None = None
        self.orders: dict[str, Order] = {}
        self.fills: list[Fill] = []
        self.changes: list[BreakerChange] = []
        self._times = array("q")
        self._rows = array("d")

    def order(self, order: Order) -> None:
        """Add an order, or replace the one with the same key."""
        self.orders[order.order_key] = order
        if self.keep is not None:
            self.keep("order", order)

    def fill(self, fill: Fill) -> None:
        """Add a fill."""
        self.fills.append(fill)
        if self.keep is not None:
            self.keep("fill", fill)

    def again(self, kind: str, fields: Sequence[Any]) -> None:
        """Add once more what was kept, in the order in which it was; it is not kept again."""
        match kind:
            case "order":
                self.orders[fields[0]] = Order(*fields)
            case "fill":
                self.fills.append(Fill(*fields))
            case "change":
                self.changes.append(BreakerChange(*fields))
            case "equity":
                self._times.append(fields[0])
                self._rows.extend(fields[1:])

    def change(self, change: Change) -> None:
        """Add a trip, a release or a reset."""
        trip = change.trip
        self.changes.append(
            BreakerChange(
                change.ts_event,
                change.kind,
                trip.control,
                trip.limit,
                trip.value,
                trip.scope,
                trip.action,
                trip.ts_event,
                change.by,
                change.reason,
            )
        )
        if self.keep is not None:
            self.keep("change", self.changes[-1])

    def equity(
        self,
        ts_event: int,
        equity: float,
        balance: float,
        gross_frac: float,
        quantity: NDArray[np.float64],
        exposure: NDArray[np.float64],
        target: NDArray[np.float64],
        close: NDArray[np.float64],
    ) -> None:
        """Add one turn.

        Parameters
        ----------
        equity, balance
            With and without unrealised profit, account currency.
        gross_frac
            Sum of absolute positions over equity, before the turn's orders.
        quantity, exposure, target, close : float64 (instruments,)
            Base units; fraction of the budget held, and wanted; last close in quote.
        """
        self._times.append(ts_event)
        self._rows.extend((equity, balance, gross_frac))
        for values in (quantity, exposure, target, close):
            self._rows.frombytes(values.tobytes())
        if self.keep is not None:
            width = 3 + 4 * len(self.instruments)
            self.keep("equity", [ts_event, *self._rows[-width:]])

    def turns_from(self, number: int) -> list[tuple[int, list[float]]]:
        """Return the equity rows from the given one on: event time, and the values in the order of `equity_table`."""
        width = 3 + 4 * len(self.instruments)
        return [
            (self._times[index], self._rows[index * width : (index + 1) * width].tolist())
            for index in range(number, len(self._times))
        ]

    def orders_table(self) -> pa.Table:
        """Orders in the order in which they were decided."""
        return _table(Order, list(self.orders.values()))

    def fills_table(self) -> pa.Table:
        """Fills in the order in which they came."""
        return _table(Fill, self.fills)

    def changes_table(self) -> pa.Table:
        """Changes of the breaker in the order in which they came."""
        return _table(BreakerChange, self.changes)

    def equity_table(self) -> pa.Table:
        """One row per turn: `ts_event, equity, balance, gross_frac`, then `quantity:`, `exposure:`, `target:`,
        `close:` per instrument."""
        of_instruments = [
            f"{name}:{one}" for name in ("quantity", "exposure", "target", "close") for one in self.instruments
        ]
        names = ["equity", "balance", "gross_frac", *of_instruments]
        rows = np.frombuffer(self._rows.tobytes(), dtype=np.float64).reshape(len(self._times), len(names))
        columns: dict[str, Any] = {"ts_event": np.frombuffer(self._times.tobytes(), dtype=np.int64)}
        return pa.table(columns | {name: np.ascontiguousarray(rows[:, index]) for index, name in enumerate(names)})

    def write(self, folder: Path) -> None:
        """Write `orders.parquet`, `fills.parquet` and `equity.parquet`, and `breaker.parquet` where the breaker changed anything."""
        for name, table in (
            ("orders", self.orders_table()),
            ("fills", self.fills_table()),
            ("equity", self.equity_table()),
        ):
            pq.write_table(table, folder / f"{name}.parquet", compression="zstd")
        if self.changes:
            pq.write_table(self.changes_table(), folder / "breaker.parquet", compression="zstd")


_ARROW = {int: pa.int64(), float: pa.float64(), str: pa.string()}


def _table(kind: Any, rows: list[Any]) -> pa.Table:
    types = [_ARROW[annotation] for annotation in kind.__annotations__.values()]
    columns: list[Any] = list(zip(*rows)) or [[] for _ in types]
    arrays = [pa.array(column, type=arrow) for column, arrow in zip(columns, types)]
    return pa.Table.from_arrays(arrays, names=list(kind._fields))
