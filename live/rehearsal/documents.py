"""What both markets write alike: numbers, bars, tickers, books and trades of others, in Binance's JSON."""

from decimal import Decimal
from typing import Any

from live.rehearsal.book import ENDLESS, Book
from live.rehearsal.exchange import Exchange, bar_span
from live.rehearsal.matching import Best
from live.rehearsal.tape import MS, Candle, Print
from live.rehearsal.terms import Market, Terms

PRECISION = 8


def ms(ns: int) -> int:
    """Milliseconds of nanoseconds, rounded down."""
    return ns // MS


def text(value: Decimal, decimals: int = PRECISION) -> str:
    """A number as the exchange writes it."""
    return f"{value:.{decimals}f}"


def size_text(best_size: Decimal | None, terms: Terms) -> str:
    """Size of a quote; one that no order exhausts is a thousand million."""
    return text(ENDLESS if best_size is None else best_size, terms.size_precision)


def kline(row: Candle, span_ns: int) -> list[Any]:
    """A bar of REST /klines; its close time is the last millisecond of it."""
    value = row.volume * row.close
    half = row.volume / 2
    return [
        ms(row.open_ns),
        text(row.open),
        text(row.high),
        text(row.low),
        text(row.close),
        text(row.volume),
        ms(row.open_ns + span_ns) - 1,
        text(value),
        1,
        text(half),
        text(half * row.close),
        "0",
    ]


def kline_message(row: Candle, interval: str, span_ns: int, event_ns: int) -> dict[str, Any]:
    """A bar of the kline stream; `x` says whether it is closed."""
    value = row.volume * row.close
    return {
        "e": "kline",
        "E": ms(event_ns),
        "s": row.symbol,
        "k": {
            "t": ms(row.open_ns),
            "T": ms(row.open_ns + span_ns) - 1,
            "s": row.symbol,
            "i": interval,
            "f": 1,
            "L": 1,
            "o": text(row.open),
            "c": text(row.close),
            "h": text(row.high),
            "l": text(row.low),
            "v": text(row.volume),
            "n": 1,
            "x": row.closed,
            "q": text(value),
            "V": text(row.volume / 2),
            "Q": text(value / 2),
            "B": "0",
        },
    }


def quote_message(market: Market, terms: Terms, best: Best, update_id: int, event_ns: int) -> dict[str, Any]:
    """A message of the bookTicker stream; the spot market's has no time."""
    message: dict[str, Any] = {
        "u": update_id,
        "s": terms.symbol,
        "b": text(best.bid, terms.price_precision),
        "B": size_text(best.bid_size, terms),
        "a": text(best.ask, terms.price_precision),
        "A": size_text(best.ask_size, terms),
    }
    if market == "usdm":
        message = {"e": "bookTicker", **message, "T": ms(event_ns), "E": ms(event_ns)}
    return message


def quote_document(terms: Terms, best: Best, now_ns: int) -> dict[str, Any]:
    """An answer of REST ticker/bookTicker."""
    return {
        "symbol": terms.symbol,
        "bidPrice": text(best.bid, terms.price_precision),
        "bidQty": size_text(best.bid_size, terms),
        "askPrice": text(best.ask, terms.price_precision),
        "askQty": size_text(best.ask_size, terms),
        "time": ms(now_ns),
    }


def trade_message(kind: str, number: int, trade: Print, terms: Terms) -> dict[str, Any]:
    """A message of the trade or aggTrade stream."""
    message: dict[str, Any] = {
        "e": kind,
        "E": ms(trade.ts_ns),
        "s": trade.symbol,
        "p": text(trade.price, terms.price_precision),
        "q": text(trade.size),
        "T": ms(trade.ts_ns),
        "m": trade.buyer_is_maker,
        "M": True,
    }
    if kind == "aggTrade":
        return {**message, "a": number, "f": number, "l": number, "nq": message["q"]}
    return {**message, "t": number, "X": "MARKET"}


def trade_document(number: int, trade: Print, terms: Terms) -> dict[str, Any]:
    """A trade of REST /trades."""
    return {
        "id": number,
        "price": text(trade.price, terms.price_precision),
        "qty": text(trade.size),
        "quoteQty": text(trade.size * trade.price),
        "time": ms(trade.ts_ns),
        "isBuyerMaker": trade.buyer_is_maker,
        "isBestMatch": True,
    }


