from decimal import Decimal

import pytest

from live.adapter.core.events import Accepted, Ended, Filled, Rejected, Triggered
from live.adapter.core.ledger import Ledger, Tracked
from tests.unit.live.adapter.shapes import exchange, order, trade

MARKET = "BTC/USDT:USDT"


@pytest.fixture(scope="module")
def ccxt():
    return exchange()


@pytest.fixture
def ledger():
    made = Ledger()
    made.track(Tracked("O-1", MARKET, "buy", Decimal(10)))
    return made


def kinds(events):
    return [type(event) for event in events]


def test_answer_accepts_the_order_once(ccxt, ledger):
    assert ledger.hear_order(order(ccxt, MARKET)) == [Accepted("O-1", "28", 1507725176595 * 1_000_000)]
    assert ledger.hear_order(order(ccxt, MARKET)) == []


def test_fill_before_the_answer_waits_for_it(ccxt, ledger):
    assert ledger.hear_trade(trade(ccxt, MARKET)) == []
    events = ledger.hear_order(order(ccxt, MARKET))
    assert kinds(events) == [Accepted, Filled]
    assert (events[1].quantity, events[1].price, events[1].fee) == (Decimal("4.0"), Decimal("100.0"), Decimal("0.04"))
    assert (events[1].maker, events[1].fee_currency, events[1].trade_id) == (False, "USDT", "1")


def test_trade_told_twice_fills_once(ccxt, ledger):
    ledger.hear_order(order(ccxt, MARKET))
    assert kinds(ledger.hear_trade(trade(ccxt, MARKET))) == [Filled]
    assert ledger.hear_trade(trade(ccxt, MARKET)) == []


def test_trades_that_waited_are_told_in_the_order_of_their_times(ccxt, ledger):
    ledger.hear_trade(trade(ccxt, MARKET, id=3, qty="1", time=1507725176603))
    ledger.hear_trade(trade(ccxt, MARKET, id=2, qty="1", time=1507725176602))
    events = ledger.hear_order(order(ccxt, MARKET))
    assert [event.trade_id for event in events[1:]] == ["2", "3"]


def test_same_trade_id_of_another_symbol_is_another_trade(ccxt, ledger):
    ledger.track(Tracked("O-2", "BTC/USDT", "buy", Decimal(10), venue_ids=["28"], standing="open"))
    ledger.hear_order(order(ccxt, MARKET))
    assert kinds(ledger.hear_trade(trade(ccxt, MARKET))) == [Filled]
    assert kinds(ledger.hear_trade(trade(ccxt, "BTC/USDT"))) == [Filled]


def test_cancelled_order_waits_for_the_fills_it_owes(ccxt, ledger):
    ledger.hear_order(order(ccxt, MARKET))
    assert ledger.hear_order(order(ccxt, MARKET, status="CANCELED", executedQty="4.000")) == []
    assert ledger.undone()[0].owes
    assert kinds(ledger.hear_trade(trade(ccxt, MARKET))) == [Filled, Ended]
    assert ledger.undone() == []


def test_state_says_filled_but_only_trades_fill(ccxt, ledger):
    events = ledger.hear_order(order(ccxt, MARKET, status="FILLED", executedQty="10.000"))
    assert kinds(events) == [Accepted]
    assert ledger.get("O-1").owes
    assert kinds(ledger.hear_trade(trade(ccxt, MARKET, qty="10.000"))) == [Filled]
    assert ledger.get("O-1").standing == "done"


def test_older_news_after_the_end_changes_nothing(ccxt, ledger):
    ledger.hear_order(order(ccxt, MARKET))
    ledger.hear_order(order(ccxt, MARKET, status="CANCELED"))
    assert ledger.hear_order(order(ccxt, MARKET, status="NEW")) == []


def test_fill_after_the_end_is_still_told(ccxt, ledger):
    ledger.hear_order(order(ccxt, MARKET))
    ledger.hear_order(order(ccxt, MARKET, status="CANCELED"))
    assert kinds(ledger.hear_trade(trade(ccxt, MARKET))) == [Filled]


def test_order_that_the_venue_has_is_not_refused(ccxt, ledger):
    ledger.hear_order(order(ccxt, MARKET))
    assert ledger.refuse("O-1", "late word", 5) == []


def test_refused_order_is_told_once(ledger):
    assert ledger.refuse("O-1", "no funds", 5) == [Rejected("O-1", "no funds", 5, False)]
    assert ledger.refuse("O-1", "no funds", 6) == []


def test_order_of_somebody_else_is_not_ours(ccxt, ledger):
    foreign = order(ccxt, MARKET, clientOrderId="web_1", orderId=99)
    assert ledger.hear_order(foreign) == []
    assert ledger.hear_trade(trade(ccxt, MARKET, orderId=99)) == []
    assert len(ledger.parked()) == 1


def test_triggered_stop_goes_on_under_its_second_id(ccxt):
    ledger = Ledger()
    ledger.track(Tracked("S-1", MARKET, "buy", Decimal(10), stop=True))
    ledger.hear_order(order(ccxt, MARKET, clientOrderId="S-1", orderId=500))
    events = ledger.hear_order(order(ccxt, MARKET, clientOrderId="S-1", orderId=28))
    assert kinds(events) == [Triggered]
    assert events[0].venue_id == "500"
    filled = ledger.hear_trade(trade(ccxt, MARKET))
    assert (filled[0].client_id, filled[0].venue_id) == ("S-1", "500")


def test_fill_without_a_fee_says_so(ccxt, ledger):
    ledger.hear_order(order(ccxt, MARKET))
    bare = {**trade(ccxt, MARKET), "fee": None}
    assert ledger.hear_trade(bare)[0].fee is None


def test_trade_that_a_report_told_is_not_told_again(ccxt, ledger):
    ledger.saw(MARKET, "1")
    ledger.hear_order(order(ccxt, MARKET))
    assert ledger.hear_trade(trade(ccxt, MARKET)) == []


def test_order_made_smaller_than_its_size_is_done_when_the_venue_says_so(ccxt, ledger):
    ledger.hear_order(order(ccxt, MARKET))
    ledger.hear_trade(trade(ccxt, MARKET))
    assert ledger.hear_order(order(ccxt, MARKET, status="FILLED", origQty="4.000", executedQty="4.000")) == []
    assert ledger.undone() == []
