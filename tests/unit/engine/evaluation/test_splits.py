"""Windows, folds and combinations, written out by hand."""

import math

import numpy as np
import pytest

from engine.contract.errors import ConfigError
from engine.evaluation.splits import (
    Span,
    check_embargo,
    combinatorial_purged,
    longest_test,
    purged_k_fold,
    walk_forward,
)


def test_rolling_walk_moves_every_span_by_the_length_of_a_test():
    walk = walk_forward(100, 40, 15, embargo_bars=5, validation_bars=10)
    assert [(fold.train, fold.validation, fold.test) for fold in walk.folds] == [
        (Span(0, 40), Span(45, 55), Span(60, 75)),
        (Span(15, 55), Span(60, 70), Span(75, 90)),
    ]
    assert walk.untested == Span(90, 100)
    assert str(walk).endswith("the last 10 bars are not tested: no further window fits")


def test_expanding_walk_keeps_the_beginning_and_needs_one_embargo_without_validation():
    walk = walk_forward(50, 20, 10, embargo_bars=3, kind="expanding", step_bars=12)
    assert [(fold.train, fold.validation, fold.test) for fold in walk.folds] == [
        (Span(0, 20), None, Span(23, 33)),
        (Span(0, 32), None, Span(35, 45)),
    ]
    assert walk.untested == Span(45, 50)


def test_remainder_that_is_refused_names_the_bars_too_many():
    with pytest.raises(ConfigError, match=r"every 15, was 10 bars longer \(100 bars\)"):
        walk_forward(100, 40, 15, embargo_bars=5, validation_bars=10, remainder="refuse")
    assert walk_forward(90, 40, 15, embargo_bars=5, validation_bars=10, remainder="refuse").untested.bars == 0


def test_history_shorter_than_one_fold_is_refused_with_both_lengths():
    with pytest.raises(ConfigError, match="have 75 bars or more for one fold, was 74"):
        walk_forward(74, 40, 15, embargo_bars=5, validation_bars=10)


def test_step_shorter_than_a_test_is_refused():
    with pytest.raises(ConfigError, match="at least test_bars, 15, or tests overlap, was 14"):
        walk_forward(100, 40, 15, embargo_bars=5, step_bars=14)


@pytest.mark.parametrize("name", ["train_bars", "test_bars", "embargo_bars", "validation_bars"])
def test_negative_length_is_refused_by_its_name(name):
    lengths = {"train_bars": 40, "test_bars": 15, "embargo_bars": 5, "validation_bars": 0, name: -1}
    with pytest.raises(ConfigError, match=f"{name} must be . or more, was -1"):
        walk_forward(100, **lengths)


def test_embargo_below_window_and_horizon_is_refused_with_both_values():
    assert check_embargo(34, 32, 2) == 34
    with pytest.raises(ConfigError, match=r"window \+ horizon, 32 \+ 2 = 34 bars, was 33"):
        check_embargo(33, 32, 2)


def test_longest_test_fills_the_history():
    length = longest_test(1_000, 7, 300, embargo_bars=34, validation_bars=50)
    assert length == (1_000 - 300 - 34 - 50 - 34) // 7
    walk = walk_forward(1_000, 300, length, embargo_bars=34, validation_bars=50)
    assert len(walk.folds) == 7
    assert walk.untested.bars < 7
    with pytest.raises(ConfigError, match="425 bars or more for 7 folds, was 424"):
        longest_test(424, 7, 300, embargo_bars=34, validation_bars=50)


def test_purged_fold_learns_from_neither_side_of_its_embargo():
    splits = purged_k_fold(10, 3, embargo_bars=2)
    assert [split.test.tolist() for split in splits] == [[0, 1, 2], [3, 4, 5], [6, 7, 8, 9]]
    assert [split.train.tolist() for split in splits] == [[5, 6, 7, 8, 9], [0, 8, 9], [0, 1, 2, 3]]


def test_embargo_that_leaves_nothing_to_learn_is_refused():
    with pytest.raises(ConfigError, match=r"leave bars to learn from, testing groups \(1,\) of 3, was 4"):
        purged_k_fold(10, 3, embargo_bars=4)


def test_six_groups_two_tested_make_the_fifteen_splits_and_five_paths_of_the_book():
    made = combinatorial_purged(60, 6, 2, embargo_bars=1)
    assert len(made.splits) == 15
    assert made.paths.shape == (5, 6)
    # López de Prado (2018), figure 12.1: group 1 is tested by splits 1 to 5; group 2 by 1, 6, 7, 8, 9; group 3 by 2, 6, 10, 11, 12
    assert made.paths[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert made.paths[:, 1].tolist() == [0, 5, 6, 7, 8]
    assert made.paths[:, 2].tolist() == [1, 5, 9, 10, 11]


def test_paths_are_assembled_from_the_splits_that_tested_each_group():
    made = combinatorial_purged(12, 4, 2, embargo_bars=0)
    results = np.full((6, 12), np.nan)
    for number, split in enumerate(made.splits):
        results[number, split.test] = number
    paths = made.assemble(results)
    assert paths.shape == (math.comb(4, 2) * 2 // 4, 12)
    assert not np.isnan(paths).any()
    assert [paths[0, span.first] for span in made.groups] == [0, 0, 1, 2]
    with pytest.raises(ConfigError, match=r"shape \(6, 12\), was \(6, 11\)"):
        made.assemble(results[:, 1:])


def test_too_many_combinations_are_refused_before_they_are_made():
    with pytest.raises(ConfigError, match="be at most 100000, was 30045015"):
        combinatorial_purged(1_000, 30, 10, embargo_bars=0)


@pytest.mark.slow
def test_combinatorial_splits_are_those_of_skfolio():
    from skfolio.model_selection import CombinatorialPurgedCV

    made = combinatorial_purged(120, 6, 2, embargo_bars=3)
    other = CombinatorialPurgedCV(n_folds=6, n_test_folds=2, purged_size=3, embargo_size=0)
    found = [(train, np.sort(np.concatenate(tests))) for train, tests in other.split(np.zeros((120, 2)))]
    assert len(found) == len(made.splits)
    for split, (train, test) in zip(made.splits, found):
        np.testing.assert_array_equal(split.test, test)
        np.testing.assert_array_equal(split.train, train)
