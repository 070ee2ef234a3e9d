"""Columns of market data as the catalog keeps them: exact decimals that can be compared, hashed and turned into floats."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from engine.contract.calendar import bar_ns
from engine.contract.errors import DataError, broken

Kind = Literal["bars", "trades", "quotes", "funding"]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Raw = npt.NDArray[np.uint64]

SCALE = 16
SIZE_DECIMALS = 8
RATE_DECIMALS = 12
PRICES: dict[Kind, tuple[str, ...]] = {
    "bars": ("open", "high", "low", "close"),
    "trades": ("price",),
    "quotes": ("bid_price", "ask_price"),
    "funding": (),
}
SIZES: dict[Kind, tuple[str, ...]] = {
    "bars": ("volume",),
    "trades": ("size",),
    "quotes": ("bid_size", "ask_size"),
    "funding": (),
}
OTHERS: dict[Kind, tuple[str, ...]] = {"bars": (), "trades": ("side", "trade_id"), "quotes": (), "funding": ("rate",)}
SIDES = ("NO_AGGRESSOR", "BUY", "SELL")


@dataclass(frozen=True)
class Rows:
    """Rows of one dataset, exactly as stored.

    Attributes
    ----------
    kind, bar
        What the rows are; `bar` is None unless they are bars.
    ts : int64 of shape (T,)
        UTC nanoseconds: open time of a bar, time of an event.
    columns
        Prices, sizes and rates as uint64 of shape (T, 2), the low and high words of a 128-bit integer of 1e-16 units; `side` as
        int8 index into `SIDES`; `trade_id` as bytes.
    """

    kind: Kind
    bar: str | None
    ts: Ints
    columns: dict[str, npt.NDArray[Any]] = field(repr=False)

    def __len__(self) -> int:
        return len(self.ts)

    def take(self, where: npt.NDArray[Any]) -> "Rows":
        """Rows at an index array or mask."""
        return Rows(self.kind, self.bar, self.ts[where], {name: column[where] for name, column in self.columns.items()})

    def digest(self) -> str:
        """SHA-256 over time and value columns, independent of file layout, precision and compression."""
        state = hashlib.sha256(f"{self.kind} {self.bar or '-'} {len(self)}\n".encode())
        state.update(np.ascontiguousarray(self.ts, dtype="<i8"))
        for name in names(self.kind):
            column = self.columns[name]
            if name == "trade_id":
                state.update(b"\n".join(column.tolist()))
            else:
                state.update(np.ascontiguousarray(column, dtype=column.dtype.newbyteorder("<")))
        return state.hexdigest()

    def equal_to_previous(self) -> npt.NDArray[np.bool_]:
        """Whether each row has the values of the row before it (times not compared); shape (T,), first False."""
        same = np.ones(len(self), dtype=bool)
        same[:1] = False
        for column in self.columns.values():
            step = column[1:] == column[:-1]
            same[1:] &= step.all(axis=1) if step.ndim == 2 else step
        return same


def names(kind: Kind) -> tuple[str, ...]:
    """Value columns of a kind, in storage order."""
    return PRICES[kind] + SIZES[kind] + OTHERS[kind]


def concatenated(parts: Sequence[Rows]) -> Rows:
    """Rows of one kind after each other, in the order given."""
    first = parts[0]
    columns = {name: np.concatenate([part.columns[name] for part in parts]) for name in names(first.kind)}
    return Rows(first.kind, first.bar, np.concatenate([part.ts for part in parts]), columns)


def encode(values: Floats, decimals: int) -> Raw:
    """Round to `decimals` places and return 128-bit integers of 1e-16 units, shape (T, 2): low word, high word.

    The whole part is kept exactly; the fraction times `10**decimals` is rounded half to even.
    """
    size = np.abs(values) if decimals else np.rint(np.abs(values))
    whole = np.floor(size)
    fraction = np.rint((size - whole) * 10.0**decimals).astype(np.uint64) * np.uint64(10 ** (SCALE - decimals))
    a = whole.astype(np.uint64)
    b = 10**SCALE
    half, mask = np.uint64(32), np.uint64(0xFFFFFFFF)
    a_low, a_high, b_low, b_high = a & mask, a >> half, np.uint64(b & 0xFFFFFFFF), np.uint64(b >> 32)
    middle = a_high * b_low + a_low * b_high
    product = a_low * b_low
    low = product + (middle << half)
    high = a_high * b_high + (middle >> half) + (low < product).astype(np.uint64)
    total = low + fraction
    high = high + (total < low).astype(np.uint64)
    negative = values < 0
    high = np.where(negative, ~high + (total == 0).astype(np.uint64), high)
    total = np.where(negative, ~total + np.uint64(1), total)
    return np.stack([total, high], axis=1)


def decode(raw: Raw) -> Floats:
    """Nearest float64 of the 128-bit integer, divided by 1e16: the same two roundings as NautilusTrader's `float(price)`."""
    low, high = raw[:, 0], raw[:, 1]
    negative = high >> np.uint64(63) == 1
    if negative.any():
        high = np.where(negative, ~high + (low == 0).astype(np.uint64), high)
        low = np.where(negative, ~low + np.uint64(1), low)
    shift = np.frexp(high.astype(np.float64))[1].astype(np.uint64)
    back = (np.uint64(64) - shift) & np.uint64(63)
    lost = low & ((np.uint64(1) << shift) - np.uint64(1))
    top = np.where(shift == 0, low, (high << back) | (low >> shift) | (lost != 0).astype(np.uint64))
    values = np.ldexp(top.astype(np.float64), shift.astype(np.int32)) / 10.0**SCALE
    return np.where(negative, -values, values)


