"""Who hears what: sockets, the streams they asked for, and the messages that events of the tape and of the account become."""

import asyncio
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any, Literal

import msgspec

from engine.contract.rehearsal import PUSH_FAULTS
from live.rehearsal import documents
from live.rehearsal.account_messages import is_fill, messages
from live.rehearsal.documents import ms, text
from live.rehearsal.exchange import bar_span
from live.rehearsal.faults import on
from live.rehearsal.gateway import Gateway
from live.rehearsal.matching import Best
from live.rehearsal.order import ZERO, Event
from live.rehearsal.tape import Candle, FundingRate, MarkPrice, Print, Quote, TapeEvent
from live.rehearsal.terms import MARKETS, Market

Role = Literal["market", "user", "commands"]
DEPTH_RATES = ("", "@100ms", "@250ms", "@500ms", "@1000ms", "@0ms")
PARTIAL_LEVELS = (5, 10, 20)


class Connection:
    """One socket: an outbox, and what it subscribed to.

    Attributes
    ----------
    roles
        What it is used for; faults name them.
    muted
        It stays open, and says nothing.
    unsettled
        Something was sent since its client last said that it has taken everything in.
    user_stream, subscription_id
        The listen key, or the subscription over websocket commands, that the account's events come under.
    trusted
        It logged on; its commands need no signature.
    """

    def __init__(self, number: int, market: Market, combined: bool) -> None:
        self.number = number
        self.market = market
        self.combined = combined
        self.roles: set[Role] = set()
        self.streams: set[str] = set()
        self.outbox: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.muted = False
        self.unsettled = False
        self.dropped = False
        self.user_stream: str | None = None
        self.subscription_id: int | None = None
        self.trusted = False

    def send(self, document: Any) -> None:
        """Put a message into the outbox; a muted socket swallows it."""
        if not self.muted and not self.dropped:
            self.send_bytes(msgspec.json.encode(document))

    def send_bytes(self, content: bytes) -> None:
        """Put raw bytes into the outbox."""
        if not self.muted and not self.dropped:
            self.unsettled = True
            self.outbox.put_nowait(content)

    def empty(self) -> None:
        """Forget what was not sent: the socket is gone."""
        self.dropped = True
        while not self.outbox.empty():
            self.outbox.get_nowait()
            self.outbox.task_done()

    def drop(self) -> None:
        """Have the socket closed, without a word, after what is in the outbox."""
        self.dropped = True
        self.outbox.put_nowait(None)


