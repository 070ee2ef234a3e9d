"""Writing a catalog: stage, verify, swap in; a failure or a kill leaves the catalog as it was, or complete."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from catalogs.columns import PRICES, SIDES, SIZE_DECIMALS, SIZES, Kind, Rows, arrow_decimals, decode, read_rows
from catalogs.instruments import nautilus_instrument
from catalogs.manifest import (
    NAME,
    STAGING,
    SWAP,
    Dataset,
    Manifest,
    Source,
    Swap,
    complete_swap,
    describe,
    funding_step,
    parse,
    to_bytes,
    verified_rows,
    write_atomically,
)
from engine.contract.calendar import bar_ns, iso
from engine.contract.errors import ConfigError, DataError, UsageError, broken
from engine.contract.instrument import InstrumentSpec

FOLDERS: dict[Kind, str] = {"bars": "bars", "trades": "trades", "quotes": "quotes", "funding": "funding_rates"}


@dataclass(frozen=True)
class Entry:
    """All rows that a dataset shall hold, with the terms of its instrument."""

    spec: InstrumentSpec
    rows: Rows
    sources: Sequence[Source]
    pinned: bool = False


def bar_type(instrument_id: str, bar: str) -> str:
    """NautilusTrader's name of external bars of last prices.

    >>> bar_type("BTCUSDT.BINANCE", "1-HOUR")
    'BTCUSDT.BINANCE-1-HOUR-LAST-EXTERNAL'
    """
    return f"{instrument_id}-{bar}-LAST-EXTERNAL"


def checked_bar(bar: str) -> int:
    """Length in nanoseconds of a bar that NautilusTrader has too.

    Raises
    ------
    UsageError
        The text is no length, or its count does not divide the next larger unit (a day has 24 hours: 4-HOUR is one, 5-HOUR is none).
    """
    remedy = "write 1-HOUR"
    try:
        length = bar_ns(bar)
    except ConfigError as error:
        raise UsageError(broken("--bar", "be a count and SECOND, MINUTE, HOUR or DAY", bar, remedy=remedy)) from error
    count, _, unit = bar.partition("-")
    larger = {"SECOND": 60, "MINUTE": 60, "HOUR": 24}.get(unit)
    if larger and (int(count) >= larger or larger % int(count)):
        rule = f"count {unit}S that divide {larger}, less than {larger}"
        raise UsageError(broken("--bar", rule, bar, remedy=remedy))
    return length


def file_of(instrument_id: str, rows: Rows) -> str:
    """Path of a dataset's Parquet file, relative to the catalog, named as NautilusTrader names it: by first and last event."""
    name = bar_type(instrument_id, rows.bar) if rows.bar else instrument_id
    shift = bar_ns(rows.bar) if rows.bar else 0
    first, last = (stamp(int(ts) + shift) for ts in (rows.ts[0], rows.ts[-1]))
    return f"data/{FOLDERS[rows.kind]}/{name}/{first}_{last}.parquet"


def stamp(ns: int) -> str:
    """Time as NautilusTrader writes it in file names.

    >>> stamp(86_400_000_000_001)
    '1970-01-02T00-00-00-000000001Z'
    """
    whole = iso(ns - ns % 1_000_000_000).removesuffix("Z")
    return f"{whole.replace(':', '-')}-{ns % 1_000_000_000:09d}Z"


def schema_of(kind: Kind) -> Any:
    """Arrow schema that NautilusTrader gives this kind of data."""
    import nautilus_trader.model as model
    from nautilus_trader.serialization import get_arrow_schema_bytes

    types = {
        "bars": model.Bar,
        "trades": model.TradeTick,
        "quotes": model.QuoteTick,
        "funding": model.FundingRateUpdate,
    }
    schema = pa.ipc.read_schema(pa.BufferReader(bytes(get_arrow_schema_bytes(types[kind]))))
    return schema if kind == "funding" else schema.remove(schema.get_field_index("identifier"))


