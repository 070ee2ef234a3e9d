"""Whatever is observed, the belief stays a belief, the batch stays independent, and the past does not change."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.changepoint.benchmark import textbook
from engine.changepoint.bocd import Bocd
from engine.changepoint.robust import RobustBocd
from engine.changepoint.run_lengths import RunLengthConfig

value = st.one_of(st.floats(-1e6, 1e6), st.sampled_from([np.nan, np.inf, -np.inf, 1e99, 0.0]))


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.lists(value, min_size=1, max_size=60), st.floats(1.5, 1e4), st.sampled_from([Bocd, RobustBocd]))
def test_belief_is_a_probability_whatever_is_observed(values, mean_run, model):
    config = RunLengthConfig(mean_run=mean_run, smallest_mass=1e-8, most_cells=20, recent_run=5)
    detector = model(1, config=config)
    for seen, x in enumerate(values, start=1):
        estimate = detector.update(np.array([x]))
        lengths, probability = detector.run_lengths(0)
        assert abs(probability.sum() - 1.0) < 1e-9
        assert (probability >= 0).all()
        assert (np.diff(lengths) > 0).all()
        assert 0.0 <= estimate.recent[0] <= 1.0
        assert 0.0 <= estimate.expected_run[0] <= seen
        assert 0.0 <= estimate.map_run[0] <= seen


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=50), st.floats(1.5, 1e3))
def test_unpruned_belief_equals_the_textbook(values, mean_run):
    x = np.array(values)
    detector = Bocd(1, config=RunLengthConfig(mean_run=mean_run, smallest_mass=0.0, most_cells=60))
    truth = textbook(x, mean_run)
    for t, observation in enumerate(x):
        detector.update(np.array([observation]))
        lengths, probability = detector.run_lengths(0)
        assert np.abs(probability - truth[t, lengths]).max() < 1e-9


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.lists(value, min_size=2, max_size=40), st.lists(value, min_size=2, max_size=40))
def test_neighbour_in_the_batch_changes_nothing(mine, others):
    length = min(len(mine), len(others))
    alone, beside = Bocd(1), Bocd(2)
    for a, b in zip(mine[:length], others[:length], strict=True):
        assert alone.update(np.array([a])).recent[0] == beside.update(np.array([a, b])).recent[0]
