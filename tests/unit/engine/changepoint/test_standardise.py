"""Standardised observations: by hand, causal, missing where there is nothing to divide by."""

import numpy as np
import pytest

from engine.changepoint.standardise import CausalStandardiser
from engine.contract.errors import ConfigError


def test_standardised_value_divides_by_what_came_before():
    standardiser = CausalStandardiser(1, half_life=1.0, warmup=2)
    got = [standardiser.update(np.array([v]))[0] for v in (2.0, 4.0, 6.0, 1.0)]
    # weights halve with each observation: (2² + 2·4²)/3 = 12, then (2² + 2·4² + 4·6²)/7 = 180/7
    np.testing.assert_allclose(got, [np.nan, np.nan, 6 / np.sqrt(12), 1 / np.sqrt(180 / 7)])


def test_missing_observation_teaches_nothing():
    a, b = CausalStandardiser(1, warmup=2), CausalStandardiser(1, warmup=2)
    for value in (1.0, 2.0):
        a.update(np.array([value]))
        b.update(np.array([value]))
    assert np.isnan(b.update(np.array([np.nan]))[0])
    assert a.update(np.array([3.0])) == b.update(np.array([3.0]))


def test_series_that_does_not_move_is_not_standardised():
    standardiser = CausalStandardiser(1, warmup=3)
    got = [standardiser.update(np.zeros(1))[0] for _ in range(10)]
    assert np.isnan(got).all()


def test_scale_of_the_series_does_not_matter():
    x = np.random.default_rng(0).normal(size=200)
    standardiser = CausalStandardiser(2)
    got = np.array([standardiser.update(np.array([v, 1024.0 * v])) for v in x])
    np.testing.assert_array_equal(got[:, 0], got[:, 1])


def test_restored_standardiser_goes_on_with_the_same_bits():
    x = np.random.default_rng(1).normal(size=(200, 3))
    whole, second = CausalStandardiser(3), CausalStandardiser(3)
    for row in x[:100]:
        whole.update(row)
    second.restore(whole.state())
    for row in x[100:]:
        np.testing.assert_array_equal(whole.update(row), second.update(row))


@pytest.mark.parametrize(("field", "value"), [("half_life", 0.0), ("warmup", 0), ("floor", -1.0)])
def test_setting_out_of_range_is_an_error(field, value):
    with pytest.raises(ConfigError, match=f"{field} must .*was {value}"):
        CausalStandardiser(1, **{field: value})
