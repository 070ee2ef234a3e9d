"""No bar of a test, nor any within the embargo, is learned from or chosen on, whatever the lengths."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.contract.errors import ConfigError
from engine.evaluation.splits import combinatorial_purged, purged_k_fold, walk_forward

LENGTH = st.integers(1, 60)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(
    extra=st.integers(0, 400),
    train=LENGTH,
    test=LENGTH,
    embargo=st.integers(0, 40),
    validation=st.integers(0, 40),
    longer=st.integers(0, 30),
    kind=st.sampled_from(["rolling", "expanding"]),
)
def test_walk_forward_keeps_its_spans_apart(extra, train, test, embargo, validation, longer, kind):
    bars = train + test + embargo + (validation + embargo if validation else 0) + extra
    lengths = {"embargo_bars": embargo, "validation_bars": validation, "step_bars": test + longer, "kind": kind}
    walk = walk_forward(bars, train, test, **lengths)
    assert walk == walk_forward(bars, train, test, **lengths)
    for fold in walk.folds:
        spans = [span for span in (fold.train, fold.validation, fold.test) if span is not None]
        assert all(after.first - before.stop == embargo for before, after in pairwise(spans))
        assert spans[0].first >= 0
        assert spans[-1].stop <= bars
        assert fold.test.bars == test
        assert fold.train.bars == train + (fold.train.stop - train if kind == "expanding" else 0)
        assert (fold.validation is None) == (validation == 0)
        seen = np.concatenate([span.indices() for span in spans[:-1]])
        near = np.arange(fold.test.first - embargo, fold.test.stop + embargo)
        assert not np.isin(seen, near).any()
    assert all(before.test.stop <= after.test.first for before, after in pairwise(walk.folds))
    assert walk.untested.stop == bars
    assert walk.untested.bars < test + longer


@settings(max_examples=150, derandomize=True, deadline=None)
@given(bars=st.integers(2, 300), folds=st.integers(2, 12), embargo=st.integers(0, 50))
def test_purged_folds_test_every_bar_once_and_learn_from_none_near_it(bars, folds, embargo):
    if folds > bars:
        with pytest.raises(ConfigError, match=f"number of bars, {bars}, was {folds}"):
            purged_k_fold(bars, folds, embargo_bars=embargo)
        return
    try:
        splits = purged_k_fold(bars, folds, embargo_bars=embargo)
    except ConfigError as error:
        assert "leave bars to learn from" in str(error)  # noqa: PT017
        return
    np.testing.assert_array_equal(np.concatenate([split.test for split in splits]), np.arange(bars))
    for split in splits:
        distance = np.abs(split.train[:, None] - split.test[None, :]).min(axis=1)
        assert (distance > embargo).all()
        missing = np.setdiff1d(np.arange(bars), np.concatenate([split.train, split.test]))
        assert all(np.abs(bar - split.test).min() <= embargo for bar in missing)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(bars=st.integers(20, 160), groups=st.integers(3, 7), tested=st.integers(1, 3), embargo=st.integers(0, 4))
def test_combinatorial_paths_use_every_tested_group_once(bars, groups, tested, embargo):
    if tested >= groups:
        return
    try:
        made = combinatorial_purged(bars, groups, tested, embargo_bars=embargo)
    except ConfigError as error:
        assert "leave bars to learn from" in str(error)  # noqa: PT017
        return
    used = [(int(split), group) for path in made.paths for group, split in enumerate(path)]
    assert sorted(used) == sorted((number, group) for number, one in enumerate(made.tested) for group in one)
    for split in made.splits:
        assert np.abs(split.train[:, None] - split.test[None, :]).min() > embargo
    results = np.full((len(made.splits), bars), np.nan)
    for number, split in enumerate(made.splits):
        results[number, split.test] = split.test
    assert (made.assemble(results) == np.arange(bars)).all()
