"""What the screens show, from a record made by hand."""

import math

import numpy as np
import pytest

from engine.journal.blotter import BreakerChange
from live.dashboard.record import Record
from live.dashboard.tables import (
    beliefs,
    by_hour_of_day,
    by_last_hours,
    drawdown,
    headroom,
    once,
    present_regime,
    refusals,
    stream_state,
)

HOUR = 3_600_000_000_000
A, B = "AAAUSDT.SIM", "BBBUSDT.SIM"
SAID = (
    '{"regime":{"trending_bull":0.7,"trending_bear":0.1,"high_volatility_range":0.1,"low_volatility_range":0.1,'
    '"breakout":0.0,"reversal":0.0,"crisis":0.0,"available":%d},"changepoint":{"recent":0.25,"available":1.0}}'
)


def made() -> Record:
    """Two instruments over 26 hours from midnight; the first wants 0.5 by day 1 and -0.5 by day 2, the second nothing at noon."""
    record = Record([A, B])
    for hour in range(26):
        first = 0.5 if hour < 24 else -0.5
        record.decisions.extend([hour * HOUR] * 2, [[0, first, 0.9, first, 1e3], [1, 0.0, 1.0, 0.2, 1e3]])
        refused = "refused: drawdown 0.16 over 0.15 (halt account)" if hour in (3, 7) else "hold"
        record.gates += [refused, "refused: confidence 0.1 under 0.6" if hour == 5 else "approved"]
        record.contexts += [SAID % (hour > 0), "{}"]
    return record


def test_drawdown_of_a_rise_a_fall_and_a_new_peak_is_measured_from_the_peak_so_far() -> None:
    found = drawdown(np.array([100.0, 120.0, 90.0, 130.0]))
    assert found.tolist() == [0.0, 0.0, 0.25, 0.0]
    assert len(drawdown(np.zeros(0))) == 0


def test_hours_of_the_day_are_averaged_over_days() -> None:
    heat = by_hour_of_day(made())
    assert (heat.instruments, heat.values.shape) == ([A, B], (2, 24))
    assert heat.values[0, :3].tolist() == [0.0, 0.0, 0.5]
    assert heat.values[1].tolist() == pytest.approx([0.2] * 24)


def test_last_hours_end_with_the_last_decision_and_are_empty_where_nothing_was_decided() -> None:
    heat = by_last_hours(made(), hours=30)
    assert heat.values.shape == (2, 30)
    assert heat.hours[-1] == "01-02 01h"
    assert np.isnan(heat.values[:, :4]).all()
    assert heat.values[0, -3:].tolist() == [0.5, -0.5, -0.5]
    assert by_last_hours(Record([A])).values.shape == (1, 0)


def test_refusals_are_counted_by_the_limit_they_name() -> None:
    first, second = refusals(made())
    assert (first.reason, first.often, first.last_ns) == ("drawdown", 2, 7 * HOUR)
    assert (second.reason, second.often, second.example) == ("confidence", 1, "refused: confidence 0.1 under 0.6")


def test_beliefs_are_decoded_at_even_rows_and_unknown_where_a_signal_is_not_there_yet() -> None:
    found = beliefs(made(), 0, points=6)
    assert found.times.tolist() == [hour * HOUR for hour in (0, 5, 10, 15, 20, 25)]
    assert np.isnan(found.regimes[0]).all()
    assert found.regimes[1].tolist() == [0.7, 0.1, 0.1, 0.1, 0.0, 0.0, 0.0]
    assert found.recent.tolist() == [0.25] * 6
    assert np.isnan(beliefs(made(), 1, points=6).recent).all()
    assert beliefs(made(), 0, points=99, last=4).times.tolist() == [hour * HOUR for hour in (22, 23, 24, 25)]


def test_present_regime_is_the_likeliest_and_none_where_one_is_unknown() -> None:
    assert present_regime([0.1, 0.6, 0.3, 0.0, 0.0, 0.0, 0.0]) == ("trending_bear", 0.6)
    assert present_regime([math.nan] * 7) is None


@pytest.mark.parametrize(
    ("value", "bound", "used", "state"),
    [
        (0.05, 0.25, 0.2, "ok"),
        (0.2, 0.25, 0.8, "near"),
        (0.3, 0.25, 1.0, "full"),
        (-0.1, 0.25, 0.0, "ok"),
        (1.0, 0.0, 1.0, "full"),
    ],
)
def test_headroom_is_a_share_of_its_bound(value: float, bound: float, used: float, state: str) -> None:
    found = headroom("max_position_frac", A, value, bound, None)
    assert (found.used, found.state) == (pytest.approx(used), state)
    assert found.left == pytest.approx(bound - max(0.0, value))


def test_headroom_without_a_value_is_unknown() -> None:
    found = headroom("daily_loss_frac", "account", None, 0.02, None)
    assert math.isnan(found.value)
    assert math.isnan(found.used)


def test_limit_that_the_breaker_repeats_is_shown_once_unless_it_is_tighter() -> None:
    gate, same = (
        headroom("daily_loss_frac", "account", 0.0, 0.02, None),
        headroom("daily_loss", "account", 0.0, 0.02, None),
    )
    tighter = same._replace(bound=0.01)
    assert once([gate, same]) == [gate]
    assert once([gate, tighter]) == [gate, tighter]


def test_age_of_a_stream_is_judged_by_what_is_waited_for() -> None:
    assert [stream_state(age, 10.0) for age in (None, 5.0, 6.0, 11.0)] == ["none", "ok", "near", "full"]


def test_instrument_that_is_not_configured_is_added_behind_the_others() -> None:
    record = made()
    assert (record.place("CCC.SIM"), record.place(B), record.instruments) == (2, 1, [A, B, "CCC.SIM"])
    record.changes.append(BreakerChange(1, "tripped", "drawdown", 0.15, 0.16, "account", "halt", 1, "", ""))
    assert record.of(1).tolist() == list(range(1, 52, 2))
