"""What both markets answer alike: a table of routes, market data, and orders by their ids."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from engine.contract.rehearsal import ORDER_FAULTS
from live.rehearsal import documents, refusals
from live.rehearsal.book import Book
from live.rehearsal.documents import ms
from live.rehearsal.exchange import Exchange
from live.rehearsal.matching import Best
from live.rehearsal.order import Order, Trade
from live.rehearsal.refusals import Refused
from live.rehearsal.requests import Params, limit, number, order_request, whole, word
from live.rehearsal.tape import MS
from live.rehearsal.terms import Market, Terms
from live.rehearsal.venue import Venue

Handler = Callable[[Params], Any]
MOST_KLINES = 1_500
DAY_MS = 86_400_000


@dataclass(frozen=True)
class Route:
    """An endpoint: what it does, in the words of the fault script, its weight, and whether it wants a key or a signature."""

    action: str
    handler: Handler
    weight: int = 1
    security: str = "none"


class Api(ABC):
    """Answers of one market, as documents; it knows nothing of HTTP or sockets."""

    market: ClassVar[Market]

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.venue: Venue = exchange.venues[self.market]
        self.books: dict[str, Book] = {s: Book(t, exchange.section.depth_levels) for s, t in self.venue.terms.items()}
        for symbol, best in self.venue.best.items():
            self.books[symbol].move(best)
        self.routes: dict[tuple[str, str], Route] = self.table()
        self._client_ids = 0

    @abstractmethod
    def table(self) -> dict[tuple[str, str], Route]:
        """Routes by method and path."""

    @abstractmethod
    def order_document(self, order: Order) -> dict[str, Any]:
        """An order, as asked for."""

    def ping(self, params: Params) -> Any:
        """Nothing."""
        return {}

    def time(self, params: Params) -> Any:
        """The time that the exchange tells."""
        return {"serverTime": ms(self.exchange.served_ns)}

    def klines(self, params: Params) -> Any:
        """Bars of the tape's interval."""
        terms = self.venue.of(word(params, "symbol"))
        if word(params, "interval") != self.exchange.tape.interval:
            raise Refused(-1120, "Invalid interval.")
        most = limit(params, 500, 1_000 if self.market == "spot" else MOST_KLINES)
        return documents.klines(
            self.exchange, self.market, terms.symbol, whole(params, "startTime"), whole(params, "endTime"), most
        )

    def depth(self, params: Params) -> Any:
        """The book."""
        terms = self.venue.of(word(params, "symbol"))
        book = self.books[terms.symbol]
        bids, asks = book.top(limit(params, 100, 5_000))
        stamp = ms(self.exchange.now_ns)
        extra = {"E": stamp, "T": stamp} if self.market == "usdm" else {}
        return {"lastUpdateId": book.update_id, **extra, "bids": bids, "asks": asks}

    def trades(self, params: Params) -> Any:
        """Latest trades of others."""
        return self._prints(params, documents.trade_document)

    def aggregate_trades(self, params: Params) -> Any:
        """Latest aggregate trades of others."""
        return self._prints(params, documents.aggregate_document)

    def _prints(self, params: Params, write: Callable[..., dict[str, Any]]) -> Any:
        terms = self.venue.of(word(params, "symbol"))
        rows = self.exchange.prints[(self.market, terms.symbol)]
        start, end = whole(params, "startTime"), whole(params, "endTime")
        first = whole(params, "fromId")
        chosen = [
            (n, trade)
            for n, trade in rows
            if (start is None or ms(trade.ts_ns) >= start)
            and (end is None or ms(trade.ts_ns) <= end)
            and (first is None or n >= first)
        ]
        most = limit(params, 500, 1_000)
        return [write(n, trade, terms) for n, trade in (chosen[:most] if start or first else chosen[-most:])]

    def day_tickers(self, params: Params) -> Any:
        """Statistics of the last 24 hours, of one symbol or of all."""
        return self._each(params, lambda terms, best: documents.ticker_document(self.exchange, terms, best))

    def book_tickers(self, params: Params) -> Any:
        """Best bid and offer, of one symbol or of all."""
        return self._each(params, lambda terms, best: documents.quote_document(terms, best, self.exchange.now_ns))

    def prices(self, params: Params) -> Any:
        """Last prices, of one symbol or of all."""

        def one(terms: Terms, best: Best) -> dict[str, Any]:
            price = self.exchange.day(self.market, terms.symbol)["close"]
            return {
                "symbol": terms.symbol,
                "price": documents.text(price, terms.price_precision),
                "time": ms(self.exchange.now_ns),
            }

        return self._each(params, one)

    def _each(self, params: Params, write: Callable[[Terms, Best], dict[str, Any]]) -> Any:
        symbol = params.get("symbol")
        if symbol:
            terms = self.venue.of(symbol)
            if symbol not in self.venue.best:
                raise Refused(-1000, "No quote of this symbol yet.", 503)
            return write(terms, self.venue.best[symbol])
        wanted = params.get("symbols")
        return [
            write(terms, self.venue.best[one])
            for one, terms in self.venue.terms.items()
            if one in self.venue.best and (not wanted or f'"{one}"' in wanted)
        ]

    def place(self, params: Params, conditional: bool = False) -> Order:
        """Take an order; faults that strike orders do so here."""
        self._client_ids += 1
        request = order_request(params, self.market, f"rehearsal-{self._client_ids}", conditional)
        now, minimum, part = self.exchange.now_ns, None, None
        fault = self.exchange.faults.strike(
            [kind for kind in ORDER_FAULTS if kind != "cancel_fill_race"], "order.place", now
        )
        if fault is not None and fault.kind == "below_minimum":
            raise refusals.below_minimum(self.market, self.venue.of(request.symbol).min_notional)
        if fault is not None and fault.kind == "partial_fill":
            part = number({"fraction": repr(fault.fraction)}, "fraction")
        return self.venue.place(request, now, minimum, part)

    def find(self, params: Params, conditional: bool = False) -> Order | None:
        """The order that a request names."""
        id_name, client_name = ("algoId", "clientAlgoId") if conditional else ("orderId", "origClientOrderId")
        order_id, client_id = whole(params, id_name), params.get(client_name)
        if order_id is None and not client_id:
            raise refusals.missing(id_name)
        symbol = None if conditional else self.venue.of(word(params, "symbol")).symbol
        return self.venue.find(symbol, order_id, client_id, conditional)

    def withdraw(self, params: Params, conditional: bool = False) -> Order:
        """Cancel the order that a request names; a race between cancel and fill is lost here."""
        order = self.find(params, conditional)
        if order is None:
            raise refusals.no_open_order()
        fault = self.exchange.faults.strike(["cancel_fill_race"], "order.cancel", self.exchange.now_ns)
        if fault is not None:
            self.venue.fill_before_cancel(order, self.exchange.now_ns)
        return self.venue.cancel(order, self.exchange.now_ns)

    def query(self, params: Params) -> Any:
        """One order."""
        order = self.find(params)
        if order is None:
            raise refusals.no_order()
        return self.order_document(order)

    def open_orders(self, params: Params) -> Any:
        """Open orders of a symbol or of all."""
        symbol = params.get("symbol") or None
        if symbol is not None:
            self.venue.of(symbol)
        return [self.order_document(order) for order in self.venue.open_orders(symbol)]

    def all_orders(self, params: Params) -> Any:
        """Every order of a symbol."""
        symbol = self.venue.of(word(params, "symbol")).symbol
        start, end, first = (whole(params, name) for name in ("startTime", "endTime", "orderId"))
        chosen = [
            order
            for order in self.venue.orders.values()
            if order.symbol == symbol
            and not order.conditional
            and (start is None or ms(order.created_ns) >= start)
            and (end is None or ms(order.created_ns) <= end)
            and (first is None or order.order_id >= first)
        ]
        most = limit(params, 500, 1_000)
        return [self.order_document(order) for order in (chosen[:most] if start or first else chosen[-most:])]

    def own_trades(self, params: Params) -> list[Trade]:
        """The account's trades of a symbol, or of all where none is named."""
        symbol = params.get("symbol") or None
        if symbol is not None:
            self.venue.of(symbol)
        start, end = whole(params, "startTime"), whole(params, "endTime")
        first, order_id = whole(params, "fromId"), whole(params, "orderId")
        chosen = [
            trade
            for trade in self.venue.trades
            if symbol in (None, trade.symbol)
            and (start is None or ms(trade.ts_ns) >= start)
            and (end is None or ms(trade.ts_ns) <= end)
            and (first is None or trade.trade_id >= first)
            and (order_id is None or trade.order_id == order_id)
        ]
        most = limit(params, 500, 1_000)
        return chosen[:most] if start or first else chosen[-most:]

    def stamp(self, ns: int) -> int:
        """Milliseconds, as told to clients."""
        return ns // MS
