"""Downloading history through ccxt: page by page into a file of its own, then imported by the rules of every import.

- What was fetched stays when a download is interrupted; the next one goes on behind its last row. One that is complete leaves no file.
- Without a start it goes on behind what the catalog holds.
- A bar that is still open is not taken: the exchange's own clock says which.
- Verified: the first, the middle and the last page are fetched once more and must be what was written; then the import checks every bar,
  and the report carries the gaps.
- A page that fails for the network is asked for again, with growing pauses; a refusal of the exchange ends the download.
"""

import csv
import datetime as dt
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import ccxt
import msgspec

from catalogs.importing import ImportReport, import_file
from catalogs.instruments import split_id
from catalogs.manifest import NAME, read_manifest
from engine.contract.calendar import bar_ns, iso, to_ns
from engine.contract.errors import DataError, EnvironmentFault, UsageError, broken

MS = 1_000_000
PAGE = 1_000
ATTEMPTS = 6
PAUSE_SECS = 1.0
PARTS = ".downloads"
UNITS = {"SECOND": "s", "MINUTE": "m", "HOUR": "h", "DAY": "d"}
TYPES = {"spot": "spot", "perpetual": "swap"}

Kind = Literal["bars", "funding"]
Row = tuple[Any, ...]
Say = Callable[[int, str], None]


class DownloadReport(msgspec.Struct, frozen=True):
    """What a download did.

    Attributes
    ----------
    fetched, resumed
        Rows that came now; rows that an interrupted download had left.
    verified
        Rows that were fetched twice and were equal.
    imported
        What became of them in the catalog.
    """

    exchange: str
    symbol: str
    fetched: int
    resumed: int
    verified: int
    imported: ImportReport


def open_exchange(name: str, instrument_id: str) -> Any:
    """Open an exchange of ccxt, without keys, for the market of an instrument.

    Raises
    ------
    UsageError
        ccxt has no such exchange, or it has no bars.
    """
    if name not in ccxt.exchanges:
        raise UsageError(broken("--exchange", "be an exchange of ccxt", name, remedy="binance, kraken, okx, …"))
    kind, _, _ = split_id(instrument_id)
    return getattr(ccxt, name)({"enableRateLimit": True, "options": {"defaultType": TYPES[kind]}})


def symbol_of(instrument_id: str) -> str:
    """ccxt's name of an instrument.

    >>> symbol_of("BTCUSDT-PERP.BINANCE")
    'BTC/USDT:USDT'
    """
    kind, base, quote = split_id(instrument_id)
    return f"{base}/{quote}:{quote}" if kind == "perpetual" else f"{base}/{quote}"


