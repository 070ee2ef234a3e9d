"""A market of the exchange: what it takes, what it fills, what it books. Amounts are computed by hand beside them."""

from decimal import Decimal

import pytest

from live.rehearsal.order import AccountChange, Report
from live.rehearsal.refusals import Refused
from tests.unit.live.rehearsal.venues import SYMBOL, ask_for, quote, venue

D = Decimal


def reports(events) -> list[tuple[str, str]]:
    return [(event.execution, event.order.status) for event in events if isinstance(event, Report)]


def test_spot_market_order_fills_at_the_offer_and_pays_in_quote():
    market, events = venue("spot")
    market.on_quote(SYMBOL, quote("99.99", "100.00"), 1)
    order = market.place(ask_for(quantity="2"), 2)
    assert (order.status, order.filled, order.spent) == ("FILLED", D("2"), D("200"))
    assert market.ledger.free == {"USDT": D("799.9"), "BTC": D("2")}  # 1000 - 200 - 200 * 5 bps
    assert reports(events) == [("NEW", "NEW"), ("TRADE", "FILLED")]


def test_spot_commission_in_what_is_received_leaves_less_than_was_bought():
    market, _ = venue("spot", in_quote=False)
    market.on_quote(SYMBOL, quote("99.99", "100.00"), 1)
    market.place(ask_for(quantity="2"), 2)
    assert market.ledger.free == {"USDT": D("800"), "BTC": D("1.999")}  # 2 - 2 * 5 bps
    with pytest.raises(Refused, match="-2010 Account has insufficient balance"):
        market.place(ask_for("SELL", "2", client="b"), 3)


def test_spot_limit_order_locks_fills_later_as_maker_and_unlocks():
    market, _ = venue("spot")
    market.on_quote(SYMBOL, quote("99.99", "100.00"), 1)
    market.place(ask_for(quantity="2", price="90"), 2)
    assert (market.ledger.free["USDT"], market.ledger.locked["USDT"]) == (D("820"), D("180"))
    market.on_quote(SYMBOL, quote("89.00", "89.01"), 3)
    assert market.ledger.locked["USDT"] == 0
    assert market.ledger.free == {"USDT": D("819.964"), "BTC": D("2")}  # 1000 - 180 - 180 * 2 bps
    assert market.trades[0].maker is True


def test_cancelled_order_gives_back_what_it_locked():
    market, _ = venue("spot")
    market.on_quote(SYMBOL, quote("99.99", "100.00"), 1)
    order = market.place(ask_for(quantity="2", price="90"), 2)
    market.cancel(order, 3)
    assert (market.ledger.free["USDT"], market.ledger.locked["USDT"]) == (D("1000"), D("0"))
    with pytest.raises(Refused, match="-2011"):
        market.cancel(order, 4)


def test_partial_fills_add_up_to_the_order():
    market, events = venue("spot")
    market.on_quote(SYMBOL, quote("99.99", "100.00"), 1)
    order = market.place(ask_for(quantity="3", price="90"), 2)
    for ns in (3, 4, 5):
        market.on_quote(SYMBOL, quote("89.98", "89.99", "1.2"), ns)
    assert [trade.quantity for trade in market.trades] == [D("1.2"), D("1.2"), D("0.6")]
    assert (order.status, market.ledger.locked["USDT"]) == ("FILLED", D("0"))
    assert reports(events) == [
        ("NEW", "NEW"),
        ("TRADE", "PARTIALLY_FILLED"),
        ("TRADE", "PARTIALLY_FILLED"),
        ("TRADE", "FILLED"),
    ]


@pytest.mark.parametrize(
    ("market", "request_", "code"),
    [
        ("spot", {"quantity": "0.0005"}, "-1013 Filter failure: LOT_SIZE"),
        ("spot", {"price": "90.005"}, "-1013 Filter failure: PRICE_FILTER"),
        ("spot", {"quantity": "0.049"}, "-1013 Filter failure: NOTIONAL"),
        ("spot", {"quantity": "11"}, "-2010 Account has insufficient"),
        ("usdm", {"quantity": "0.0005"}, "-1111"),
        ("usdm", {"price": "90.005"}, "-4014"),
        ("usdm", {"quantity": "0.049"}, "-4164 Order's notional must be no smaller than 5 "),
        ("usdm", {"quantity": "101"}, "-2019 Margin is insufficient"),
        ("usdm", {"side": "SELL", "reduce_only": True}, "-2022 ReduceOnly"),
        ("usdm", {"price": "100", "time_in_force": "GTX"}, "-5022"),
        ("usdm", {"side": "SELL", "stop_price": D("120")}, "-2021"),
    ],
)
def test_refused_order_leaves_no_trace(market, request_, code):
    made, events = venue(market)
    made.on_quote(SYMBOL, quote("99.99", "100.00"), 1)
    before = made.state()
    with pytest.raises(Refused, match=code):
        made.place(ask_for(**request_), 2)
    assert made.state() == before
    assert events == []


