"""A sleeve fills at the next open, pays its costs, and is a copy: numbers by hand."""

import numpy as np
import pytest

from engine.execution.sleeve import Sleeve
from engine.execution.tracker import AccountTracker

BUDGET = np.array([1_000.0])


def account(quantity: float = 0.0) -> AccountTracker:
    found = AccountTracker(1, 1_000.0)
    found.hear_position(0, quantity, 100.0)
    found.hear_close(0, 100.0)
    return found


def bar(opening: float, close: float) -> list[tuple[float, float, float, float, float]]:
    return [(opening, max(opening, close), min(opening, close), close, 1.0)]


def test_order_is_filled_at_the_next_open_for_fee_and_half_spread() -> None:
    sleeve = Sleeve(account(), 0.01, 0.001)
    sleeve.order(0, 0.5, 0.0, 1_000.0)
    assert sleeve.account.quantity[0] == 0.0
    sleeve.hear(bar(110.0, 120.0))
    # 5 units at 110.11: 550.55 and a fee of 5.5055; worth 600 at the close
    assert sleeve.equity == pytest.approx(1_000.0 - 550.55 - 5.5055 + 600.0)
    sleeve.decide_at(1)
    assert sleeve.earned == pytest.approx((600.0 - 550.55 - 5.5055) / 1_000.0)
    assert sleeve.account.entry_price[0] == pytest.approx(110.11)


def test_exposure_that_is_held_orders_nothing() -> None:
    sleeve = Sleeve(account(4.0), 0.01, 0.001)
    exposure = float(sleeve.exposure(BUDGET)[0])
    sleeve.order(0, exposure, exposure, 1_000.0)
    sleeve.hear(bar(100.0, 90.0))
    assert sleeve.equity == pytest.approx(1_000.0 - 40.0)


def test_target_of_nothing_sells_to_the_last_unit() -> None:
    sleeve = Sleeve(account(4.0), 0.0, 0.0)
    sleeve.order(0, 0.0, 0.4, 1_000.0)
    sleeve.hear(bar(101.0, 50.0))
    assert sleeve.account.quantity[0] == 0.0
    assert sleeve.equity == pytest.approx(1_004.0)


@pytest.mark.parametrize(
    ("ordered", "entry"),
    [(4.0, 110.0), (-2.0, 100.0), (-8.0, 120.0)],
    ids=["adding averages", "reducing keeps", "flipping begins anew"],
)
def test_entry_price_follows_the_position(ordered: float, entry: float) -> None:
    sleeve = Sleeve(account(4.0), 0.0, 0.0)
    sleeve.order(0, 0.4 + ordered / 10.0, 0.4, 1_000.0)
    sleeve.hear(bar(120.0, 120.0))
    assert sleeve.account.entry_price[0] == pytest.approx(entry)


def test_instrument_without_a_bar_waits_with_its_order() -> None:
    sleeve = Sleeve(account(), 0.0, 0.0)
    sleeve.order(0, 0.5, 0.0, 1_000.0)
    sleeve.hear([None])
    assert sleeve.account.quantity[0] == 0.0
    sleeve.hear(bar(100.0, 100.0))
    assert sleeve.account.quantity[0] == pytest.approx(5.0)


def test_sleeve_leaves_the_account_that_it_began_as_alone() -> None:
    real = account(4.0)
    sleeve = Sleeve(real, 0.0, 0.0)
    sleeve.order(0, 0.0, 0.4, 1_000.0)
    sleeve.hear(bar(90.0, 90.0))
    assert (real.quantity[0], real.close[0]) == (4.0, 100.0)


def test_sleeve_gone_on_with_from_its_state_is_the_same() -> None:
    one = Sleeve(account(4.0), 0.01, 0.001)
    one.order(0, 0.9, 0.4, 1_000.0)
    other = Sleeve(account(), 0.01, 0.001)
    other.restore(one.state())
    for sleeve in (one, other):
        sleeve.hear(bar(103.0, 104.0))
        sleeve.decide_at(5)
    assert (one.equity, one.earned) == (other.equity, other.earned)
