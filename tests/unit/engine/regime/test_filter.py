"""The regime filter: what it tells of planted markets, that it never looks ahead, its state."""

import json

import numpy as np
import pytest

from catalogs.synthesis import synthesise
from engine.contract.errors import ConfigError, DataError
from engine.regime.chain import forward, log_density
from engine.regime.comparison import Bars, regime_labels
from engine.regime.features import history
from engine.regime.filter import RegimeFilter
from engine.regime.fitting import fit, trend_likelihood, trend_transition
from engine.regime.kernels import UNKNOWN
from engine.regime.kinds import Regime
from engine.regime.parameters import RegimeParameters


@pytest.fixture(scope="module")
def market():
    synthetic = synthesise("regimes", 3000, 5)[0]
    return Bars(synthetic.candles.high, synthetic.candles.low, synthetic.candles.close)


@pytest.fixture(scope="module")
def parameters(market) -> RegimeParameters:
    return fit(market.close[:1500])


def follow(regime_filter, bars, begin=0, end=None):
    rows = range(begin, len(bars.close) if end is None else end)
    return [regime_filter.update(*(column[t : t + 1] for column in bars)) for t in rows]


def made(returns, spread=0.001) -> Bars:
    close = 100.0 * np.exp(np.cumsum(returns))
    return Bars(close * (1 + spread), close * (1 - spread), close)


def plain_parameters(**options) -> RegimeParameters:
    given = {
        "volatility_scale": (0.003, 0.009, 0.02),
        "volatility_transition": ((0.98, 0.01, 0.01), (0.01, 0.98, 0.01), (0.01, 0.01, 0.98)),
        "drift": 0.2,
        "pull": 0.02,
        "trend_bars": 200.0,
        "typical_volatility": 0.005,
    }
    return RegimeParameters(**(given | options))


def test_probabilities_and_views_sum_to_one(market, parameters):
    for estimate in follow(RegimeFilter([parameters]), market, end=600):
        for belief in (estimate.probabilities, estimate.risk, estimate.shape, estimate.volatility, estimate.trend):
            assert belief.sum() == pytest.approx(1.0)
            assert (belief >= 0.0).all()


@pytest.mark.parametrize(
    ("drift", "volatility", "regime"),
    [
        (0.003, 0.004, Regime.TRENDING_BULL),
        (-0.003, 0.004, Regime.TRENDING_BEAR),
        (0.0, 0.002, Regime.LOW_VOLATILITY_RANGE),
        (0.0, 0.012, Regime.HIGH_VOLATILITY_RANGE),
    ],
)
def test_planted_market_has_its_regime_most_of_the_time(drift, volatility, regime):
    noise = np.random.default_rng(1).normal(size=600) * volatility
    if drift == 0.0:
        noise = np.diff(noise, prepend=0.0) / np.sqrt(2.0)
    estimates = follow(RegimeFilter([plain_parameters()]), made(drift + noise))
    assert np.mean([e.regime[0] == regime for e in estimates[150:]]) > 0.6


def test_crash_is_a_crisis_and_panic_in_both_views():
    rng = np.random.default_rng(2)
    returns = np.append(rng.normal(size=400) * 0.004, -0.012 + 0.02 * rng.normal(size=30))
    estimate = follow(RegimeFilter([plain_parameters()]), made(returns))[-1]
    assert estimate.regime[0] == Regime.CRISIS
    assert estimate.risk[0, 3] == estimate.shape[0, 2] == estimate.probabilities[0, Regime.CRISIS] > 0.5


def test_beliefs_equal_the_forward_filter_over_history(market, parameters):
    estimates = follow(RegimeFilter([parameters]), market, end=800)
    features = history(market.close[:800], parameters.volatility_half_life, parameters.mean_half_life)
    likelihood = log_density(features.log_return[1:, None], np.zeros(1), np.array(parameters.volatility_scale), 5.0)
    # the filter begins with a uniform belief and predicts before the first observation; so here
    transition = np.array(parameters.volatility_transition)
    expected, _ = forward(likelihood, transition, np.full(3, 1 / 3) @ transition)
    np.testing.assert_allclose([e.volatility[0] for e in estimates[1:]], expected, atol=1e-10)
    ready = np.isfinite(features.volatility)
    unit = features.volatility[ready]
    likelihood = trend_likelihood(
        features.log_return[ready] / unit, features.distance[ready] / unit, parameters.drift, parameters.pull, 5.0
    )
    expected, _ = forward(likelihood, trend_transition(parameters.trend_bars), np.full(3, 1 / 3))
    np.testing.assert_allclose(np.array([e.trend[0] for e in estimates])[ready], expected, atol=1e-10)


def test_estimates_of_a_truncated_series_are_those_of_the_whole(market, parameters):
    whole = follow(RegimeFilter([parameters]), market)
    for end in (40, 777, 1501, 2400):
        cut = Bars(*(column[:end].copy() for column in market))
        for mine, theirs in zip(follow(RegimeFilter([parameters]), cut), whole):
            assert all(np.array_equal(a, b) for a, b in zip(mine, theirs, strict=True))


