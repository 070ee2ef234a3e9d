"""Whole lots, rounded towards zero; small changes are not traded, closing ones always are."""

import numpy as np
import pytest

from engine.execution.costs import quote_prices, reference_prices
from engine.execution.sizing import order_lots, target_lots


def test_target_rounds_towards_zero_on_both_sides():
    lots = target_lots(np.array([0.5, -0.5]), np.zeros(2), np.zeros(2), 1_000.0, 333.0, 0.1)
    assert lots.tolist() == [15.0, -15.0]


def test_product_that_is_whole_but_for_its_last_bit_keeps_its_lot():
    assert target_lots(np.array([0.3]), np.zeros(1), np.zeros(1), 1.0, 1.0, 0.1).tolist() == [3.0]


def test_target_equal_to_the_exposure_keeps_the_position():
    assert target_lots(np.array([0.123]), np.array([0.123]), np.array([7.0]), 1.0, 1.0, 1.0).tolist() == [7.0]


@pytest.mark.parametrize(
    ("wanted", "held", "lots", "small"),
    [
        (10.0, 0.0, 10.0, False),
        (4.0, 0.0, 0.0, True),
        (10.0, 8.0, 0.0, True),
        (0.0, 3.0, -3.0, False),
        (-6.0, 0.0, -6.0, False),
        (4.0, 20.0, -20.0, False),
        (-4.0, -20.0, 20.0, False),
        (5.0, 20.0, -15.0, False),
        (3.0, 4.0, -4.0, False),
    ],
)
def test_change_below_the_minimum_is_traded_only_to_close_and_no_remainder_below_it_is_left(wanted, held, lots, small):
    traded, too_small = order_lots(np.array([wanted]), np.array([held]), 1.0, 1.0, 5.0)
    assert (traded[0], bool(too_small[0])) == (lots, small)


def test_reference_prices_follow_the_fill_assumption():
    opens, closes = np.array([1.0, 2.0, 3.0]), np.array([1.5, 2.5, 3.5])
    assert reference_prices("next_open", opens, closes)[:2].tolist() == [2.0, 3.0]
    assert reference_prices("next_close", opens, closes)[:2].tolist() == [2.5, 3.5]
    assert reference_prices("this_close", opens, closes).tolist() == closes.tolist()
    assert np.isnan(reference_prices("next_open", opens, closes)[2])


def test_quotes_stand_a_half_spread_away_on_the_tick():
    bid, ask = quote_prices(np.array([300.0]), 20.0, 2)
    assert (bid[0], ask[0]) == (299.40, 300.60)
