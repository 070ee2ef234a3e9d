"""Measures of a reading, against values by hand."""

import math

import numpy as np
import pytest

from engine.risk.breaker_measures import correlation_exposure, entropy_nats, worst_quantity


@pytest.mark.parametrize(
    ("position", "buys", "sells", "worst"),
    [(10.0, 5.0, 0.0, 15.0), (10.0, 5.0, 30.0, 20.0), (-3.0, 0.0, 2.0, 5.0), (0.0, 0.0, 0.0, 0.0)],
)
def test_worst_quantity_is_the_larger_of_both_sides(position, buys, sells, worst):
    assert worst_quantity(position, buys, sells) == worst


@pytest.mark.parametrize("place", range(3))
def test_worst_quantity_of_what_is_no_number_is_no_number(place):
    values = [1.0, 2.0, 3.0]
    values[place] = math.nan
    assert math.isnan(worst_quantity(*values))


def test_correlation_exposure_weighs_pairs_by_their_values_and_signs():
    correlation = np.array([[1.0, 0.8, 0.2], [0.8, 1.0, 0.5], [0.2, 0.5, 1.0]])
    notional = np.array([10.0, 20.0, -5.0])
    expected = (200 * 0.8 - 50 * 0.2 - 100 * 0.5) / (200 + 50 + 100)
    assert correlation_exposure(notional, correlation) == pytest.approx(expected)
    assert correlation_exposure(np.array([10.0, 0.0, 0.0]), correlation) == 0.0


def test_entropy_of_equal_scores_is_the_log_of_their_number_and_masked_ones_do_not_count():
    assert entropy_nats(np.zeros(7)) == pytest.approx(math.log(7))
    assert entropy_nats(np.array([0.0, -math.inf, 0.0])) == pytest.approx(math.log(2))
    assert entropy_nats(np.array([[50.0, 0.0], [0.0, 0.0]])) == pytest.approx(math.log(2) / 2)