def test_client_id_of_an_open_order_is_refused_and_of_a_filled_one_is_taken_again():
    market, _ = venue("usdm")
    market.on_quote(SYMBOL, quote("99.99", "100.00"), 1)
    market.place(ask_for(client="x", price="90"), 2)
    with pytest.raises(Refused, match="-4116"):
        market.place(ask_for(client="x"), 3)
    market.place(ask_for(client="y"), 4)
    assert market.place(ask_for(client="y"), 5).status == "FILLED"


def test_position_turns_and_realises_its_profit():
    market, events = venue("usdm")
    ledger = market.ledger
    market.on_quote(SYMBOL, quote("100.00", "100.00"), 1)
    market.place(ask_for(quantity="2", client="a"), 2)
    market.on_quote(SYMBOL, quote("110.00", "110.00"), 3)
    market.place(ask_for("SELL", "3", client="b"), 4)
    position = ledger.positions[SYMBOL]
    assert (position.quantity, position.entry_price, position.realized) == (D("-1"), D("110"), D("20"))
    assert ledger.wallet == D("1019.735")  # 1000 + 2 * 10 - 200 * 5 bps - 330 * 5 bps
    assert [event.reason for event in events if isinstance(event, AccountChange)] == ["ORDER", "ORDER"]


def test_reduce_only_order_closes_no_more_than_the_position():
    market, _ = venue("usdm")
    market.on_quote(SYMBOL, quote("100.00", "100.00"), 1)
    market.place(ask_for(quantity="2", client="a"), 2)
    order = market.place(ask_for("SELL", "5", client="b", reduce_only=True), 3)
    assert (order.quantity, order.status, market.ledger.positions[SYMBOL].quantity) == (D("2"), "FILLED", D("0"))


def test_resting_reduce_only_order_expires_once_there_is_nothing_to_reduce():
    market, _ = venue("usdm")
    market.on_quote(SYMBOL, quote("100.00", "100.00"), 1)
    market.place(ask_for(quantity="2", client="a"), 2)
    resting = market.place(ask_for("SELL", "2", price="105", client="b", reduce_only=True), 3)
    market.place(ask_for("SELL", "2", client="c"), 4)
    market.on_quote(SYMBOL, quote("106.00", "106.00"), 5)
    assert (resting.status, market.ledger.positions[SYMBOL].quantity) == ("EXPIRED", D("0"))


def test_stop_waits_and_then_fills_at_the_market():
    market, _ = venue("usdm")
    market.on_quote(SYMBOL, quote("100.00", "100.00"), 1)
    market.place(ask_for(quantity="2", client="a"), 2)
    stop = market.place(
        ask_for(
            "SELL", "2", client="b", stop_price=D("95"), reduce_only=True, conditional=True, wire_type="STOP_MARKET"
        ),
        3,
    )
    market.on_quote(SYMBOL, quote("95.01", "95.01"), 4)
    assert stop.waiting
    market.on_quote(SYMBOL, quote("94.00", "94.00"), 5)
    actual = market.orders[stop.actual_order_id]
    assert (stop.status, actual.status, actual.average_price) == ("FILLED", "FILLED", D("94"))
    assert market.ledger.positions[SYMBOL].quantity == 0


def test_immediate_or_cancel_order_expires_with_what_is_left():
    market, events = venue("usdm")
    market.on_quote(SYMBOL, quote("99.99", "100.00", "1"), 1)
    order = market.place(ask_for(quantity="2", price="100", time_in_force="IOC"), 2)
    assert (order.status, order.filled) == ("EXPIRED", D("1"))
    assert reports(events)[-1] == ("EXPIRED", "EXPIRED")


def test_fill_or_kill_order_fills_whole_or_not_at_all():
    market, _ = venue("usdm")
    market.on_quote(SYMBOL, quote("99.99", "100.00", "1"), 1)
    order = market.place(ask_for(quantity="2", price="100", time_in_force="FOK"), 2)
    assert (order.status, order.filled, market.ledger.order_margin) == ("EXPIRED", D("0"), {})


def test_funding_is_paid_on_the_position_at_its_mark():
    market, events = venue("usdm")
    market.on_quote(SYMBOL, quote("100.00", "100.00"), 1)
    market.place(ask_for(quantity="2"), 2)
    before = market.ledger.wallet
    market.on_mark(SYMBOL, D("110"), 3)
    market.on_funding(SYMBOL, D("0.0001"), 9, 4)
    assert before - market.ledger.wallet == D("0.022")  # 2 * 110 * 0.0001
    assert events[-1].reason == "FUNDING_FEE"


