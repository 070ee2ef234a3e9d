"""Whatever bars come, the belief stays a belief and the label is one of the regimes."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.regime.filter import RegimeFilter
from engine.regime.parameters import RegimeParameters

PARAMETERS = RegimeParameters(
    volatility_scale=(0.003, 0.009, 0.02),
    volatility_transition=((0.98, 0.01, 0.01), (0.01, 0.98, 0.01), (0.01, 0.01, 0.98)),
    drift=0.2,
    pull=0.02,
    trend_bars=200.0,
    typical_volatility=0.005,
    channel_bars=5,
    crisis_bars=7,
    event_bars=3,
)
price = st.one_of(st.floats(1e-6, 1e6), st.sampled_from([np.nan, np.inf, 0.0, -1.0, 1e300, 5.0, 5.0]))


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.lists(st.tuples(price, price, price), min_size=30, max_size=80))
def test_belief_is_a_probability_whatever_bars_come(rows):
    regime_filter = RegimeFilter([PARAMETERS])
    for high, low, close in rows:
        estimate = regime_filter.update(np.array([high]), np.array([low]), np.array([close]))
        for belief in (estimate.probabilities, estimate.risk, estimate.shape, estimate.volatility, estimate.trend):
            assert abs(belief.sum() - 1.0) < 1e-9
            assert (belief >= 0.0).all()
        assert -1 <= estimate.regime[0] <= 6
