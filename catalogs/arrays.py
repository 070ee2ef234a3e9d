"""Market data of a catalog as numpy arrays, without a trading library."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from catalogs.columns import Floats, Ints, Kind, Rows, decode
from catalogs.manifest import Dataset, Manifest, read_manifest, verified_rows
from engine.contract.calendar import bar_ns, iso
from engine.contract.errors import DataError, broken
from engine.contract.instrument import InstrumentSpec

__all__ = [
    "Bars",
    "Funding",
    "Quotes",
    "Trades",
    "read_bars",
    "read_funding",
    "read_manifest",
    "read_quotes",
    "read_trades",
]


@dataclass(frozen=True)
class Bars:
    """Bars of one instrument in time order; absent bars are absent here too.

    Attributes
    ----------
    ts_open, ts_close : int64 of shape (T,)
        UTC nanoseconds; a bar is known at its `ts_close`.
    open, high, low, close : float64 of shape (T,)
        In quote units, bit-equal to `float(bar.close)` of NautilusTrader's bars.
    volume : float64 of shape (T,)
        In base units.
    """

    instrument: InstrumentSpec
    bar: str
    ts_open: Ints
    ts_close: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    def __len__(self) -> int:
        return len(self.ts_open)


@dataclass(frozen=True)
class Funding:
    """Funding rates: `ts` int64 of shape (K,), the time a rate is applied and known; `rate` float64 of shape (K,), per interval."""

    ts: Ints
    rate: Floats


@dataclass(frozen=True)
class Trades:
    """Trades: `ts` int64, `price` and `size` float64, `side` int8 (1 buyer took, 2 seller took, 0 unknown), all of shape (K,)."""

    instrument: InstrumentSpec
    ts: Ints
    price: Floats
    size: Floats
    side: npt.NDArray[np.int8]


@dataclass(frozen=True)
class Quotes:
    """Best bid and offer: `ts` int64, prices and sizes float64, all of shape (K,)."""

    instrument: InstrumentSpec
    ts: Ints
    bid: Floats
    ask: Floats
    bid_size: Floats
    ask_size: Floats


def read_bars(
    catalog: str | Path, instrument_id: str, bar: str, start_ns: int | None = None, end_ns: int | None = None
) -> Bars:
    """Read the bars whose open time is in [start_ns, end_ns).

    Raises
    ------
    DataError
        The catalog, the instrument or the bar length is missing, its file was altered, or no bar opens in the span.
    """
    spec, rows = select(catalog, instrument_id, "bars", bar, start_ns, end_ns)
    prices = {name: decode(column) for name, column in rows.columns.items()}
    return Bars(instrument=spec, bar=bar, ts_open=rows.ts, ts_close=rows.ts + bar_ns(bar), **prices)


def read_funding(
    catalog: str | Path, instrument_id: str, start_ns: int | None = None, end_ns: int | None = None
) -> Funding:
    """Read the funding rates applied in [start_ns, end_ns); there may be none in the span.

    Raises
    ------
    DataError
        The catalog, the instrument or its funding rates are missing.
    """
    _, rows = select(catalog, instrument_id, "funding", None, start_ns, end_ns, may_be_empty=True)
    return Funding(ts=rows.ts, rate=decode(rows.columns["rate"]))


def read_trades(
    catalog: str | Path, instrument_id: str, start_ns: int | None = None, end_ns: int | None = None
) -> Trades:
    """Read the trades in [start_ns, end_ns); raises as `read_bars`."""
    spec, rows = select(catalog, instrument_id, "trades", None, start_ns, end_ns)
    columns = rows.columns
    return Trades(spec, rows.ts, decode(columns["price"]), decode(columns["size"]), columns["side"])


def read_quotes(
    catalog: str | Path, instrument_id: str, start_ns: int | None = None, end_ns: int | None = None
) -> Quotes:
    """Read the quotes in [start_ns, end_ns); raises as `read_bars`."""
    spec, rows = select(catalog, instrument_id, "quotes", None, start_ns, end_ns)
    values = [decode(rows.columns[name]) for name in ("bid_price", "ask_price", "bid_size", "ask_size")]
    return Quotes(spec, rows.ts, *values)


def select(
    catalog: str | Path,
    instrument_id: str,
    kind: Kind,
    bar: str | None,
    start_ns: int | None,
    end_ns: int | None,
    may_be_empty: bool = False,
) -> tuple[InstrumentSpec, Rows]:
    """Rows of a dataset in [start_ns, end_ns), with the terms of the instrument."""
    spec, dataset = find(read_manifest(catalog), Path(catalog), instrument_id, kind, bar)
    rows = verified_rows(Path(catalog), dataset)
    first = 0 if start_ns is None else int(np.searchsorted(rows.ts, start_ns))
    last = len(rows) if end_ns is None else int(np.searchsorted(rows.ts, end_ns))
    if first >= last and not may_be_empty:
        asked = f"{iso(start_ns) if start_ns is not None else 'the first'} to {iso(end_ns) if end_ns is not None else 'the last'}"
        thing = f"{bar} bars" if bar else kind
        rule = f"hold {thing} of {instrument_id} in the span"
        remedy = f"it holds {dataset.start} to {dataset.end}"
        raise DataError(broken("catalog", rule, f"empty from {asked}", str(catalog), remedy))
    return spec, rows.take(np.arange(first, last)) if (first, last) != (0, len(rows)) else rows


def find(
    manifest: Manifest, catalog: Path, instrument_id: str, kind: Kind, bar: str | None
) -> tuple[InstrumentSpec, Dataset]:
    """Terms and dataset in a manifest, or an error that lists what is there."""
    spec = manifest.spec(instrument_id)
    if spec is None:
        there = ", ".join(one.instrument_id for one in manifest.instruments) or "none"
        rule = f"be one that the catalog holds ({there})"
        raise DataError(broken("instrument", rule, instrument_id, str(catalog), "import it with huracan data import"))
    dataset = manifest.dataset(instrument_id, kind, bar)
    if dataset is None:
        held = [
            f"{one.bar} bars" if one.bar else one.kind
            for one in manifest.datasets
            if one.instrument_id == instrument_id
        ]
        asked = f"{bar} bars" if bar else kind
        rule = f"be among those of {instrument_id} ({', '.join(held) or 'none'})"
        raise DataError(broken("data", rule, asked, str(catalog), "import it with huracan data import"))
    return spec, dataset