class Streams:
    """Sends every event to the sockets that want it."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.exchange = gateway.exchange
        self.connections: dict[int, Connection] = {}
        self._numbers = count(1)
        self._late: list[Callable[[], None]] = []
        self.exchange.listeners.append(self.hear_tape)
        for market in MARKETS:
            self.exchange.venues[market].listeners.append(self._hearing(market))

    def connect(self, market: Market, combined: bool) -> Connection:
        """Take in a socket."""
        connection = Connection(next(self._numbers), market, combined)
        self.connections[connection.number] = connection
        return connection

    def disconnect(self, connection: Connection) -> None:
        """Forget a socket."""
        self.connections.pop(connection.number, None)

    def subscribe(self, connection: Connection, names: list[str]) -> None:
        """Add streams to a socket; a listen key among them makes it one of the user's."""
        for name in names:
            if name in self.gateway.listen_keys[connection.market]:
                connection.user_stream = name
                connection.roles.add("user")
            else:
                connection.streams.add(name)
                connection.roles.add("market")

    def unsubscribe(self, connection: Connection, names: list[str]) -> None:
        """Remove streams from a socket."""
        wanted = {name.lower() for name in names}
        connection.streams = {name for name in connection.streams if name.lower() not in wanted}

    def strike_sockets(self) -> None:
        """Let the script drop or mute sockets, one occasion an event of the tape; and skew the clock."""
        exchange = self.exchange
        for kind in ("websocket_drop", "mute_socket"):
            fault = exchange.faults.strike([kind], None, exchange.now_ns)
            if fault is not None:
                for connection in self.wearing(on(fault)):
                    self.drop(connection) if kind == "websocket_drop" else self.mute(connection)
        fault = exchange.faults.strike(["clock_skew"], None, exchange.now_ns)
        if fault is not None:
            exchange.skew_ns = round(fault.seconds * 1e9)

    def drop(self, connection: Connection) -> None:
        """Close a socket without a word."""
        connection.drop()

    def mute(self, connection: Connection) -> None:
        """Let a socket say nothing any more."""
        connection.muted = True

    def wearing(self, role: str) -> list[Connection]:
        """Sockets of a role, `*` for all."""
        return [one for one in list(self.connections.values()) if role == "*" or role in one.roles]

    def hear_tape(self, event: TapeEvent) -> None:
        """Publish an event of the tape."""
        self._release()
        self.strike_sockets()
        match event:
            case Candle():
                self._candle(event)
            case Quote():
                self._quote(event)
            case MarkPrice() | FundingRate():
                self._mark(event)
            case Print():
                self._print(event)

    def _publish(self, market: Market, name: str, build: Callable[[], Any]) -> None:
        document: Any = None
        for connection in self.connections.values():
            if connection.market == market and name in connection.streams:
                document = build() if document is None else document
                connection.send({"stream": name, "data": document} if connection.combined else document)

    def _candle(self, event: Candle) -> None:
        interval, span = self.exchange.tape.interval, bar_span(self.exchange)
        name = f"{event.symbol.lower()}@kline_{interval}"
        self._publish(event.market, name, lambda: documents.kline_message(event, interval, span, event.ts_ns))

    def _quote(self, event: Quote) -> None:
        market, low = event.market, event.symbol.lower()
        api, best = self.gateway.apis[market], Best(event.bid, event.ask, event.bid_size, event.ask_size)
        terms, book = api.venue.terms[event.symbol], api.books[event.symbol]
        changed = book.move(best)
        quote = documents.quote_message(market, terms, best, book.update_id, event.ts_ns)
        self._publish(market, f"{low}@bookTicker", lambda: quote)
        self._publish(market, "!bookTicker", lambda: quote)
        if self.exchange.faults.strike(["book_gap"], "depth", self.exchange.now_ns) is None:
            for rate in DEPTH_RATES:
                self._publish(
                    market, f"{low}@depth{rate}", lambda: documents.depth_message(book, changed, market, event.ts_ns)
                )
        for levels in PARTIAL_LEVELS:
            partial_depth = partial(documents.partial_depth_message, book, levels, market, event.ts_ns)
            for rate in DEPTH_RATES:
                self._publish(market, f"{low}@depth{levels}{rate}", partial_depth)
        for kind, mini in (("ticker", False), ("miniTicker", True)):
            ticker = partial(documents.ticker_message, self.exchange, terms, best, mini)
            self._publish(market, f"{low}@{kind}", ticker)
            self._publish(market, f"!{kind}@arr", partial(_alone, ticker))

    def _mark(self, event: MarkPrice | FundingRate) -> None:
        if event.market != "usdm":
            return
        venue = self.exchange.venues["usdm"]
        rate, next_ns = venue.funding.get(event.symbol, (ZERO, 0))
        price = text(venue.marks.get(event.symbol, ZERO))
        document = {
            "e": "markPriceUpdate",
            "E": ms(event.ts_ns),
            "s": event.symbol,
            "p": price,
            "ap": price,
            "i": price,
            "P": price,
            "r": text(rate),
            "T": ms(next_ns),
        }
        for rate_name in ("", "@1s", "@3s"):
            self._publish("usdm", f"{event.symbol.lower()}@markPrice{rate_name}", lambda: document)
            self._publish("usdm", f"!markPrice@arr{rate_name}", lambda: [document])

    def _print(self, event: Print) -> None:
        number, _ = self.exchange.prints[(event.market, event.symbol)][-1]
        terms = self.exchange.venues[event.market].terms[event.symbol]
        for kind in ("trade", "aggTrade"):
            name = f"{event.symbol.lower()}@{kind}"
            self._publish(event.market, name, partial(documents.trade_message, kind, number, event, terms))

    def _hearing(self, market: Market) -> Callable[[Event], None]:
        def hear(event: Event) -> None:
            for message in messages(self.gateway.apis[market], event):
                self._tell_owner(market, message)

        return hear

    def _tell_owner(self, market: Market, message: dict[str, Any]) -> None:
        fault = None
        if is_fill(message):
            fault = self.exchange.faults.strike(PUSH_FAULTS[:2], "trade", self.exchange.now_ns)
        if fault is not None and fault.kind == "late_trade":
            self._late.append(lambda: self._push(market, message))
            return
        self._push(market, message)
        if fault is not None:
            self._push(market, message)
        if is_fill(message):
            self._release()

    def _release(self) -> None:
        held, self._late = self._late, []
        for push in held:
            push()

    def _push(self, market: Market, message: dict[str, Any]) -> None:
        for connection in list(self.connections.values()):
            if connection.market != market:
                continue
            if connection.subscription_id is not None:
                connection.send({"subscriptionId": connection.subscription_id, "event": message})
            elif connection.user_stream is not None:
                connection.send({"stream": connection.user_stream, "data": message} if connection.combined else message)


def _alone(build: Callable[[], Any]) -> list[Any]:
    return [build()]
