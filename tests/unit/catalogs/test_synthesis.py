"""Synthetic markets: what is planted is there, what is not is not, and a seed is a market."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.stats import chi2

from catalogs.arrays import read_bars
from catalogs.candles import Candles, candles
from catalogs.columns import Floats
from catalogs.generating import store_markets
from catalogs.manifest import read_manifest
from catalogs.synthesis import MARKETS, REGIMES, SyntheticMarket, synthesise
from engine.contract.calendar import bars_per_year
from engine.contract.errors import DataError, UsageError

BARS = 17_520
COST_FRAC = 6e-4


def one(market: str, seed: int, bars: int = BARS) -> SyntheticMarket:
    """The first instrument of a market."""
    return synthesise(market, bars, seed)[0]


def returns_of(bars: Candles) -> Floats:
    """Simple returns from close to close, shape (T - 1,)."""
    return bars.close[1:] / bars.close[:-1] - 1.0


def sharpe(bars: Candles, position: Floats, cost: float = COST_FRAC) -> float:
    """Annualised Sharpe of positions decided at a close and filled at the next open, after costs a side."""
    gains = position[:-2] * (bars.open[2:] / bars.open[1:-1] - 1.0)
    net = gains - cost * np.abs(np.diff(position[:-2], prepend=0.0))
    return float(net.mean() / net.std() * bars_per_year("1-HOUR") ** 0.5)


def momentum(bars: Candles, window: int = 24, threshold: float = 0.015) -> Floats:
    """Long or short by the log return of `window` bars once it is beyond the threshold; held in between."""
    log = np.log(bars.close)
    moved = log - np.append(np.full(window, log[0]), log[:-window])
    position = np.zeros(len(log))
    for t in range(1, len(log)):
        position[t] = np.sign(moved[t]) if abs(moved[t]) > threshold else position[t - 1]
    return position


def portmanteau(returns: Floats, lags: int = 24) -> float:
    """P value of no autocorrelation up to `lags`, robust to clustered volatility.

    References
    ----------
    Lobato, Nankervis & Savin (2001), Testing for autocorrelation using a modified Box-Pierce Q test.
    """
    centred = returns - returns.mean()
    total = 0.0
    for lag in range(1, lags + 1):
        products = centred[lag:] * centred[:-lag]
        total += products.sum() ** 2 / (products**2).sum()
    return float(chi2.sf(total, lags))


@pytest.mark.parametrize("market", MARKETS)
def test_same_seed_same_market_and_another_seed_another(market: str) -> None:
    first, again, other = (synthesise(market, 400, seed)[-1] for seed in (5, 5, 6))
    assert first.candles.close.tolist() == again.candles.close.tolist()
    assert first.candles.volume.tolist() == again.candles.volume.tolist()
    assert first.candles.close.tolist() != other.candles.close.tolist()


@pytest.mark.parametrize("market", MARKETS)
def test_candles_are_possible_and_look_like_a_market(market: str) -> None:
    for made in synthesise(market, 4_000, 3):
        bars = made.candles
        assert (bars.high >= np.maximum(bars.open, bars.close)).all()
        assert (bars.low <= np.minimum(bars.open, bars.close)).all()
        assert (bars.low > 0).all()
        assert (bars.volume > 0).all()
        assert (np.round(bars.close, 2) == bars.close).all()
        gap = np.abs(bars.open[1:] / bars.close[:-1] - 1.0)
        assert np.median(gap) < 0.1 * np.median(np.abs(returns_of(bars)))
        assert np.corrcoef(np.abs(returns_of(bars)), bars.volume[1:])[0, 1] > 0.3
        assert bars.close.min() > 100
        assert bars.close.max() < 60_000
        assert all(len(label) == 4_000 for label in made.truth.values())
        assert made.ts_open[0] == 1_577_836_800_000_000_000


def test_null_returns_are_a_martingale_difference() -> None:
    for seed in (1, 2, 3):
        returns = returns_of(one("null", seed).candles)
        assert abs(returns.mean() / returns.std() * len(returns) ** 0.5) < 3.0
        assert portmanteau(returns) > 0.01


def test_null_volatility_clusters_and_tails_are_fat() -> None:
    for seed in (1, 2, 3):
        size = np.abs(returns_of(one("null", seed).candles))
        assert np.corrcoef(size[1:], size[:-1])[0, 1] > 0.1
        assert np.corrcoef(size[24:], size[:-24])[0, 1] > 0.05
        returns = returns_of(one("null", seed).candles)
        assert ((returns - returns.mean()) ** 4).mean() / returns.var() ** 2 > 5.0


def test_null_gives_momentum_nothing_even_without_costs() -> None:
    scores = [sharpe(one("null", seed).candles, momentum(one("null", seed).candles), cost=0.0) for seed in range(8)]
    standard_error = (bars_per_year("1-HOUR") / BARS / len(scores)) ** 0.5
    assert abs(np.mean(scores)) < 3.0 * standard_error


def test_trend_pays_a_simple_momentum_rule_and_more_an_oracle_after_costs() -> None:
    for seed in range(5):
        made = one("trend", seed)
        assert sharpe(made.candles, momentum(made.candles)) > 5.0
        assert sharpe(made.candles, np.sign(made.truth["drift"])) > 15.0


def test_trend_does_not_pay_for_holding() -> None:
    growth = [one("trend", seed).truth["drift"].mean() * bars_per_year("1-HOUR") for seed in range(20)]
    standard_error = np.std(growth) / len(growth) ** 0.5
    assert abs(np.mean(growth)) < 3.0 * standard_error
    assert max(np.abs(growth)) < 1.0


def test_trend_changes_sign_every_three_days() -> None:
    sign = np.sign(one("trend", 1).truth["drift"])
    assert BARS / (np.flatnonzero(np.diff(sign)).size + 1) == pytest.approx(72.0, rel=0.15)


def test_reversion_pays_against_the_last_day_after_costs() -> None:
    for seed in range(3):
        bars = one("reversion", seed).candles
        assert sharpe(bars, -momentum(bars, window=6, threshold=0.012)) > 3.0


def test_regimes_are_labelled_and_differ_as_they_say() -> None:
    made = synthesise("regimes", 60_000, 2)[0]
    label, returns = made.truth["regime"][1:], returns_of(made.candles)
    spread = {name: returns[label == i].std() for i, name in enumerate(REGIMES)}
    assert spread["quiet_range"] < spread["bull"] < spread["wild_range"] < spread["crisis"]
    assert returns[label == 0].mean() > 0 > returns[label == 1].mean()
    assert made.parameters["label_4"] == "crisis"


def test_lag_repeats_its_leader_after_the_bars_in_the_truth() -> None:
    for seed in range(4):
        lead, lag = synthesise("leadlag", 6_000, seed)
        leading, lagging = returns_of(lead.candles), returns_of(lag.candles)
        correlation = [np.corrcoef(leading[:-k], lagging[k:])[0, 1] for k in range(1, 8)]
        assert np.argmax(correlation) + 1 == lag.parameters["lag_bars"]
        assert max(correlation) > 0.7
        assert lag.truth["lag_bars"][0] == lag.parameters["lag_bars"]


def test_panic_has_a_crash_in_every_fifteen_hundred_bars() -> None:
    made = one("panic", 4, bars=6_000)
    phase = made.truth["phase"]
    starts = np.flatnonzero((phase == 1) & (np.append(0, phase[:-1]) != 1))
    assert len(starts) == 4
    for start in starts:
        length = int(np.argmax(phase[start:] != 1))
        fall = made.candles.close[start + length - 1] / made.candles.close[start - 1] - 1.0
        assert -0.6 < fall < -0.05


def test_extremes_of_a_candle_follow_a_brownian_bridge() -> None:
    """From and to the same price with volatility s, the mean of the maximum is s * sqrt(pi / 8)."""
    flat = candles(np.random.default_rng(1), np.zeros(100_000), np.full(100_000, 0.005), 10_000.0)
    rise = (flat.high / flat.open - 1.0).mean()
    assert rise == pytest.approx(0.8 * 0.005 * (np.pi / 8.0) ** 0.5, rel=0.02)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("moon", 10, 1), "market must be one of null, trend"), (("null", 1, 1), "--bars"), (("null", 10, -1), "--seed")],
)
def test_arguments_that_make_no_market_are_refused(arguments: tuple[str, int, int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        synthesise(*arguments)


def test_stored_market_reads_back_with_its_truth(catalog: Path) -> None:
    made = synthesise("leadlag", 300, 1)
    store_markets(catalog, made)
    for market in made:
        bars = read_bars(catalog, market.instrument_id, "1-HOUR")
        assert bars.ts_open.tolist() == market.ts_open.tolist()
        assert np.abs(bars.close - market.candles.close).max() < 1e-9
        truth = pq.read_table(catalog / "truth" / f"{market.instrument_id}.parquet")
        assert truth["ts"].to_pylist() == market.ts_open.tolist()
        assert json.loads(truth.schema.metadata[b"parameters"])["lag_bars"] == market.parameters["lag_bars"]


def test_storing_twice_changes_nothing_and_another_seed_is_refused(catalog: Path) -> None:
    store_markets(catalog, synthesise("trend", 300, 1))
    before = (catalog / "manifest.json").read_bytes()
    store_markets(catalog, synthesise("trend", 300, 1))
    assert (catalog / "manifest.json").read_bytes() == before
    with pytest.raises(DataError, match=r"was TRENDUSDT\.SIM"):
        store_markets(catalog, synthesise("trend", 300, 2))
    store_markets(catalog, synthesise("trend", 300, 2), ["TREND2USDT.SIM"])
    assert [spec.instrument_id for spec in read_manifest(catalog).instruments] == [
        "TREND2USDT.SIM",
        "TRENDUSDT.SIM",
    ]
    store_markets(catalog, synthesise("trend", 200, 3), overwrite=True)
    assert len(read_bars(catalog, "TRENDUSDT.SIM", "1-HOUR")) == 200
    assert len(list((catalog / "data" / "bars" / "TRENDUSDT.SIM-1-HOUR-LAST-EXTERNAL").iterdir())) == 1
    with pytest.raises(UsageError, match="--instrument must be given 2 times"):
        store_markets(catalog, synthesise("leadlag", 300, 1), ["AUSDT.SIM"])
