"""Breakout, reversal and crisis, bar by bar."""

import numpy as np
import pytest

from engine.regime import kernels
from engine.regime.kinds import Regime


def test_breakout_starts_with_the_probability_of_a_range_and_fades():
    memory = kernels.RULES_FRESH.copy()
    weights = [kernels.break_out(memory, close, 10.0, 8.0, 0.8, 4.0) for close in (9.0, 10.5, 10.5, 10.5, 10.5, 10.5)]
    assert weights == pytest.approx([0.0, 0.8, 0.6, 0.4, 0.2, 0.8])
    assert memory[kernels.SIDE] == 1.0


def test_breakout_that_comes_back_is_over():
    memory = kernels.RULES_FRESH.copy()
    kernels.break_out(memory, 7.9, 10.0, 8.0, 0.8, 4.0)
    assert memory[kernels.SIDE] == -1.0
    assert kernels.break_out(memory, 8.1, 10.0, 7.9, 0.8, 4.0) == 0.0


def test_breakout_to_the_other_side_replaces_the_first():
    memory = kernels.RULES_FRESH.copy()
    kernels.break_out(memory, 10.1, 10.0, 8.0, 0.8, 4.0)
    assert kernels.break_out(memory, 7.0, 10.1, 8.0, 0.5, 4.0) == pytest.approx(0.5)
    assert memory[kernels.SIDE] == -1.0


def test_channel_that_is_not_full_breaks_nowhere():
    assert kernels.break_out(kernels.RULES_FRESH.copy(), 10.0, np.nan, np.nan, 1.0, 4.0) == 0.0


def test_reversal_comes_when_the_price_is_back_by_the_threshold():
    memory = kernels.RULES_FRESH.copy()
    path = (0.0, 0.5, 1.0, 0.75, 0.5, 0.5)
    weights = [kernels.turn(memory, x, 0.5, 0.1, 0.9, 2.0) for x in path]
    assert weights == pytest.approx([0.0, 0.0, 0.0, 0.0, 0.9, 0.45])
    assert memory[kernels.DIRECTION] == -1.0


def test_reversal_upward_weighs_the_falling_market():
    memory = kernels.RULES_FRESH.copy()
    weights = [kernels.turn(memory, x, 0.5, 0.7, 0.2, 4.0) for x in (0.0, -0.5, -1.0, -0.4)]
    assert weights == pytest.approx([0.0, 0.2, 0.15, 0.7])


def test_reversal_without_a_known_threshold_never_comes():
    memory = kernels.RULES_FRESH.copy()
    assert [kernels.turn(memory, x, np.nan, 0.5, 0.5, 4.0) for x in (1.0, -9.0)] == [0.0, 0.0]


@pytest.mark.parametrize(
    ("fall", "volatility", "weight"),
    [(0.2, 0.03, 1.0), (0.5, 0.9, 1.0), (0.1, 0.03, 0.0), (0.15, 0.03, 0.5), (0.15, 0.0225, 0.25), (0.2, 0.015, 0.0)],
)
def test_crisis_takes_a_fall_and_a_volatility(fall, volatility, weight):
    assert kernels.crisis(fall, 0.2, volatility, 0.03) == pytest.approx(weight)


def test_columns_are_the_values_of_the_regimes():
    columns = (
        kernels.BULL,
        kernels.BEAR,
        kernels.WILD,
        kernels.QUIET,
        kernels.BREAKOUT,
        kernels.REVERSING,
        kernels.CRISIS,
    )
    assert columns == tuple(Regime)
