"""The exchange without its wires: venues, tape, clock and script, moved one event at a time."""

from collections import deque
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from engine.contract.calendar import bar_ns, iso
from engine.contract.config import Config
from engine.contract.errors import DataError, broken
from live.rehearsal.faults import FaultScript
from live.rehearsal.ledger import Ledger, MarginLedger, SpotLedger
from live.rehearsal.matching import Best
from live.rehearsal.order import ZERO
from live.rehearsal.tape import (
    Candle,
    FundingRate,
    MarkPrice,
    Print,
    Quote,
    Reel,
    Tape,
    TapeEvent,
    candle,
    decimal_at,
    read_tape,
    span_of,
)
from live.rehearsal.terms import MARKETS, Market, Terms
from live.rehearsal.venue import Fees, Venue

KEPT_TRADES = 1_000
DAY_NS = 86_400_000_000_000


class Exchange:
    """Everything that the exchange knows and does; what speaks to the world listens to it.

    Parameters
    ----------
    tape
        What is replayed.
    config
        Fees and balance from [venue]; the rest from [rehearsal].

    Attributes
    ----------
    now_ns
        The exchange's time: that of the tape.
    position
        Events of the tape that were played.
    """

    def __init__(self, tape: Tape, config: Config) -> None:
        section, venue = config.rehearsal, config.venue
        self.tape = tape
        self.section = section
        self.now_ns = tape.start_ns
        self.position = 0
        self.skew_ns = 0
        self.faults = FaultScript(section.faults, config.run.seed if section.seed is None else section.seed)
        self.reels: dict[tuple[Market, str], Reel] = {
            (reel.terms.market, reel.terms.symbol): reel for reel in tape.reels
        }
        self.closed: dict[tuple[Market, str], int] = {key: reel.first for key, reel in self.reels.items()}
        self.forming: dict[tuple[Market, str], Candle] = {}
        self.prints: dict[tuple[Market, str], deque[tuple[int, Print]]] = {
            key: deque(maxlen=KEPT_TRADES) for key in self.reels
        }
        self.listeners: list[Callable[[TapeEvent], None]] = []
        self._events: Iterator[TapeEvent] = tape.events()
        self._ahead: TapeEvent | None = next(self._events, None)
        self._print_id = 0
        fees = Fees(_fraction(venue.maker_bps), _fraction(venue.taker_bps))
        amount, currency = Decimal(venue.balance.split()[0]), venue.currency
        self.venues: dict[Market, Venue] = {}
        for market in MARKETS:
            terms = [reel.terms for reel in tape.reels if reel.terms.market == market]
            marks: dict[str, Decimal] = {}
            ledger = _ledger(market, terms, config, amount, currency, marks)
            self.venues[market] = Venue(market, terms, ledger, fees, marks)
        for key in self.reels:
            self._prime(key)

    @classmethod
    def from_config(cls, config: Config) -> "Exchange":
        """Read the catalog of a configuration."""
        return cls(read_tape(config), config)

    @property
    def served_ns(self) -> int:
        """The time that the exchange tells: its own, skewed where a fault says so."""
        return self.now_ns + self.skew_ns

    @property
    def next_ns(self) -> int | None:
        """Time of the next event; None at the end."""
        return None if self._ahead is None else self._ahead.ts_ns

    @property
    def next_event(self) -> TapeEvent | None:
        """The next event, not yet known to anybody; None at the end."""
        return self._ahead

    def play(self) -> TapeEvent | None:
        """Play the next event: orders match, positions are valued, listeners hear; None at the end."""
        event = self._ahead
        if event is None:
            return None
        self._ahead = next(self._events, None)
        self.position += 1
        self._move_clock(event.ts_ns)
        self._apply(event)
        for listener in self.listeners:
            listener(event)
        return event

    def wait_until(self, ns: int) -> None:
        """Let the clock go on without an event, no further than the next one."""
        limit = self.next_ns
        self._move_clock(ns if limit is None else min(ns, limit))

    def candles(
        self, market: Market, symbol: str, start_ns: int | None, end_ns: int | None, limit: int
    ) -> list[Candle]:
        """Bars that the exchange knows, by open time in [start, end], oldest first; the last one may still be forming.

        Without a start the latest `limit` are meant, with one the earliest.
        """
        key = (market, symbol)
        reel, known = self.reels[key], self.closed[key]
        opened = reel.bars.ts_open[:known]
        low = 0 if start_ns is None else int(opened.searchsorted(start_ns))
        high = known if end_ns is None else int(opened.searchsorted(end_ns, side="right"))
        forming = self.forming.get(key)
        extra = forming is not None and high == known and (end_ns is None or forming.open_ns <= end_ns)
        extra = extra and (start_ns is None or forming is None or forming.open_ns >= start_ns)
        if start_ns is None:
            low = max(low, high - limit + int(extra))
        high = min(high, low + limit)
        rows = [candle(reel.terms, reel.bars, k) for k in range(low, high)]
        if extra and forming is not None and len(rows) < limit:
            rows.append(forming)
        return rows

    def day(self, market: Market, symbol: str) -> dict[str, Decimal]:
        """Open, high, low, close and volume (base, quote) of the last 24 hours."""
        key = (market, symbol)
        reel, known = self.reels[key], self.closed[key]
        bars = reel.bars
        low = max(0, known - max(1, DAY_NS // bar_ns(self.tape.bar)))
        forming = self.forming.get(key)
        if low == known and forming is None:
            price = self.venues[market].best[symbol].mid if symbol in self.venues[market].best else ZERO
            return {"open": price, "high": price, "low": price, "close": price, "volume": ZERO, "value": ZERO}
        rows = [candle(reel.terms, bars, k) for k in sorted({low, known - 1}) if low < known]
        rows += [] if forming is None else [forming]
        inside = slice(low, known)
        highs, lows, volumes = bars.high[inside].tolist(), bars.low[inside].tolist(), bars.volume[inside]
        precision = reel.terms.price_precision
        return {
            "open": rows[0].open,
            "high": max([rows[-1].high, *([decimal_at(max(highs), precision)] if highs else [])]),
            "low": min([rows[-1].low, *([decimal_at(min(lows), precision)] if lows else [])]),
            "close": rows[-1].close,
            "volume": decimal_at(float(volumes.sum()), 8) + (forming.volume if forming else ZERO),
            "value": decimal_at(float(volumes @ bars.close[inside]), 8)
            + (forming.volume * forming.close if forming else ZERO),
        }

    def state(self) -> dict[str, Any]:
        """What outlives the process: the venues, and where the tape stands."""
        return {
            "tape": {"start": iso(self.tape.start_ns), "position": self.position, "now_ns": self.now_ns},
            "venues": {market: venue.state() for market, venue in self.venues.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Become what `state` told; nobody hears the events up to there again.

        Raises
        ------
        DataError
            The state is of another tape.
        """
        told = state["tape"]
        if told["start"] != iso(self.tape.start_ns):
            raise DataError(
                broken(
                    "rehearsal.state",
                    f"be of a tape from {iso(self.tape.start_ns)}",
                    told["start"],
                    remedy="remove the file",
                )
            )
        listeners, self.listeners = self.listeners, []
        while self.position < told["position"] and self.play() is not None:
            pass
        self.listeners = listeners
        self.now_ns = told["now_ns"]
        for market, document in state["venues"].items():
            if market in self.venues:
                self.venues[market].restore(document)

    def _move_clock(self, ns: int) -> None:
        self.now_ns = max(self.now_ns, ns)
        for venue in self.venues.values():
            venue.on_time(self.now_ns)

    def _apply(self, event: TapeEvent) -> None:
        venue, key = self.venues[event.market], (event.market, event.symbol)
        match event:
            case MarkPrice():
                venue.on_mark(event.symbol, event.price, event.ts_ns)
            case FundingRate():
                venue.on_funding(event.symbol, event.rate, event.next_ns, event.ts_ns)
            case Candle(closed=True):
                self.forming.pop(key, None)
                self.closed[key] = int(self.reels[key].bars.ts_open.searchsorted(event.open_ns)) + 1
                if self.section.quotes == "bars":
                    venue.on_close(event.symbol)
            case Candle():
                self.forming[key] = event
            case Quote():
                venue.on_quote(event.symbol, Best(event.bid, event.ask, event.bid_size, event.ask_size), event.ts_ns)
            case Print():
                self._print_id += 1
                self.prints[key].append((self._print_id, event))

    def _prime(self, key: tuple[Market, str]) -> None:
        market, symbol = key
        reel = self.reels[key]
        if not reel.first:
            return
        last = candle(reel.terms, reel.bars, reel.first - 1)
        half = last.close * Decimal(repr(self.tape.half_spread_bps)) / 10_000
        tick = reel.terms.tick
        venue = self.venues[market]
        venue.best[symbol] = Best(
            (last.close - half).quantize(tick),
            (last.close + half).quantize(tick),
            self.tape.quote_size,
            self.tape.quote_size,
        )
        venue.marks[symbol] = last.close


def _ledger(
    market: Market, terms: list[Terms], config: Config, amount: Decimal, currency: str, marks: dict[str, Decimal]
) -> Ledger:
    if market == "spot":
        return SpotLedger({currency: amount}, config.rehearsal.spot_commission == "quote")
    leverage = max(1, min(config.rehearsal.max_leverage, int(config.venue.leverage)))
    return MarginLedger(
        currency, amount, {one.symbol: one for one in terms}, leverage, lambda symbol: marks.get(symbol, ZERO)
    )


def _fraction(bps: float) -> Decimal:
    return Decimal(repr(bps)) / 10_000


def bar_span(exchange: Exchange) -> int:
    """Length of the tape's bar in nanoseconds."""
    return span_of(exchange.tape)
