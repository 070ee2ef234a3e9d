"""Where the folds lie, by dates."""

import datetime as dt
from pathlib import Path

import numpy as np
import pytest

from catalogs.generating import store_markets
from catalogs.synthesis import synthesise
from engine.contract.calendar import bar_ns, iso
from engine.contract.config import parse
from engine.contract.errors import ConfigError, DataError
from engine.contract.walkforward import WalkForward
from strategies.folds import common_turns, moment, plan

DAY = bar_ns("1-DAY")
TURNS = DAY * np.arange(1, 61)
"""Closes of the daily bars of 1970-01-01 to 1970-03-01."""


def test_folds_of_daily_bars_lie_where_the_calendar_says() -> None:
    made = plan(TURNS, "1-DAY", WalkForward(train_bars=20, test_bars=10), 4, 0.25)
    assert (made.embargo_bars, made.turns, made.untested) == (5, 60, (55, 60))
    first, second, third = made.trainings
    assert [iso(ns)[:10] for ns in (first.start_ns, first.end_ns)] == ["1970-01-01", "1970-01-21"]
    # a quarter of the 19 days between the first and the last close is for validation
    assert iso(first.fit_end_ns)[:10] == "1970-01-16"
    assert [(iso(one.start_ns)[:10], iso(one.end_ns)[:10]) for one in made.tests] == [
        ("1970-01-26", "1970-02-05"),
        ("1970-02-05", "1970-02-15"),
        ("1970-02-15", "1970-02-25"),
    ]
    assert iso(second.start_ns)[:10] == "1970-01-11"
    assert iso(third.start_ns)[:10] == "1970-01-21"


def test_expanding_window_that_is_trained_every_other_fold_begins_at_the_beginning() -> None:
    section = WalkForward(train_bars=20, test_bars=10, window="expanding", retrain_every=2)
    made = plan(TURNS, "1-DAY", section, 4, 0.0)
    assert [(one.number, tuple(one.turns), len(one.tests)) for one in made.trainings] == [
        (1, (0, 20), 2),
        (3, (0, 40), 1),
    ]
    assert made.trainings[0].fit_end_ns == made.trainings[0].end_ns


def test_embargo_below_window_and_horizon_is_refused_with_both_values() -> None:
    section = WalkForward(train_bars=20, test_bars=10, embargo_bars=96)
    with pytest.raises(ConfigError, match=r"window \+ horizon, 96 \+ 1 = 97 bars, was 96"):
        plan(TURNS, "1-DAY", section, 96, 0.2)


def test_history_without_room_for_one_fold_is_refused() -> None:
    with pytest.raises(ConfigError, match="have 65 bars or more for one fold, was 60"):
        plan(TURNS, "1-DAY", WalkForward(train_bars=50, test_bars=10), 4, 0.2)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"test_bars": 10, "step_bars": 9}, "walkforward.step_bars must be at least walkforward.test_bars, 10"),
        ({"seeds": [1, 1]}, "walkforward.seeds must differ from each other"),
        ({"train_bars": 0}, "walkforward.train_bars"),
        ({"folds": 3}, "folds"),
    ],
)
def test_section_that_means_nothing_is_refused(section: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse({"universe": {"instruments": ["XUSDT.SIM"]}, "walkforward": section})


def test_turns_are_the_closes_that_all_instruments_have(tmp_path: Path) -> None:
    made = synthesise("leadlag", 40, 3)
    store_markets(tmp_path / "catalog", made)
    document = {
        "universe": {"instruments": [market.instrument_id for market in made]},
        "data": {"catalog": str(tmp_path / "catalog"), "start": dt.datetime(2020, 1, 1, 5)},
        "limits": {"max_position_frac": 0.4},
    }
    turns = common_turns(parse(document))
    assert (iso(turns[0]), iso(turns[-1]), len(turns)) == ("2020-01-01T06:00:00Z", "2020-01-02T16:00:00Z", 35)


def test_time_that_no_datetime_holds_is_refused() -> None:
    assert moment(DAY + 1_500_000) == dt.datetime(1970, 1, 2, 0, 0, 0, 1_500, tzinfo=dt.UTC)
    with pytest.raises(DataError, match="be whole microseconds"):
        moment(DAY + 1)
