"""The gate refuses the order one over a limit, passes the one at it, and always passes what reduces."""

import msgspec
import pytest

from engine.contract.config import Limits
from engine.risk.breaker_settings import BreakerSettings
from engine.risk.breaker_values import Standing, Trip, fingerprint
from engine.risk.gate import Account, Approved, Guard, Intent, OpenOrder, Refusal, headroom, judge, judge_list

FLAT = Account(
    equity=1_000.0, peak_equity=1_000.0, day_equity=1_000.0, position=0.0, gross_notional=0.0, orders_today=0
)
WIDE = Limits(max_position_frac=1.0)


@pytest.mark.parametrize(
    ("limits", "account", "passes", "fails", "limit"),
    [
        (Limits(max_position_frac=0.5), FLAT, 50.0, 50.001, "max_position_frac"),
        (
            Limits(max_position_frac=9.0, max_gross_frac=1.0),
            FLAT._replace(gross_notional=400.0),
            60.0,
            60.001,
            "max_gross_frac",
        ),
        (Limits(max_position_frac=1.0, max_order_notional=100.0), FLAT, 10.0, 10.001, "max_order_notional"),
    ],
)
def test_order_at_the_limit_passes_and_one_over_it_is_refused_with_both_values(limits, account, passes, fails, limit):
    assert judge(Intent("A", passes, 10.0), account, limits) == Approved(Intent("A", passes, 10.0))
    refusal = judge(Intent("A", fails, 10.0), account, limits)
    assert isinstance(refusal, Refusal)
    assert refusal.limit == limit
    assert refusal.value > refusal.bound


def test_count_of_the_day_is_a_limit():
    limits = Limits(max_position_frac=1.0, daily_trades=3)
    assert isinstance(judge(Intent("A", 1.0, 10.0), FLAT._replace(orders_today=2), limits), Approved)
    assert judge(Intent("A", 1.0, 10.0), FLAT._replace(orders_today=3), limits) == Refusal("daily_trades", 4.0, 3.0)


@pytest.mark.parametrize(
    ("limits", "account"),
    [
        (Limits(max_position_frac=1.0, max_drawdown_frac=0.15), FLAT._replace(equity=850.0)),
        (Limits(max_position_frac=1.0, daily_loss_frac=0.02), FLAT._replace(equity=980.0)),
    ],
)
def test_loss_at_its_limit_refuses_new_risk(limits, account):
    assert isinstance(judge(Intent("A", 1.0, 10.0), account, limits), Refusal)


def test_loss_that_a_breaker_watches_is_the_breakers_which_a_reset_measures_anew():
    limits = Limits(max_position_frac=1.0, max_drawdown_frac=0.15)
    fallen = FLAT._replace(equity=800.0)
    settings = BreakerSettings().resolved(limits)
    reset = Guard(Standing(0, drawdown=0.0), settings, 0, 1, 10.0)
    assert isinstance(judge(Intent("A", 1.0, 10.0, confidence=1.0), fallen, limits, reset), Approved)
    deeper = reset._replace(standing=Standing(0, drawdown=0.15))
    refusal = judge(Intent("A", 1.0, 10.0, confidence=1.0), fallen, limits, deeper)
    assert (refusal.limit, refusal.value) == ("max_drawdown_frac", 0.15)
    unwatched = reset._replace(settings=msgspec.structs.replace(settings, drawdown=None))
    assert judge(Intent("A", 1.0, 10.0, confidence=1.0), fallen, limits, unwatched).value == pytest.approx(0.2)


@pytest.mark.parametrize("price", [float("nan"), 0.0, -1.0])
def test_price_that_is_not_positive_refuses(price):
    refusal = judge(Intent("A", 1.0, price), FLAT, WIDE)
    assert isinstance(refusal, Refusal)
    assert refusal.limit == "price"


@pytest.mark.parametrize("quantity", [-5.0, -10.0])
def test_order_that_reduces_passes_every_limit(quantity):
    drowned = Account(-50.0, 1_000.0, 1_000.0, 10.0, 1e9, 10_000)
    limits = Limits(
        max_position_frac=1e-9, max_gross_frac=1e-9, max_order_notional=1e-9, max_drawdown_frac=0.01, daily_trades=1
    )
    assert isinstance(judge(Intent("A", quantity, float("nan")), drowned, limits), Approved)


def test_order_that_crosses_zero_is_judged_like_any_other():
    account = FLAT._replace(position=10.0, gross_notional=100.0)
    assert isinstance(judge(Intent("A", -200.0, 10.0), account, WIDE), Refusal)


