"""The table of recovery: every pair of what is remembered and what the venue says has one action, by hand."""

from decimal import Decimal

import pytest

from live.recovery.rules import (
    Found,
    Remembered,
    balance_ruling,
    foreign_ruling,
    order_ruling,
    position_ruling,
)

D = Decimal


def remembered(filled="0", due=True, cancelled=False):
    return Remembered("7:A.X", "H-a-0001-5f-0-1", "A.X", D("-2"), D(filled), due, cancelled)


@pytest.mark.parametrize(
    ("here", "there", "rule", "action"),
    [
        (remembered(), Found("open"), "open order of ours", "keep"),
        (remembered("0.5"), Found("open", D("0.5")), "open order of ours", "keep"),
        (remembered(), Found("open", D("0.5"), D("0.5")), "filled while down", "adopt"),
        (remembered(cancelled=True), Found("open"), "cancel that never arrived", "cancel"),
        (remembered(cancelled=True), Found("open", D("1"), D("1")), "cancel that never arrived", "cancel"),
        (remembered("0.5"), Found("filled", D("2"), D("1.5")), "filled while down", "adopt"),
        (remembered("2"), Found("filled", D("2")), "filled while down", "adopt"),
        (remembered(), Found("ended"), "ended while down", "adopt"),
        (remembered("0.5"), Found("ended", D("0.75"), D("0.25")), "ended while down", "adopt"),
        (remembered(), Found("absent"), "intent that never arrived", "send"),
        (remembered(due=False), Found("absent"), "intent that never arrived", "drop"),
        (remembered(cancelled=True), Found("absent"), "intent that never arrived", "drop"),
        (remembered("0.5"), Found("absent"), "lost at the venue", "block"),
        (remembered(), Found("uncertain", reason="RequestTimeout"), "no certain answer", "block"),
        (remembered("1"), Found("open", D("0.5")), "less filled than remembered", "block"),
        (remembered("0.5"), Found("filled", D("2"), D("1")), "trades are missing", "block"),
    ],
)
def test_order_of_ours_is_ruled_on_by_the_table(here, there, rule, action):
    ruling = order_ruling(here, there)
    assert (ruling.rule, ruling.action, ruling.about) == (rule, action, "H-a-0001-5f-0-1")
    assert ruling.blocks == (action == "block")


def test_ruling_says_both_sides():
    ruling = order_ruling(remembered("0.5"), Found("absent", reason="6 look-ups did not find it"))
    assert str(ruling) == (
        "block  H-a-0001-5f-0-1: lost at the venue; here 0.5 of -2 filled, at the venue absent (6 look-ups did not find it)"
    )


@pytest.mark.parametrize(
    ("client_order_id", "policy", "rule", "action"),
    [
        ("H-a-0001-60-0-9", "cancel", "never written down here", "block"),
        ("H-a-0001-60-0-9", "block", "never written down here", "block"),
        ("H-a-00011-60-0-9", "cancel", "foreign order", "cancel"),
        ("web_4711", "block", "foreign order", "block"),
        ("web_4711", "cancel", "foreign order", "cancel"),
    ],
)
def test_open_order_that_was_never_written_down_is_blocked_or_cancelled(client_order_id, policy, rule, action):
    ruling = foreign_ruling(client_order_id, "open, buy 1 A.X limit", "H-a-0001", policy)
    assert (ruling.rule, ruling.action) == (rule, action)


@pytest.mark.parametrize(
    ("here", "there", "coin_fees", "rule", "action"),
    [
        ("1.5", "1.5", "0", "position", "keep"),
        ("1.5", "1.5004", "0", "position", "keep"),
        ("1.5", "1.501", "0", "unexplained position", "block"),
        ("0", "-0.2", "0", "unexplained position", "block"),
        ("1.5", "0", "0", "unexplained position", "block"),
        ("1.5", "1.499", "0.0015", "fee in the coin", "adopt"),
        ("1.5", "1.498", "0.0015", "fee in the coin", "adopt"),
        ("1.5", "1.497", "0.0015", "unexplained position", "block"),
        ("1.5", "1.501", "0.0015", "unexplained position", "block"),
    ],
)
def test_position_is_kept_explained_or_blocks(here, there, coin_fees, rule, action):
    ruling = position_ruling("A.X", D(here), D(there), D("0.001"), D(coin_fees))
    assert (ruling.rule, ruling.action) == (rule, action)


def test_balance_is_shown_and_blocks_nothing():
    ruling = balance_ruling("USDT", D("100000"), D("99990.5"))
    assert (ruling.action, ruling.here, ruling.there) == ("show", "100000.00", "99990.50")
    assert balance_ruling("USDT", None, D("5")).here == "unknown"
