"""The online covariance beside batch estimators, and what missing returns do to it."""

import numpy as np
import pytest

from engine.contract.errors import ConfigError, DataError
from engine.risk.covariance import OnlineCovariance


def learnt(x, **options) -> OnlineCovariance:
    covariance = OnlineCovariance(x.shape[1], **options)
    for row in x:
        covariance.update(row)
    return covariance


def correlated(seed=0, observations=80, instruments=6):
    rng = np.random.default_rng(seed)
    return 2.0 * rng.normal(size=(observations, 1)) + rng.standard_t(5, (observations, instruments)) * np.arange(
        1.0, instruments + 1
    )


def test_unshrunk_covariance_is_the_mean_of_products():
    x = correlated()
    np.testing.assert_allclose(learnt(x, target="none").estimate().matrix, x.T @ x / len(x), rtol=1e-12, atol=1e-12)


def test_weighted_covariance_halves_with_its_half_life():
    matrix = learnt(np.array([[1.0, 2.0], [3.0, 0.0]]), half_life=1.0, target="none").estimate().matrix
    # weights 1/2 and 1: (0.5·1 + 9)/1.5, (0.5·4)/1.5, (0.5·2)/1.5
    np.testing.assert_allclose(matrix, [[9.5 / 1.5, 1 / 1.5], [1 / 1.5, 2 / 1.5]])


@pytest.mark.slow
def test_identity_target_equals_ledoit_wolf_of_sklearn():
    covariance = pytest.importorskip("sklearn.covariance")
    x = correlated()
    theirs = covariance.LedoitWolf(assume_centered=True).fit(x)
    ours = learnt(x, target="identity").estimate()
    assert ours.shrinkage == pytest.approx(theirs.shrinkage_, rel=1e-10)
    np.testing.assert_allclose(ours.matrix, theirs.covariance_, rtol=1e-10)


def test_diagonal_target_shrinks_by_the_variance_of_the_covariances():
    x = correlated(observations=800)
    products = x[:, :, None] * x[:, None, :]
    sample = products.mean(axis=0)
    off = ~np.eye(x.shape[1], dtype=bool)
    expected = (((products - sample) ** 2).mean(axis=0) / len(x))[off].sum() / (sample[off] ** 2).sum()
    ours = learnt(x).estimate()
    assert ours.shrinkage == pytest.approx(expected, rel=1e-10)
    np.testing.assert_allclose(ours.matrix[off], (1 - expected) * sample[off], rtol=1e-10)
    np.testing.assert_allclose(np.diagonal(ours.matrix), np.diagonal(sample), rtol=1e-12)


def test_variance_of_a_late_instrument_rests_on_its_own_returns():
    x = correlated(observations=60, instruments=3)
    x[:40, 2] = np.nan
    estimate = learnt(x, target="none").estimate()
    assert estimate.matrix[2, 2] == pytest.approx((x[40:, 2] ** 2).mean())
    assert estimate.observations.tolist() == [60, 60, 20]
    assert np.linalg.eigvalsh(estimate.matrix).min() > 0


def test_instrument_never_observed_has_no_covariance():
    x = correlated(instruments=2)
    x[:, 1] = np.nan
    matrix = learnt(x).estimate().matrix
    assert np.isfinite(matrix[0, 0])
    assert np.isnan(matrix[1]).all()


def test_restored_covariance_goes_on_with_the_same_bits():
    x = correlated()
    whole, second = learnt(x, half_life=20.0), OnlineCovariance(6, half_life=20.0)
    second.restore(learnt(x[:30], half_life=20.0).state())
    for row in x[30:]:
        second.update(row)
    np.testing.assert_array_equal(whole.estimate().matrix, second.estimate().matrix)


def test_returns_of_another_shape_are_an_error():
    with pytest.raises(DataError, match=r"\(2,\), was \(3,\)"):
        OnlineCovariance(2).update(np.zeros(3))


@pytest.mark.parametrize(("field", "value"), [("instruments", 0), ("half_life", 0.0), ("target", "constant")])
def test_setting_out_of_range_is_an_error(field, value):
    with pytest.raises(ConfigError, match=f"{field} must .*was {value}"):
        OnlineCovariance(**{"instruments": 2, field: value})


def test_identity_target_shrinks_by_the_error_over_the_distance():
    x = correlated()
    sample = x.T @ x / len(x)
    mean = np.trace(sample) / 6
    error = sum(((np.outer(row, row) - sample) ** 2).sum() for row in x) / len(x) ** 2
    distance = ((sample - mean * np.eye(6)) ** 2).sum()
    ours = learnt(x, target="identity").estimate()
    assert ours.shrinkage == pytest.approx(error / distance, rel=1e-10)
    assert 0.0 < ours.shrinkage < 1.0
    expected = (1 - ours.shrinkage) * sample + ours.shrinkage * mean * np.eye(6)
    np.testing.assert_allclose(ours.matrix, expected, rtol=1e-10)