def test_headroom_is_what_is_left_of_every_limit_that_is_set():
    account = FLAT._replace(position=-20.0, gross_notional=200.0, orders_today=1)
    left = headroom(account, 10.0, Limits(max_position_frac=0.5, daily_trades=3))
    assert left == pytest.approx({"max_position_frac": 0.3, "max_gross_frac": 0.8, "daily_trades": 2.0})


HOUR = 3_600 * 10**9
NOW = 20_000 * 24 * HOUR
HELD = FLAT._replace(position=10.0, gross_notional=100.0)
SETTINGS = BreakerSettings().resolved(WIDE)
GUARD = Guard(Standing(NOW), SETTINGS, NOW, HOUR, reference=10.0)


def trip(scope="account", action="halt"):
    return Trip("drawdown", 0.15, 0.2, scope, NOW, action)


def test_open_orders_take_their_part_of_the_limit():
    account = FLAT._replace(open_buys=40.0, open_sells=30.0, gross_notional=400.0)
    limits = Limits(max_position_frac=0.5)
    assert isinstance(judge(Intent("A", 10.0, 10.0), account, limits), Approved)
    assert judge(Intent("A", 10.1, 10.0), account, limits) == Refusal("max_position_frac", pytest.approx(0.501), 0.5)
    assert isinstance(judge(Intent("A", -20.0, 10.0), account, limits), Approved)
    assert isinstance(judge(Intent("A", -20.1, 10.0), account, limits), Refusal)


def test_flip_from_a_position_that_drifted_over_its_limit_to_one_within_it_passes():
    account = FLAT._replace(position=60.0, gross_notional=600.0)
    limits = Limits(max_position_frac=0.5)
    assert isinstance(judge(Intent("A", -110.0, 10.0), account, limits), Approved)
    assert judge(Intent("A", -110.1, 10.0), account, limits).limit == "max_position_frac"


def test_second_closing_order_does_not_count_as_reducing_what_the_first_already_closes():
    account = HELD._replace(open_sells=8.0)
    halted = GUARD._replace(standing=Standing(NOW, (trip(),)))
    assert judge(Intent("A", -2.0, 10.0), account, WIDE, halted) == Approved(Intent("A", -2.0, 10.0), reducing=True)
    assert isinstance(judge(Intent("A", -2.1, 10.0), account, WIDE, halted), Refusal)


def test_modification_is_judged_by_what_it_would_leave():
    account = FLAT._replace(open_buys=40.0, gross_notional=400.0)
    limits = Limits(max_position_frac=0.5)
    old = OpenOrder(40.0, 10.0)
    assert isinstance(judge(Intent("A", 50.0, 10.0, replaces=old), account, limits), Approved)
    assert judge(Intent("A", 50.1, 10.0, replaces=old), account, limits).limit == "max_position_frac"


def test_making_an_open_order_smaller_passes_a_halt_and_moving_its_price_does_not():
    account = FLAT._replace(open_buys=40.0, gross_notional=400.0)
    halted = GUARD._replace(standing=Standing(NOW, (trip(),)))
    old = OpenOrder(40.0, 10.0)
    assert judge(Intent("A", 30.0, 10.0, replaces=old), account, WIDE, halted).reducing
    assert isinstance(judge(Intent("A", 30.0, 10.1, replaces=old), account, WIDE, halted), Refusal)
    assert isinstance(judge(Intent("A", -1.0, 10.0, replaces=old), account, WIDE, halted), Refusal)


def test_limit_order_far_below_the_market_is_valued_at_the_market():
    guard = GUARD._replace(settings=msgspec.structs.replace(SETTINGS, price_collar=None))
    refusal = judge(Intent("A", 200.0, 1.0), FLAT, WIDE, guard)
    assert refusal == Refusal("max_position_frac", 2.0, 1.0)


@pytest.mark.parametrize(
    ("standing", "limit", "text"),
    [
        (None, "heartbeat", "refused: heartbeat inf over 1 (the breaker has not spoken)"),
        (
            Standing(NOW - HOUR - 1_000),
            "heartbeat",
            "refused: heartbeat 1 over 1 (the breaker's last word is not fresh)",
        ),
        (
            Standing(NOW + HOUR),
            "heartbeat",
            "refused: heartbeat -1 over 1 (the breaker's last word is not fresh)",
        ),
        (Standing(NOW, (trip(),)), "drawdown", "refused: drawdown 0.2 over 0.15 (halt account)"),
        (Standing(NOW, (trip("A", "reduce"),)), "drawdown", "refused: drawdown 0.2 over 0.15 (reduce A)"),
        (
            Standing(NOW, (), (trip(action="reduce"),)),
            "drawdown",
            "refused: drawdown 0.2 over 0.15 (unconfirmed, account)",
        ),
    ],
)
def test_breaker_that_is_silent_or_tripped_refuses_new_risk_and_passes_what_reduces(standing, limit, text):
    guard = GUARD._replace(standing=standing)
    refusal = judge(Intent("A", 1.0, 10.0), HELD, WIDE, guard)
    assert isinstance(refusal, Refusal)
    assert (refusal.limit, str(refusal)) == (limit, text)
    assert judge(Intent("A", -10.0, float("nan")), HELD, WIDE, guard).reducing
    assert judge(Intent("A", -99.0, 10.0, reduce_only=True), HELD, WIDE, guard).reducing


