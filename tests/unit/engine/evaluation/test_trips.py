"""Trips are grouped by control, scope and day, and compared with a replay at horizons that the run reached."""

import datetime as dt

import numpy as np
import pytest

from engine.contract.calendar import to_ns
from engine.evaluation.crises import CRISES, inside
from engine.evaluation.trips import NS_PER_DAY, Compared, Curve, Episode, chosen, compare, episodes, instead
from engine.journal.blotter import BreakerChange
from engine.risk.breaker_disregard import Disregarded

HOUR = 3_600 * 10**9
DAY0 = 20_000 * NS_PER_DAY


def change(hour, kind="tripped", control="stale_data", scope="A.X", action="reduce", since=None):
    ts_event = DAY0 + hour * HOUR
    return BreakerChange(ts_event, kind, control, 3.0, 4.0, scope, action, DAY0 + (since or hour) * HOUR, "", "")


def halt(hour, kind="tripped", **changed):
    return change(hour, kind, "drawdown", "account", "halt", **changed)


def episode(hour=0, until=None, action="halt"):
    released = None if until is None else DAY0 + until * HOUR
    return Episode("drawdown", "account", action, DAY0 + hour * HOUR, released, 0.15, 0.2, 1)


def test_trips_of_one_control_scope_and_day_are_one_episode():
    found = episodes([change(1), change(2, "released"), change(5), halt(6), change(7, "released"), change(30)])
    assert [(one.control, one.tripped_ns - DAY0, one.released_ns, one.trips) for one in found] == [
        ("stale_data", 1 * HOUR, DAY0 + 7 * HOUR, 2),
        ("drawdown", 6 * HOUR, None, 1),
        ("stale_data", 30 * HOUR, None, 1),
    ]


def test_release_on_a_later_day_belongs_to_the_day_of_its_trip():
    (found,) = episodes([change(20), change(30, "released")])
    assert found.released_ns == DAY0 + 30 * HOUR
    assert found.disregarded() == Disregarded("stale_data", "A.X", DAY0 + 20 * HOUR, DAY0 + 30 * HOUR)


def test_episode_whose_last_trip_stands_is_not_released():
    (found,) = episodes([change(1), change(2, "released"), change(3)])
    assert (found.released_ns, found.trips) == (None, 2)


def test_halts_are_replayed_before_the_rest_and_the_earliest_first():
    found = [episode(1, action="reduce"), episode(2), episode(3, action="reduce"), episode(4)]
    assert chosen(found, 3) == [found[0], found[1], found[3]]
    assert chosen(found, 0) == []


def curves(kept, lost):
    ts = DAY0 + np.arange(len(kept)) * NS_PER_DAY
    return Curve(ts, np.array(kept, dtype=float)), Curve(ts, np.array(lost, dtype=float))


def test_saved_is_equity_with_the_trip_less_equity_without_it_at_every_horizon_reached():
    kept, lost = curves([100, 90, 90, 90], [100, 90, 80, 95])
    found = compare(episode(24, until=48), kept, lost)
    assert found == [
        Compared("release", "2024-10-06T00:00:00Z", 90.0, 80.0, 10.0, pytest.approx(10 / 90), False),
        Compared("1d", "2024-10-06T00:00:00Z", 90.0, 80.0, 10.0, pytest.approx(10 / 90), False),
        Compared("end", "2024-10-07T00:00:00Z", 90.0, 95.0, -5.0, pytest.approx(-5 / 90), True),
    ]


def test_trip_that_stands_has_no_release_and_a_week_is_compared_where_there_is_one():
    kept, lost = curves([100.0] * 9, [100.0] * 9)
    assert [one.horizon for one in compare(episode(24), kept, lost)] == ["1d", "7d", "end"]


def test_trip_is_false_from_the_level_on_that_equity_had_at_it():
    for last, false in ((89.99, False), (90.0, True)):
        kept, lost = curves([100, 90, 85], [100, 90, last])
        assert compare(episode(24), kept, lost)[-1].false is false


def test_equity_between_decisions_is_that_of_the_last_one():
    curve = Curve(np.array([10, 20]), np.array([1.0, 2.0]))
    assert [curve.at(ts) for ts in (9, 10, 19, 20, 99)] == [None, 1.0, 1.0, 2.0, 2.0]


def test_control_that_trips_only_without_the_episode_stood_in_for_it():
    original = [halt(1), halt(20, "released"), change(3)]
    replayed = [change(3), change(4, control="daily_loss"), change(30, control="spread")]
    assert instead(episode(1, until=20), original, replayed) == ["daily_loss"]
    assert instead(episode(1), original, replayed) == ["daily_loss", "spread"]


def test_crises_lie_in_order_apart_and_have_length():
    edges = [edge for one in CRISES for edge in one.span_ns]
    assert edges == sorted(edges)
    assert all(one.end - one.start >= dt.timedelta(days=10) for one in CRISES)


def test_only_crises_wholly_inside_the_data_are_found():
    first, last = to_ns(dt.date(2020, 3, 8)), to_ns(dt.date(2022, 6, 26))
    assert [one.name[:7] for one in inside(first, last)] == ["2020-03", "2021-05", "2022-06"]
    assert [one.name[:7] for one in inside(first + 1, last - 1)] == ["2021-05"]
