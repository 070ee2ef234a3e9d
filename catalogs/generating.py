"""Putting synthetic markets into a catalog, with their truth beside them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from catalogs.candles import PRICE_DECIMALS
from catalogs.columns import SIZE_DECIMALS, Rows, encode
from catalogs.instruments import infer_spec, split_id
from catalogs.manifest import NAME, Dataset, Manifest, Source, locked, parse
from catalogs.storage import Entry, checked_bar, commit
from catalogs.synthesis import SyntheticMarket
from engine.contract.errors import DataError, UsageError, broken


def store_markets(
    catalog: str | Path, markets: Sequence[SyntheticMarket], instruments: Sequence[str] = (), overwrite: bool = False
) -> Manifest:
    """Write synthetic markets into a catalog, all or none; return its manifest.

    The truth goes to `truth/INSTRUMENT.parquet`: `ts` (open time, int64 nanoseconds) and the labels, parameters as JSON in the
    metadata. The same market stored twice changes nothing.

    Parameters
    ----------
    instruments
        Ids to store them under instead of their own, one for each.
    overwrite
        Replace another market of the same id; refused otherwise.

    Raises
    ------
    DataError
        The catalog holds other bars under one of the ids.
    UsageError
        The number of ids is not the number of markets, or an id is not one.
    """
    ids = list(instruments) or [market.instrument_id for market in markets]
    if len(ids) != len(markets) or len(set(ids)) != len(ids):
        rule = f"be given {len(markets)} times for this market, each another"
        raise UsageError(broken("--instrument", rule, ", ".join(ids)))
    root = Path(catalog)
    for instrument_id, market in zip(ids, markets, strict=True):
        split_id(instrument_id)
        checked_bar(market.bar)
    with locked(root):
        manifest = parse(root) if (root / NAME).exists() else Manifest()
        entries: list[Entry] = []
        truths: dict[str, Any] = {}
        for instrument_id, market in zip(ids, markets, strict=True):
            entry, truth = entry_of(instrument_id, market), truth_table(market)
            held = manifest.dataset(instrument_id, "bars", market.bar)
            name = f"truth/{instrument_id}.parquet"
            same = held is not None and held.sha256 == entry.rows.digest() and (root / name).exists()
            if held is not None and not same and not overwrite:
                remedy = "store it under another id with --instrument, or give --overwrite"
                raise DataError(
                    broken(
                        "synthetic market", "not change bars that the catalog holds", instrument_id, str(root), remedy
                    )
                )
            if not same:
                entries.append(entry)
                truths[name] = truth
        return commit(root, entries, truths) if entries else manifest


def entry_of(instrument_id: str, market: SyntheticMarket) -> Entry:
    """Rows and terms of a synthetic instrument: 2 decimals, lots and minimum notional by the rule of imports."""
    prices = {name: getattr(market.candles, name) for name in ("open", "high", "low", "close")}
    columns = {name: encode(values, PRICE_DECIMALS) for name, values in prices.items()}
    columns["volume"] = encode(market.candles.volume, SIZE_DECIMALS)
    spec = infer_spec(instrument_id, market.candles.close, price_precision=PRICE_DECIMALS)
    source = Source(file=f"{market.market} market, seed {market.seed}", layout="synthetic")
    return Entry(spec, Rows("bars", market.bar, market.ts_open, columns), [source], pinned=True)


def truth_table(market: SyntheticMarket) -> Any:
    """Labels under their times, with the parameters as JSON in the metadata."""
    table = pa.table(
        {"ts": pa.array(market.ts_open), **{name: pa.array(label) for name, label in market.truth.items()}}
    )
    return table.replace_schema_metadata({"parameters": json.dumps(market.parameters, sort_keys=True)})


def datasets_of(manifest: Manifest, ids: Sequence[str], bar: str) -> list[Dataset]:
    """Datasets of bars in the order of the ids."""
    return [one for one in (manifest.dataset(instrument_id, "bars", bar) for instrument_id in ids) if one is not None]


def as_documents(datasets: Sequence[Dataset]) -> list[dict[str, Any]]:
    """Datasets as plain values for JSON."""
    return [msgspec.to_builtins(dataset) for dataset in datasets]
