"""What the exchange publishes of a catalog, and at which time of the tape."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import numpy as np

from catalogs.arrays import Bars, Funding, Quotes, Trades, read_bars, read_funding, read_quotes, read_trades
from catalogs.columns import undoubled
from catalogs.manifest import read_manifest
from engine.contract.calendar import bar_ns
from engine.contract.config import Config
from engine.contract.errors import DataError, broken
from engine.execution.costs import quote_prices
from live.rehearsal.aggregation import bars_of_quotes, bars_of_trades
from live.rehearsal.terms import Market, Terms, terms_of

QUOTE_DELAY_NS = 1
"""A quote that matches decisions made at T comes this long after T, as in a back test."""

MS = 1_000_000
INTERVALS = {"SECOND": "s", "MINUTE": "m", "HOUR": "h", "DAY": "d"}


@dataclass(frozen=True, slots=True)
class MarkPrice:
    """The mark price is now this."""

    market: Market
    symbol: str
    ts_ns: int
    price: Decimal


@dataclass(frozen=True, slots=True)
class FundingRate:
    """A funding rate settles now; the next one at `next_ns` (0: unknown)."""

    market: Market
    symbol: str
    ts_ns: int
    rate: Decimal
    next_ns: int


@dataclass(frozen=True, slots=True)
class Candle:
    """A bar as it stands: `closed` once, at its end."""

    market: Market
    symbol: str
    ts_ns: int
    open_ns: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    closed: bool


@dataclass(frozen=True, slots=True)
class Quote:
    """Best bid and offer; a size of None cannot be exhausted."""

    market: Market
    symbol: str
    ts_ns: int
    bid: Decimal
    ask: Decimal
    bid_size: Decimal | None
    ask_size: Decimal | None


@dataclass(frozen=True, slots=True)
class Print:
    """A trade of others."""

    market: Market
    symbol: str
    ts_ns: int
    price: Decimal
    size: Decimal
    buyer_is_maker: bool


TapeEvent = MarkPrice | FundingRate | Candle | Quote | Print


@dataclass(frozen=True)
class Reel:
    """One instrument's part: its terms, all its bars up to the end, and what lies inside the span."""

    terms: Terms
    bars: Bars
    first: int
    funding: Funding
    quotes: Quotes | None
    trades: Trades | None


