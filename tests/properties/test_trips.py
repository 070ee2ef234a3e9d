"""Whatever changes a breaker makes: every trip is in one episode, and a disregarded breaker changes nothing."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.contract.config import Limits
from engine.evaluation.trips import NS_PER_DAY, Curve, chosen, compare, episodes
from engine.journal.blotter import Blotter
from engine.risk.breaker import Breaker
from engine.risk.breaker_disregard import EVERYTHING
from engine.risk.breaker_settings import BreakerSettings
from engine.risk.breaker_values import Reading

HOUR = 3_600 * 10**9
START = 20_000 * NS_PER_DAY
EQUITIES = st.lists(st.floats(20.0, 200.0), min_size=2, max_size=80)


def heard(equities, ages, *disregarded):
    breaker, blotter = Breaker(("A.X",), BreakerSettings().resolved(Limits()), HOUR), Blotter(["A.X"])
    breaker.disregard(*disregarded)
    for turn, (equity, age) in enumerate(zip(equities, ages)):
        ts_event = START + (turn + 1) * HOUR
        for change in breaker.hear(Reading(ts_event, equity, (0.0,), (0.0,), (1.0,), (ts_event - age * HOUR,))):
            blotter.change(change)
    return breaker, blotter.changes


@settings(derandomize=True, deadline=None, max_examples=60)
@given(EQUITIES, st.data())
def test_every_trip_is_in_one_episode_and_episodes_end_after_they_begin(equities, data):
    ages = data.draw(st.lists(st.integers(0, 6), min_size=len(equities), max_size=len(equities)))
    _, changes = heard(equities, ages)
    found = episodes(changes)
    assert sum(one.trips for one in found) == sum(change.kind == "tripped" for change in changes)
    assert len({(one.control, one.scope, one.tripped_ns // NS_PER_DAY) for one in found}) == len(found)
    assert all(one.released_ns is None or one.released_ns > one.tripped_ns for one in found)
    standing = {(one.control, one.scope) for one in found if one.released_ns is None}
    last = {(change.control, change.scope): change.kind for change in changes}
    assert standing == {where for where, kind in last.items() if kind == "tripped"}
    for most in range(len(found) + 1):
        assert len(chosen(found, most)) == most


@settings(derandomize=True, deadline=None, max_examples=60)
@given(EQUITIES, st.data())
def test_disregarded_breaker_never_changes_anything(equities, data):
    ages = data.draw(st.lists(st.integers(0, 6), min_size=len(equities), max_size=len(equities)))
    breaker, changes = heard(equities, ages, EVERYTHING)
    assert changes == []
    assert breaker.standing(START + (len(equities) + 1) * HOUR).state == "armed"


@settings(derandomize=True, deadline=None, max_examples=60)
@given(EQUITIES)
def test_equal_curves_save_nothing_at_any_horizon(equities):
    _, changes = heard(equities, [6] * len(equities))
    curve = Curve(START + (np.arange(len(equities)) + 1) * HOUR, np.array(equities))
    for one in episodes(changes):
        found = compare(one, curve, curve)
        assert [row.saved for row in found] == [0.0] * len(found)
        assert found[-1].horizon == "end"
        assert found[-1].false == (equities[-1] >= curve.at(one.tripped_ns))
