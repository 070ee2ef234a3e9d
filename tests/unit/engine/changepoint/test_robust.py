"""The robust detector: its posterior against the loss it minimises, its predictive, what outliers do to it."""

import numpy as np
import pytest
from scipy import integrate
from scipy.stats import multivariate_normal
from scipy.stats import t as student_t

from engine.changepoint.bocd import Bocd
from engine.changepoint.kernels import truncated_mean
from engine.changepoint.robust import RobustBocd, ScoreMatchingPrior
from engine.changepoint.run_lengths import RunLengthConfig
from engine.contract.errors import ConfigError


def score_matching_loss(eta, x, scale):
    """D_m of one observation, the derivative taken numerically: m²(x) s(x)² + 2 d/dx[m²(x) s(x)], s the score in x."""

    def weighted_score(value):
        return (eta[0] - eta[1] * value) / (1.0 + (value / scale) ** 2)

    step = 1e-5
    score = eta[0] - eta[1] * x
    slope = (weighted_score(x + step) - weighted_score(x - step)) / (2 * step)
    return score**2 / (1.0 + (x / scale) ** 2) + 2.0 * slope


def test_posterior_is_prior_times_exponential_of_the_loss():
    prior = ScoreMatchingPrior(eta_mean=(0.2, 1.3), eta_sd=(0.8, 1.1), learning_rate=0.6, scale=1.5)
    x = np.array([0.4, -1.2, 3.0])
    detector = RobustBocd(1, prior, RunLengthConfig(smallest_mass=0.0))
    for value in x:
        detector.update(np.array([value]))
    p11, p12, p22, h1, h2 = detector.state()["parameters"][0, 3]

    def log_posterior(eta):
        loss = sum(score_matching_loss(eta, value, 1.5) for value in x)
        return -0.5 * ((eta[0] - 0.2) / 0.8) ** 2 - 0.5 * ((eta[1] - 1.3) / 1.1) ** 2 - 0.6 * loss

    def quadratic(eta):
        return h1 * eta[0] + h2 * eta[1] - 0.5 * (p11 * eta[0] ** 2 + 2 * p12 * eta[0] * eta[1] + p22 * eta[1] ** 2)

    points = [(0.0, 1.0), (1.0, 0.5), (-0.7, 2.0), (0.3, 0.1)]
    difference = [log_posterior(eta) - quadratic(eta) for eta in points]
    np.testing.assert_allclose(difference, difference[0], atol=1e-7)


@pytest.mark.parametrize("h2", [2.0, 0.3, -3.0])
def test_truncated_mean_equals_its_integral(h2):
    precision, h = np.array([[2.0, -0.6], [-0.6, 1.5]]), np.array([0.7, h2])
    covariance = np.linalg.inv(precision)
    density = multivariate_normal(covariance @ h, covariance).pdf
    options = {"epsabs": 1e-9, "epsrel": 1e-7}

    def moment(weight):
        return integrate.dblquad(lambda a, b: weight(a, b) * density([a, b]), 0, 8, -8, 8, **options)[0]

    mass = moment(lambda a, b: 1.0)
    expected = moment(lambda a, b: a) / mass, moment(lambda a, b: b) / mass
    assert truncated_mean(2.0, -0.6, 1.5, *h) == pytest.approx(expected, rel=1e-5)


def test_truncated_mean_far_below_zero_stays_positive_and_continuous():
    means = [truncated_mean(1.0, 0.0, 1.0, 0.0, h2)[1] for h2 in (-7.99, -8.01, -60.0)]
    assert min(means) > 0.0
    assert means[0] == pytest.approx(means[1], rel=0.01)
    assert means[2] == pytest.approx(1 / 60, rel=0.01)


def test_first_weights_follow_from_the_predictive():
    detector = RobustBocd(1, config=RunLengthConfig(mean_run=10.0))
    prior = truncated_mean(1.0, 0.0, 1.0, 0.0, 1.0)
    detector.update(np.array([0.5]))
    p11, p12, p22, h1, h2 = detector.state()["parameters"][0, 1]
    after = truncated_mean(p11, p12, p22, h1, h2)
    densities = [student_t.pdf(2.0, 5.0, eta[0] / eta[1], eta[1] ** -0.5) for eta in (prior, after)]
    detector.update(np.array([2.0]))
    joint = np.array([0.1 * densities[0], 0.9 * densities[1]])
    np.testing.assert_allclose(detector.run_lengths(0)[1], np.append(0.1, 0.9 * joint / joint.sum()), rtol=1e-12)


def test_single_outlier_resets_the_plain_model_and_not_the_robust_one():
    x = np.random.default_rng(0).normal(size=420)
    x[400] = 12.0
    recent = {}
    for model in (Bocd, RobustBocd):
        detector = model(1)
        recent[model] = max([detector.update(np.array([v])).recent[0] for v in x][400:])
    assert recent[Bocd] > 0.9
    assert recent[RobustBocd] < 0.5


def test_shift_of_the_mean_is_found():
    x = np.random.default_rng(1).normal(size=(430, 10))
    x[400:] += 3.0
    detector = RobustBocd(10)
    recent = np.array([detector.update(row).recent for row in x])
    assert (recent[410] > 0.9).all()


def test_restored_detector_goes_on_with_the_same_bits():
    x = np.random.default_rng(2).standard_t(3, (300, 2))
    whole, second = RobustBocd(2), RobustBocd(2)
    for row in x[:200]:
        whole.update(row)
    second.restore(whole.state())
    for row in x[200:]:
        assert all(np.array_equal(a, b) for a, b in zip(whole.update(row), second.update(row), strict=True))


@pytest.mark.parametrize(
    ("field", "value"),
    [("learning_rate", 0.0), ("scale", -1.0), ("tail", 2.0), ("eta_sd", (1.0, 0.0)), ("eta_mean", (0.0, 0.0))],
)
def test_prior_out_of_range_is_an_error(field, value):
    with pytest.raises(ConfigError, match=field):
        ScoreMatchingPrior(**{field: value})
