"""Importing a file into a catalog: sorted, deduplicated, merged or refused by rule, never lost.

1. Rows out of order are sorted, and counted.
2. A row equal to another of the same time (trades: of the same id) is dropped, and counted. One with other values is refused, unless
   `on_conflict` says to keep the first or to replace it by the last.
3. Against what the catalog holds the same rule applies: equal rows are skipped, others are a conflict.
4. An impossible bar (high under open or close, low over them, negative volume, a price that is not positive) refuses the file; so
   does a time off the bar's grid (whole bars since 1970; midnight UTC for bars of days).
5. Prices are rounded to the instrument's precision, sizes and volumes to 8 decimals (half to even), before they are compared.
6. The precision of prices grows with the data, unless it was given. Other terms stay as first inferred, unless given.
7. Several quotes may share a time: the n-th of a time in one file is the n-th of that time in another.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from catalogs.columns import PRICES, RATE_DECIMALS, SIZE_DECIMALS, SIZES, Floats, Kind, Rows, decimals_needed, encode
from catalogs.instruments import infer_spec, split_id
from catalogs.manifest import NAME, Dataset, Manifest, Source, locked, parse, verified_rows
from catalogs.merging import Conflict, settle
from catalogs.readers import SourceRows, read_source
from catalogs.storage import Entry, checked_bar, commit
from engine.contract.calendar import bar_ns, iso
from engine.contract.errors import DataError, UsageError, broken
from engine.contract.instrument import InstrumentSpec

DAY_NS = 86_400_000_000_000
ROWS_TO_JUDGE_STEP = 48
Stage = Callable[[str], None]


class ImportReport(msgspec.Struct, frozen=True):
    """What an import did, and the dataset as it stands after it.

    Attributes
    ----------
    rows, start, end, gaps, missing, sha256
        Of the whole dataset, see `catalogs.manifest.Dataset`.
    added, skipped, replaced
        Rows of the file that are new, that the catalog held already, that replaced other values (each counted once).
    sorted, duplicates
        Rows of the file that stood out of order; rows that repeated another.
    rounded
        Prices that the instrument's precision does not reproduce exactly.
    """

    kind: Kind
    bar: str | None
    layout: str
    catalog: str
    rows: int
    start: str
    end: str
    gaps: int
    missing: int
    sha256: str
    added: int
    skipped: int
    replaced: int
    sorted: int
    duplicates: int
    rounded: int
    instruments: list[InstrumentSpec]


def import_file(
    catalog: str | Path,
    file: str | Path,
    instrument_id: str,
    bar: str | None = None,
    kind: Kind | None = None,
    price_precision: int | None = None,
    size_precision: int | None = None,
    min_notional: float | None = None,
    on_conflict: Conflict = "refuse",
    stage: Stage = lambda text: None,
) -> ImportReport:
    """Import a file of bars, trades, quotes or funding rates by the rules at the head of this module.

    Importing a file twice changes nothing.

    Parameters
    ----------
    catalog
        Folder of the catalog; made when it does not exist.
    bar
        Length of the bars, "1-HOUR"; bars need it, nothing else has it.
    on_conflict
        What to do with a row that has other values than one of the same time: `refuse`, `keep` the old, `replace` it.
    stage
        Called with a few words before each step.

    Raises
    ------
    DataError
        The file or the catalog is not what it must be; the catalog is unchanged.
    UsageError
        The instrument id, the bar or a precision is not one.
    """
    path, root = Path(file), Path(catalog)
    split_id(instrument_id)
    if bar is not None:
        checked_bar(bar)
    stage("reading")
    source = read_source(path, kind)
    bar = bar_of(source, bar, path)
    check_values(source, path)
    if bar:
        check_bars(source, bar, path)
    stage("merging")
    with locked(root):
        manifest = parse(root) if (root / NAME).exists() else Manifest()
        spec, pinned = terms(manifest, source, instrument_id, price_precision, size_precision, min_notional, path)
        rows = encoded(source, bar, spec, path)
        own = settle(rows, on_conflict, path.name)
        old = manifest.dataset(instrument_id, source.kind, bar)
        held = verified_rows(root, old) if old else None
        both = settle(own.rows, on_conflict, f"{path.name} and the catalog", held=held) if held else own
        origin = Source(file=path.name, layout=source.layout)
        sources = [*(old.sources if old else []), origin]
        changed = held is None or both.rows.digest() != (old.sha256 if old else "")
        if changed or manifest.spec(instrument_id) != spec or (old and origin not in old.sources):
            stage("writing")
            manifest = commit(root, [Entry(spec, both.rows, sources, pinned)])
    dataset = manifest.dataset(instrument_id, source.kind, bar)
    assert dataset is not None
    return ImportReport(
        kind=source.kind,
        bar=bar,
        layout=source.layout,
        catalog=str(catalog),
        **figures(dataset),
        added=len(both.rows) - (len(held) if held else 0),
        skipped=both.duplicates + (both.conflicts if on_conflict == "keep" else 0) if held else 0,
        replaced=both.conflicts if held and on_conflict == "replace" else 0,
        sorted=own.out_of_order,
        duplicates=own.duplicates + own.conflicts,
        rounded=sum(decimals_needed(source.values[name], spec.price_precision)[1] for name in PRICES[source.kind]),
        instruments=[spec],
    )


def figures(dataset: Dataset) -> dict[str, Any]:
    """The figures of a dataset that every report repeats."""
    return {name: getattr(dataset, name) for name in ("rows", "start", "end", "gaps", "missing", "sha256")}


def bar_of(source: SourceRows, bar: str | None, path: Path) -> str | None:
    """The bar length that applies to this kind of data."""
    if source.kind != "bars":
        return None
    if bar is None:
        raise UsageError(broken("--bar", "be given for bars", "missing", path.name, "write --bar 1-HOUR"))
    return bar


def check_values(source: SourceRows, path: Path) -> None:
    """Refuse prices and sizes that cannot be, naming the first."""
    for name in PRICES[source.kind]:
        refuse_first(source, source.values[name] <= 0, name, "be above 0", path)
    for name in SIZES[source.kind]:
        wrong = source.values[name] <= 0 if source.kind == "trades" else source.values[name] < 0
        refuse_first(source, wrong, name, "be above 0" if source.kind == "trades" else "not be negative", path)


def check_bars(source: SourceRows, bar: str, path: Path) -> None:
    """Refuse bars that cannot be, and times off the grid, naming the first."""
    values = source.values
    top, bottom = np.maximum(values["open"], values["close"]), np.minimum(values["open"], values["close"])
    refuse_first(source, values["high"] < top, "high", "not be under open or close", path)
    refuse_first(source, values["low"] > bottom, "low", "not be over open or close", path)
    step = bar_ns(bar)
    off = source.ts % (DAY_NS if step % DAY_NS == 0 else step) != 0
    if off.any():
        row = int(np.argmax(off))
        remedy = "give the bar length that the file has"
        raise DataError(
            broken(
                "bar time", f"be on the grid of {bar}", iso(int(source.ts[row])), f"row {row + 1}, {path.name}", remedy
            )
        )
    times = np.unique(source.ts)
    common = int(np.gcd.reduce(np.diff(times))) if len(times) > ROWS_TO_JUDGE_STEP else step
    if common > step:
        remedy = "give the bar length that the file has"
        raise DataError(broken("bars", f"be {bar}", f"{common // 1_000_000_000} s apart or more", path.name, remedy))


def refuse_first(source: SourceRows, wrong: npt.NDArray[np.bool_], name: str, rule: str, path: Path) -> None:
    """Raise for the first row where `wrong` holds."""
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(broken(name, rule, float(source.values[name][row]), f"{source.where(row)}, {path.name}"))


def terms(
    manifest: Manifest,
    source: SourceRows,
    instrument_id: str,
    price_precision: int | None,
    size_precision: int | None,
    min_notional: float | None,
    path: Path,
) -> tuple[InstrumentSpec, bool]:
    """Terms of the instrument after this import, and whether its price precision was given."""
    known = manifest.spec(instrument_id)
    prices: Floats = np.concatenate([source.values[name] for name in PRICES[source.kind]] or [np.zeros(0)])
    pinned = price_precision is not None or instrument_id in manifest.pinned
    if not len(prices) and known is None and (price_precision is None or size_precision is None):
        remedy = "import its bars first, or give --price-precision and --size-precision"
        raise DataError(
            broken("instrument", "be in the catalog before its funding rates", instrument_id, path.name, remedy)
        )
    given = (price_precision, size_precision, min_notional)
    fresh = infer_spec(instrument_id, prices if len(prices) else np.ones(1), *given)
    if known is None:
        return fresh, pinned
    if price_precision is not None and price_precision < known.price_precision:
        rule = f"be at least {known.price_precision}, as the prices in the catalog need"
        raise DataError(broken("price precision", rule, price_precision, instrument_id, "import into a new catalog"))
    grown = max(known.price_precision, fresh.price_precision)
    spec = msgspec.structs.replace(
        known,
        price_precision=price_precision if price_precision is not None else known.price_precision if pinned else grown,
        size_precision=known.size_precision if size_precision is None else size_precision,
        min_notional=known.min_notional if min_notional is None else min_notional,
    )
    return spec, pinned


def encoded(source: SourceRows, bar: str | None, spec: InstrumentSpec, path: Path) -> Rows:
    """The file's rows at the catalog's precision, in the file's order."""
    columns: dict[str, npt.NDArray[np.generic]] = {}
    for name in PRICES[source.kind]:
        columns[name] = encode(source.values[name], spec.price_precision)
        remedy = "give a finer --price-precision"
        refuse_zero(source, columns[name], name, f"be at least {spec.tick:g} after rounding", remedy, path)
    for name in SIZES[source.kind]:
        columns[name] = encode(source.values[name], SIZE_DECIMALS)
    if source.kind == "funding":
        columns["rate"] = encode(source.values["rate"], RATE_DECIMALS)
    elif source.kind == "trades":
        assert source.side is not None
        assert source.trade_id is not None
        columns |= {"side": source.side, "trade_id": source.trade_id}
    return Rows(source.kind, bar, source.ts, columns)


def refuse_zero(
    source: SourceRows, raw: npt.NDArray[np.generic], name: str, rule: str, remedy: str, path: Path
) -> None:
    """Raise for the first price that rounding made zero."""
    zero = ~raw.any(axis=1)
    if zero.any():
        row = int(np.argmax(zero))
        raise DataError(
            broken(name, rule, float(source.values[name][row]), f"{source.where(row)}, {path.name}", remedy)
        )
