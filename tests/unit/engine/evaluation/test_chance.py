"""Random policies of the same turnover and exposure: exact by hand, uniform without skill, small with it."""

import numpy as np
import pytest
from scipy import stats

from engine.contract.errors import ConfigError, DataError
from engine.evaluation.chance import chance, matched, path_sharpes, random_exposures

COST = 6.0


def held(generator: np.random.Generator, bars: int, enter: float = 0.05, leave: float = 0.08) -> np.ndarray:
    """A long-flat path by coin tosses, independent of prices."""
    state, path = 0.0, np.empty(bars)
    for t, coin in enumerate(generator.random(bars)):
        state = (1.0 if coin < enter else 0.0) if state == 0.0 else (0.0 if coin < leave else 1.0)
        path[t] = state
    return path


def test_sharpe_of_a_path_by_hand():
    weights = np.array([[[0.5], [0.5], [-0.5], [0.0]]])
    bars = np.array([[0.02], [0.04], [0.02], [0.0]])
    net = np.array([0.01 - 0.0005, 0.02, -0.01 - 0.001, -0.0005])
    assert path_sharpes(weights, bars, 10.0)[0] == pytest.approx(net.mean() / net.std(ddof=1))


def test_every_shift_is_replayed_as_the_rolled_path_would_be():
    generator = np.random.default_rng(1)
    exposure, bars = generator.choice([-1.0, 0.0, 0.3], (60, 2)), generator.normal(0.0, 0.01, (60, 2))
    found = chance(exposure, bars, cost_bps=COST, budget_frac=0.4, apart_bars=1)
    ratios = []
    for shift in range(60):
        moved = 0.4 * np.roll(exposure, shift, axis=0)
        traded = np.abs(moved - np.roll(moved, 1, axis=0)).sum(axis=1)
        net = (moved * bars).sum(axis=1) - COST * 1e-4 * traded
        ratios.append(net.mean() / net.std(ddof=1))
    assert found.policies == 59
    assert found.error == 0.0
    assert found.sharpe_per_period == pytest.approx(ratios[0])
    assert found.median_per_period == pytest.approx(np.median(ratios[1:]))
    assert found.p_value == pytest.approx((1 + sum(one >= ratios[0] for one in ratios[1:])) / 60)


def test_rule_that_follows_prices_is_not_compared_with_itself_a_little_earlier():
    # of 400 shifts, those by up to 11 bars backwards hold what the last 12 returns, not the next ones, made of the rule
    bars = np.random.default_rng(10).normal(0.0, 0.01, 400)
    follows = np.concatenate([[0.0], np.sign(np.convolve(bars, np.ones(12))[:399])])
    near, apart = (chance(follows, bars, cost_bps=0.0, apart_bars=least) for least in (1, 24))
    assert near.upper_per_period > apart.upper_per_period
    assert (near.policies, apart.policies) == (399, 376)
    assert chance(follows, bars, cost_bps=0.0).policies == 380
    with pytest.raises(ConfigError, match="apart_bars must be from 1 to half of 400 bars, was 201"):
        chance(follows, bars, cost_bps=0.0, apart_bars=201)


@pytest.mark.parametrize("method", ["shift", "chain"])
def test_planted_timing_is_not_chance(method):
    generator = np.random.default_rng(2)
    exposure = held(generator, 3_000)
    bars = generator.normal(0.0, 0.01, 3_000) + 0.0025 * (exposure - exposure.mean())
    found = chance(exposure, bars, cost_bps=COST, method=method)
    assert found.policies == 1_000
    assert found.p_value < 0.01
    assert found.sharpe_per_period > found.upper_per_period > found.median_per_period


