"""Markets without a direction: bars stay bars, what shall stay stays, and nobody is paid for holding."""

from dataclasses import replace

import numpy as np
import pytest

from catalogs.arrays import Bars
from catalogs.directionless import random_signs, shuffled
from engine.contract.errors import DataError
from engine.contract.instrument import InstrumentSpec

HOUR = 3_600_000_000_000
BEFORE = 50
MAKERS = [random_signs, shuffled]


def bars(symbol: str = "AAA", count: int = 450, level: float = 0.01, seed: int = 1, drift: float = 0.0) -> Bars:
    """A walk with clusters: every other hundred bars are four times as wild."""
    rng = np.random.default_rng(seed)
    wild = np.where(np.arange(count) // 100 % 2, 4.0, 1.0) * level
    close = 1_000.0 * np.exp(np.cumsum(wild * rng.standard_normal(count) + drift))
    opening = np.append(1_000.0, close[:-1]) * np.exp(0.1 * wild * rng.standard_normal(count))
    high = np.maximum(opening, close) * np.exp(0.3 * wild * np.abs(rng.standard_normal(count)))
    low = np.minimum(opening, close) * np.exp(-0.3 * wild * np.abs(rng.standard_normal(count)))
    ts = HOUR * np.arange(count, dtype=np.int64)
    spec = InstrumentSpec(f"{symbol}USDT.SIM", "spot", symbol, "USDT", price_precision=6, size_precision=6)
    prices = (np.round(one, 6) for one in (opening, high, low, close))
    return Bars(spec, "1-HOUR", ts, ts + HOUR, *prices, rng.random(count))


def moves(one: Bars) -> np.ndarray:
    return np.diff(np.log(one.close))[BEFORE - 1 :]


@pytest.mark.parametrize("make", MAKERS)
def test_altered_bars_are_bars_and_those_before_the_span_are_the_same(make):
    real = bars()
    (made,) = make([real], BEFORE * HOUR, 3)
    assert (made.low <= np.minimum(made.open, made.close)).all()
    assert (made.high >= np.maximum(made.open, made.close)).all()
    assert made.low.min() > 0.0
    for name in ("open", "high", "low", "close"):
        assert np.array_equal(getattr(made, name)[:BEFORE], getattr(real, name)[:BEFORE])
        assert not np.array_equal(getattr(made, name)[BEFORE:], getattr(real, name)[BEFORE:])
    assert np.array_equal(made.volume, real.volume)
    assert np.array_equal(made.ts_open, real.ts_open)


@pytest.mark.parametrize("make", MAKERS)
def test_same_seed_is_the_same_market_and_another_is_another(make):
    one, same, other = (make([bars()], BEFORE * HOUR, seed)[0] for seed in (3, 3, 4))
    assert np.array_equal(one.close, same.close)
    assert not np.array_equal(one.close, other.close)


def test_bar_that_rises_by_a_tenth_falls_by_a_tenth_of_logarithm_less_its_compensation():
    """x = log 1.1; upside down the close is at 1000 exp(-x) / cosh x, and the high is what the low was."""
    real = bars()
    prices = {"open": 1_000.0, "high": 1_150.0, "low": 950.0, "close": 1_100.0}
    columns = {name: np.append(np.full(BEFORE, 1_000.0), value) for name, value in prices.items()}
    cut = {name: getattr(real, name)[: BEFORE + 1] for name in ("ts_open", "ts_close", "volume")}
    one = replace(real, **columns, **cut)
    drawn = [random_signs([one], BEFORE * HOUR, seed)[0] for seed in range(8)]
    down = [made for made in drawn if made.close[-1] < 1_000.0]
    assert 0 < len(down) < 8
    squashed = {name: 2.0 / (1.0 + (value / 1_000.0) ** 2) * 1_000.0 for name, value in prices.items()}
    assert down[0].close[-1] == pytest.approx(squashed["close"], abs=1e-5)
    assert down[0].open[-1] == pytest.approx(1_000.0)
    assert down[0].high[-1] == pytest.approx(squashed["low"], abs=1e-5)
    assert down[0].low[-1] == pytest.approx(squashed["high"], abs=1e-5)


def test_random_signs_keep_the_size_of_every_bar_and_are_shared_by_instruments():
    one, other = bars("AAA", seed=1), bars("BBB", seed=2)
    made = random_signs([one, other], BEFORE * HOUR, 5)
    signs = []
    for before, after in zip((one, other), made, strict=True):
        was, now = moves(before), moves(after)
        assert np.allclose(np.abs(now + np.log(np.cosh(was))), np.abs(was), atol=1e-6)
        signs.append(np.sign((now + np.log(np.cosh(was))) * was))
    assert np.array_equal(*signs)
    assert 0.4 < (signs[0] > 0).mean() < 0.6


def test_shuffled_bars_keep_the_clusters_of_volatility():
    """Half-life 24, 50 to 99 bars into a cluster: 0.13 is remembered of the one before; sqrt((16 * 0.87 + 0.13) / (0.87 + 2.1))."""
    made = np.concatenate([moves(shuffled([bars()], BEFORE * HOUR, seed)[0]) for seed in range(10)])
    wild = np.tile((np.arange(BEFORE, 450) // 100 % 2).astype(bool), 10)
    settled = np.tile(np.arange(BEFORE, 450) % 100 >= 50, 10)
    ratio = made[wild & settled].std() / made[~wild & settled].std()
    assert ratio == pytest.approx(2.2, rel=0.3)


def test_shuffled_instruments_draw_the_same_moment():
    one, other = bars("AAA", seed=1), bars("BBB", seed=1)
    first, second = shuffled([one, other], BEFORE * HOUR, 5)
    assert np.array_equal(first.close, second.close)


@pytest.mark.parametrize("make", MAKERS)
def test_holding_is_not_paid_for_even_where_the_real_market_rose_and_bars_are_large(make):
    """Of 60 draws of 400 bars; a fair coin on log returns alone would pay half the variance, here eight errors of the mean."""
    real = [bars(level=0.03, drift=0.01)]
    drawn = np.concatenate([np.expm1(moves(make(real, BEFORE * HOUR, seed)[0])) for seed in range(60)])
    error = drawn.std() / np.sqrt(len(drawn))
    assert abs(drawn.mean()) < 3.0 * error
    assert 0.5 * drawn.var() > 5.0 * error


@pytest.mark.parametrize("make", MAKERS)
def test_past_does_not_tell_the_next_bar(make):
    """A market of long runs: the mean of 24 returns tells the sign of the next one, and no longer does."""
    runs = np.repeat(np.tile([0.004, -0.004], 6), 40)[:450]
    real = bars(level=0.002)
    factor = np.exp(np.cumsum(runs))
    real = replace(real, **{name: getattr(real, name) * factor for name in ("open", "high", "low", "close")})

    def edge(returns: np.ndarray) -> np.ndarray:
        past = np.convolve(returns, np.ones(24), "valid")[:-1]
        return np.sign(past) * returns[24:]

    assert edge(moves(real)).mean() > 0.001
    drawn = np.concatenate([edge(moves(make([real], BEFORE * HOUR, seed)[0])) for seed in range(40)])
    assert abs(drawn.mean()) < 3.5 * drawn.std() / np.sqrt(len(drawn))


@pytest.mark.parametrize("make", MAKERS)
def test_instrument_that_misses_bars_keeps_missing_them(make):
    whole, gappy = bars("AAA"), bars("BBB", seed=2)
    keep = np.delete(np.arange(450), [100, 101, 200])
    names = ("ts_open", "ts_close", "open", "high", "low", "close", "volume")
    gappy = replace(gappy, **{name: getattr(gappy, name)[keep] for name in names})
    made = make([whole, gappy], BEFORE * HOUR, 3)
    assert np.array_equal(made[1].ts_open, gappy.ts_open)
    assert (made[1].high >= made[1].low).all()


@pytest.mark.parametrize("make", MAKERS)
def test_span_without_bars_is_refused(make):
    with pytest.raises(DataError, match="span must hold bars of every instrument, was none"):
        make([bars()], 451 * HOUR, 1)
