"""Drift: figures by hand, a reference that knows its own data, ceilings that are bounded, and state."""

from pathlib import Path

import numpy as np
import pytest

from engine.contract.config import Actors
from engine.contract.errors import ConfigError, DataError, PolicyError
from engine.contract.messages import Turn
from engine.risk.drift import ALARM, AVAILABLE, BOUND, CEILING, SCORE, Drift, DriftSettings, ceilings, parse
from engine.risk.novelty import FIGURES, REFERENCE, Reference, describe, figures, fit, smoothed

WINDOW = 32


def market(bars: int, seed: int, scale: float = 0.01) -> np.ndarray:
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(scale * rng.standard_normal(bars)))
    opening = np.append(100.0, close[:-1])
    high, low = np.maximum(opening, close) * 1.001, np.minimum(opening, close) * 0.999
    return np.stack([opening, high, low, close, np.exp(0.3 * rng.standard_normal(bars))], -1)


@pytest.fixture(scope="module")
def reference() -> Reference:
    return fit([market(3_000, 1)], WINDOW)


def turns(bars: np.ndarray) -> list[Turn]:
    return [Turn(k, k, (tuple(row),), True) for k, row in enumerate(bars.tolist())]  # type: ignore[arg-type]


def test_figures_of_a_market_that_doubles_every_bar_are_as_worked_out_by_hand() -> None:
    close = 2.0 ** np.arange(9)
    window = np.stack([close / 2.0, close, close / 2.0, close, np.full(9, 7.0)], -1)[None]
    found = dict(zip(FIGURES, figures(window)[0]))
    assert found["log mean range"] == pytest.approx(np.log(0.5), abs=1e-5)
    assert found["log volume of the last quarter over the window's"] == pytest.approx(0.0)
    assert found["share of returns of zero"] == 0.0
    assert found["log volatility of the window"] == pytest.approx(np.log(1e-6), abs=1e-6)


def test_figures_know_no_price_level_and_no_unit_of_volume() -> None:
    bars = market(64, 3)
    scaled = bars * np.array([1e3, 1e3, 1e3, 1e3, 50.0])
    assert describe(scaled, WINDOW) == pytest.approx(describe(bars, WINDOW), abs=1e-4)


def test_smoothing_with_a_weight_of_a_half_is_as_worked_out_by_hand() -> None:
    assert smoothed(np.array([4.0, 0.0, 2.0]), 0.5).tolist() == [4.0, 2.0, 2.0]


def test_market_like_that_of_training_raises_alarms_at_about_the_false_rate(reference: Reference) -> None:
    rates = []
    for seed in range(2, 8):
        score = smoothed(reference.distance(describe(market(3_000, seed), WINDOW)), reference.decay)
        rates.append(float((score > reference.bound(0.05)).mean()))
    assert 0.01 < float(np.mean(rates)) < 0.12


def test_market_of_five_times_the_volatility_is_beyond_the_bound(reference: Reference) -> None:
    score = reference.distance(describe(market(400, 9, 0.05), WINDOW))
    assert float(np.median(score)) > 1.5 * reference.bound(0.01)


def test_ceiling_is_the_bound_over_the_score_and_never_under_the_floor(reference: Reference) -> None:
    drift = Drift(1, reference, DriftSettings(floor=0.6))
    wild = np.concatenate([market(200, 9), market(200, 9, 0.05)])
    said = np.array([drift.hear(turn)[0] for turn in turns(wild)])
    assert said[: WINDOW - 1, AVAILABLE].tolist() == [0.0] * (WINDOW - 1)
    above = said[:, ALARM] == 1.0
    assert (said[above, SCORE] > said[above, BOUND]).all()
    assert said[above, CEILING] == pytest.approx(np.maximum(0.6, said[above, BOUND] / said[above, SCORE]))
    assert said[-1, CEILING] == 0.6
    assert (said[~above, CEILING] == 1.0).all()
    assert ceilings(said)[~above].tolist() == [np.inf] * int((~above).sum())


def test_score_turn_by_turn_is_that_of_the_whole_history(reference: Reference) -> None:
    bars = market(300, 10).astype(np.float32).astype(np.float64)
    drift = Drift(1, reference, DriftSettings())
    said = np.array([drift.hear(turn)[0] for turn in turns(bars)])
    whole = smoothed(reference.distance(describe(bars, WINDOW)), reference.decay)
    assert said[WINDOW - 1 :, SCORE] == pytest.approx(whole, rel=1e-9)


def test_drift_gone_on_with_from_its_state_says_the_same(reference: Reference) -> None:
    heard = turns(market(120, 11))
    one, other = Drift(1, reference, DriftSettings()), Drift(1, reference, DriftSettings())
    for turn in heard[:70]:
        one.hear(turn)
    other.restore(one.state())
    for turn in heard[70:]:
        assert one.hear(turn).tolist() == other.hear(turn).tolist()


def test_instrument_without_a_bar_keeps_its_score(reference: Reference) -> None:
    drift = Drift(1, reference, DriftSettings())
    for turn in turns(market(60, 12)):
        last = drift.hear(turn)
    assert drift.hear(Turn(99, 99, (None,), True)).tolist() == last.tolist()


def test_reference_read_again_is_the_one_that_was_written(reference: Reference, tmp_path: Path) -> None:
    reference.save(tmp_path / REFERENCE)
    again = Reference.load(tmp_path / REFERENCE)
    assert again.bound(0.01) == reference.bound(0.01)
    assert again.precision.tolist() == reference.precision.tolist()
    assert (again.window, again.half_life) == (WINDOW, 24.0)


def test_missing_reference_short_history_and_unknown_key_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"reference.npz must be in the policy folder, was missing"):
        Reference.load(tmp_path / REFERENCE)
    with pytest.raises(DataError, match="history of a reference must hold 250 windows of 32 bars, was 169"):
        fit([market(200, 1)], WINDOW)
    with pytest.raises(ConfigError, match=r"actors.drift: .*its keys are: enabled, false_rate, acts, floor, reference"):
        parse(Actors(drift={"rate": 0.1}))
    assert parse(Actors(drift={"enabled": False})) is None
