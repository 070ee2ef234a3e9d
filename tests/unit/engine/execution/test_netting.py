"""Net positions from fills, by hand."""

import pytest

from engine.execution.netting import Holding, filled

FLAT = Holding(0.0, 1.0)


def test_first_fill_opens_at_its_price_and_its_fee_is_the_loss_so_far():
    assert filled(FLAT, -0.3, 50.0, 0.15, 4) == (Holding(-0.3, 50.0, -0.15), None)


def test_fill_of_the_same_side_moves_the_mean_entry():
    held, closed = filled(Holding(1.0, 100.0, -1.0), 3.0, 120.0, 0.5, 4)
    assert (held, closed) == (Holding(4.0, 115.0, -1.5), None)


@pytest.mark.parametrize(("side", "gained"), [(1.0, 20.0), (-1.0, -20.0)])
def test_fill_that_reduces_realises_its_part_and_keeps_the_entry(side, gained):
    held, closed = filled(Holding(4.0 * side, 100.0, 0.0), -2.0 * side, 110.0, 1.0, 4)
    assert (held, closed) == (Holding(2.0 * side, 100.0, gained - 1.0), None)


def test_fill_that_closes_tells_the_profit_of_the_whole_position():
    held, closed = filled(Holding(2.0, 100.0, 19.0), -2.0, 95.0, 1.0, 4)
    assert (held.quantity, held.realised, closed) == (0.0, 0.0, 8.0)


def test_fill_through_zero_closes_one_position_and_opens_another_and_shares_its_fee():
    held, closed = filled(Holding(1.0, 100.0, -0.5), -4.0, 110.0, 2.0, 4)
    assert (held, closed) == (Holding(-3.0, 110.0, -1.5), 9.0)


def test_sizes_are_rounded_to_the_decimals_of_the_instrument():
    held, _ = filled(Holding(0.1, 100.0, 0.0), 0.2, 100.0, 0.0, 1)
    assert held.quantity == 0.3
