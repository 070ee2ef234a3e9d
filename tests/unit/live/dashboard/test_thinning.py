"""Fewer points that show the same."""

import numpy as np

from live.dashboard.thinning import short, spread, thin


def test_few_rows_all_stay() -> None:
    assert thin(np.array([3.0, 1.0, 2.0]), 10).tolist() == [0, 1, 2]


def test_extremes_and_ends_of_a_long_series_stay_and_the_rest_goes() -> None:
    values = np.zeros(10_000)
    values[1_234], values[7_777] = 5.0, -5.0
    kept = thin(values, 100)
    assert {0, 1_234, 7_777, 9_999} <= set(kept.tolist())
    assert len(kept) <= 100
    assert (np.diff(kept) > 0).all()


def test_stretch_of_unknown_values_is_kept_by_a_row_and_hides_no_extreme() -> None:
    values = np.full(1_000, np.nan)
    values[600] = 1.0
    kept = thin(values, 20)
    assert 600 in kept
    assert len(kept) <= 20


def test_even_rows_begin_and_end_with_the_series() -> None:
    assert spread(101, 5).tolist() == [0, 25, 50, 75, 100]
    assert spread(3, 5).tolist() == [0, 1, 2]


def test_shortened_numbers_keep_their_digits_and_what_is_none_becomes_null() -> None:
    assert short(np.array([123456.789, 0.000123456789, np.nan, np.inf]), 4) == [123500.0, 0.0001235, None, None]
