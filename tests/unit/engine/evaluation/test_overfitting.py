"""PBO: near a half on noise, near zero with a planted winner, and by hand on four blocks."""

import math
from itertools import combinations, pairwise

import numpy as np
import pytest

from engine.contract.errors import ConfigError, DataError
from engine.evaluation.overfitting import halves, overfitting


def test_small_case_agrees_with_the_definition_worked_out_plainly():
    returns = np.random.default_rng(1).normal(0.0, 1.0, (43, 5))
    found = overfitting(returns, blocks=4)
    edges = [number * 43 // 4 for number in range(5)]
    pieces = [returns[a:b] for a, b in pairwise(edges)]
    logits, inside, outside = [], [], []
    for chosen in combinations(range(4), 2):
        first = np.concatenate([pieces[number] for number in chosen])
        second = np.concatenate([pieces[number] for number in range(4) if number not in chosen])
        one, two = (half.mean(axis=0) / half.std(axis=0, ddof=1) for half in (first, second))
        best = int(one.argmax())
        rank = 1 + int((two < two[best]).sum())
        logits.append(math.log(rank / 6 / (1 - rank / 6)))
        inside.append(one[best])
        outside.append(two[best])
    np.testing.assert_allclose(found.logits, logits)
    np.testing.assert_allclose(found.in_sample_per_period, inside)
    np.testing.assert_allclose(found.out_of_sample_per_period, outside)
    slope, intercept = np.polyfit(inside, outside, 1)
    assert (found.slope, found.intercept) == (pytest.approx(slope), pytest.approx(intercept))
    assert found.probability == np.mean(np.array(logits) <= 0)
    assert found.loss_probability == np.mean(np.array(outside) < 0)


def test_probability_on_noise_is_a_half():
    generator = np.random.default_rng(2)
    found = [overfitting(generator.normal(size=(240, 20)), blocks=8).probability for _ in range(200)]
    # one probability has a standard deviation of about 0.24; of the mean of 200 it is 0.017
    assert np.mean(found) == pytest.approx(0.5, abs=4 * np.std(found) / math.sqrt(200))
    assert np.std(found) / math.sqrt(200) < 0.025


def test_probability_with_a_planted_winner_is_near_zero():
    generator = np.random.default_rng(3)
    found = []
    for _ in range(20):
        returns = generator.normal(size=(1_000, 30))
        returns[:, 7] += 0.25
        found.append(overfitting(returns, blocks=10))
    assert np.mean([one.probability for one in found]) < 0.01
    assert np.mean([one.loss_probability for one in found]) < 0.01


def test_choosing_what_reverts_is_harmful():
    # each strategy earns in one half of history what it loses in the other
    returns = np.random.default_rng(4).normal(0.0, 0.1, (400, 10))
    side = np.sign(np.random.default_rng(5).normal(size=10))
    returns[:200] += 0.1 * side
    returns[200:] -= 0.1 * side
    assert overfitting(returns, blocks=4).slope < -0.5


def test_strategy_that_is_flat_in_a_half_has_ratio_zero_there():
    returns = np.random.default_rng(6).normal(-0.5, 0.1, (80, 3))
    returns[:40, 1] = 0.0
    found = overfitting(returns, blocks=4)
    assert np.isfinite(found.logits).all()
    assert found.in_sample_per_period.max() == 0.0
    assert np.abs(found.out_of_sample_per_period).max() < 100


def test_strategies_that_are_all_alike_rank_in_the_middle():
    returns = np.repeat(np.random.default_rng(7).normal(size=(64, 1)), 4, axis=1)
    assert overfitting(returns, blocks=4).logits.tolist() == [0.0] * 6


def test_halves_are_all_and_each_has_its_complement():
    table = halves(8)
    assert table.shape == (70, 8)
    assert (table.sum(axis=1) == 4).all()
    rows = {tuple(row) for row in table.tolist()}
    assert len(rows) == 70
    assert {tuple(1 - value for value in row) for row in rows} == rows


def test_what_cannot_be_split_is_refused():
    with pytest.raises(ConfigError, match="blocks must be even, from 4 to 20, was 7"):
        overfitting(np.zeros((100, 3)), blocks=7)
    with pytest.raises(DataError, match="have 64 observations or more, was 63"):
        overfitting(np.zeros((63, 3)))
    with pytest.raises(DataError, match="have 2 columns or more, was 1"):
        overfitting(np.zeros(100))