def test_labels_fitted_on_the_past_do_not_change_with_the_future(market):
    regime, volatility = regime_labels(market, 1500)
    altered = Bars(*(np.append(column[:2000], 3.0 * column[2000:]) for column in market))
    other = regime_labels(altered, 1500)
    np.testing.assert_array_equal(regime[:2000], other[0][:2000])
    np.testing.assert_array_equal(volatility[:2000], other[1][:2000])


def test_batch_gives_the_bits_of_single_instruments(market, parameters):
    other = plain_parameters()
    batch = RegimeFilter([parameters, other])
    singles = [RegimeFilter([parameters]), RegimeFilter([other])]
    for t in range(300):
        rows = [np.array([column[t], 2.0 * column[t + 1000]]) for column in market]
        if t % 50 == 7:
            rows[2][1] = np.nan
        together = batch.update(*rows)
        for n, single in enumerate(singles):
            alone = single.update(*(row[n : n + 1] for row in rows))
            assert all(np.array_equal(a[0], b[n]) for a, b in zip(alone, together, strict=True))


@pytest.mark.parametrize("missing", [np.nan, np.inf, 0.0, -1.0])
def test_bar_that_did_not_come_leaves_the_belief(market, parameters, missing):
    regime_filter = RegimeFilter([parameters])
    before = follow(regime_filter, market, end=200)[-1]
    after = regime_filter.update(np.array([market.high[200]]), np.array([market.low[200]]), np.array([missing]))
    assert not after.observed[0]
    np.testing.assert_array_equal(after.probabilities, before.probabilities)


def test_label_is_unknown_until_a_volatility_is_known(market, parameters):
    labels = [e.regime[0] for e in follow(RegimeFilter([parameters]), market, end=60)]
    assert set(labels[:25]) == {UNKNOWN}
    assert UNKNOWN not in labels[25:]


def test_hysteresis_makes_the_label_change_less_often(market, parameters):
    from dataclasses import replace

    changes = []
    for odds in (1.0, 2.0, 5.0):
        estimates = follow(RegimeFilter([replace(parameters, switch_odds=odds)]), market)
        changes.append(int((np.diff([e.regime[0] for e in estimates]) != 0).sum()))
    assert changes[0] > changes[1] > changes[2]


def test_restored_filter_goes_on_with_the_same_bits(market, parameters):
    whole, second = RegimeFilter([parameters]), RegimeFilter([parameters])
    follow(whole, market, end=1000)
    second.restore(whole.state())
    for mine, theirs in zip(follow(whole, market, 1000, 1400), follow(second, market, 1000, 1400), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(mine, theirs, strict=True))


def test_parameters_survive_json(parameters):
    assert RegimeParameters.from_dict(json.loads(json.dumps(parameters.to_dict()))) == parameters


def test_parameters_of_an_unknown_name_are_an_error(parameters):
    with pytest.raises(DataError, match="names of RegimeParameters"):
        RegimeParameters.from_dict(parameters.to_dict() | {"colour": 1})


def test_refit_on_other_data_keeps_the_order_of_the_states():
    for seed in (1, 2, 3):
        close = synthesise("regimes", 1500, seed)[0].candles.close
        scales = fit(close).volatility_scale
        assert scales[0] < scales[1] < scales[2]


def test_fit_finds_a_typical_volatility(market, parameters):
    returns = np.diff(np.log(market.close[:1500]))
    assert 0.3 * returns.std() < parameters.typical_volatility < 1.5 * returns.std()


@pytest.mark.parametrize(
    ("close", "rule"),
    [(np.ones(100), "be 500 or more, was 100"), (-np.ones(600), "be positive"), (np.ones(600), "not all zero")],
)
def test_closes_that_cannot_be_fitted_are_an_error(close, rule):
    with pytest.raises(DataError, match=rule):
        fit(close)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("volatility_scale", (0.2, 0.1, 0.3)),
        ("volatility_transition", ((1.0, 1.0, 0.0),) * 3),
        ("trend_bars", 1.0),
        ("typical_volatility", 0.0),
        ("switch_odds", 0.9),
    ],
)
def test_parameters_out_of_range_are_an_error(field, value):
    with pytest.raises(DataError, match=f"{field} must"):
        plain_parameters(**{field: value})


def test_windows_that_differ_in_a_batch_are_an_error():
    with pytest.raises(ConfigError, match="alike"):
        RegimeFilter([plain_parameters(), plain_parameters(crisis_bars=10)])
    with pytest.raises(ConfigError, match="1 instrument or more"):
        RegimeFilter([])


def test_state_of_another_batch_is_an_error():
    with pytest.raises(DataError, match=r"\(2, 16\), was \(1, 16\) \(memory\)"):
        RegimeFilter([plain_parameters()] * 2).restore(RegimeFilter([plain_parameters()]).state())
