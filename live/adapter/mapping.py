"""From ccxt's values to NautilusTrader's: prices and sizes by their printed digits, times from the venue."""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from nautilus_trader.model import (
    AccountBalance,
    AggressorSide,
    Bar,
    BarType,
    BookAction,
    BookOrder,
    FundingRateUpdate,
    InstrumentId,
    MarkPriceUpdate,
    Money,
    OrderBookDelta,
    OrderBookDeltas,
    OrderBookDepth,
    OrderSide,
    Price,
    Quantity,
    QuoteTick,
    RecordFlag,
    TradeId,
    TradeTick,
)

from catalogs.instruments import currency
from live.adapter.core.bars import Row
from live.adapter.core.feeds import BOOK_LEVELS, Quote
from strategies.feed import VOLUME_PRECISION

MS = 1_000_000
MOST = 1_000_000_000
"""Largest size that is told: some venues quote without a limit."""

MOST_VOLUME = 34_000_000_000_000
"""Largest volume that NautilusTrader can hold: an hour of a cheap coin is thousands of millions."""


class Rounding:
    """Prices and sizes of one instrument.

    Parameters
    ----------
    instrument
        NautilusTrader's instrument.
    """

    def __init__(self, instrument: Any) -> None:
        self.instrument_id: InstrumentId = instrument.id
        self._tick = Decimal(1).scaleb(-instrument.price_precision)
        self._lot = Decimal(1).scaleb(-instrument.size_precision)

    def price(self, value: object) -> Price:
        """Return a price to the instrument's decimals."""
        return Price.from_str(f"{Decimal(str(value)).quantize(self._tick, ROUND_HALF_EVEN):f}")

    def size(self, value: object) -> Quantity:
        """Return a size to the instrument's decimals; one that NautilusTrader cannot hold becomes the largest that it can."""
        return Quantity.from_str(f"{min(Decimal(str(value)), Decimal(MOST)).quantize(self._lot, ROUND_HALF_EVEN):f}")


def money(amount: Decimal, code: str) -> Money:
    """Return an amount of a currency, to the decimals that it has here."""
    unit = currency(code)
    return Money.from_decimal(amount.quantize(Decimal(1).scaleb(-unit.precision)), unit)


def volume(value: float) -> Quantity:
    """Return a bar's volume, with the decimals that it has in a back test: policies see it."""
    return Quantity(min(value, MOST_VOLUME), VOLUME_PRECISION)


def bar_of(row: Row, bar_type: BarType, to: Rounding, bar_ms: int, ts_init: int) -> Bar:
    """Return a closed bar; its event time is the close."""
    return Bar(
        bar_type,
        to.price(row.open),
        to.price(row.high),
        to.price(row.low),
        to.price(row.close),
        volume(row.volume),
        (row.open_ms + bar_ms) * MS,
        max(ts_init, (row.open_ms + bar_ms) * MS),
    )


def quote_tick(quote: Quote, to: Rounding, ts_init: int) -> QuoteTick:
    """Return a quote."""
    return QuoteTick(
        to.instrument_id,
        to.price(quote.bid),
        to.price(quote.ask),
        to.size(quote.bid_size),
        to.size(quote.ask_size),
        quote.ts_ns,
        ts_init,
    )


def trade_tick(trade: dict[str, Any], to: Rounding, ts_init: int) -> TradeTick:
    """Return a public trade."""
    side = {"buy": AggressorSide.BUY, "sell": AggressorSide.SELL}.get(
        trade.get("side") or "", AggressorSide.NO_AGGRESSOR
    )
    return TradeTick(
        to.instrument_id,
        to.price(trade["price"]),
        to.size(trade["amount"]),
        side,
        TradeId(str(trade["id"])),
        int(trade["timestamp"]) * MS,
        ts_init,
    )


def mark_price(value: object, ts_ns: int, to: Rounding, ts_init: int) -> MarkPriceUpdate:
    """Return a mark price."""
    return MarkPriceUpdate(to.instrument_id, to.price(value), ts_ns, ts_init)


def funding_rate(found: dict[str, Any], to: Rounding, now_ns: int, ts_init: int) -> FundingRateUpdate:
    """Return a funding rate; of a past one the event time is its settlement."""
    stamp, following = found.get("timestamp"), found.get("fundingTimestamp") or found.get("nextFundingTimestamp")
    return FundingRateUpdate(
        to.instrument_id,
        Decimal(str(found["fundingRate"])),
        now_ns if stamp is None else int(stamp) * MS,
        ts_init,
        None,
        None if following is None else int(following) * MS,
    )


def book_deltas(book: dict[str, Any], to: Rounding, now_ns: int, ts_init: int) -> OrderBookDeltas:
    """Return a book as a snapshot: clear, then every level."""
    stamp = book.get("timestamp")
    ts_ns, sequence = now_ns if stamp is None else int(stamp) * MS, int(book.get("nonce") or 0)
    snapshot, last = RecordFlag.F_SNAPSHOT.value, RecordFlag.F_LAST.value
    deltas = [OrderBookDelta.clear(to.instrument_id, sequence, ts_ns, ts_init)]
    levels = [(OrderSide.BUY, row) for row in book["bids"]] + [(OrderSide.SELL, row) for row in book["asks"]]
    for number, (side, row) in enumerate(levels, start=1):
        flags = snapshot | last if number == len(levels) else snapshot
        order = BookOrder(side, to.price(row[0]), to.size(row[1]), 0)
        deltas.append(OrderBookDelta(to.instrument_id, BookAction.ADD, order, flags, sequence, ts_ns, ts_init))
    return OrderBookDeltas(to.instrument_id, deltas)


def book_depth(book: dict[str, Any], to: Rounding, now_ns: int, ts_init: int) -> OrderBookDepth:
    """Return the best levels of a book; levels that are not there are of size zero."""
    stamp = book.get("timestamp")
    ts_ns = now_ns if stamp is None else int(stamp) * MS
    sides = []
    for side, rows in ((OrderSide.BUY, book["bids"]), (OrderSide.SELL, book["asks"])):
        levels = [BookOrder(side, to.price(row[0]), to.size(row[1]), 0) for row in list(rows)[:BOOK_LEVELS]]
        sides.append(levels)
    bids, asks = sides
    sequence = int(book.get("nonce") or 0)
    return OrderBookDepth(to.instrument_id, bids, asks, [1] * len(bids), [1] * len(asks), 0, sequence, ts_ns, ts_init)


def balances(found: dict[str, Any]) -> list[AccountBalance]:
    """Return what is held of every currency, from ccxt's balance; a currency of which nothing is held is left out."""
    rows = []
    for code, total in sorted((found.get("total") or {}).items()):
        whole = Decimal(str(total or 0))
        used = Decimal(str((found.get("used") or {}).get(code) or 0))
        if whole == 0 and used == 0:
            continue
        unit = currency(code)
        rest = Decimal(1).scaleb(-unit.precision)
        whole, used = whole.quantize(rest), used.quantize(rest)
        rows.append(
            AccountBalance(
                Money.from_decimal(whole, unit), Money.from_decimal(used, unit), Money.from_decimal(whole - used, unit)
            )
        )
    return rows


def wallets(found: dict[str, Any]) -> dict[str, Any]:
    """Return a margin account's balance without the unrealised profit of its positions, which the engine adds itself."""
    info = found.get("info")
    assets = info.get("assets") if isinstance(info, dict) else None
    if not assets or "walletBalance" not in assets[0]:
        return found
    total = {**(found.get("total") or {}), **{row["asset"]: row["walletBalance"] for row in assets}}
    return {**found, "total": total}