def to_table(spec: InstrumentSpec, rows: Rows) -> Any:
    """Rows as an Arrow table in NautilusTrader's layout; bars are stamped at their close."""
    schema = schema_of(rows.kind)
    ts = pa.array(rows.ts + (bar_ns(rows.bar) if rows.bar else 0)).cast(pa.timestamp("ns", tz="UTC"))
    arrays: dict[str, Any] = {"ts_event": ts, "ts_init": ts}
    for name in PRICES[rows.kind] + SIZES[rows.kind]:
        arrays[name] = arrow_decimals(rows.columns[name])
    metadata = {**(schema.metadata or {}), b"instrument_id": spec.instrument_id.encode()}
    if rows.kind == "funding":
        step = funding_step(rows.ts)
        arrays["rate"] = pa.array([f"{rate:.12f}".rstrip("0").rstrip(".") for rate in decode(rows.columns["rate"])])
        arrays["interval"] = pa.array(np.full(len(rows), step // 60_000_000_000, dtype=np.uint64))
        arrays["next_funding_ns"] = pa.array(rows.ts + step).cast(pa.timestamp("ns", tz="UTC"))
        arrays["identifier"] = pa.array([spec.instrument_id] * len(rows))
    else:
        metadata[b"price_precision"] = str(spec.price_precision).encode()
        metadata[b"size_precision"] = str(SIZE_DECIMALS).encode()
    if rows.kind == "trades":
        arrays["aggressor_side"] = pa.DictionaryArray.from_arrays(pa.array(rows.columns["side"]), pa.array(SIDES))
        arrays["trade_id"] = pa.array(rows.columns["trade_id"].astype("U36"))
    if rows.bar:
        metadata[b"bar_type"] = bar_type(spec.instrument_id, rows.bar).encode()
    return pa.table([arrays[field.name].cast(field.type) for field in schema], schema=schema.with_metadata(metadata))


def write_parquet(path: Path, table: Any) -> None:
    """Write one file, the same bytes for the same table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stamps = {name: "DELTA_BINARY_PACKED" for name in ("ts_event", "ts_init", "ts") if name in table.column_names}
    pq.write_table(table, path, compression="zstd", compression_level=9, use_dictionary=False, column_encoding=stamps)


def commit(root: Path, entries: Sequence[Entry], truths: Mapping[str, Any] | None = None) -> Manifest:
    """Write datasets into a catalog that the caller holds with `locked`.

    Each entry replaces the dataset of the same identity. Where an instrument's terms changed, its other datasets are written anew
    with them. Everything is written to a staging folder and read back there; row count, span and hash must agree before anything
    moves.

    Parameters
    ----------
    truths
        Further Arrow tables by their path relative to the catalog.

    Raises
    ------
    DataError
        What was read back differs from what was to be written; the catalog is unchanged.
    """
    manifest = parse(root) if (root / NAME).exists() else Manifest()
    staged = root / STAGING
    moves: list[str] = []
    removals: set[str] = set()
    for entry in entries:
        wanted = [(entry.rows, entry.sources)]
        old_spec = manifest.spec(entry.spec.instrument_id)
        for old in manifest.datasets:
            if old.instrument_id != entry.spec.instrument_id:
                continue
            removals.update(old.files if old.key == key_of(entry) else [])
            if old.key != key_of(entry) and old_spec != entry.spec:
                wanted.append((verified_rows(root, old), old.sources))
        written = [stage(staged, entry.spec, rows, sources) for rows, sources in wanted]
        moves += [file for dataset in written for file in dataset.files]
        if old_spec != entry.spec:
            moves += stage_instrument(staged, entry.spec)
        manifest = manifest.with_entry(entry.spec, entry.pinned, written)
    for name, table in (truths or {}).items():
        write_parquet(staged / name, table)
        moves.append(name)
    staged.mkdir(parents=True, exist_ok=True)
    write_atomically(staged / NAME, to_bytes(manifest))
    intent = Swap(moves=[*moves, NAME], removals=sorted(removals - set(moves)))
    write_atomically(root / SWAP, msgspec.json.encode(intent))
    complete_swap(root)
    return manifest


def key_of(entry: Entry) -> tuple[str, str, str]:
    """Identity of the dataset that an entry holds."""
    return entry.spec.instrument_id, entry.rows.kind, entry.rows.bar or ""


def stage(staged: Path, spec: InstrumentSpec, rows: Rows, sources: Sequence[Source]) -> Dataset:
    """Write one dataset to the staging folder and read it back."""
    file = file_of(spec.instrument_id, rows)
    dataset = describe(spec.instrument_id, rows, file, sources)
    write_parquet(staged / file, to_table(spec, rows))
    found = describe(spec.instrument_id, read_rows(staged / file, rows.kind, rows.bar), file, sources)
    if found != dataset:
        names = [name for name in dataset.__struct_fields__ if getattr(found, name) != getattr(dataset, name)]
        first = names[0]
        remedy = "the catalog is unchanged; check the disk, then import again"
        raise DataError(
            broken(f"{first} read back", f"be {getattr(dataset, first)}", getattr(found, first), file, remedy)
        )
    return dataset


def stage_instrument(staged: Path, spec: InstrumentSpec) -> list[str]:
    """Write the instrument with NautilusTrader's own writer; return its files relative to the staging folder."""
    from nautilus_trader.persistence import ParquetDataCatalog

    staged.mkdir(parents=True, exist_ok=True)
    before = set(staged.rglob("*.parquet"))
    ParquetDataCatalog(str(staged)).write_instruments([nautilus_instrument(spec)])
    return sorted(os.path.relpath(path, staged) for path in set(staged.rglob("*.parquet")) - before)
