"""NautilusTrader's data client over the session: what is subscribed becomes a feed, what is requested a question over REST."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from nautilus_trader.config import DataClientConfig
from nautilus_trader.live import (
    BarsResponse,
    BookResponse,
    FundingRatesResponse,
    InstrumentResponse,
    InstrumentsResponse,
    TradesResponse,
)
from nautilus_trader.live.clients import DataClientFactory, MarketDataClient
from nautilus_trader.model import Bar, BarType, BookType, InstrumentId, OrderBook, Venue

from catalogs.storage import bar_type as storage_bar_type
from engine.contract.calendar import bar_ns
from engine.contract.errors import ConfigError, broken
from live.adapter import mapping
from live.adapter.core import history
from live.adapter.core.bars import Row, timeframe
from live.adapter.core.feeds import BarFeed, feed, quote_of
from live.adapter.core.second_gate import SecondGate
from live.adapter.core.session import ExchangeSession
from live.adapter.provider import CcxtInstrumentProvider

MS = 1_000_000


class CcxtDataConfig(DataClientConfig):
    """What a data client is made of; all of it by keyword.

    Parameters
    ----------
    session
        The account's session; the execution client is given the same one.
    instrument_ids
        Instruments to publish; empty means all of the venue.
    closes_as_marks
        Whether each bar's close is published as the mark price 1 ns before the bar, as in a back test.
    gate
        The second gate, which hears prices from here; None where there is none.
    """

    def __init__(
        self,
        *,
        session: ExchangeSession,
        instrument_ids: Sequence[str] = (),
        closes_as_marks: bool = True,
        gate: SecondGate | None = None,
        **_kwargs: Any,
    ) -> None:
        self.session = session
        self.instrument_ids = tuple(instrument_ids)
        self.closes_as_marks = closes_as_marks
        self.gate = gate


class CcxtDataClient(MarketDataClient):
    """Publishes instruments, bars, quotes, trades, books, mark prices and funding rates of one venue."""

    def __init__(self, *, name: str, config: CcxtDataConfig, cache: Any, clock: Any) -> None:
        self._session = config.session
        self._names = CcxtInstrumentProvider(config.session, config.instrument_ids)
        super().__init__(
            name=name,
            config=config,
            cache=cache,
            clock=clock,
            venue=Venue(config.session.settings.venue),
            instrument_provider=self._names,
        )
        self._marks = config.closes_as_marks
        self._gate = config.gate
        self._tasks: dict[tuple[str, str], Any] = {}
        self._unstamped: set[str] = set()

    async def _connect(self) -> None:
        await self._session.acquire()
        try:
            await self._names.initialize()
        except BaseException:
            await self._session.release()
            raise
        for instrument in self._names.list_all():
            self._handle_instrument(instrument)

    async def _disconnect(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()
        await self._session.release()

    def _run(self, kind: str, of: object, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        key = (kind, str(of))
        if key not in self._tasks:
            self._tasks[key] = self.create_task(work(), f"{kind} {of}")

    def _end(self, kind: str, of: object) -> None:
        task = self._tasks.pop((kind, str(of)), None)
        if task is not None:
            task.cancel()

    def _price(self, instrument_id: object, price: float) -> None:
        if self._gate is not None:
            self._gate.hear_price(str(instrument_id), price)

    async def _subscribe_instruments(self, command: Any) -> None:
        for instrument in self._names.list_all():
            self._handle_instrument(instrument)

    async def _subscribe_instrument(self, command: Any) -> None:
        self._handle_instrument(self._names.find(command.instrument_id))

    async def _unsubscribe_instruments(self, command: Any) -> None:
        """Instruments are published once; there is nothing to end."""

    async def _unsubscribe_instrument(self, command: Any) -> None:
        """Instruments are published once; there is nothing to end."""

    async def _subscribe_bars(self, command: Any) -> None:
        bar_type: BarType = command.bar_type
        bar = bar_of(bar_type)
        instrument_id = bar_type.instrument_id
        to, length = self._names.rounding(instrument_id), bar_ns(bar) // MS

        def emit(row: Row) -> None:
            made = mapping.bar_of(row, bar_type, to, length, self.clock.timestamp_ns())
            if self._marks:
                self._handle_data(mapping.mark_price(row.close, made.ts_event - 1, to, made.ts_init))
            self._price(instrument_id, row.close)
            self._handle_data(made)

        follower = BarFeed(self._session, self._names.unified(instrument_id), bar, emit)
        self._run("bars", bar_type, follower.run)

    async def _unsubscribe_bars(self, command: Any) -> None:
        self._end("bars", command.bar_type)

    async def _subscribe_quotes(self, command: Any) -> None:
        self._feed("quotes", command.instrument_id, self._on_quote)

    async def _unsubscribe_quotes(self, command: Any) -> None:
        self._end("quotes", command.instrument_id)

    def _feed(self, feature: str, instrument_id: InstrumentId, hear: Callable[[InstrumentId, Any], None]) -> None:
        symbol = self._names.unified(instrument_id)
        pump = feed(self._session, feature, symbol, lambda result: hear(instrument_id, result))
        self._run(feature, instrument_id, pump.run)

    def _on_quote(self, instrument_id: InstrumentId, result: Any) -> None:
        session = self._session
        quote = quote_of(result, self._names.unified(instrument_id), session.clock.now_ns())
        if quote is None:
            return
        if not quote.measured and str(instrument_id) not in self._unstamped:
            self._unstamped.add(str(instrument_id))
            session.notes.write("quote unstamped", str(instrument_id), "the venue gives no time; ours is used")
        self._price(instrument_id, 0.5 * (quote.bid + quote.ask))
        self._handle_data(mapping.quote_tick(quote, self._names.rounding(instrument_id), self.clock.timestamp_ns()))

    async def _subscribe_trades(self, command: Any) -> None:
        instrument_id = command.instrument_id
        symbol, to = self._names.unified(instrument_id), self._names.rounding(instrument_id)
        seen: dict[str, None] = {}
        last = [0]

        def hear(trades: Any) -> None:
            for trade in list(trades):
                id_ = str(trade["id"])
                if id_ in seen:
                    continue
                seen[id_] = None
                if len(seen) > history.PAGE:
                    del seen[next(iter(seen))]
                last[0] = max(last[0], int(trade["timestamp"]))
                self._handle_data(mapping.trade_tick(trade, to, self.clock.timestamp_ns()))

        async def recover() -> None:
            if last[0]:
                hear(await self._session.call("fetch_trades", symbol, last[0], history.PAGE))

        self._run("trades", instrument_id, feed(self._session, "trades", symbol, hear, recover).run)

    async def _unsubscribe_trades(self, command: Any) -> None:
        self._end("trades", command.instrument_id)

    async def _subscribe_mark_prices(self, command: Any) -> None:
        self._feed("mark_prices", command.instrument_id, self._on_mark)

    async def _unsubscribe_mark_prices(self, command: Any) -> None:
        self._end("mark_prices", command.instrument_id)

    def _on_mark(self, instrument_id: InstrumentId, ticker: Any) -> None:
        value = ticker.get("markPrice")
        if value is None:
            return
        stamp = ticker.get("timestamp")
        ts_ns = self._session.clock.now_ns() if stamp is None else int(stamp) * MS
        to = self._names.rounding(instrument_id)
        self._handle_data(mapping.mark_price(value, ts_ns, to, self.clock.timestamp_ns()))

    async def _subscribe_funding_rates(self, command: Any) -> None:
        self._feed("funding_rates", command.instrument_id, self._on_funding)

    async def _unsubscribe_funding_rates(self, command: Any) -> None:
        self._end("funding_rates", command.instrument_id)

    def _on_funding(self, instrument_id: InstrumentId, found: Any) -> None:
        if found.get("fundingRate") is not None:
            to, now = self._names.rounding(instrument_id), self._session.clock.now_ns()
            self._handle_data(mapping.funding_rate(found, to, now, self.clock.timestamp_ns()))

    async def _subscribe_book_deltas(self, command: Any) -> None:
        self._book("book_deltas", command.instrument_id, mapping.book_deltas)

    async def _unsubscribe_book_deltas(self, command: Any) -> None:
        self._end("book_deltas", command.instrument_id)

    async def _subscribe_book_depth(self, command: Any) -> None:
        self._book("book_depth", command.instrument_id, mapping.book_depth)

    async def _unsubscribe_book_depth(self, command: Any) -> None:
        self._end("book_depth", command.instrument_id)

    def _book(self, kind: str, instrument_id: InstrumentId, make: Callable[..., Any]) -> None:
        to = self._names.rounding(instrument_id)

        def hear(book: Any) -> None:
            if book["bids"] and book["asks"]:
                self._handle_data(make(book, to, self._session.clock.now_ns(), self.clock.timestamp_ns()))

        pump = feed(self._session, "book", self._names.unified(instrument_id), hear)
        self._run(kind, instrument_id, pump.run)

    async def _request_instruments(self, request: Any) -> None:
        rows, now = self._names.list_all(), self.clock.timestamp_ns()
        self._handle_response(
            InstrumentsResponse(
                self.client_id,
                Venue(self._session.settings.venue),
                rows,
                request.request_id,
                now,
                request.start_ns,
                request.end_ns,
                request.params,
            )
        )

    async def _request_instrument(self, request: Any) -> None:
        found, now = self._names.find(request.instrument_id), self.clock.timestamp_ns()
        self._handle_response(
            InstrumentResponse(
                self.client_id,
                request.instrument_id,
                found,
                request.request_id,
                now,
                request.start_ns,
                request.end_ns,
                request.params,
            )
        )

    async def _request_bars(self, request: Any) -> None:
        bar_type: BarType = request.bar_type
        bar = bar_of(bar_type)
        to, length = self._names.rounding(bar_type.instrument_id), bar_ns(bar) // MS
        end_ms = self._end_ms(request)
        rows = await history.bars(
            self._session,
            self._names.unified(bar_type.instrument_id),
            timeframe(bar),
            length,
            None if request.start_ns is None else request.start_ns // MS,
            end_ms,
            request.limit,
        )
        now = self.clock.timestamp_ns()
        made = [mapping.bar_of(row, bar_type, to, length, (row.open_ms + length) * MS) for row in rows]
        self._handle_response(
            BarsResponse(
                self.client_id,
                bar_type,
                made,
                request.request_id,
                now,
                request.start_ns,
                request.end_ns,
                request.params,
            )
        )

    async def _request_trades(self, request: Any) -> None:
        self._session.ability("trade_history")
        found = await self._stamped("fetch_trades", request, lambda one: one["id"])
        to, now = self._names.rounding(request.instrument_id), self.clock.timestamp_ns()
        made = [mapping.trade_tick(one, to, int(one["timestamp"]) * MS) for one in found]
        self._handle_response(
            TradesResponse(
                self.client_id,
                request.instrument_id,
                made,
                request.request_id,
                now,
                request.start_ns,
                request.end_ns,
                request.params,
            )
        )

    async def _request_funding_rates(self, request: Any) -> None:
        self._session.ability("funding_history")
        found = await self._stamped("fetch_funding_rate_history", request, lambda one: one["timestamp"])
        to, now = self._names.rounding(request.instrument_id), self.clock.timestamp_ns()
        made = [mapping.funding_rate(one, to, 0, int(one["timestamp"]) * MS) for one in found]
        self._handle_response(
            FundingRatesResponse(
                self.client_id,
                request.instrument_id,
                made,
                request.request_id,
                now,
                request.start_ns,
                request.end_ns,
                request.params,
            )
        )

    async def _request_book_snapshot(self, request: Any) -> None:
        to = self._names.rounding(request.instrument_id)
        found = await self._session.call("fetch_order_book", self._names.unified(request.instrument_id), request.depth)
        now = self.clock.timestamp_ns()
        book = OrderBook(request.instrument_id, BookType.L2_MBP)
        book.apply_deltas(mapping.book_deltas(found, to, self._session.clock.now_ns(), now))
        self._handle_response(
            BookResponse(
                self.client_id, request.instrument_id, book, request.request_id, now, None, None, request.params
            )
        )

    async def _stamped(self, method: str, request: Any, name: Callable[[dict[str, Any]], Any]) -> list[dict[str, Any]]:
        start = None if request.start_ns is None else request.start_ns // MS
        symbol = self._names.unified(request.instrument_id)
        return await history.stamped(self._session, method, symbol, start, self._end_ms(request), request.limit, name)

    def _end_ms(self, request: Any) -> int:
        now = self._session.clock.now_ns() // MS
        return now if request.end_ns is None else min(now, request.end_ns // MS)


def bar_of(bar_type: BarType) -> str:
    """Return the length of a bar type.

    Raises
    ------
    ConfigError
        It is no bar of last prices from outside, over time.
    """
    text = str(bar_type)
    head, _, source = text.rpartition("-")
    head, _, price = head.rpartition("-")
    words = head.rpartition(".")[2].split("-")
    if source != "EXTERNAL" or price != "LAST" or len(words) < 3:
        raise ConfigError(
            broken("bar type", "end with -LAST-EXTERNAL", text, remedy="the venue's own bars are the only ones here")
        )
    return "-".join(words[-2:])


async def bars_of(session: ExchangeSession, instrument_id: str, bar: str, start_ns: int, end_ns: int) -> list[Bar]:
    """Return the closed bars of a span over REST, without a node; the session is acquired.

    Parameters
    ----------
    start_ns, end_ns
        Earliest open and latest close, UTC ns.
    """
    provider = CcxtInstrumentProvider(session, [instrument_id])
    await provider.initialize()
    length = bar_ns(bar) // MS
    symbol, to = provider.unified(instrument_id), provider.rounding(instrument_id)
    rows = await history.bars(session, symbol, timeframe(bar), length, start_ns // MS, end_ns // MS, None)
    bar_type = BarType.from_str(storage_bar_type(instrument_id, bar))
    return [mapping.bar_of(row, bar_type, to, length, (row.open_ms + length) * MS) for row in rows]


class CcxtDataClientFactory(DataClientFactory):
    """Makes the data client of a session."""

    @staticmethod
    def create(*, name: str, config: Any, cache: Any, clock: Any) -> CcxtDataClient:
        """Make the client; nothing is opened before it connects."""
        return CcxtDataClient(name=name, config=config, cache=cache, clock=clock)
