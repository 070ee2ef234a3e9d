"""Venues of one symbol for tests: tick 0.01, lot 0.001, least order 5, fees 2 and 5 bps."""

from decimal import Decimal

from live.rehearsal.ledger import MarginLedger, SpotLedger
from live.rehearsal.matching import Best
from live.rehearsal.order import Event, OrderRequest
from live.rehearsal.terms import Market, Terms
from live.rehearsal.venue import Fees, Venue

D = Decimal
SYMBOL = "BTCUSDT"


def terms(market: Market) -> Terms:
    name = "BTCUSDT.BINANCE" if market == "spot" else "BTCUSDT-PERP.BINANCE"
    return Terms(name, SYMBOL, market, "BTC", "USDT", D("0.01"), D("0.001"), D("5"), D("0.02"))


def venue(
    market: Market, balance: str = "1000", leverage: int = 10, in_quote: bool = True
) -> tuple[Venue, list[Event]]:
    marks: dict[str, Decimal] = {}
    one = terms(market)
    ledger = (
        SpotLedger({"USDT": D(balance)}, in_quote)
        if market == "spot"
        else MarginLedger("USDT", D(balance), {SYMBOL: one}, leverage, lambda symbol: marks.get(symbol, D(0)))
    )
    made = Venue(market, [one], ledger, Fees(D("0.0002"), D("0.0005")), marks)
    events: list[Event] = []
    made.listeners.append(events.append)
    return made, events


def quote(bid: str, ask: str, size: str | None = None) -> Best:
    amount = None if size is None else D(size)
    return Best(D(bid), D(ask), amount, amount)


def ask_for(side="BUY", quantity="1", price=None, client="a", **more) -> OrderRequest:
    kind = "MARKET" if price is None else "LIMIT"
    return OrderRequest(
        symbol=SYMBOL,
        side=side,
        kind=kind,
        client_order_id=client,
        wire_type=more.pop("wire_type", kind),
        quantity=D(quantity),
        price=None if price is None else D(price),
        **more,
    )
