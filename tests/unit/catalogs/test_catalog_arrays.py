"""Reading arrays: values, spans, and errors that say what the catalog has."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from catalogs.arrays import read_bars, read_funding, read_manifest, read_quotes, read_trades
from catalogs.importing import import_file
from engine.contract.errors import DataError

START = 1_640_995_200_000_000_000
HOUR = 3_600_000_000_000
ID = "BTCUSDT.BINANCE"


@pytest.fixture
def filled(catalog: Path, bars: pd.DataFrame, tmp_path: Path) -> Path:
    """A catalog with five hours of bars."""
    bars.to_parquet(tmp_path / "a.parquet")
    import_file(catalog, tmp_path / "a.parquet", ID, "1-HOUR")
    return catalog


def test_bars_have_open_and_close_times_and_values(filled: Path) -> None:
    bars = read_bars(filled, ID, "1-HOUR")
    assert (bars.instrument.instrument_id, bars.bar, len(bars)) == (ID, "1-HOUR", 5)
    assert bars.ts_open.tolist() == [START + HOUR * i for i in range(5)]
    assert bars.ts_close.tolist() == [START + HOUR * (i + 1) for i in range(5)]
    assert bars.close.tolist() == [101, 102, 103, 104, 105]
    assert bars.volume.tolist() == [10, 11, 12, 13, 14]
    assert bars.ts_open.dtype == np.int64
    assert bars.high.dtype == np.float64


def test_span_holds_its_start_and_not_its_end(filled: Path) -> None:
    assert read_bars(filled, ID, "1-HOUR", START + HOUR, START + 3 * HOUR).open.tolist() == [101, 102]
    assert read_bars(filled, ID, "1-HOUR", START + 1, None).open.tolist() == [101, 102, 103, 104]


def test_empty_span_says_what_the_catalog_has(filled: Path) -> None:
    message = "empty from 2022-01-02T00:00:00Z to the last .*; it holds 2022-01-01T00:00:00Z to 2022-01-01T05:00:00Z"
    with pytest.raises(DataError, match=message):
        read_bars(filled, ID, "1-HOUR", START + 24 * HOUR)
    with pytest.raises(DataError, match="empty from"):
        read_bars(filled, ID, "1-HOUR", START + 3 * HOUR, START + 2 * HOUR)


def test_missing_things_are_named_with_those_there(filled: Path, tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"instrument must be one that the catalog holds \(BTCUSDT.BINANCE\), was ETHUSDT"
    ):
        read_bars(filled, "ETHUSDT.BINANCE", "1-HOUR")
    with pytest.raises(DataError, match=r"among those of BTCUSDT.BINANCE \(1-HOUR bars\), was 5-MINUTE bars"):
        read_bars(filled, ID, "5-MINUTE")
    with pytest.raises(DataError, match=r"among those of BTCUSDT.BINANCE \(1-HOUR bars\), was funding"):
        read_funding(filled, ID)
    with pytest.raises(DataError, match="catalog must be an existing folder"):
        read_bars(tmp_path / "nowhere", ID, "1-HOUR")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"catalog must hold manifest.json"):
        read_manifest(tmp_path / "empty")


def test_altered_file_is_refused(filled: Path, hourly: Callable[..., pd.DataFrame], tmp_path: Path) -> None:
    hourly().assign(close=101.25).assign(high=200.0, low=50.0).to_parquet(tmp_path / "b.parquet")
    import_file(tmp_path / "other", tmp_path / "b.parquet", ID, "1-HOUR", price_precision=2)
    file = read_manifest(filled).datasets[0].files[0]
    (filled / file).write_bytes((tmp_path / "other" / file).read_bytes())
    with pytest.raises(DataError, match=r"dataset hash must be \w{12}, was \w{12}"):
        read_bars(filled, ID, "1-HOUR")
    (filled / file).unlink()
    with pytest.raises(DataError, match="catalog file must be a readable dataset"):
        read_bars(filled, ID, "1-HOUR")


def test_arrays_do_not_load_the_trading_library(filled: Path) -> None:
    program = (
        "import sys; from catalogs.arrays import read_bars; "
        f"assert len(read_bars({str(filled)!r}, {ID!r}, '1-HOUR')) == 5; "
        "assert 'nautilus_trader' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[3])


def test_real_bars_are_bit_equal_to_those_of_the_library(catalog: Path, real: Callable[[str], Path]) -> None:
    from nautilus_trader.persistence import ParquetDataCatalog

    import_file(catalog, real("BINANCE.BTCUSDT.1h.parquet"), ID, "1-HOUR")
    ours = read_bars(catalog, ID, "1-HOUR")
    theirs = ParquetDataCatalog(str(catalog)).query_bars([f"{ID}-1-HOUR-LAST-EXTERNAL"])
    assert [bar.ts_event for bar in theirs] == ours.ts_close.tolist()
    for name in ("open", "high", "low", "close", "volume"):
        assert [float(getattr(bar, name)) for bar in theirs] == getattr(ours, name).tolist()


def test_real_trades_and_quotes_are_bit_equal_to_those_of_the_library(
    catalog: Path, real: Callable[[str], Path]
) -> None:
    from nautilus_trader.persistence import ParquetDataCatalog

    perpetual = "BTCUSDT-PERP.BINANCE"
    import_file(catalog, real("BINANCE.BTCUSDT-PERP.20240718.trades.parquet"), perpetual)
    import_file(catalog, real("BINANCE.BTCUSDT-PERP.20240718.quotes.parquet"), perpetual)
    library = ParquetDataCatalog(str(catalog))
    trades, quotes = read_trades(catalog, perpetual), read_quotes(catalog, perpetual)
    assert [float(one.price) for one in library.query_trade_ticks([perpetual])] == trades.price.tolist()
    assert [float(one.ask_size) for one in library.query_quote_ticks([perpetual])] == quotes.ask_size.tolist()
