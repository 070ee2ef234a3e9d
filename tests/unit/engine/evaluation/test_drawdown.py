"""Falls from the peak, by hand."""

import math

import numpy as np
import pytest

from engine.contract.errors import DataError
from engine.evaluation.drawdown import Episode, Underwater, drawdowns, episodes, max_drawdown, underwater

CURVE = [100.0, 110.0, 99.0, 88.0, 110.0, 120.0, 108.0, 114.0]


def test_drawdown_is_measured_from_the_peak_so_far():
    assert drawdowns(np.array([1.0, 2.0, 1.0, 3.0])).tolist() == [0.0, 0.0, 0.5, 0.0]
    assert max_drawdown(np.zeros(0)) == 0.0


def test_falls_are_named_with_peak_trough_and_recovery_the_deepest_first():
    found = episodes(CURVE)
    assert found == [Episode(pytest.approx(0.2), 1, 3, 4), Episode(pytest.approx(0.1), 5, 6, None)]


def test_life_below_the_peak_by_hand():
    fall = [0, 0, 0.1, 0.2, 0, 0, 0.1, 0.05]
    found = underwater(CURVE)
    assert found == Underwater(
        pytest.approx(0.2),
        pytest.approx(sum(fall) / 8),
        pytest.approx(math.sqrt(sum(one * one for one in fall) / 8)),
        0.5,
        3,
        1,
    )


def test_deepest_fall_that_is_still_open_has_no_recovery_and_counts_to_the_end():
    found = underwater([100.0, 90.0, 100.0, 50.0, 60.0, 70.0])
    assert (found.recovery_periods, found.longest_periods) == (None, 3)


def test_curve_that_only_rises_never_fell():
    assert episodes([1.0, 1.0, 2.0]) == []
    assert underwater([1.0, 1.0, 2.0]) == Underwater(0.0, 0.0, 0.0, 0.0, 0, 0)


def test_equity_below_zero_is_a_fall_of_more_than_one():
    assert underwater([10.0, -5.0]).max_drawdown_frac == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("equity", "message"),
    [([], "1 observations or more, was 0"), ([0.0, 1.0], "begin above zero, was 0.0"), ([1.0, math.inf], "was inf")],
)
def test_curve_without_meaning_is_refused(equity, message):
    with pytest.raises(DataError, match=message):
        underwater(equity)
