"""Streams of market data of one instrument, as plain values: each a pump or a poll, with its own recovery."""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

from engine.contract.calendar import bar_ns
from live.adapter.core import history
from live.adapter.core.bars import BarCloser, Row, row_of, timeframe
from live.adapter.core.capabilities import Way
from live.adapter.core.outcomes import describe
from live.adapter.core.pump import Poll, Pump
from live.adapter.core.session import ANSWER_ERRORS, ExchangeSession

MS = 1_000_000
GRACE_MS = 2_000
"""Time after its close at which a bar that no row has closed is asked for over REST."""
POLL_SECS = {"bars": 5.0, "trades": 2.0, "quotes": 1.0, "book": 2.0, "mark_prices": 3.0, "funding_rates": 60.0}
BOOK_LEVELS = 10


class Quote(NamedTuple):
    """Best bid and ask; `measured` is False where the time is ours, since the venue gave none."""

    bid: float
    ask: float
    bid_size: float
    ask_size: float
    ts_ns: int
    measured: bool


class BarFeed:
    """Closed bars of one instrument.

    Parameters
    ----------
    bar
        `1-HOUR`.
    emit
        Is given each closed bar once, in order.
    """

    def __init__(self, session: ExchangeSession, symbol: str, bar: str, emit: Callable[[Row], None]) -> None:
        self._session, self._symbol, self._emit = session, symbol, emit
        self._frame = timeframe(bar)
        self._bar_ms = bar_ns(bar) // MS
        market = session.market_of(symbol)
        self._key = (str(market["id"]), str((session.exchange.timeframes or {}).get(self._frame, self._frame)))
        self.closer = BarCloser(self._bar_ms)
        self._settling = False

    async def run(self) -> None:
        """Run until cancelled."""
        session = self._session
        self.closer.start(session.clock.now_ns() // MS)
        ability = session.ability("bars")
        name = f"bars {self._symbol} {self._frame}"
        work: list[Any] = [self._by_time()]
        if ability.way is Way.STREAM:
            pump = Pump(
                name,
                lambda: session.exchange.watch_ohlcv(self._symbol, self._frame),
                self._hear,
                session.notes,
                silence_secs=session.settings.silence_secs,
                revive=lambda: session.revive(session.settings.silence_secs, self._symbol),
                recover=self._recover,
                broken=lambda: self.closer.doubt(session.clock.now_ns() // MS),
            )
            work.append(pump.run())
        await asyncio.gather(*work)

    def _hear(self, rows: list[Any]) -> None:
        heard = [row_of(values) for values in rows]
        self._send(self.closer.hear(heard))
        for row in heard:
            flag = (*self._key, row.open_ms)
            if flag in self._session.closed_bars:
                self._session.closed_bars.discard(flag)
                self._send(self.closer.close_to(row.open_ms))

    def _send(self, rows: list[Row]) -> None:
        for row in rows:
            self._emit(row)

    async def _recover(self) -> None:
        if self._session.settings.replayed:
            await self._session.synchronise()
        await self._settle()

    async def _settle(self) -> None:
        now_ms = self._session.clock.now_ns() // MS
        first = self.closer.overdue(now_ms, 0)
        if first is None:
            return
        count = min((now_ms - first) // self._bar_ms + 2, history.PAGE)
        values = await self._session.call("fetch_ohlcv", self._symbol, self._frame, first, count)
        self._send(self.closer.settle([row_of(one) for one in values], self._session.clock.now_ns() // MS))

    async def _by_time(self) -> None:
        while True:
            now_ms = self._session.clock.now_ns() // MS
            if self.closer.waits or self.closer.overdue(now_ms, GRACE_MS) is not None:
                try:
                    await self._settle()
                except ANSWER_ERRORS as error:
                    self._session.notes.write("recovery failed", f"bars {self._symbol}", describe(error))
                await asyncio.sleep(1.0)
                continue
            left_ms = self._bar_ms - now_ms % self._bar_ms + GRACE_MS
            await asyncio.sleep(min(left_ms / 1000.0, 1.0))


def feed(
    session: ExchangeSession,
    feature: str,
    symbol: str,
    deliver: Callable[[Any], None],
    recover: Any = None,
    silence_secs: float | None = None,
) -> Pump | Poll:
    """Make the pump or poll of one feature of one instrument; `deliver` is given what ccxt's method returns.

    Raises
    ------
    ConfigError
        The exchange does not have it.
    """
    ability = session.ability(feature)
    method = _snake(ability.method)
    name = f"{feature} {symbol}"
    of_lists = method == "watch_bids_asks"

    def ask() -> Any:
        exchange = session.exchange
        if of_lists:
            return exchange.watch_bids_asks([symbol])
        return getattr(exchange, method)(symbol)

    if ability.way is Way.POLL:
        return Poll(name, lambda: session.call(method, symbol), deliver, session.notes, POLL_SECS[feature])
    silence = session.settings.silence_secs if silence_secs is None else silence_secs
    return Pump(
        name,
        ask,
        deliver,
        session.notes,
        silence_secs=silence,
        revive=lambda: session.revive(silence, symbol),
        recover=recover,
    )


def _snake(method: str) -> str:
    """ccxt's name of a method in Python.

    >>> _snake("watchOHLCV"), _snake("watchBidsAsks")
    ('watch_ohlcv', 'watch_bids_asks')
    """
    if method.endswith("OHLCV"):
        return method.removesuffix("OHLCV") + "_ohlcv"
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in method)


def quote_of(result: Any, symbol: str, now_ns: int) -> Quote | None:
    """Read best bid and ask from a ticker, a dict of tickers, or a book; None where a side is missing."""
    if isinstance(result, dict) and symbol in result:
        result = result[symbol]
    stamp = result.get("timestamp")
    ts_ns = now_ns if stamp is None else int(stamp) * MS
    if result.get("bids") is not None:
        if not result["bids"] or not result["asks"]:
            return None
        (bid, bid_size), (ask, ask_size) = result["bids"][0][:2], result["asks"][0][:2]
    else:
        bid, ask = result.get("bid"), result.get("ask")
        bid_size, ask_size = result.get("bidVolume"), result.get("askVolume")
    if not bid or not ask:
        return None
    return Quote(bid, ask, bid_size or 0.0, ask_size or 0.0, ts_ns, stamp is not None)