def aggregate_document(number: int, trade: Print, terms: Terms) -> dict[str, Any]:
    """A trade of REST /aggTrades."""
    message = trade_message("aggTrade", number, trade, terms)
    return {key: message[key] for key in ("a", "p", "q", "f", "l", "T", "m", "M")}


def depth_message(
    book: Book, changed: tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]], market: Market, event_ns: int
) -> dict[str, Any]:
    """A difference of the book."""
    bids, asks = changed
    message: dict[str, Any] = {
        "e": "depthUpdate",
        "E": ms(event_ns),
        "s": book.terms.symbol,
        "U": book.update_id,
        "u": book.update_id,
        "b": book.rows(bids),
        "a": book.rows(asks),
    }
    if market == "usdm":
        message |= {"T": ms(event_ns), "pu": book.update_id - 1}
    return message


def partial_depth_message(book: Book, limit: int, market: Market, event_ns: int) -> dict[str, Any]:
    """The first levels of the book, whole."""
    bids, asks = book.top(limit)
    if market == "spot":
        return {"lastUpdateId": book.update_id, "bids": bids, "asks": asks}
    return {
        "e": "depthUpdate",
        "E": ms(event_ns),
        "T": ms(event_ns),
        "s": book.terms.symbol,
        "U": book.update_id,
        "u": book.update_id,
        "pu": book.update_id - 1,
        "b": bids,
        "a": asks,
    }


def ticker_document(exchange: Exchange, terms: Terms, best: Best) -> dict[str, Any]:
    """An answer of REST ticker/24hr."""
    day = exchange.day(terms.market, terms.symbol)
    change = day["close"] - day["open"]
    percent = change / day["open"] * 100 if day["open"] else Decimal(0)
    now = ms(exchange.now_ns)
    return {
        "symbol": terms.symbol,
        "priceChange": text(change),
        "priceChangePercent": text(percent, 3),
        "weightedAvgPrice": text(day["value"] / day["volume"] if day["volume"] else day["close"]),
        "prevClosePrice": text(day["open"]),
        "lastPrice": text(day["close"]),
        "lastQty": "0.00000000",
        "bidPrice": text(best.bid),
        "bidQty": size_text(best.bid_size, terms),
        "askPrice": text(best.ask),
        "askQty": size_text(best.ask_size, terms),
        "openPrice": text(day["open"]),
        "highPrice": text(day["high"]),
        "lowPrice": text(day["low"]),
        "volume": text(day["volume"]),
        "quoteVolume": text(day["value"]),
        "openTime": now - 86_400_000,
        "closeTime": now,
        "firstId": 1,
        "lastId": 1,
        "count": 1,
    }


def ticker_message(exchange: Exchange, terms: Terms, best: Best, mini: bool) -> dict[str, Any]:
    """A message of the ticker or miniTicker stream."""
    document = ticker_document(exchange, terms, best)
    message = {
        "e": "24hrMiniTicker" if mini else "24hrTicker",
        "E": ms(exchange.now_ns),
        "s": terms.symbol,
        "c": document["lastPrice"],
        "o": document["openPrice"],
        "h": document["highPrice"],
        "l": document["lowPrice"],
        "v": document["volume"],
        "q": document["quoteVolume"],
    }
    if mini:
        return message
    return message | {
        "p": document["priceChange"],
        "P": document["priceChangePercent"],
        "w": document["weightedAvgPrice"],
        "x": document["prevClosePrice"],
        "Q": document["lastQty"],
        "b": document["bidPrice"],
        "B": document["bidQty"],
        "a": document["askPrice"],
        "A": document["askQty"],
        "O": document["openTime"],
        "C": document["closeTime"],
        "F": 1,
        "L": 1,
        "n": 1,
    }


def klines(
    exchange: Exchange, market: Market, symbol: str, start_ms: int | None, end_ms: int | None, limit: int
) -> list[list[Any]]:
    """An answer of REST /klines."""
    start, end = (None if stamp is None else stamp * MS for stamp in (start_ms, end_ms))
    span = bar_span(exchange)
    return [kline(row, span) for row in exchange.candles(market, symbol, start, end, limit)]
