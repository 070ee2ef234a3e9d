"""Source files: layouts, times, and errors that say what and where."""

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from catalogs.readers import read_source
from engine.contract.errors import DataError

START = 1_640_995_200_000_000_000
HOUR = 3_600_000_000_000
KLINE = "1640995200000,100,101.5,99.5,101,10,1640998799999,1010,7,5,505,0"


def write(path: Path, text: str) -> Path:
    """A text file."""
    path.write_text(text, encoding="utf-8")
    return path


def test_parquet_bars_keep_time_and_values(bars: pd.DataFrame, tmp_path: Path) -> None:
    bars.to_parquet(tmp_path / "a.parquet")
    rows = read_source(tmp_path / "a.parquet")
    assert (rows.kind, rows.layout) == ("bars", "bars")
    assert rows.ts.tolist() == bars["ts"].tolist()
    assert rows.values["close"].tolist() == bars["close"].tolist()


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_csv_bars_equal_parquet_bars(bars: pd.DataFrame, tmp_path: Path, name: str) -> None:
    bars.to_csv(tmp_path / name, index=False)
    rows = read_source(tmp_path / name)
    assert rows.ts.tolist() == bars["ts"].tolist()
    assert rows.values["volume"].tolist() == bars["volume"].tolist()


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("unit", [1, 1_000])
def test_binance_klines_are_read_with_and_without_header_in_milli_and_microseconds(
    tmp_path: Path, header: bool, unit: int
) -> None:
    names = "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,x,ignore\n"
    text = (names if header else "") + KLINE.replace("1640995200000", str(1640995200000 * unit)) + "\n"
    rows = read_source(write(tmp_path / "k.csv", text))
    assert rows.layout == "Binance klines"
    assert rows.ts.tolist() == [START]
    assert [rows.values[name][0] for name in ("open", "high", "low", "close", "volume")] == [100, 101.5, 99.5, 101, 10]


@pytest.mark.parametrize("header", ["", "timestamp,open,high,low,close,volume\n"])
def test_ccxt_candles_are_read_from_csv(tmp_path: Path, header: str) -> None:
    rows = read_source(write(tmp_path / "c.csv", header + "1640995200000,100,101.5,99.5,101,10\n"))
    assert (rows.layout, rows.ts.tolist()) == ("ccxt candles", [START])


def test_ccxt_candles_are_read_from_json(tmp_path: Path) -> None:
    candles = [[1640995200000, 100, 101.5, 99.5, 101, 10], [1640998800000, 101, 102, 100, 101, None]]
    write(tmp_path / "c.json", json.dumps(candles[:1]))
    assert read_source(tmp_path / "c.json").ts.tolist() == [START]
    write(tmp_path / "c.json", json.dumps(candles))
    with pytest.raises(DataError, match=r"volume must be a finite number, was empty \(row 2, 2022-01-01T01:00:00Z"):
        read_source(tmp_path / "c.json")


@pytest.mark.parametrize("suffix", ["feather", "parquet"])
@pytest.mark.parametrize("zone", ["UTC", None])
def test_freqtrade_candles_are_read_with_and_without_zone(
    bars: pd.DataFrame, tmp_path: Path, suffix: str, zone: str | None
) -> None:
    table = bars.rename(columns={"ts": "date"})
    table["date"] = (
        pd.to_datetime(table["date"], utc=True).dt.tz_convert(zone) if zone else pd.to_datetime(table["date"])
    )
    getattr(table, f"to_{suffix}")(tmp_path / f"f.{suffix}")
    rows = read_source(tmp_path / f"f.{suffix}")
    assert (rows.layout, rows.ts.tolist()) == ("freqtrade candles", bars["ts"].tolist())


def test_times_as_text_are_utc_unless_they_have_a_zone(tmp_path: Path) -> None:
    text = "date,open,high,low,close,volume\n2022-01-01 00:00:00,1,1,1,1,1\n2022-01-01T02:00:00+01:00,1,1,1,1,1\n"
    assert read_source(write(tmp_path / "t.csv", text)).ts.tolist() == [START, START + HOUR]


