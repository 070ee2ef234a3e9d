"""Imports in pieces: any permutation, split and overlap gives the dataset that one import gives."""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from catalogs.arrays import read_bars
from catalogs.columns import decode, encode
from catalogs.importing import import_file
from catalogs.manifest import read_manifest

ID = "BTCUSDT.BINANCE"
HOUR = 3_600_000_000_000
START = 1_640_995_200_000_000_000
CASES = settings(max_examples=25, deadline=None, derandomize=True)


def market(count: int, decimals: int, seed: int) -> pd.DataFrame:
    """Random bars with gaps, prices of so many decimals."""
    rng = np.random.default_rng(seed)
    ticks = 1_000 + np.sort(rng.integers(0, 400, (count, 4)), axis=1)
    low, opening, close, high = (ticks[:, i] / 10**decimals for i in range(4))
    hours = np.sort(rng.choice(2 * count, count, replace=False))
    columns = {"open": opening, "high": high, "low": low, "close": close, "volume": rng.exponential(5.0, count)}
    return pd.DataFrame({"ts": START + HOUR * hours, **columns})


@CASES
@given(data=st.data(), count=st.integers(4, 40), decimals=st.integers(0, 8), seed=st.integers(0, 2**32 - 1))
def test_pieces_in_any_order_with_any_overlap_make_the_same_dataset(
    data: st.DataObject, count: int, decimals: int, seed: int
) -> None:
    table = market(count, decimals, seed)
    rows = st.lists(st.integers(0, count - 1), min_size=1, max_size=count)
    pieces = data.draw(st.lists(rows, min_size=0, max_size=4))
    rest = sorted(set(range(count)) - {row for piece in pieces for row in piece})
    pieces = data.draw(st.permutations([*pieces, *([rest] if rest else [])]))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        table.to_parquet(root / "whole.parquet")
        whole = import_file(root / "whole", root / "whole.parquet", ID, "1-HOUR")
        added = 0
        for i, piece in enumerate(pieces):
            table.iloc[piece].to_parquet(root / f"{i}.parquet")
            report = import_file(root / "pieces", root / f"{i}.parquet", ID, "1-HOUR")
            added += report.added
        assert report.sha256 == whole.sha256
        assert (report.rows, report.gaps, report.missing) == (whole.rows, whole.gaps, whole.missing)
        assert added == whole.rows == count
        kept = read_manifest(root / "pieces").datasets
        assert len(kept) == 1
        assert len(list((root / "pieces" / "data" / "bars").rglob("*.parquet"))) == 1
        bars = read_bars(root / "pieces", ID, "1-HOUR")
        assert bars.ts_open.tolist() == table["ts"].tolist()
        assert np.abs(bars.close - table["close"]).max() <= np.spacing(1_400.0)


@CASES
@given(data=st.data(), count=st.integers(2, 40), seed=st.integers(0, 2**32 - 1))
def test_trades_in_pieces_make_the_same_dataset(data: st.DataObject, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "ts": START + np.sort(rng.integers(0, 6, count)),
            "price": rng.integers(100, 200, count) / 10,
            "size": 1.0,
            "side": rng.choice(["BUY", "SELL"], count),
            "trade_id": 95 + np.arange(count),
        }
    )
    order = data.draw(st.permutations(range(count)))
    cut = data.draw(st.integers(1, count))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        table.to_parquet(root / "whole.parquet")
        table.iloc[order[:cut]].to_parquet(root / "a.parquet")
        table.iloc[order[cut // 2 :]].to_parquet(root / "b.parquet")
        whole = import_file(root / "whole", root / "whole.parquet", ID)
        import_file(root / "pieces", root / "a.parquet", ID)
        assert import_file(root / "pieces", root / "b.parquet", ID).sha256 == whole.sha256


@CASES
@given(values=st.lists(st.integers(-(10**15), 10**15), min_size=1, max_size=50), decimals=st.integers(0, 12))
def test_a_decimal_survives_encoding_exactly(values: list[int], decimals: int) -> None:
    floats = np.array([value / 10**decimals for value in values])
    raw = encode(floats, decimals)
    units = [int(low) | int(high) << 64 for low, high in raw]
    signed = [unit - (1 << 128) if unit >> 127 else unit for unit in units]
    assert signed == [value * 10 ** (16 - decimals) for value in values]
    assert np.abs(decode(raw) - floats).max() <= np.spacing(np.abs(floats)).max()