@dataclass(frozen=True)
class Tape:
    """A catalog's span, ready to be replayed.

    Attributes
    ----------
    start_ns
        Time that the tape begins at: the first bar's open.
    end_ns
        Close of the last bar.
    """

    reels: tuple[Reel, ...]
    bar: str
    start_ns: int
    end_ns: int
    fill: str
    half_spread_bps: float
    path: str
    quote_size: Decimal | None

    @property
    def interval(self) -> str:
        """Name of the bar at the exchange, `1h`."""
        count, _, unit = self.bar.partition("-")
        return f"{count}{INTERVALS[unit]}"

    def events(self) -> Iterator[TapeEvent]:
        """Everything in time order; at one time marks, funding, closed bars, opened bars, quotes, trades, by instrument."""
        streams = [_keyed(index, self._of(reel)) for index, reel in enumerate(self.reels)]
        for _, _, _, event in heapq.merge(*streams, key=lambda item: item[:3]):
            yield event

    def _of(self, reel: Reel) -> Iterator[TapeEvent]:
        parts = [_marks(reel), _rates(reel), self._candles(reel)]
        if reel.quotes is not None:
            parts.append(_catalog_quotes(reel))
        else:
            parts.append(self._quotes(reel))
        parts.append(_catalog_trades(reel) if reel.trades is not None else _bar_trades(reel))
        return heapq.merge(*parts, key=lambda event: (event.ts_ns, RANK[type(event)]))

    def _points(self, bars: Bars, k: int) -> list[tuple[int, float]]:
        """Times and mid prices that a bar's path visits."""
        opened, closed = int(bars.ts_open[k]), int(bars.ts_close[k])
        first = {
            "next_open": (opened + QUOTE_DELAY_NS, float(bars.open[k])),
            "this_close": (closed + QUOTE_DELAY_NS, float(bars.close[k])),
            "next_close": (closed - 1, float(bars.close[k])),
        }[self.fill]
        if self.path == "open":
            return [first]
        o, h, low, c = (float(getattr(bars, name)[k]) for name in ("open", "high", "low", "close"))
        near, far = (low, h) if o - low <= h - o else (h, low)
        step = (closed - opened) // 4
        inside = [(opened + step, near), (opened + 2 * step, far), (opened + 3 * step, c)]
        return sorted([first, *inside])

    def _quotes(self, reel: Reel) -> Iterator[TapeEvent]:
        terms, bars = reel.terms, reel.bars
        for k in range(reel.first, len(bars)):
            points = self._points(bars, k)
            bids, asks = quote_prices(np.array([mid for _, mid in points]), self.half_spread_bps, terms.price_precision)
            for (ts, _), bid, ask in zip(points, bids.tolist(), asks.tolist(), strict=True):
                size = self.quote_size
                yield Quote(
                    terms.market,
                    terms.symbol,
                    ts,
                    decimal_at(bid, terms.price_precision),
                    decimal_at(ask, terms.price_precision),
                    size,
                    size,
                )

    def _candles(self, reel: Reel) -> Iterator[TapeEvent]:
        terms, bars = reel.terms, reel.bars
        for k in range(reel.first, len(bars)):
            opened = int(bars.ts_open[k])
            whole = candle(terms, bars, k)
            first = whole.open
            yield Candle(
                terms.market,
                terms.symbol,
                opened + QUOTE_DELAY_NS,
                opened,
                first,
                first,
                first,
                first,
                Decimal(0),
                False,
            )
            if self.path == "ohlc":
                high = low = whole.open
                for n, (ts, mid) in enumerate(
                    [p for p in self._points(bars, k) if opened + QUOTE_DELAY_NS < p[0] < whole.ts_ns], 1
                ):
                    price = decimal_at(mid, terms.price_precision)
                    high, low = max(high, price), min(low, price)
                    yield Candle(
                        terms.market, terms.symbol, ts, opened, first, high, low, price, whole.volume * n / 4, False
                    )
            yield whole


RANK: dict[type, int] = {MarkPrice: 0, FundingRate: 1, Candle: 2, Quote: 4, Print: 5}


def _keyed(index: int, events: Iterator[TapeEvent]) -> Iterator[tuple[int, int, int, TapeEvent]]:
    for event in events:
        rank = 3 if isinstance(event, Candle) and not event.closed else RANK[type(event)]
        yield event.ts_ns, rank, index, event


def candle(terms: Terms, bars: Bars, k: int) -> Candle:
    """Bar k, closed."""
    o, h, low, c = (
        decimal_at(float(getattr(bars, name)[k]), terms.price_precision) for name in ("open", "high", "low", "close")
    )
    volume = decimal_at(float(bars.volume[k]), 8)
    return Candle(terms.market, terms.symbol, int(bars.ts_close[k]), int(bars.ts_open[k]), o, h, low, c, volume, True)


def _marks(reel: Reel) -> Iterator[TapeEvent]:
    terms, bars = reel.terms, reel.bars
    for k in range(reel.first, len(bars)):
        price = decimal_at(float(bars.close[k]), terms.price_precision)
        yield MarkPrice(terms.market, terms.symbol, int(bars.ts_close[k]) - 1, price)


def _rates(reel: Reel) -> Iterator[TapeEvent]:
    times, rates = reel.funding.ts.tolist(), reel.funding.rate.tolist()
    for k, (ts, rate) in enumerate(zip(times, rates, strict=True)):
        following = times[k + 1] if k + 1 < len(times) else 0
        yield FundingRate(reel.terms.market, reel.terms.symbol, ts - 1, Decimal(repr(rate)), following)


def _bar_trades(reel: Reel) -> Iterator[TapeEvent]:
    terms, bars = reel.terms, reel.bars
    for k in range(reel.first, len(bars)):
        whole = candle(terms, bars, k)
        if whole.volume:
            yield Print(
                terms.market, terms.symbol, whole.ts_ns - 1, whole.close, whole.volume, whole.close < whole.open
            )


