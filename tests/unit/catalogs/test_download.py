"""Downloading history: pages, interruptions, the bar that is still open, and what is fetched twice."""

from pathlib import Path
from typing import Any

import ccxt
import pytest

from catalogs.arrays import read_bars, read_funding
from catalogs.download import ATTEMPTS, PARTS, download, symbol_of
from engine.contract.errors import DataError, EnvironmentFault, UsageError

HOUR_MS = 3_600_000
START_MS = 1_640_995_200_000
BTC, PERP = "BTCUSDT.BINANCE", "BTCUSDT-PERP.BINANCE"


class Exchange:
    """An exchange of 2,500 hourly bars whose clock stands in the middle of the last one; `faults` are raised by the next calls."""

    def __init__(self, bars: int = 2_500) -> None:
        self.id = "binance"
        self.timeframes = {"1h": "1h"}
        self.has = {"fetchOHLCV": True, "fetchFundingRateHistory": True, "fetchTime": True}
        self.markets: dict[str, Any] = {"BTC/USDT": {}, "BTC/USDT:USDT": {}}
        self.bars = bars
        self.faults: list[Exception | None] = []
        self.calls = 0
        self.lies_from = 10**9

    def load_markets(self) -> None: ...

    def fetch_time(self) -> int:
        return START_MS + (self.bars - 1) * HOUR_MS + HOUR_MS // 2

    def _fail(self) -> None:
        self.calls += 1
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            raise fault

    def fetch_ohlcv(self, symbol: str, timeframe: str, since: int, limit: int) -> list[list[float]]:
        self._fail()
        first = max(0, -(-(since - START_MS) // HOUR_MS))
        close = 100.0 if self.calls < self.lies_from else 101.0
        rows = range(first, min(self.bars, first + limit))
        return [[START_MS + k * HOUR_MS, 100.0, 110.0, 90.0, close + k % 7, 2.5] for k in rows]

    def fetch_funding_rate_history(self, symbol: str, since: int, limit: int) -> list[dict[str, Any]]:
        self._fail()
        times = range(START_MS, START_MS + self.bars * HOUR_MS, 8 * HOUR_MS)
        return [{"timestamp": ts, "fundingRate": 0.0001} for ts in times if ts >= since][:limit]


def fetch(catalog: Path, exchange: Any, **more: Any) -> Any:
    given: dict[str, Any] = {"start_ns": START_MS * 1_000_000, "pause_secs": 0.0, **more}
    return download(catalog, exchange, BTC, "1-HOUR", **given)


def test_every_closed_bar_is_imported_and_the_open_one_is_not(tmp_path: Path) -> None:
    report = fetch(tmp_path, Exchange())
    assert (report.fetched, report.resumed, report.imported.rows, report.imported.gaps) == (2_499, 0, 2_499, 0)
    assert read_bars(tmp_path, BTC, "1-HOUR").close[:3].tolist() == [100.0, 101.0, 102.0]
    assert not (tmp_path / PARTS).exists()


def test_three_pages_are_fetched_twice_and_counted(tmp_path: Path) -> None:
    assert fetch(tmp_path, Exchange()).verified == 1_000 + 1_000 + 1_000


def test_an_interrupted_download_goes_on_behind_its_last_row(tmp_path: Path) -> None:
    exchange = Exchange()
    exchange.faults = [None, None, *[ccxt.RequestTimeout("lost")] * ATTEMPTS]
    with pytest.raises(EnvironmentFault, match=f"binance must answer, was RequestTimeout {ATTEMPTS} times"):
        fetch(tmp_path, exchange)
    report = fetch(tmp_path, Exchange())
    assert (report.resumed, report.fetched, report.imported.rows) == (2_000, 499, 2_499)


def test_a_page_that_fails_for_the_network_is_asked_for_again(tmp_path: Path) -> None:
    exchange = Exchange()
    exchange.faults = [ccxt.NetworkError("once"), ccxt.RateLimitExceeded("twice")]
    assert fetch(tmp_path, exchange).fetched == 2_499


def test_a_refusal_of_the_exchange_ends_the_download(tmp_path: Path) -> None:
    exchange = Exchange()
    exchange.faults = [ccxt.BadSymbol("no such")]
    with pytest.raises(DataError, match="BadSymbol: no such"):
        fetch(tmp_path, exchange)


def test_a_second_download_without_a_start_adds_what_is_new(tmp_path: Path) -> None:
    fetch(tmp_path, Exchange(1_000))
    report = fetch(tmp_path, Exchange(1_500), start_ns=None)
    assert (report.fetched, report.imported.rows) == (500, 1_499)
    assert fetch(tmp_path, Exchange(1_500), start_ns=None).fetched == 0


def test_a_bar_that_is_told_differently_the_second_time_is_refused(tmp_path: Path) -> None:
    exchange = Exchange()
    exchange.lies_from = 4
    with pytest.raises(DataError, match="a second fetch must give"):
        fetch(tmp_path, exchange)


def test_without_a_start_and_without_data_the_user_is_asked_for_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--start must be given"):
        fetch(tmp_path, Exchange(), start_ns=None)


def test_a_bar_that_the_exchange_has_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--bar must be one of 1h, was 5m"):
        download(tmp_path, Exchange(), BTC, "5-MINUTE", START_MS * 1_000_000)


def test_funding_rates_are_fetched_as_they_were_settled(tmp_path: Path) -> None:
    exchange = Exchange(100)
    span = {"start_ns": START_MS * 1_000_000, "pause_secs": 0.0}
    download(tmp_path, exchange, PERP, "1-HOUR", **span)  # type: ignore[arg-type]
    report = download(tmp_path, exchange, PERP, None, kind="funding", **span)  # type: ignore[arg-type]
    assert report.imported.rows == 13
    assert set(read_funding(tmp_path, PERP).rate.tolist()) == {0.0001}


def test_symbols_follow_ccxt() -> None:
    assert (symbol_of(BTC), symbol_of(PERP)) == ("BTC/USDT", "BTC/USDT:USDT")
