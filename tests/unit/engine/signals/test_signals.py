"""Signals turn by turn: absence, availability, the day, and states that can be saved."""

import datetime as dt

import numpy as np
import pytest

from engine.contract.config import Actors, Limits
from engine.contract.errors import ConfigError
from engine.contract.messages import SIGNAL_PRIORITIES, Turn
from engine.contract.signals import AVAILABLE, COLUMNS, context_columns, names
from engine.journal.state import decode, encode
from engine.regime.fitting import fit
from engine.regime.kinds import Regime
from engine.signals.changepoint import ChangepointSignal
from engine.signals.history import BarHistory, replay
from engine.signals.regime import RegimeSignal
from engine.signals.risk_budget import RiskBudgetSignal
from engine.signals.settings import ChangepointSettings, RiskBudgetSettings, parse

HOUR = 3_600_000_000_000
BARS, COUNT = 700, 2


def walk(seed: int, bars: int = BARS) -> np.ndarray:
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.004 * (1 + seed), bars)))
    return np.stack([close, close * 1.001, close * 0.999, close, np.ones(bars)], -1)


CLOSES = [walk(seed) for seed in range(COUNT)]
PARAMETERS = [fit(rows[:600, 3]) for rows in CLOSES]


def made(name: str):
    if name == "regime":
        return RegimeSignal(PARAMETERS)
    if name == "changepoint":
        return ChangepointSignal(COUNT, ChangepointSettings())
    return RiskBudgetSignal(COUNT, RiskBudgetSettings(), Limits(), "1-HOUR")


def turns(absent: tuple[tuple[int, int], ...] = ()) -> list[Turn]:
    """Hourly turns from midnight on; `absent` names (turn, instrument) without a bar."""
    return [
        Turn(
            (seq + 1) * HOUR,
            seq,
            tuple(None if (seq, k) in absent else tuple(CLOSES[k][seq].tolist()) for k in range(COUNT)),
            False,
        )
        for seq in range(BARS)
    ]


def test_columns_are_named_like_the_regimes_and_end_with_their_availability():
    assert names("regime")[:-1] == tuple(regime.name.lower() for regime in Regime)
    assert all(columns[-1].name == AVAILABLE for columns in COLUMNS.values())
    assert set(COLUMNS) == set(SIGNAL_PRIORITIES)
    assert list(COLUMNS) == sorted(COLUMNS, key=lambda name: -SIGNAL_PRIORITIES[name])


def test_context_is_made_of_the_signals_in_the_order_given():
    columns, units = context_columns(["changepoint", "regime"])
    assert columns[0] == "changepoint.recent"
    assert columns[4] == "regime.trending_bull"
    assert len(columns) == len(units) == 12


@pytest.mark.parametrize("name", list(COLUMNS))
def test_signal_says_zeros_until_it_is_available_and_finite_numbers_after(name):
    signal = made(name)
    rows = np.stack([signal.hear(turn) for turn in turns()])
    assert rows.shape == (BARS, COUNT, len(names(name)))
    available = rows[..., -1] > 0
    assert not available[0].any()
    assert available[-1].all()
    assert not rows[~available].any()
    assert np.isfinite(rows).all()
    assert (np.diff(available.astype(int), axis=0) >= 0).all()


@pytest.mark.parametrize("name", list(COLUMNS))
def test_signal_that_was_saved_goes_on_with_the_same_bits(name):
    whole, first, second = made(name), made(name), made(name)
    heard = turns(absent=((300, 0), (301, 0), (410, 1)))
    wanted = [whole.hear(turn) for turn in heard]
    for turn in heard[:400]:
        first.hear(turn)
    second.restore(decode(encode(first.state())))
    found = [second.hear(turn) for turn in heard[400:]]
    np.testing.assert_array_equal(np.stack(found), np.stack(wanted[400:]))


@pytest.mark.parametrize("name", ["regime", "changepoint"])
def test_instrument_without_a_bar_keeps_its_belief_and_does_not_touch_the_other(name):
    whole, lacking = made(name), made(name)
    for seq, (full, part) in enumerate(zip(turns(), turns(absent=((500, 1),)))):
        before = whole.hear(full) if seq != 500 else None
        after = lacking.hear(part)
        if seq == 499:
            kept = after[1]
        if seq == 500:
            wanted = whole.hear(full)
            np.testing.assert_array_equal(after[1], kept)
            np.testing.assert_array_equal(after[0], wanted[0])
        elif seq < 500:
            np.testing.assert_array_equal(after, before)


def test_budget_is_made_at_the_first_turn_of_a_day_and_holds_until_the_next():
    signal = made("risk_budget")
    rows = np.stack([signal.hear(turn) for turn in turns()])
    weight, rebalanced = rows[:, 0, 0], rows[:, 0, 3]
    # The turn at (seq + 1) hours: the first of a day is at 00:00, seq 23, 47 ... and seq 0 is the first there is.
    first_with_enough = 119
    assert np.flatnonzero(rebalanced).tolist() == list(range(first_with_enough, BARS, 24))
    changes = np.flatnonzero(np.diff(weight) != 0) + 1
    assert set(changes.tolist()) <= set(range(first_with_enough, BARS, 24))
    assert (rows[-1, :, 0] > 0).all()
    assert rows[-1, :, 0].sum() <= 1.0 + 1e-12
    # Instrument 1 moves twice as much as instrument 0, so that it gets about half the weight.
    assert rows[-1, 0, 0] / rows[-1, 1, 0] == pytest.approx(rows[-1, 1, 1] / rows[-1, 0, 1], rel=1e-6)


def test_replay_over_history_says_what_turns_said():
    keep = [np.arange(BARS), np.delete(np.arange(BARS), 222)]
    histories = [BarHistory((keep[k] + 1) * HOUR, CLOSES[k][keep[k]]) for k in range(COUNT)]
    ts_turn = (np.arange(BARS) + 1) * HOUR
    looked = []
    found = replay([made(name) for name in COLUMNS], histories, ts_turn, looked.append)
    assert looked == list(range(BARS))
    for name in COLUMNS:
        signal = made(name)
        wanted = np.stack([signal.hear(turn) for turn in turns(absent=((222, 1),))])
        np.testing.assert_array_equal(found[name], wanted)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"changepoint": {"reduce_above": 0.95}}, "actors.changepoint.reduce_above must be at most"),
        ({"changepoint": {"modell": "robust"}}, "unknown field `modell`"),
        ({"changepoint": {"mean_run": 1.0}}, "actors.changepoint"),
        ({"regime": {}}, "missing required field `fit_end`"),
        ({"risk_budget": {"target_volatility": 0.0}}, "actors.risk_budget"),
    ],
)
def test_wrong_section_is_refused_by_name(section, message):
    with pytest.raises(ConfigError, match=message):
        parse(Actors(**section))


def test_regime_that_is_fitted_backwards_in_time_is_refused():
    backwards = {"fit_start": dt.datetime(2021, 1, 1, tzinfo=dt.UTC), "fit_end": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)}
    with pytest.raises(ConfigError, match="fit_start must be before"):
        parse(Actors(regime=backwards))


def test_section_that_is_switched_off_counts_as_absent():
    assert parse(Actors(changepoint={"enabled": False})).changepoint is None
