"""What the market tells the breaker is measured, known only when there is enough of it, and survives a restart."""

import math

import numpy as np
import pytest

from engine.contract.errors import DataError
from engine.journal import state as text
from engine.risk.readings import MarketReadings

HOUR = 3_600 * 10**9


def readings(instruments=2, half_life=240.0, observations=3):
    return MarketReadings(instruments, HOUR, half_life, observations)


def heard(known, returns, start=0):
    """Hear closes that make the log returns, one row a turn."""
    closes = 100.0 * np.exp(np.cumsum(np.vstack([np.zeros(np.shape(returns)[1]), returns]), axis=0))
    for turn, row in enumerate(closes):
        known.hear_closes((start + turn + 1) * HOUR, row.tolist())
    return known


def test_correlation_of_two_positions_is_that_of_their_returns_by_hand():
    known = heard(readings(half_life=1e12), [[0.01, 0.02], [0.01, -0.02], [-0.02, -0.04]])
    by_hand = (0.0002 - 0.0002 + 0.0008) / math.sqrt(0.0006 * 0.0024)
    assert known.correlation(np.array([500.0, 500.0])) == pytest.approx(by_hand)
    assert known.correlation(np.array([500.0, -500.0])) == pytest.approx(-by_hand)


def test_half_life_weighs_a_return_half_after_so_many():
    known = heard(readings(half_life=1.0, observations=2), [[0.01, 0.01], [0.01, -0.01]])
    assert known.correlation(np.ones(2)) == pytest.approx((0.5 - 1.0) / 1.5)


def test_correlation_before_enough_returns_is_not_known():
    known = heard(readings(), [[0.01, 0.02], [0.01, -0.02]])
    assert known.correlation(np.ones(2)) is None
    known.hear_closes(9 * HOUR, [1.0, 1.0])
    assert known.correlation(np.ones(2)) is not None


def test_fewer_than_two_positions_share_nothing():
    assert readings().correlation(np.array([500.0, 0.0])) == 0.0
    assert readings(instruments=1).correlation(np.array([500.0])) == 0.0


def test_position_without_returns_makes_only_the_correlations_with_it_unknown():
    known = readings(3)
    for turn in range(6):
        known.hear_closes((turn + 1) * HOUR, [100.0 + turn, 100.0 + turn, None])
    assert known.correlation(np.array([1.0, 1.0, 0.0])) == pytest.approx(1.0, abs=1e-3)
    assert known.correlation(np.array([1.0, 0.0, 1.0])) is None


def test_return_over_a_gap_is_missing_and_a_turn_heard_twice_counts_once():
    known, other = readings(), readings()
    for turn, row in enumerate([[100.0, 50.0], [None, 51.0], [300.0, 52.0], [303.0, 53.0]]):
        known.hear_closes((turn + 1) * HOUR, row)
        known.hear_closes((turn + 1) * HOUR, [1.0, 1.0])
        other.hear_closes((turn + 1) * HOUR, row)
    assert known._covariance.estimate().observations.tolist() == [1, 3]
    assert np.array_equal(known._covariance.estimate().matrix, other._covariance.estimate().matrix)


def test_spread_is_that_of_the_last_quote_in_basis_points_of_its_mid():
    known = readings()
    assert known.spread_bps(HOUR) is None
    known.hear_quote(0, HOUR, 99.0, 101.0)
    first, second = known.spread_bps(HOUR)
    assert (first, math.isnan(second)) == (pytest.approx(200.0), True)


@pytest.mark.parametrize(("bid", "ask"), [(101.0, 99.0), (0.0, 99.0), (math.nan, 99.0)])
def test_crossed_or_empty_quote_makes_the_spread_unknown(bid, ask):
    known = readings(1)
    known.hear_quote(0, HOUR, 99.0, 101.0)
    known.hear_quote(0, HOUR + 1, bid, ask)
    assert math.isnan(known.spread_bps(HOUR + 1)[0])


def test_quote_older_than_a_bar_says_nothing():
    known = readings(1)
    known.hear_quote(0, HOUR, 99.0, 101.0)
    assert known.spread_bps(2 * HOUR) == (pytest.approx(200.0),)
    assert known.spread_bps(2 * HOUR + 1) is None


def test_restart_goes_on_with_the_same_bits():
    returns = np.random.default_rng(5).normal(0, 0.01, (40, 2))
    whole, first = heard(readings(half_life=10.0), returns), readings(half_life=10.0)
    closes = 100.0 * np.exp(np.cumsum(np.vstack([np.zeros(2), returns]), axis=0))
    for turn, row in enumerate(closes[:20]):
        first.hear_closes((turn + 1) * HOUR, row.tolist())
    first.hear_quote(1, HOUR, 99.0, 101.0)
    second = readings(half_life=10.0)
    second.restore(text.decode(text.encode(first.state())))
    for turn, row in enumerate(closes[20:], start=20):
        second.hear_closes((turn + 1) * HOUR, row.tolist())
    assert second.correlation(np.ones(2)) == whole.correlation(np.ones(2))
    assert second.spread_bps(HOUR)[1] == pytest.approx(200.0)


@pytest.mark.parametrize(
    ("change", "message"), [({"version": 9}, "be 1, was 9"), ({"close": [1.0]}, "be of 2 instruments, was 1")]
)
def test_state_of_another_making_is_refused(change, message):
    with pytest.raises(DataError, match=message):
        readings().restore({**readings().state(), **change})
