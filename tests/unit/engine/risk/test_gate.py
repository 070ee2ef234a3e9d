"""The gate refuses the order one over a limit, passes the one at it, and always passes what reduces."""

import pytest

from engine.contract.config import Limits
from engine.risk.gate import Account, Approved, Intent, Refusal, headroom, judge

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
