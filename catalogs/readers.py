"""Reading market data files: recognise the layout, take out time and values, name what is wrong and where."""

import gzip
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.feather as pf
import pyarrow.parquet as pq

from catalogs.columns import PRICES, SIDES, SIZES, Floats, Ints, Kind
from engine.contract.calendar import iso
from engine.contract.errors import DataError, broken

TIMES = (
    "ts",
    "open_time",
    "timestamp",
    "time",
    "datetime",
    "date",
    "transact_time",
    "funding_time",
    "fundingtime",
    "calc_time",
    "t",
)
KLINES = (
    *("open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume", "count"),
    *("taker_buy_volume", "taker_buy_quote_volume", "ignore"),
)
CANDLES = ("timestamp", "open", "high", "low", "close", "volume")
AGGREGATES = ("agg_trade_id", "price", "quantity", "first_trade_id", "last_trade_id", "transact_time", "is_buyer_maker")
UNNAMED: dict[int, tuple[str, tuple[str, ...]]] = {
    6: ("ccxt candles", CANDLES),
    7: ("Binance aggregate trades", AGGREGATES),
    8: ("Binance aggregate trades", (*AGGREGATES, "is_best_match")),
    12: ("Binance klines", KLINES),
}
ALIASES: dict[str, tuple[str, ...]] = {
    "size": ("size", "qty", "quantity", "amount"),
    "trade_id": ("trade_id", "agg_trade_id", "id", "a"),
    "bid_price": ("bid", "bid_price", "best_bid_price"),
    "ask_price": ("ask", "ask_price", "best_ask_price"),
    "bid_size": ("bid_size", "bid_qty", "best_bid_qty"),
    "ask_size": ("ask_size", "ask_qty", "best_ask_qty"),
    "rate": ("rate", "funding_rate", "fundingrate", "last_funding_rate"),
}
DIVISORS = ((10**11, 10**9), (10**14, 10**6), (10**17, 10**3))


@dataclass(frozen=True)
class SourceRows:
    """Rows of a file as they stand in it.

    Attributes
    ----------
    kind, layout
        What the rows are, and how the file was read.
    ts : int64 of shape (T,)
        UTC nanoseconds; open time for bars.
    values
        float64 columns of shape (T,) under the names of `catalogs.columns`.
    side : int8 of shape (T,), trade_id : bytes of shape (T,)
        For trades.
    """

    kind: Kind
    layout: str
    ts: Ints
    values: dict[str, Floats] = field(repr=False)
    side: npt.NDArray[np.int8] | None = None
    trade_id: npt.NDArray[Any] | None = None

    def where(self, row: int) -> str:
        """Row number, from 1, and time of a row, for messages."""
        return f"row {row + 1}, {iso(int(self.ts[row]))}"


def read_source(file: str | Path, kind: Kind | None = None) -> SourceRows:
    """Read a file of bars, trades, quotes or funding rates.

    Parquet, feather, CSV (also .csv.gz) and JSON lists of candles are known, in these layouts: bars of this project (`ts` is the
    open time), Binance klines and aggregate trades with or without a header, ccxt candles, freqtrade. Times without a zone are
    UTC; the unit of a number (s, ms, us, ns) follows from its size, row by row.

    Raises
    ------
    DataError
        The file is missing, empty, of no known layout, lacks a column, or has a time or a value that is not one.
    """
    path = Path(file)
    if not path.is_file():
        raise DataError(broken("file", "exist", f"missing: {path}", remedy="check the path"))
    table, layout = open_table(path)
    columns = {
        str(name).strip().lower().replace(" ", "_"): table.column(i) for i, name in enumerate(table.column_names)
    }
    if table.num_rows == 0:
        raise DataError(broken("file", "hold at least one row", "empty", path.name))
    kind = kind or recognise(columns, path)
    ts = times(one_of("time", TIMES, columns, path, kind), path)
    found: dict[str, Floats] = {}
    for name in PRICES[kind] + SIZES[kind] + (("rate",) if kind == "funding" else ()):
        options = ALIASES.get(name, (name,))
        if kind == "funding" and "open" in columns and not any(option in columns for option in options):
            options, layout = ("open",), "freqtrade funding"
        found[name] = numbers(name, one_of(name, options, columns, path, kind), ts, path)
    if kind != "trades":
        return SourceRows(kind, layout or named(kind, columns), ts, found)
    ids = one_of("trade_id", ALIASES["trade_id"], columns, path, kind)
    return SourceRows(
        kind, layout or named(kind, columns), ts, found, sides(columns, len(ts), path), identifiers(ids, path)
    )


