"""The chain: filtered by hand, fitted to what was planted, beside hmmlearn."""

import numpy as np
import pytest
from scipy.stats import t as student_t

from engine.contract.errors import DataError
from engine.regime.chain import fit_chain, forward, log_density
from engine.regime.kernels import log_student


def planted(seed=0, length=4000):
    """Two volatilities, 1 and 4, in runs of 200."""
    rng = np.random.default_rng(seed)
    state = (np.arange(length) // 200) % 2
    return rng.standard_t(5, length) * np.where(state == 0, 1.0, 4.0), state


def test_filter_follows_bayes_by_hand():
    likelihood = np.log(np.array([[0.5, 0.1], [0.2, 0.4]]))
    transition, initial = np.array([[0.9, 0.1], [0.3, 0.7]]), np.array([0.6, 0.4])
    filtered, total = forward(likelihood, transition, initial)
    first = np.array([0.30, 0.04])
    second = (first / first.sum()) @ transition * [0.2, 0.4]
    np.testing.assert_allclose(filtered, [first / first.sum(), second / second.sum()])
    assert total == pytest.approx(np.log(first.sum()) + np.log(second.sum()))


def test_densities_are_those_of_scipy():
    x = np.array([-2.0, 0.3])
    np.testing.assert_allclose(log_density(x, np.array(0.5), 2.0, 5.0), student_t.logpdf(x, 5.0, 0.5, 2.0))
    difference = log_student(1.0, 0.0, 2.0, 5.0) - log_student(1.0, 0.5, 1.0, 5.0)
    assert difference == pytest.approx(student_t.logpdf(1, 5, 0, 2) - student_t.logpdf(1, 5, 0.5, 1))


@pytest.mark.slow
def test_filter_equals_hmmlearn():
    hmm = pytest.importorskip("hmmlearn.hmm")
    x = np.random.default_rng(1).normal(size=300)
    model = hmm.GaussianHMM(2, covariance_type="spherical")
    model.startprob_, model.transmat_ = np.array([0.3, 0.7]), np.array([[0.9, 0.1], [0.2, 0.8]])
    model.means_, model.covars_ = np.array([[0.0], [0.5]]), np.array([1.0, 4.0])
    scale = np.array([1.0, 2.0])
    likelihood = -0.5 * ((x[:, None] - [0.0, 0.5]) / scale) ** 2 - np.log(scale) - 0.5 * np.log(2 * np.pi)
    filtered, total = forward(likelihood, model.transmat_, model.startprob_)
    assert total == pytest.approx(model.score(x[:, None]))
    np.testing.assert_allclose(filtered[-1], model.predict_proba(x[:, None])[-1])


def test_fit_finds_planted_scales_in_order():
    x, _ = planted()
    chain = fit_chain(x, 2)
    np.testing.assert_allclose(chain.scale, [1.0, 4.0], rtol=0.1)
    np.testing.assert_allclose(np.diagonal(chain.transition), 1 - 1 / 200, atol=0.005)
    np.testing.assert_array_equal(chain.location, 0.0)


def test_states_ascend_whatever_the_data():
    for seed in range(5):
        x, _ = planted(seed, 1000)
        assert (np.diff(fit_chain(x * (-1) ** seed, 3, locate=True, steps=20).scale) >= 0).all()


def test_fit_is_the_same_twice():
    x, _ = planted(3, 1000)
    first, second = fit_chain(x, 3), fit_chain(x, 3)
    np.testing.assert_array_equal(first.transition, second.transition)


@pytest.mark.parametrize(
    ("x", "rule"),
    [(np.ones(30), "be 40 or more, was 30"), (np.zeros(100), "not all zero"), (np.full(100, np.nan), "be finite")],
)
def test_observations_that_cannot_be_fitted_are_an_error(x, rule):
    with pytest.raises(DataError, match=rule):
        fit_chain(x, 2)
