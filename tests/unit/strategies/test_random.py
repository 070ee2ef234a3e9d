"""Random trading that matches another strategy's time in the market, size, side and turnover."""

import numpy as np
import pytest

from engine.evaluation.chance import matched


def test_matched_random_has_the_time_in_the_market_and_the_turnover_of_the_run():
    exposure = np.zeros((1_000, 1))
    exposure[100:350] = 0.8
    exposure[500:550] = -0.4
    parameters = matched(exposure, (2 * 0.8 + 2 * 0.4) / 1_000)
    size = (250 * 0.8 + 50 * 0.4) / 300
    entries = 2.4 / (2 * size) / 1_000
    assert parameters["exposure"] == pytest.approx(size)
    assert parameters["leave"] == pytest.approx(entries / 0.3)
    assert parameters["enter"] == pytest.approx(entries / 0.7)
    assert parameters["short"] == pytest.approx(50 / 300)


def test_random_matched_to_nothing_never_trades():
    assert matched(np.zeros((10, 1)), 0.0)["enter"] == 0.0