def open_table(path: Path) -> tuple[Any, str]:
    """The file as an Arrow table, and its layout where the columns had no names."""
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    readers: dict[str, Callable[[Path], tuple[Any, str]]] = {
        ".parquet": lambda path: (pq.ParquetFile(path).read(), ""),
        ".feather": lambda path: (pf.read_table(path), ""),
        ".csv": open_csv,
        ".txt": open_csv,
        ".json": open_json,
    }
    reader = readers.get(suffixes[-1] if suffixes else "")
    if reader is None:
        raise DataError(broken("file", f"end in one of {', '.join(readers)} (CSV also .gz)", path.name))
    try:
        return reader(path)
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError, msgspec.DecodeError, gzip.BadGzipFile) as error:
        detail = str(error).partition("\n")[0]
        raise DataError(broken("file", f"be readable {suffixes[-1][1:]}", detail, path.name)) from error


def open_csv(path: Path) -> tuple[Any, str]:
    """A CSV table; a first line of numbers alone means that the columns have no names."""
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig") as file:
        line = file.readline().strip()
    if not line:
        raise DataError(broken("file", "hold at least one row", "empty", path.name))
    delimiter = max(",;\t", key=line.count)
    cells = [cell.strip().strip('"') for cell in line.split(delimiter)]
    layout, header = "", None
    if is_number(cells[0]):
        layout, header = unnamed(len(cells), path)
    elif cells[0] == "":
        cells[0] = "index"
        header = tuple(cells)
    options = pc.ReadOptions(column_names=header, skip_rows=1 if header and not layout else 0)
    return pc.read_csv(path, read_options=options, parse_options=pc.ParseOptions(delimiter=delimiter)), layout


def open_json(path: Path) -> tuple[Any, str]:
    """A JSON list of candles, as freqtrade and ccxt write it."""
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    with opener(path, "rb") as file:
        rows = msgspec.json.decode(file.read(), type=list[list[float | None]])
    if not rows:
        raise DataError(broken("file", "hold at least one row", "empty", path.name))
    if len({len(row) for row in rows}) > 1:
        raise DataError(broken("file", "have rows of one length", "rows of several lengths", path.name))
    layout, header = unnamed(len(rows[0]), path)
    return pa.table(list(zip(*rows, strict=True)), names=header), layout


def unnamed(count: int, path: Path) -> tuple[str, tuple[str, ...]]:
    """Layout and names of columns that have none, by their number."""
    if count not in UNNAMED:
        known = ", ".join(f"{n} ({layout})" for n, (layout, _) in UNNAMED.items())
        remedy = "add a line with column names"
        raise DataError(broken("columns without names", f"number {known}", count, path.name, remedy))
    return UNNAMED[count]