@pytest.mark.parametrize("method", ["shift", "chain"])
def test_p_values_of_a_policy_without_skill_are_uniform(method):
    generator = np.random.default_rng(100)
    found = []
    for seed in range(200):
        bars = generator.standard_t(4, 800) * 0.01 + 0.0002
        exposure = held(generator, 800)
        found.append(chance(exposure, bars, cost_bps=COST, policies=199, method=method, seed=seed).p_value)
    assert stats.kstest(found, "uniform").pvalue > 0.05
    assert np.mean(np.array(found) <= 0.05) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


def test_market_that_rises_is_no_timing():
    generator = np.random.default_rng(4)
    exposure = held(generator, 2_000, 0.2, 0.02)
    bars = generator.normal(0.002, 0.01, 2_000)
    found = chance(exposure, bars, cost_bps=0.0)
    assert found.sharpe_per_period > 0.1
    assert found.p_value > 0.05


def test_policy_that_never_changes_its_mind_ties_with_every_shift():
    bars = np.random.default_rng(5).normal(0.001, 0.01, 200)
    assert chance(np.ones(200), bars, cost_bps=COST).p_value == 1.0


def test_error_is_that_of_a_share_of_so_many_draws():
    generator = np.random.default_rng(6)
    found = chance(held(generator, 2_000), generator.normal(0.0, 0.01, 2_000), cost_bps=COST, policies=400)
    assert found.error == pytest.approx(np.sqrt(found.p_value * (1 - found.p_value) / 400))


def test_same_seed_gives_the_same_answer():
    generator = np.random.default_rng(7)
    exposure, bars = held(generator, 500), generator.normal(0.0, 0.01, 500)
    for method in ("shift", "chain"):
        first, again, other = (
            chance(exposure, bars, cost_bps=1.0, policies=99, method=method, seed=seed) for seed in (1, 1, 2)
        )
        assert first == again
        assert first != other


def test_random_paths_have_the_exposure_and_the_turnover_of_the_policy():
    generator = np.random.default_rng(8)
    first = 0.8 * held(generator, 4_000)
    second = -0.3 * held(generator, 4_000, 0.01, 0.01)
    exposure = np.stack([first, second], axis=1)
    paths = random_exposures(exposure, 400, generator)
    assert paths.shape == (400, 4_000, 2)
    np.testing.assert_allclose(paths.mean(axis=(0, 1)), exposure.mean(axis=0), rtol=0.05)
    traded = np.abs(np.diff(paths, axis=1)).mean(axis=(0, 1))
    np.testing.assert_allclose(traded, np.abs(np.diff(exposure, axis=0)).mean(axis=0), rtol=0.05)


def test_policy_that_trades_at_every_bar_is_matched_by_a_chain_that_does():
    exposure = np.tile([0.0, 1.0], 200)
    assert matched(exposure[:, None], 1.0)["leave"] == 1.0
    paths = random_exposures(exposure, 50, np.random.default_rng(9))
    assert np.abs(np.diff(paths[:, :, 0], axis=1)).mean() == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"exposure": np.zeros(60)}, "return of the policy must vary, was constant"),
        ({"exposure": np.ones(59)}, r"shape of bar returns, \(60, 1\), was \(59, 1\)"),
        ({"exposure": np.ones(49)}, "50 observations or more, was 49"),
        ({"bar_returns": np.full(60, np.nan)}, "bar returns must be finite, was nan"),
    ],
)
def test_what_cannot_be_compared_is_refused(change, message):
    arguments = {"exposure": np.ones(60), "bar_returns": np.linspace(-0.01, 0.01, 60), "cost_bps": 1.0, **change}
    with pytest.raises(DataError, match=message):
        chance(**arguments)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"cost_bps": -1.0}, "not negative, was -1.0"), ({"policies": 0}, "was 0"), ({"method": "luck"}, "was luck")],
)
def test_parameter_out_of_range_is_refused(change, message):
    arguments = {"exposure": np.ones(60), "bar_returns": np.linspace(-0.01, 0.01, 60), "cost_bps": 1.0, **change}
    with pytest.raises(ConfigError, match=message):
        chance(**arguments)