def undoubled(values: Floats, most: int = 8) -> Floats:
    """Undo the second rounding of `decode`: the nearest float64 of the decimal, of the fewest places up to `most`, that decodes to a value.

    A volume of 32570455 decodes to 32570455.000000004; told to somebody who rounds it again, it would become another one. A value for which
    no decimal is found comes back as it is.
    """
    found, left = values.copy(), np.ones(len(values), dtype=bool)
    for decimals in range(most + 1):
        units = np.rint(values * 10.0**decimals)
        hit = left & (units * 10.0 ** (SCALE - decimals) / 10.0**SCALE == values)
        found[hit], left = units[hit] / 10.0**decimals, left & ~hit
        if not left.any():
            break
    return found


def decimals_needed(values: Floats, most: int = 8) -> tuple[int, int]:
    """Smallest number of decimals that reproduces every value, up to `most`, then how many values still need more."""
    left = values
    for decimals in range(most + 1):
        power = 10.0**decimals
        left = left[np.rint(left * power) / power != left]
        if not len(left):
            return decimals, 0
    return most, len(left)


def words(column: Any) -> Raw:
    """Low and high words of an Arrow decimal128(38, 16) column, shape (T, 2)."""
    if column.type != pa.decimal128(38, SCALE):
        raise pa.ArrowInvalid(f"a column is {column.type}, not decimal128(38, {SCALE})")
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    flat = np.frombuffer(column.buffers()[1], dtype="<u8", count=2 * len(column), offset=16 * column.offset)
    return flat.reshape(-1, 2).astype(np.uint64)


def nanoseconds(column: Any) -> Ints:
    """Integers of an Arrow timestamp column in nanoseconds, shape (T,), read from its buffer: Arrow's own way loads pandas."""
    if column.type != pa.timestamp("ns", tz="UTC"):
        raise pa.ArrowInvalid(f"a time column is {column.type}, not timestamp[ns, tz=UTC]")
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    flat = np.frombuffer(column.buffers()[1], dtype="<i8", count=len(column), offset=8 * column.offset)
    return flat.astype(np.int64)


def arrow_decimals(raw: Raw) -> Any:
    """Arrow decimal128(38, 16) column over the words."""
    buffer = pa.py_buffer(np.ascontiguousarray(raw, dtype="<u8"))
    return pa.Array.from_buffers(pa.decimal128(38, SCALE), len(raw), [None, buffer])


def read_rows(path: Path, kind: Kind, bar: str | None) -> Rows:
    """Read one Parquet file of the catalog.

    Raises
    ------
    DataError
        The file is missing, is not Parquet, or lacks a column.
    """
    wanted = (
        [name for name in names(kind) if name != "side"]
        + ["ts_event"]
        + (["aggressor_side"] if kind == "trades" else [])
    )
    try:
        table = pq.ParquetFile(path).read(columns=wanted)
        if not table.num_rows:
            raise pa.ArrowInvalid("it holds no rows")
        ts = nanoseconds(table["ts_event"])
        columns: dict[str, npt.NDArray[Any]] = {name: words(table[name]) for name in PRICES[kind] + SIZES[kind]}
        if kind == "trades":
            index = {name: i for i, name in enumerate(SIDES)}
            sides = table["aggressor_side"].combine_chunks()
            lookup = np.array([index[name] for name in sides.dictionary.to_pylist()], dtype=np.int8)
            columns["side"] = lookup[sides.indices.to_numpy()]
            columns["trade_id"] = np.asarray(table["trade_id"].to_numpy(zero_copy_only=False), dtype="S36")
        elif kind == "funding":
            columns["rate"] = words(table["rate"].cast(pa.decimal128(38, SCALE)))
    except (OSError, KeyError, pa.ArrowException) as error:
        detail = str(error).partition("\n")[0]
        raise DataError(
            broken("catalog file", "be a readable dataset", detail, str(path), "import the data again")
        ) from error
    if bar is not None:
        ts = ts - bar_ns(bar)
    return Rows(kind, bar, ts, columns)
