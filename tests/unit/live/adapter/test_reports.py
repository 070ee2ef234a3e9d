from decimal import Decimal

import pytest
from nautilus_trader.model import AccountId, OrderStatus, OrderType

from live.adapter.core.feeds import Quote, quote_of
from live.adapter.core.ledger import Ledger, Tracked
from live.adapter.instruments import instrument_of
from live.adapter.mapping import Rounding, balances, quote_tick, wallets
from live.adapter.reports import entry_price, fill_report, held, order_report, signed_contracts
from tests.unit.live.adapter.shapes import exchange, order, trade

MARKET = "BTC/USDT:USDT"
ACCOUNT = AccountId("BINANCE-001")


@pytest.fixture(scope="module")
def ccxt():
    return exchange()


@pytest.fixture(scope="module")
def to(ccxt):
    return Rounding(instrument_of(ccxt.markets[MARKET], "BTCUSDT-PERP.BINANCE", 0))


@pytest.mark.parametrize(
    ("raw", "filled", "status"),
    [
        ("NEW", "0", OrderStatus.ACCEPTED),
        ("PARTIALLY_FILLED", "4", OrderStatus.PARTIALLY_FILLED),
        ("FILLED", "10", OrderStatus.FILLED),
        ("CANCELED", "4", OrderStatus.CANCELED),
        ("EXPIRED", "0", OrderStatus.EXPIRED),
        ("REJECTED", "0", OrderStatus.REJECTED),
    ],
)
def test_report_of_a_strangers_order_is_what_the_venue_says(ccxt, to, raw, filled, status):
    report = order_report(order(ccxt, MARKET, status=raw, executedQty=filled), ACCOUNT, to, 5)
    assert report.order_status == status
    assert report.filled_qty.as_decimal() == Decimal(filled)
    assert report.order_type == OrderType.LIMIT


def test_report_of_our_order_claims_no_fill_that_was_not_told(ccxt, to):
    ledger = Ledger()
    mine = Tracked("O-1", MARKET, "buy", Decimal(10))
    ledger.track(mine)
    ledger.hear_order(order(ccxt, MARKET))
    ledger.hear_trade(trade(ccxt, MARKET))
    report = order_report(order(ccxt, MARKET, status="FILLED", executedQty="10"), ACCOUNT, to, 5, mine)
    assert report.order_status == OrderStatus.PARTIALLY_FILLED
    assert report.filled_qty.as_decimal() == 4


def test_report_of_a_trade_keeps_id_fee_and_time(ccxt, to):
    report = fill_report(trade(ccxt, MARKET), ACCOUNT, to, "USDT", 5)
    assert (str(report.trade_id), str(report.commission), report.ts_event) == (
        "1",
        "0.04000000 USDT",
        1507725176596 * 1_000_000,
    )


def test_short_position_is_negative():
    assert signed_contracts({"contracts": 0.5, "side": "short"}) == Decimal("-0.5")
    assert signed_contracts({}) == 0


def test_spot_holding_is_in_whole_lots():
    assert held({"total": {"BTC": 0.123456}}, "BTC", Decimal("0.001")) == Decimal("0.123")


def test_entry_price_of_a_holding_is_the_average_of_what_built_it():
    trades = [
        {"side": "buy", "amount": 1.0, "price": 90.0},
        {"side": "sell", "amount": 1.0, "price": 95.0},
        {"side": "buy", "amount": 1.0, "price": 100.0},
        {"side": "buy", "amount": 1.0, "price": 110.0},
        {"side": "sell", "amount": 0.5, "price": 120.0},
    ]
    assert entry_price(trades, Decimal("1.5")) == Decimal(105)
    assert entry_price(trades, Decimal(4)) is None
    assert entry_price([], Decimal(1)) is None


def test_margin_balance_leaves_unrealised_profit_to_the_engine():
    found = {
        "total": {"USDT": 120.0},
        "used": {"USDT": 20.0},
        "info": {"assets": [{"asset": "USDT", "walletBalance": "100.0"}]},
    }
    (row,) = balances(wallets(found))
    assert (str(row.total), str(row.locked), str(row.free)) == (
        "100.00000000 USDT",
        "20.00000000 USDT",
        "80.00000000 USDT",
    )


def test_quote_without_a_time_is_marked_and_one_without_a_side_is_none():
    assert quote_of({"X": {"bid": 1.0, "ask": 2.0, "timestamp": None}}, "X", 7) == Quote(1.0, 2.0, 0.0, 0.0, 7, False)
    assert quote_of({"bid": 1.0, "ask": None}, "X", 7) is None
    assert quote_of({"bids": [[1.0, 3.0]], "asks": [[2.0, 4.0]], "timestamp": 5}, "X", 7) == Quote(
        1.0, 2.0, 3.0, 4.0, 5_000_000, True
    )


def test_size_beyond_what_can_be_held_is_the_largest(to):
    tick = quote_tick(Quote(1.0, 2.0, 1e30, 4.0, 5, True), to, 6)
    assert tick.bid_size.as_decimal() == 10**9
