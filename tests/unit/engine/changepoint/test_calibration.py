"""The measurements of the page: what the robust model must be better at, and the arithmetic over seeds."""

import numpy as np
import pytest

from engine.changepoint.benchmark import measure
from engine.changepoint.calibration import clustered, delay, false_alarms, over_seeds, student


def test_robust_model_alarms_less_on_fat_tails():
    seeds = (0, 1)
    plain = false_alarms("standardised", "t3", observations=600, seeds=seeds)
    robust = false_alarms("robust", "t3", observations=600, seeds=seeds)
    assert plain.mean > 3.0
    assert robust.mean < 0.3 * plain.mean


def test_large_shift_is_found_within_ten_observations():
    median, missed = delay("standardised", "mean + 2 sd", seeds=(0, 1))
    assert median.mean < 10.0
    assert missed.mean < 0.1


def test_error_over_seeds_is_that_of_the_mean():
    assert over_seeds([1.0, 3.0]) == pytest.approx((2.0, 1.0))
    assert over_seeds([5.0]) == (5.0, 0.0)


def test_draws_without_a_change_have_unit_variance():
    rng = np.random.default_rng(0)
    assert student(rng, (20_000, 4), 5.0).var() == pytest.approx(1.0, abs=0.05)
    assert clustered(rng, (5_000, 40)).var() == pytest.approx(1.0, abs=0.15)


def test_benchmark_names_what_it_could_not_run():
    lines = measure(observations=60, textbook_observations=40, repeats=1)
    assert [line.name for line in lines[:5]] == [
        "bocd, 1 instrument",
        "bocd, 143 instruments",
        "robust, 1 instrument",
        "robust, 143 instruments",
        "textbook recursion",
    ]
    for line in lines:
        assert np.isnan(line.value) == line.name.endswith("not installed") == (line.n == 0)