def download(
    catalog: Path,
    exchange: Any,
    instrument_id: str,
    bar: str | None,
    start_ns: int | None = None,
    end_ns: int | None = None,
    kind: Kind = "bars",
    say: Say = lambda _count, _text: None,
    pause_secs: float = PAUSE_SECS,
) -> DownloadReport:
    """Fetch bars or funding rates, and import them.

    Parameters
    ----------
    exchange
        As `open_exchange` gives it.
    bar
        Length of the bars; funding rates have none.
    start_ns, end_ns
        Open times, UTC ns; start None: behind what the catalog holds; end None, excluded: now.
    say
        Called with rows and a text after each page.
    pause_secs
        Before the second attempt at a page; doubled before each further one.

    Raises
    ------
    UsageError
        There is no start, or the exchange has no such data.
    DataError
        The exchange has nothing in the span, or told two things of one bar; what was fetched stays for the next attempt.
    EnvironmentFault
        The exchange could not be reached; what was fetched stays.
    """
    pages = _Pages(exchange, instrument_id, bar, kind, pause_secs)
    path = _part(catalog, instrument_id, bar, kind)
    held = _read(path)
    begin = _begin(catalog, instrument_id, bar, kind, start_ns)
    end = min(pages.closed_ms(), end_ns // MS if end_ns is not None else 2**62)
    if held and held[0][0] > begin:
        held = []
        path.unlink()
    cursor = held[-1][0] + 1 if held else begin
    fetched = 0
    while cursor < end:
        rows = [row for row in pages.fetch(cursor) if cursor <= row[0] < end]
        if not rows:
            break
        _append(path, rows, pages.header)
        fetched, cursor = fetched + len(rows), rows[-1][0] + 1
        say(len(rows), iso(rows[-1][0] * MS))
    everything = _read(path)
    if not everything:
        return _nothing(catalog, instrument_id, bar, kind, exchange, pages.symbol, begin)
    verified = _verify(pages, everything, end)
    imported = import_file(catalog, path, instrument_id, bar, kind, on_conflict="refuse")
    path.unlink()
    if not any(path.parent.iterdir()):
        path.parent.rmdir()
    return DownloadReport(exchange.id, pages.symbol, fetched, len(held), verified, imported)


class _Pages:
    """Pages of one instrument's history, as rows of time (ms) and the very numbers that the exchange gave."""

    def __init__(self, exchange: Any, instrument_id: str, bar: str | None, kind: Kind, pause_secs: float) -> None:
        self._exchange, self._kind, self._pause_secs = exchange, kind, pause_secs
        self.symbol = symbol_of(instrument_id)
        self.step_ms = bar_ns(bar) // MS if bar else 0
        wanted = "fetchOHLCV" if kind == "bars" else "fetchFundingRateHistory"
        if not exchange.has.get(wanted):
            raise UsageError(broken("--exchange", f"have {wanted}", exchange.id, remedy="name another"))
        if kind == "bars":
            count, _, unit = str(bar).partition("-")
            self._timeframe = f"{count}{UNITS[unit]}"
            if exchange.timeframes and self._timeframe not in exchange.timeframes:
                raise UsageError(broken("--bar", f"be one of {', '.join(exchange.timeframes)}", self._timeframe))
        self._ask(exchange.load_markets)
        if self.symbol not in exchange.markets:
            raise UsageError(
                broken("--instrument", f"be a market of {exchange.id}", f"{instrument_id} ({self.symbol})")
            )

    @property
    def header(self) -> tuple[str, ...]:
        """Names of the columns."""
        return (
            ("timestamp", "open", "high", "low", "close", "volume") if self._kind == "bars" else ("timestamp", "rate")
        )

    def closed_ms(self) -> int:
        """First open time whose bar is not closed yet, by the exchange's clock."""
        told = self._exchange.has.get("fetchTime")
        now = int(self._ask(self._exchange.fetch_time)) if told else self._exchange.milliseconds()
        return now - now % self.step_ms if self.step_ms else now

    def fetch(self, since_ms: int) -> list[Row]:
        """Rows from a time on, in order of time, none twice."""
        if self._kind == "bars":
            found = self._ask(self._exchange.fetch_ohlcv, self.symbol, self._timeframe, since_ms, PAGE)
            rows = [tuple(row[:6]) for row in found]
        else:
            found = self._ask(self._exchange.fetch_funding_rate_history, self.symbol, since_ms, PAGE)
            rows = [(row["timestamp"], row["fundingRate"]) for row in found]
        return [row for _, row in sorted({int(row[0]): row for row in rows}.items())]

    def _ask(self, call: Callable[..., Any], *arguments: Any) -> Any:
        pause = self._pause_secs
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return call(*arguments)
            except ccxt.NetworkError as error:
                if attempt == ATTEMPTS:
                    remedy = "run the command again, it goes on from here"
                    raise EnvironmentFault(
                        broken(self._exchange.id, "answer", f"{type(error).__name__} {ATTEMPTS} times", "", remedy)
                    ) from error
                time.sleep(pause)
                pause *= 2.0
            except ccxt.BaseError as error:
                raise DataError(
                    broken(self._exchange.id, "give its history", f"{type(error).__name__}: {error}")
                ) from error
        raise AssertionError


def _part(catalog: Path, instrument_id: str, bar: str | None, kind: Kind) -> Path:
    return catalog / PARTS / f"{instrument_id}-{bar or kind}.csv"


def _begin(catalog: Path, instrument_id: str, bar: str | None, kind: Kind, start_ns: int | None) -> int:
    if start_ns is not None:
        return start_ns // MS
    if (catalog / NAME).is_file():
        known = read_manifest(catalog).dataset(instrument_id, kind, bar)
        if known is not None:
            end = to_ns(dt.datetime.fromisoformat(known.end)) // MS
            return end if bar else end + 1
    raise UsageError(broken("--start", f"be given while {catalog} holds nothing of {instrument_id}", "absent"))


def _append(path: Path, rows: Sequence[Row], header: tuple[str, ...]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = not path.is_file()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if fresh:
            writer.writerow(header)
        writer.writerows(rows)
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> list[Row]:
    """Rows of a part; a line that a kill cut off is cut off for good."""
    if not path.is_file():
        return []
    body = path.read_text(encoding="utf-8")
    whole = body[: body.rfind("\n") + 1]
    if whole != body:
        path.write_text(whole, encoding="utf-8")
    lines = list(csv.reader(whole.splitlines()))[1:]
    return [(int(line[0]), *map(float, line[1:])) for line in lines]


def _verify(pages: _Pages, rows: list[Row], end: int) -> int:
    by_time = {row[0]: row for row in rows}
    count = 0
    for first in sorted({0, len(rows) // 2, max(0, len(rows) - PAGE)}):
        again = [row for row in pages.fetch(rows[first][0]) if row[0] < end]
        for row in again:
            written = by_time.get(int(row[0]))
            if written is None and row[0] > rows[-1][0]:
                continue
            if written is None or tuple(map(float, row[1:])) != written[1:]:
                where = f"{pages.symbol} {iso(int(row[0]) * MS)}"
                raise DataError(broken("a second fetch", f"give {written}", row, where, "run the command again later"))
            count += 1
    return count


def _nothing(
    catalog: Path, instrument_id: str, bar: str | None, kind: Kind, exchange: Any, symbol: str, begin: int
) -> DownloadReport:
    """The catalog is up to date, or there is nothing at all."""
    manifest = read_manifest(catalog) if (catalog / NAME).is_file() else None
    known = manifest.dataset(instrument_id, kind, bar) if manifest else None
    if manifest is None or known is None:
        raise DataError(broken(exchange.id, f"have {kind} of {symbol} from {iso(begin * MS)} on", "nothing"))
    spec = manifest.spec(instrument_id)
    assert spec is not None
    figures = {name: getattr(known, name) for name in ("rows", "start", "end", "gaps", "missing", "sha256")}
    report = ImportReport(
        kind=kind,
        bar=bar,
        layout="ccxt candles",
        catalog=str(catalog),
        **figures,
        added=0,
        skipped=0,
        replaced=0,
        sorted=0,
        duplicates=0,
        rounded=0,
        instruments=[spec],
    )
    return DownloadReport(exchange.id, symbol, 0, 0, 0, report)