def is_number(text: str) -> bool:
    """Whether a cell reads as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def recognise(columns: Mapping[str, Any], path: Path) -> Kind:
    """Kind of data by column names."""
    present = set(columns)
    if len(present & {"open", "high", "low", "close"}) >= 2:
        return "bars"
    if present & set(ALIASES["bid_price"] + ALIASES["ask_price"]):
        return "quotes"
    if present & set(ALIASES["rate"]):
        return "funding"
    if "price" in present:
        return "trades"
    rule = "name the columns of bars (ts, open, high, low, close, volume), trades, quotes or funding rates"
    raise DataError(broken("file", rule, ", ".join(columns), path.name))


def named(kind: Kind, columns: Mapping[str, Any]) -> str:
    """Name of a layout whose columns have names."""
    if "taker_buy_volume" in columns or "quote_volume" in columns:
        return "Binance klines"
    if "agg_trade_id" in columns:
        return "Binance aggregate trades"
    if kind == "bars" and "date" in columns:
        return "freqtrade candles"
    if kind == "bars" and "timestamp" in columns:
        return "ccxt candles"
    return kind


def one_of(name: str, options: Sequence[str], columns: Mapping[str, Any], path: Path, kind: Kind) -> Any:
    """The first of the columns that the file has."""
    for option in options:
        if option in columns:
            return columns[option]
    rule = f"be present in {kind}" + (f" as one of {', '.join(options)}" if len(options) > 1 else "")
    raise DataError(broken(f"column {name}", rule, f"missing; found {', '.join(columns)}", path.name))


def times(column: Any, path: Path) -> Ints:
    """UTC nanoseconds of a time column: Arrow timestamps, numbers of any unit, or ISO text."""
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        stamps = column.cast(pa.timestamp("ns", tz=getattr(kind, "tz", None))).cast(pa.int64())
        values = np.asarray(stamps.fill_null(0).to_numpy(), dtype=np.int64)
        return refused_times(values, column, values <= 0, path)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        numbers = np.asarray(column.fill_null(0).to_numpy())
        wrong = ~np.isfinite(numbers) | (numbers <= 0)
        return refused_times(nanoseconds(np.where(wrong, 0, numbers)), column, wrong, path)
    import pandas as pd

    text = column.cast(pa.string()).to_pandas().fillna("").astype(object)
    whole = text.str.fullmatch(r"\d{1,19}")
    parsed = pd.to_datetime(text.where(~whole), utc=True, errors="coerce", format="ISO8601")
    dated = np.asarray(parsed.fillna(pd.Timestamp(0, tz="UTC")).dt.as_unit("ns").astype("int64"))
    counted = nanoseconds(np.asarray(text.where(whole, "0").astype("int64")))
    values = np.where(np.asarray(whole), counted, dated)
    return refused_times(values, column, values <= 0, path)


def nanoseconds(times: npt.NDArray[Any]) -> Ints:
    """Nanoseconds of numbers whose unit follows from their size: seconds to 1e11, milliseconds to 1e14, microseconds to 1e17."""
    result = times.astype(np.int64)
    low = 0
    for below, factor in DIVISORS:
        todo = (times >= low) & (times < below)
        scaled = times[todo] * factor
        result[todo] = np.rint(scaled).astype(np.int64) if times.dtype.kind == "f" else scaled
        low = below
    return result


def refused_times(values: Ints, column: Any, wrong: npt.NDArray[np.bool_], path: Path) -> Ints:
    """The values, or an error that names the first that is no time after 1970."""
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(broken("time", "be a time after 1970", column[row].as_py(), f"row {row + 1}, {path.name}"))
    return values


def numbers(name: str, column: Any, ts: Ints, path: Path) -> Floats:
    """Finite float64 values of a column."""
    try:
        values = np.asarray(column.cast(pa.float64()).fill_null(np.nan).to_numpy(), dtype=np.float64)
    except pa.ArrowException:
        import pandas as pd

        values = np.asarray(pd.to_numeric(column.to_pandas(), errors="coerce"), dtype=np.float64)
    wrong = ~np.isfinite(values)
    if wrong.any():
        row = int(np.argmax(wrong))
        value = column[row].as_py()
        place = f"row {row + 1}, {iso(int(ts[row]))}, {path.name}"
        raise DataError(broken(name, "be a finite number", "empty" if value is None else value, place))
    return values


def sides(columns: Mapping[str, Any], count: int, path: Path) -> npt.NDArray[np.int8]:
    """Index into SIDES of each trade's aggressor; all unknown where the file has no side."""
    if "is_buyer_maker" in columns:
        flags = columns["is_buyer_maker"].cast(pa.string()).to_pandas().str.lower().isin(["true", "1"])
        return np.where(np.asarray(flags), 2, 1).astype(np.int8)
    if "side" not in columns:
        return np.zeros(count, dtype=np.int8)
    text = columns["side"].cast(pa.string()).to_pandas().str.upper()
    index = text.map({name: i for i, name in enumerate(SIDES)} | {"B": 1, "S": 2, "BUYER": 1, "SELLER": 2, "": 0})
    if index.isna().any():
        row = int(np.argmax(np.asarray(index.isna())))
        raise DataError(broken("side", "be BUY or SELL", text.iloc[row], f"row {row + 1}, {path.name}"))
    return np.asarray(index, dtype=np.int8)


def identifiers(column: Any, path: Path) -> npt.NDArray[Any]:
    """Trade ids as bytes of at most 36 characters."""

    text = column.cast(pa.string()).to_pandas()
    wrong = np.asarray(text.isna() | (text.str.len() > 36) | (text.str.len() == 0) | ~text.fillna("").map(str.isascii))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            broken("trade id", "be 1 to 36 ASCII characters", text.iloc[row], f"row {row + 1}, {path.name}")
        )
    return np.asarray(text).astype("S36")
