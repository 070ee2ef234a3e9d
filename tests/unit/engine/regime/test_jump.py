"""The jump model: its cheapest path by hand, its online labels, beside an independent implementation."""

import itertools

import numpy as np
import pytest

from engine.contract.errors import DataError
from engine.regime.jump import JumpFilter, JumpParameters, cheapest_path, fit_jump


def planted(seed=0):
    rng = np.random.default_rng(seed)
    state = np.repeat([0, 1, 0, 1], 100)
    return rng.normal(size=(400, 2)) * 0.7 + 3.0 * state[:, None], state


def test_cheapest_path_is_the_best_of_all_paths():
    loss = np.random.default_rng(0).uniform(size=(7, 3))

    def cost(path):
        return sum(loss[t, k] for t, k in enumerate(path)) + 0.4 * sum(a != b for a, b in itertools.pairwise(path))

    best = min(itertools.product(range(3), repeat=7), key=cost)
    path, least = cheapest_path(loss, 0.4)
    assert tuple(path) == best
    assert least == pytest.approx(cost(best))


def test_online_state_is_the_end_of_the_cheapest_path_so_far():
    x, _ = planted()
    parameters = fit_jump(x, 2, 3.0)
    z = (x - parameters.centre) / np.array(parameters.spread)
    loss = 0.5 * ((z[:, None, :] - np.array(parameters.centroids)) ** 2).sum(axis=2)
    jump = JumpFilter(parameters)
    online = [jump.update(row) for row in x]
    for end in (1, 2, 50, 101, 103, 399):
        assert online[end - 1] == cheapest_path(loss[:end], 3.0)[0][-1]


def test_planted_states_are_found_in_order():
    x, state = planted()
    jump = JumpFilter(fit_jump(x, 2, 3.0))
    online = np.array([jump.update(row) for row in x])
    assert (online == state).mean() > 0.97
    assert (np.diff(online) != 0).sum() == 3


@pytest.mark.slow
def test_path_equals_that_of_jumpmodels():
    package = pytest.importorskip("jumpmodels.jump")
    x, _ = planted(1)
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    theirs = package.JumpModel(n_components=2, jump_penalty=3.0, cont=False, random_state=0).fit(z, sort_by="freq")
    centroids = np.asarray(theirs.centers_)
    path, _ = cheapest_path(0.5 * ((z[:, None, :] - centroids) ** 2).sum(axis=2), 3.0)
    np.testing.assert_array_equal(path, np.asarray(theirs.labels_))


def test_features_that_are_missing_change_nothing():
    x, _ = planted()
    jump = JumpFilter(fit_jump(x, 2, 3.0))
    before = jump.update(x[0])
    cost = jump.state()["cost"]
    assert jump.update(np.array([np.nan, 1.0])) == before
    np.testing.assert_array_equal(jump.state()["cost"], cost)


def test_restored_filter_goes_on_alike():
    x, _ = planted()
    first, second = (JumpFilter(fit_jump(x, 2, 3.0)) for _ in range(2))
    for row in x[:150]:
        first.update(row)
    second.restore(first.state())
    assert [first.update(row) for row in x[150:]] == [second.update(row) for row in x[150:]]


def test_parameters_are_plain_numbers():
    x, _ = planted()
    assert JumpParameters(**fit_jump(x, 2, 3.0).to_dict()) == fit_jump(x, 2, 3.0)


def test_features_that_cannot_be_fitted_are_an_error():
    with pytest.raises(DataError, match="20 rows or more"):
        fit_jump(np.zeros((10, 2)), 2, 1.0)
