"""Imports: the rules, each by an example, and what a refused import leaves behind."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from catalogs.arrays import read_bars, read_funding, read_quotes, read_trades
from catalogs.importing import ImportReport, import_file
from catalogs.manifest import read_manifest
from engine.contract.errors import DataError, HuracanError, UsageError

START = 1_640_995_200_000_000_000
HOUR = 3_600_000_000_000
ID = "BTCUSDT.BINANCE"
Hourly = Callable[..., pd.DataFrame]


def bring(catalog: Path, table: pd.DataFrame, name: str = "a", **options: object) -> ImportReport:
    """Import a table through a file of its own."""
    path = catalog.parent / f"{name}.parquet"
    table.to_parquet(path)
    return import_file(catalog, path, ID, "1-HOUR", **options)  # type: ignore[arg-type]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, with its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_import_reports_open_of_the_first_and_close_of_the_last_bar(catalog: Path, bars: pd.DataFrame) -> None:
    report = bring(catalog, bars)
    assert (report.rows, report.added, report.gaps, report.missing) == (5, 5, 0, 0)
    assert (report.start, report.end) == ("2022-01-01T00:00:00Z", "2022-01-01T05:00:00Z")


def test_import_of_the_same_file_twice_changes_no_byte(catalog: Path, bars: pd.DataFrame) -> None:
    first = bring(catalog, bars)
    before = contents(catalog)
    again = bring(catalog, bars)
    assert contents(catalog) == before
    assert (again.rows, again.added, again.skipped, again.sha256) == (5, 0, 5, first.sha256)


def test_gaps_are_counted_and_not_filled(catalog: Path, bars: pd.DataFrame) -> None:
    report = bring(catalog, bars.drop(index=[1, 3]))
    assert (report.rows, report.gaps, report.missing) == (3, 2, 2)
    report = bring(catalog, bars.drop(index=[1, 2]), "b")
    assert (report.rows, report.gaps, report.missing, report.added, report.skipped) == (4, 1, 1, 1, 2)


def test_disordered_rows_are_sorted_and_counted(catalog: Path, bars: pd.DataFrame) -> None:
    report = bring(catalog, bars.iloc[[0, 3, 1, 2, 4]])
    assert (report.sorted, report.rows) == (2, 5)
    assert read_bars(catalog, ID, "1-HOUR").open.tolist() == [100, 101, 102, 103, 104]


def test_exact_duplicates_are_dropped_and_counted(catalog: Path, bars: pd.DataFrame) -> None:
    report = bring(catalog, pd.concat([bars, bars.iloc[[2]], bars.iloc[[2]]]))
    assert (report.duplicates, report.rows) == (2, 5)


def test_rows_of_one_time_with_other_values_are_refused_by_name(catalog: Path, bars: pd.DataFrame) -> None:
    other = bars.iloc[[2]].assign(close=102.5)
    message = (
        r"one value of close at 2022-01-01T02:00:00Z, was 103.0 and 102.5 \(a.parquet\); choose with --on-conflict"
    )
    with pytest.raises(DataError, match=message):
        bring(catalog, pd.concat([bars, other]))
    assert not catalog.exists()


@pytest.mark.parametrize(("rule", "close"), [("keep", 103.0), ("replace", 102.5)])
def test_rows_of_one_time_in_one_file_are_settled_by_rule(
    catalog: Path, bars: pd.DataFrame, rule: str, close: float
) -> None:
    report = bring(catalog, pd.concat([bars, bars.iloc[[2]].assign(close=102.5)]), on_conflict=rule)
    assert report.rows == 5
    assert read_bars(catalog, ID, "1-HOUR").close[2] == close


@pytest.mark.parametrize(("rule", "close", "counts"), [("keep", 103.0, (5, 0)), ("replace", 102.5, (4, 1))])
def test_conflicts_with_the_catalog_are_settled_by_rule(
    catalog: Path, bars: pd.DataFrame, rule: str, close: float, counts: tuple[int, int]
) -> None:
    bring(catalog, bars)
    other = bars.copy()
    other.loc[2, "close"] = 102.5
    before = contents(catalog)
    with pytest.raises(DataError, match=r"was 103\.0 and 102\.5"):
        bring(catalog, other, "b")
    assert contents(catalog) == before
    report = bring(catalog, other, "b", on_conflict=rule)
    assert (report.skipped, report.replaced) == counts
    assert read_bars(catalog, ID, "1-HOUR").close[2] == close


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("high", 102.9, r"high must not be under open or close, was 102.9 \(row 3, 2022-01-01T02:00:00Z, a.parquet\)"),
        ("low", 102.1, "low must not be over open or close, was 102.1"),
        ("volume", -1.0, "volume must not be negative, was -1.0"),
        ("low", 0.0, "low must be above 0, was 0.0"),
        ("open", -5.0, "open must be above 0, was -5.0"),
        ("close", np.nan, "close must be a finite number, was"),
    ],
)
def test_impossible_bars_refuse_the_file(
    catalog: Path, bars: pd.DataFrame, column: str, value: float, message: str
) -> None:
    bars.loc[2, column] = value
    with pytest.raises(DataError, match=message):
        bring(catalog, bars)
    assert not catalog.exists()


def test_times_off_the_grid_refuse_the_file(catalog: Path, bars: pd.DataFrame) -> None:
    bars.loc[2, "ts"] += 1_000_000_000
    message = r"bar time must be on the grid of 1-HOUR, was 2022-01-01T02:00:01Z \(row 3"
    with pytest.raises(DataError, match=message):
        bring(catalog, bars)


def test_bars_of_another_length_are_refused(catalog: Path, hourly: Hourly, tmp_path: Path) -> None:
    hourly(60, step=4 * HOUR).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match="bars must be 1-HOUR, was 14400 s apart or more"):
        import_file(catalog, tmp_path / "a.parquet", ID, "1-HOUR")
    with pytest.raises(DataError, match="grid of 1-DAY"):
        import_file(catalog, tmp_path / "a.parquet", ID, "1-DAY")


@pytest.mark.parametrize("bar", ["60-MINUTE", "5-HOUR", "1-hour", "hour", "0-HOUR", None])
def test_a_bar_length_that_is_none_is_refused(
    catalog: Path, bars: pd.DataFrame, tmp_path: Path, bar: str | None
) -> None:
    bars.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(UsageError, match="--bar must"):
        import_file(catalog, tmp_path / "a.parquet", ID, bar)


@pytest.mark.parametrize(
    "instrument_id", ["BTCUSDT", "btcusdt.BINANCE", "BTCXYZ.BINANCE", "USDT.BINANCE", "BTC/USDT.BINANCE"]
)
def test_an_instrument_id_that_is_none_is_refused(
    catalog: Path, bars: pd.DataFrame, tmp_path: Path, instrument_id: str
) -> None:
    bars.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(UsageError, match="instrument must"):
        import_file(catalog, tmp_path / "a.parquet", instrument_id, "1-HOUR")


def test_precision_grows_with_the_data_and_rewrites_what_is_there(catalog: Path, hourly: Hourly) -> None:
    first = bring(catalog, hourly(3))
    assert first.instruments[0].price_precision == 1
    finer = hourly(3, start=START + 3 * HOUR)
    finer["close"] += 0.001
    second = bring(catalog, finer, "b")
    assert second.instruments[0].price_precision == 3
    from nautilus_trader.persistence import ParquetDataCatalog

    stored = ParquetDataCatalog(str(catalog)).query_bars([f"{ID}-1-HOUR-LAST-EXTERNAL"])
    assert [str(bar.close) for bar in stored] == ["101.000", "102.000", "103.000", "101.001", "102.001", "103.001"]


def test_precision_that_was_given_stays_and_rounds(catalog: Path, bars: pd.DataFrame) -> None:
    bars["close"] = [100.004, 101.006, 102.0, 103.0, 104.0]
    report = bring(catalog, bars, price_precision=2)
    assert (report.rounded, report.instruments[0].price_precision) == (2, 2)
    assert [round(close, 6) for close in read_bars(catalog, ID, "1-HOUR").close[:2]] == [100.0, 101.01]
    again = bring(catalog, bars)
    assert (again.added, again.instruments[0].price_precision) == (0, 2)


def test_a_price_that_rounds_to_zero_is_refused(catalog: Path, bars: pd.DataFrame) -> None:
    for name in ("open", "high", "low", "close"):
        bars[name] /= 1e6
    with pytest.raises(DataError, match=r"open must be at least 0\.1 after rounding, was 0\.0001"):
        bring(catalog, bars, price_precision=1)


def test_terms_are_inferred_or_given(catalog: Path, bars: pd.DataFrame) -> None:
    spec = bring(catalog, bars).instruments[0]
    assert (spec.price_precision, spec.size_precision, spec.min_notional) == (1, 3, 5.0)
    spec = bring(catalog, bars, size_precision=4, min_notional=10.0).instruments[0]
    assert (spec.size_precision, spec.min_notional) == (4, 10.0)


def test_trades_may_share_a_time_and_are_known_by_their_id(catalog: Path, tmp_path: Path) -> None:
    trades = pd.DataFrame(
        {"ts": START, "price": [10.0, 11.0, 12.0], "size": 1.0, "side": ["BUY", "SELL", "BUY"], "trade_id": [9, 10, 11]}
    )
    trades.iloc[[2, 0]].to_parquet(tmp_path / "a.parquet")
    trades.iloc[[1, 2]].to_parquet(tmp_path / "b.parquet")
    import_file(catalog, tmp_path / "a.parquet", ID)
    report = import_file(catalog, tmp_path / "b.parquet", ID)
    assert (report.rows, report.added, report.skipped) == (3, 1, 1)
    stored = read_trades(catalog, ID)
    assert (stored.price.tolist(), stored.side.tolist()) == ([10.0, 11.0, 12.0], [1, 2, 1])


def test_a_trade_id_with_another_price_is_a_conflict(catalog: Path, tmp_path: Path) -> None:
    trades = pd.DataFrame({"ts": START, "price": [10.0, 11.0], "size": 1.0, "side": "BUY", "trade_id": 9})
    trades.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"trade 9 must have one value of price .*, was 10.0 and 11.0"):
        import_file(catalog, tmp_path / "a.parquet", ID)


def test_quotes_of_one_time_keep_their_order(catalog: Path, tmp_path: Path) -> None:
    quotes = pd.DataFrame(
        {"ts": [START, START, START + 1], "bid": [9.0, 8.0, 9.0], "ask": 10.0, "bid_size": 1, "ask_size": 1}
    )
    quotes.to_parquet(tmp_path / "a.parquet")
    report = import_file(catalog, tmp_path / "a.parquet", ID)
    assert import_file(catalog, tmp_path / "a.parquet", ID).sha256 == report.sha256
    assert read_quotes(catalog, ID).bid.tolist() == [9.0, 8.0, 9.0]


def test_funding_rates_need_the_instrument_first(catalog: Path, bars: pd.DataFrame, tmp_path: Path) -> None:
    rates = pd.DataFrame({"ts": START + 8 * HOUR * np.array([0, 1, 3]), "rate": [0.0001, -0.00025, 0.0]})
    rates.to_parquet(tmp_path / "f.parquet")
    with pytest.raises(DataError, match="import its bars first"):
        import_file(catalog, tmp_path / "f.parquet", ID)
    assert not catalog.exists()
    bring(catalog, bars)
    report = import_file(catalog, tmp_path / "f.parquet", ID)
    assert (report.rows, report.gaps, report.missing) == (3, 1, 1)
    assert read_funding(catalog, ID).rate.tolist() == [0.0001, -0.00025, 0.0]


def test_funding_rates_are_read_by_the_library(catalog: Path, bars: pd.DataFrame, tmp_path: Path) -> None:
    from nautilus_trader.model import NautilusDataType
    from nautilus_trader.persistence import ParquetDataCatalog

    bring(catalog, bars)
    rates = pd.DataFrame({"ts": START + 8 * HOUR * np.arange(3), "rate": [0.0001, -0.00025, 0.0]})
    rates.to_parquet(tmp_path / "f.parquet")
    import_file(catalog, tmp_path / "f.parquet", ID)
    stored = ParquetDataCatalog(str(catalog)).query(NautilusDataType.FundingRateUpdate)
    assert [(float(one.rate), one.interval, one.ts_event) for one in stored] == [
        (0.0001, 480, START),
        (-0.00025, 480, START + 8 * HOUR),
        (0.0, 480, START + 16 * HOUR),
    ]


def test_sources_are_remembered_by_name_without_their_folder(catalog: Path, bars: pd.DataFrame) -> None:
    bring(catalog, bars.iloc[:3], "one")
    bring(catalog, bars.iloc[2:], "two")
    sources = read_manifest(catalog).datasets[0].sources
    assert [(source.file, source.layout) for source in sources] == [("one.parquet", "bars"), ("two.parquet", "bars")]


def test_a_catalog_that_is_a_file_is_refused(bars: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x")
    bars.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(HuracanError, match="catalog must be a folder"):
        import_file(tmp_path / "taken", tmp_path / "a.parquet", ID, "1-HOUR")


def test_real_hours_of_bitcoin_have_27_gaps(catalog: Path, real: Callable[[str], Path]) -> None:
    report = import_file(catalog, real("BINANCE.BTCUSDT.1h.parquet"), ID, "1-HOUR")
    assert (report.rows, report.gaps, report.missing) == (52_462, 27, 122)
    assert (report.start, report.end) == ("2018-01-01T00:00:00Z", "2024-01-01T00:00:00Z")
    spec = report.instruments[0]
    assert (spec.price_precision, spec.size_precision, spec.base, spec.quote) == (2, 5, "BTC", "USDT")


@pytest.mark.parametrize(
    ("name", "instrument_id", "rows"),
    [
        ("BINANCE.BTCUSDT-PERP.20240718.trades.parquet", "BTCUSDT-PERP.BINANCE", 10_701),
        ("BINANCE.BTCUSDT-PERP.20240718.quotes.parquet", "BTCUSDT-PERP.BINANCE", 52_260),
        ("BINANCE.PEPEUSDT.aggtrades.20241027.parquet", "PEPEUSDT.BINANCE", 57_229),
        ("BINANCE.XRPETH.trades.201910.parquet", "XRPETH.BINANCE", 12_477),
    ],
)
def test_real_trades_and_quotes_lose_no_row(
    catalog: Path, real: Callable[[str], Path], name: str, instrument_id: str, rows: int
) -> None:
    assert import_file(catalog, real(name), instrument_id).rows == rows
