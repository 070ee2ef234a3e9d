"""Exposure, turnover and hit rate of bars, by hand."""

import numpy as np
import pytest

from engine.contract.errors import DataError
from engine.evaluation.activity import Activity, activity, turnover_per_bar


def test_activity_of_one_instrument_by_hand():
    exposure = [0.0, 1.0, 1.0, -0.5, 0.0]
    returns = [0.0, 0.02, -0.01, 0.01, 0.0]
    assert activity(exposure, returns, 100.0) == Activity(
        exposure_frac=0.5,
        net_exposure_frac=0.3,
        time_in_market=0.6,
        turnover_annualised=pytest.approx((1.0 + 1.5 + 0.5) / 5 * 100),
        holding_bars=pytest.approx(2 * 0.5 / 0.6),
        hit_rate=pytest.approx(2 / 3),
        profit_factor=pytest.approx(3.0),
    )


def test_instruments_add_up_and_offset_each_other_only_in_the_net():
    found = activity([[1.0, -1.0], [1.0, -1.0]], [0.01, 0.01], 1.0)
    assert (found.exposure_frac, found.net_exposure_frac, found.turnover_annualised) == (2.0, 0.0, 1.0)
    assert turnover_per_bar([[1.0, -1.0], [0.0, -1.0]]).tolist() == [2.0, 1.0]


def test_strategy_that_holds_nothing_has_no_hit_rate():
    found = activity(np.zeros(4), np.zeros(4), 365.0)
    assert found == Activity(0.0, 0.0, 0.0, 0.0, None, None, None)


def test_lengths_that_differ_are_refused():
    with pytest.raises(DataError, match="as many bars as returns, 3, was 2"):
        activity([1.0, 1.0], [0.1, 0.1, 0.1], 365.0)
