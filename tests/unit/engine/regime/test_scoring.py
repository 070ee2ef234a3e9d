"""Scores by hand, and the coarse views."""

import numpy as np
import pytest

from engine.contract.errors import DataError
from engine.regime.comparison import coming_turbulence, held, without_events
from engine.regime.kinds import Regime, risk_view, shape_view
from engine.regime.scoring import assign, score


def test_score_by_hand():
    truth = np.array([0] * 4 + [1] * 4 + [0] * 4 + [2] * 4)
    label = np.array([0] * 5 + [1] * 3 + [1] * 3 + [0] + [0] * 4)
    got = score(truth, label, least_run=4)
    assert got.balanced_accuracy == pytest.approx((5 / 8 + 3 / 4 + 0) / 3)
    assert got.switches == pytest.approx(1000 * 2 / 16)
    # runs after the first wait 1, 3 and, never right, all of their 4 bars
    assert got.delay == 3.0
    assert got.missed == pytest.approx(1 / 3)


def test_score_of_nothing_is_an_error():
    with pytest.raises(DataError, match="labels must"):
        score(np.zeros(0, dtype=int), np.zeros(0, dtype=int))


def test_states_are_named_after_the_class_where_they_are_at_home():
    states = np.array([0, 0, 0, 0, 0, 0, 2, 2, 2])
    truth = np.array([0, 0, 0, 0, 0, 0, 0, 1, 1])
    assert assign(states, truth, 4).tolist() == [0, 0, 1, 1]


def test_events_are_replaced_by_what_was_before():
    regime = np.array([-1, Regime.BREAKOUT, Regime.TRENDING_BULL, Regime.REVERSAL, Regime.CRISIS])
    quiet, bull = Regime.LOW_VOLATILITY_RANGE, Regime.TRENDING_BULL
    assert without_events(regime).tolist() == [quiet, quiet, bull, bull, Regime.CRISIS]


def test_label_is_held_until_the_odds_are_reached():
    belief = np.array([[0.6, 0.4], [0.4, 0.6], [0.3, 0.7], [0.5, 0.5]])
    assert held(belief, 2.0).tolist() == [0, 0, 1, 1]


def test_coming_turbulence_looks_at_the_bars_after():
    close = np.exp(np.cumsum(0.001 * 1.01 ** np.arange(200)))
    truth = coming_turbulence(close, 100)
    # what comes grows with every bar, so the median of the first half lies between its middle bars
    assert truth[:50].sum() == 0
    assert truth[50:].all()


def test_views_sum_what_they_name():
    probabilities = np.array([[0.1, 0.2, 0.05, 0.15, 0.2, 0.1, 0.2]] * 2)
    np.testing.assert_allclose(
        risk_view(probabilities, np.array([True, False])), [[0.3, 0.2, 0.3, 0.2], [0.1, 0.4, 0.3, 0.2]]
    )
    np.testing.assert_allclose(shape_view(probabilities), [[0.5, 0.3, 0.2]] * 2)
