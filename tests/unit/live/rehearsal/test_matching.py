"""Where an order meets a quote."""

from decimal import Decimal

import pytest

from live.rehearsal.matching import Best, Fill, crosses, fills, triggered
from live.rehearsal.order import Order

D = Decimal
TICK = D("0.01")


def order(side="BUY", kind="LIMIT", quantity="3", price="100", **more) -> Order:
    return Order(
        order_id=1,
        client_order_id="a",
        symbol="BTCUSDT",
        side=side,
        kind=kind,
        wire_type=kind,
        quantity=D(quantity),
        time_in_force="GTC",
        price=None if kind == "MARKET" else D(price),
        **more,
    )


@pytest.mark.parametrize(
    ("side", "bid", "ask", "expected"),
    [
        ("BUY", "99", "100", True),
        ("BUY", "99", "100.01", False),
        ("SELL", "100", "101", True),
        ("SELL", "99.99", "101", False),
    ],
)
def test_limit_order_crosses_at_its_price_or_better(side, bid, ask, expected):
    assert crosses(order(side), Best(D(bid), D(ask))) is expected


def test_arriving_limit_order_takes_the_quote():
    assert fills(order(), Best(D("98"), D("99")), TICK, resting=False) == [Fill(D("99"), D("3"), False)]


def test_resting_limit_order_fills_at_its_price_as_maker():
    assert fills(order(), Best(D("98"), D("99")), TICK, resting=True) == [Fill(D("100"), D("3"), True)]


def test_resting_limit_order_fills_no_more_than_the_size():
    assert fills(order(), Best(D("98"), D("99"), D("2"), D("2")), TICK, resting=True) == [Fill(D("100"), D("2"), True)]


def test_market_order_beyond_the_size_pays_a_tick_more():
    parts = fills(order(kind="MARKET"), Best(D("98"), D("99"), D("2"), D("2")), TICK, resting=False)
    assert parts == [Fill(D("99"), D("2"), False), Fill(D("99.01"), D("1"), False)]


def test_arriving_limit_order_beyond_the_size_stops_at_its_price():
    parts = fills(order(price="99.01", quantity="9"), Best(D("98"), D("99"), D("2"), D("2")), TICK, resting=False)
    assert parts == [Fill(D("99"), D("2"), False), Fill(D("99.01"), D("2"), False)]


def test_uncrossed_order_does_not_fill():
    assert fills(order(price="98.99"), Best(D("98"), D("99")), TICK, resting=False) == []


@pytest.mark.parametrize(
    ("above", "price", "expected"),
    [(True, "100", True), (True, "99.99", False), (False, "100", True), (False, "100.01", False)],
)
def test_trigger_is_at_or_beyond_the_stop_price(above, price, expected):
    assert triggered(order(stop_price=D("100"), trigger_above=above), D(price)) is expected