def test_trip_of_another_instrument_does_not_stand_in_the_way():
    guard = GUARD._replace(standing=Standing(NOW, (trip("B"),)))
    assert isinstance(judge(Intent("A", 1.0, 10.0), HELD, WIDE, guard), Approved)


@pytest.mark.parametrize("reference", [float("nan"), 0.0, 9.5, 10.6])
def test_price_away_from_its_reference_or_without_one_is_refused(reference):
    refusal = judge(Intent("A", 1.0, 10.0), HELD, WIDE, GUARD._replace(reference=reference))
    assert isinstance(refusal, Refusal)
    assert refusal.limit == "price_collar"


def test_confidence_under_its_floor_is_refused_as_under():
    refusal = judge(Intent("A", 1.0, 10.0, confidence=0.5), HELD, WIDE, GUARD)
    assert str(refusal) == "refused: confidence 0.5 under 0.6"


def test_order_sent_before_is_a_duplicate_by_key_or_by_content():
    mark = fingerprint("A", 1.0, 10.0)
    for standing in (Standing(NOW, keys=frozenset({"7:A"})), Standing(NOW, equals=frozenset({mark}))):
        refusal = judge(Intent("A", 1.0, 10.0, "7:A"), HELD, WIDE, GUARD._replace(standing=standing))
        assert isinstance(refusal, Refusal)
        assert refusal.limit == "duplicate_order"


def test_list_counts_each_order_against_the_next():
    limits = Limits(max_position_frac=0.5, max_gross_frac=0.7)
    accounts = {"A": FLAT, "B": FLAT}
    fine = [Intent("A", 50.0, 10.0), Intent("B", 20.0, 10.0)]
    assert judge_list(fine, accounts, limits) == tuple(Approved(intent) for intent in fine)
    refusal = judge_list([*fine, Intent("B", 0.1, 10.0)], accounts, limits)
    assert refusal == Refusal("max_gross_frac", pytest.approx(0.701), 0.7, "order 3 of 3")


def test_list_with_the_same_order_twice_is_refused():
    settings = msgspec.structs.replace(SETTINGS, orders_per_second=None)
    twice = [Intent("A", 1.0, 10.0)] * 2
    refusal = judge_list(twice, {"A": FLAT}, WIDE, GUARD._replace(settings=settings))
    assert refusal == Refusal("duplicate_order", 1.0, 0.0, "order 2 of 2")


def test_list_is_held_to_the_message_rate_and_the_count_of_the_day():
    settings = msgspec.structs.replace(SETTINGS, orders_per_second=2.0)
    intents = [Intent("A", 1.0 + number, 10.0) for number in range(3)]
    refusal = judge_list(intents, {"A": FLAT}, WIDE, GUARD._replace(settings=settings))
    assert refusal == Refusal("orders_per_second", 3.0, 2.0, "order 3 of 3")
    assert judge_list(intents, {"A": FLAT}, msgspec.structs.replace(WIDE, daily_trades=2)).limit == "daily_trades"


def test_list_over_instruments_is_held_to_the_collar_of_each():
    intents = [Intent("A", 1.0, 10.0), Intent("B", 1.0, 20.0)]
    accounts = {"A": FLAT, "B": FLAT}
    assert isinstance(judge_list(intents, accounts, WIDE, GUARD, {"A": 10.0, "B": 20.0}), tuple)
    assert judge_list(intents, accounts, WIDE, GUARD, {"A": 10.0}).limit == "price_collar"


def test_headroom_tells_what_is_left_before_the_breaker():
    standing = Standing(NOW, sent_today=3, drawdown=0.05, daily_loss=0.005)
    left = headroom(FLAT, 10.0, WIDE, GUARD._replace(standing=standing))
    assert left["drawdown"] == pytest.approx(0.10)
    assert left["daily_loss"] == pytest.approx(0.015)
    assert left["daily_trades"] == 97.0