def _catalog_quotes(reel: Reel) -> Iterator[TapeEvent]:
    assert reel.quotes is not None
    terms, quotes = reel.terms, reel.quotes
    for k in range(len(quotes.ts)):
        yield Quote(
            terms.market,
            terms.symbol,
            int(quotes.ts[k]),
            decimal_at(float(quotes.bid[k]), terms.price_precision),
            decimal_at(float(quotes.ask[k]), terms.price_precision),
            decimal_at(float(quotes.bid_size[k]), terms.size_precision),
            decimal_at(float(quotes.ask_size[k]), terms.size_precision),
        )


def _catalog_trades(reel: Reel) -> Iterator[TapeEvent]:
    assert reel.trades is not None
    terms, trades = reel.terms, reel.trades
    for k in range(len(trades.ts)):
        price, size = (
            decimal_at(float(trades.price[k]), terms.price_precision),
            decimal_at(float(trades.size[k]), terms.size_precision),
        )
        yield Print(terms.market, terms.symbol, int(trades.ts[k]), price, size, int(trades.side[k]) == 2)


def decimal_at(value: float, precision: int) -> Decimal:
    """A number of the catalog as the decimal that it was."""
    return Decimal(f"{value:.{precision}f}")


def read_tape(config: Config) -> Tape:
    """Read what a configuration replays: the bars of [data] with all that come before them, funding, quotes and trades.

    Raises
    ------
    DataError
        The catalog, an instrument, its funding where [venue] asks for it, or the quotes that [rehearsal] asks for are missing.
    """
    reels = [_reel(config, instrument) for instrument in config.universe.instruments]
    size = config.rehearsal.quote_size
    return Tape(
        reels=tuple(reels),
        bar=config.universe.bar,
        start_ns=min(int(reel.bars.ts_open[reel.first]) for reel in reels),
        end_ns=max(int(reel.bars.ts_close[-1]) for reel in reels),
        fill=config.venue.fill,
        half_spread_bps=config.venue.half_spread_bps,
        path=config.rehearsal.path,
        quote_size=None if size is None else Decimal(repr(size)),
    )


def _reel(config: Config, instrument: str) -> Reel:
    catalog, bar = Path(config.data.catalog), config.universe.bar
    start_ns, end_ns = config.span_ns
    held = {
        one.kind
        for one in read_manifest(catalog).datasets
        if one.instrument_id == instrument and one.bar in (None, bar)
    }
    ticks = config.rehearsal.quotes == "catalog"
    quotes = read_quotes(catalog, instrument, start_ns, end_ns) if ticks else None
    trades = read_trades(catalog, instrument, start_ns, end_ns) if ticks and "trades" in held else None
    if "bars" in held or quotes is None:
        bars = read_bars(catalog, instrument, bar, None, end_ns)
    else:
        bars = bars_of_quotes(quotes, bar) if trades is None else bars_of_trades(trades, bar)
    first = 0 if start_ns is None else int(np.searchsorted(bars.ts_open, start_ns))
    if first >= len(bars):
        read_bars(catalog, instrument, bar, start_ns, end_ns)
    bars = replace(bars, volume=undoubled(bars.volume))
    terms = terms_of(bars.instrument, config.venue.leverage)
    low, high = int(bars.ts_open[first]), int(bars.ts_close[-1])
    funding = Funding(np.zeros(0, np.int64), np.zeros(0))
    if terms.market == "usdm" and config.venue.funding:
        if "funding" not in held:
            rule = "be in the catalog while venue.funding is true"
            remedy = "import it, or set venue.funding = false"
            raise DataError(broken(f"funding of {instrument}", rule, "missing", str(catalog), remedy))
        funding = read_funding(catalog, instrument, low, high + 1)
    return Reel(terms, bars, first, funding, quotes, trades)


def span_of(tape: Tape) -> int:
    """Length of a bar in nanoseconds."""
    return bar_ns(tape.bar)