def test_units_of_times_follow_from_their_size_row_by_row(tmp_path: Path) -> None:
    stamps = [1640995200, 1640995200001, 1640995200000002, 1640995200000000003]
    text = "ts,open,high,low,close,volume\n" + "".join(f"{stamp},1,1,1,1,1\n" for stamp in stamps)
    expected = [START, START + 1_000_000, START + 2_000, START + 3]
    assert read_source(write(tmp_path / "u.csv", text)).ts.tolist() == expected


def test_binance_aggregate_trades_without_header_have_the_aggressor(tmp_path: Path) -> None:
    text = "7,100.5,2,1,1,1640995200000,True,True\n8,100.6,3,2,2,1640995200000,False,True\n"
    rows = read_source(write(tmp_path / "a.csv", text))
    assert (rows.kind, rows.layout) == ("trades", "Binance aggregate trades")
    assert rows.side is not None
    assert rows.side.tolist() == [2, 1]
    assert rows.trade_id is not None
    assert rows.trade_id.tolist() == [b"7", b"8"]


def test_quotes_and_funding_are_recognised_by_their_columns(tmp_path: Path) -> None:
    quotes = write(tmp_path / "q.csv", f"ts,bid,ask,bid_size,ask_size\n{START},99.5,100.5,1,2\n")
    funding = write(tmp_path / "f.csv", f"ts,rate\n{START},-0.0001\n")
    assert read_source(quotes).values["ask_price"].tolist() == [100.5]
    assert read_source(funding).values["rate"].tolist() == [-0.0001]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="file must exist, was missing"):
        read_source(tmp_path / "no.csv")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    for name, text in (("a.csv", ""), ("b.csv", "ts,open,high,low,close,volume\n"), ("c.json", "[]")):
        with pytest.raises(DataError, match="must hold at least one row, was empty"):
            read_source(write(tmp_path / name, text))


def test_a_wrong_column_is_named_with_those_found(bars: pd.DataFrame, tmp_path: Path) -> None:
    bars.rename(columns={"close": "closing"}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(
        DataError, match="column close must be present in bars, was missing; found ts, open, high, low, closing"
    ):
        read_source(tmp_path / "a.parquet")


def test_a_file_of_something_else_is_refused_with_its_columns(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="was ts, value"):
        read_source(write(tmp_path / "a.csv", "ts,value\n1640995200,3\n"))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_price_that_is_no_number_is_refused_with_row_and_time(
    bars: pd.DataFrame, tmp_path: Path, value: float
) -> None:
    bars.loc[2, "high"] = value
    bars.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"high must be a finite number, was \w*-?\w+ \(row 3, 2022-01-01T02:00:00Z"):
        read_source(tmp_path / "a.parquet")


def test_text_among_prices_is_refused_with_its_row(tmp_path: Path) -> None:
    text = f"ts,open,high,low,close,volume\n{START},1,1,1,1,1\n{START + HOUR},1,x7,1,1,1\n"
    with pytest.raises(DataError, match=r"high must be a finite number, was x7 \(row 2"):
        read_source(write(tmp_path / "a.csv", text))


@pytest.mark.parametrize("stamp", ["yesterday", "0", "-5", ""])
def test_a_time_that_is_none_is_refused_with_its_row(tmp_path: Path, stamp: str) -> None:
    text = f"ts,open,high,low,close,volume\n{START},1,1,1,1,1\n{stamp},1,1,1,1,1\n"
    with pytest.raises(DataError, match=r"time must be a time after 1970, was .* \(row 2, a.csv\)"):
        read_source(write(tmp_path / "a.csv", text))


@pytest.mark.parametrize("name", ["a.parquet", "a.feather", "a.csv.gz", "a.json"])
def test_a_broken_file_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"not this at all")
    with pytest.raises(DataError, match="file must be readable") as caught:
        read_source(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_truncated_archive_is_refused(bars: pd.DataFrame, tmp_path: Path) -> None:
    whole = gzip.compress(bars.to_csv(index=False).encode())
    (tmp_path / "a.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="file must be readable csv"):
        read_source(tmp_path / "a.csv.gz")


def test_a_number_of_unnamed_columns_that_is_unknown_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"columns without names must number 6 .*, was 3"):
        read_source(write(tmp_path / "a.csv", "1640995200,1,2\n"))