def test_account_that_cannot_keep_its_position_is_liquidated():
    market, _ = venue("usdm", balance="100")
    market.on_quote(SYMBOL, quote("100.00", "100.00"), 1)
    market.place(ask_for(quantity="5", client="a"), 2)
    resting = market.place(ask_for(quantity="1", price="70", client="b"), 3)
    market.on_quote(SYMBOL, quote("82.00", "82.00"), 4)  # equity 99.75 - 90 = 9.75 > maintenance 410 * 2 % = 8.2
    assert market.ledger.positions[SYMBOL].quantity == 5
    market.on_mark(SYMBOL, D("81"), 5)  # equity 99.75 - 95 = 4.75 < 405 * 2 % = 8.1
    forced = next(reversed(market.orders.values()))
    assert (forced.wire_type, forced.client_order_id[:10], forced.average_price) == (
        "LIQUIDATION",
        "autoclose-",
        D("82"),
    )
    assert (market.ledger.positions[SYMBOL].quantity, resting.status) == (D("0"), "CANCELED")


def test_order_after_the_bar_closed_fills_at_the_next_quote():
    market, events = venue("spot")
    market.on_quote(SYMBOL, quote("99.99", "100.00"), 1)
    market.on_close(SYMBOL)
    order = market.place(ask_for(quantity="2"), 2)
    assert (order.status, reports(events)) == ("NEW", [("NEW", "NEW")])
    market.on_quote(SYMBOL, quote("104.99", "105.00"), 3)
    assert (order.status, order.average_price, market.trades[0].maker) == ("FILLED", D("105"), False)


def test_held_order_that_the_next_quote_makes_too_dear_expires():
    market, _ = venue("spot")
    market.on_quote(SYMBOL, quote("99.99", "100.00"), 1)
    market.on_close(SYMBOL)
    order = market.place(ask_for(quantity="9.9"), 2)
    market.on_quote(SYMBOL, quote("104.99", "105.00"), 3)
    assert (order.status, market.ledger.free["USDT"]) == ("EXPIRED", D("1000"))


def test_restored_venue_goes_on_where_the_old_one_stood():
    old, _ = venue("usdm")
    old.on_quote(SYMBOL, quote("99.99", "100.00"), 1)
    old.place(ask_for(quantity="2", client="a"), 2)
    old.place(ask_for(quantity="1", price="90", client="b"), 3)
    new, _ = venue("usdm")
    new.restore(old.state())
    for market in (old, new):
        market.on_quote(SYMBOL, quote("89.00", "89.01"), 4)
    assert new.state() == old.state()
    assert new.ledger.positions[SYMBOL].quantity == D("3")


def test_leverage_that_would_not_carry_the_position_is_refused():
    market, _ = venue("usdm", balance="100")
    market.on_quote(SYMBOL, quote("100.00", "100.00"), 1)
    market.place(ask_for(quantity="5"), 2)
    with pytest.raises(Refused, match="-2027"):
        market.ledger.set_leverage(SYMBOL, 2)
    assert market.ledger.positions[SYMBOL].leverage == 10


def test_amended_order_keeps_its_id_and_fills_at_its_new_price():
    market, events = venue("usdm")
    market.on_quote(SYMBOL, quote("99.99", "100.00"), 1)
    order = market.place(ask_for(quantity="1", price="90"), 2)
    market.amend(order, D("2"), D("95"), 3)
    assert market.ledger.order_margin == {order.order_id: D("19")}  # 2 * 95 / 10
    market.on_quote(SYMBOL, quote("94.00", "94.01"), 4)
    assert (order.status, order.filled, order.average_price) == ("FILLED", D("2"), D("95"))
    assert reports(events) == [("NEW", "NEW"), ("AMENDMENT", "NEW"), ("TRADE", "FILLED")]


def test_amendment_that_the_account_cannot_pay_leaves_the_order_as_it_was():
    market, _ = venue("usdm")
    market.on_quote(SYMBOL, quote("99.99", "100.00"), 1)
    order = market.place(ask_for(quantity="1", price="90"), 2)
    before = market.state()
    with pytest.raises(Refused, match="-2019"):
        market.amend(order, D("200"), D("95"), 3)
    assert market.state() == before


def test_countdown_that_is_not_renewed_cancels_the_orders_of_its_symbol():
    market, _ = venue("usdm")
    market.on_quote(SYMBOL, quote("99.99", "100.00"), 1)
    order = market.place(ask_for(quantity="1", price="90"), 2)
    market.count_down(SYMBOL, 10)
    market.count_down(SYMBOL, 20)
    market.on_time(19)
    assert order.status == "NEW"
    market.on_time(20)
    assert (order.status, market.countdowns) == ("CANCELED", {})
