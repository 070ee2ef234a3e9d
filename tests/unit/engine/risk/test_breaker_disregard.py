"""A control that a replay disregards neither trips nor refuses, for exactly as long as it is told, and the gate forgets its twin."""

import pytest

from engine.contract.config import Limits
from engine.risk.breaker import Breaker
from engine.risk.breaker_disregard import EVERYTHING, Disregarded
from engine.risk.breaker_settings import BreakerSettings
from engine.risk.breaker_values import Reading
from engine.risk.gate import Account, Approved, Guard, Intent, judge

HOUR = 3_600 * 10**9
NOON = (20_000 * 24 + 12) * HOUR
LIMITS = Limits(max_position_frac=1.0, max_drawdown_frac=0.15, daily_loss_frac=0.02)


def watched(*disregarded, **settings):
    breaker = Breaker(("A.X",), BreakerSettings(**settings).resolved(LIMITS), HOUR)
    breaker.disregard(*disregarded)
    return breaker


def hear(breaker, equities, **changed):
    """Per turn, the kinds and controls that changed."""
    found = []
    for hour, equity in enumerate(equities):
        ts_event = NOON + hour * HOUR
        reading = Reading(ts_event, equity, (1.0,), (1.0,), (8.0,), (ts_event,))._replace(**changed)
        found.append([(change.kind, change.trip.control) for change in breaker.hear(reading)])
    return found


CRASH = [100.0, 100.0, 80.0, 80.0, 80.0, 80.0]


def test_control_is_not_looked_at_from_its_first_time_to_before_its_last():
    window = Disregarded("drawdown", "account", NOON + 2 * HOUR, NOON + 4 * HOUR)
    found = hear(watched(window, daily_loss=1.0), CRASH)
    assert found == [[], [], [], [], [], [("tripped", "drawdown")]]


def test_other_controls_and_other_scopes_still_trip():
    elsewhere = Disregarded("drawdown", "A.X", 0)
    found = hear(watched(elsewhere, Disregarded("daily_loss", "account", 0)), CRASH)
    assert found[3] == [("tripped", "drawdown")]


def test_breach_that_was_not_confirmed_yet_is_forgotten():
    breaker = watched(Disregarded("drawdown", "account", NOON + 3 * HOUR), daily_loss=1.0)
    hear(breaker, CRASH[:4])
    assert breaker.standing(NOON + 3 * HOUR).state == "armed"


def test_streak_counts_nothing_while_it_is_disregarded():
    window = Disregarded("loss_streak", "account", NOON, NOON + 2 * HOUR)
    found = hear(watched(window, loss_streak=3.0), [100.0] * 5, closed=(-1.0,))
    assert found == [[], [], [], [], [("tripped", "loss_streak")]]


def test_repeated_orders_pass_while_they_are_disregarded():
    breaker = watched(Disregarded("repeated_execution", "account", 0), repeated_execution=2.0)
    changes = [breaker.hear_order(NOON + n, f"{n}", "A.X", 1.0, 8.0) for n in range(4)]
    assert changes == [()] * 4


def test_whole_breaker_is_silent_but_speaks_on():
    breaker = watched(EVERYTHING)
    assert hear(breaker, [*CRASH, -5.0, -5.0]) == [[]] * 8
    standing = breaker.standing(NOON + 7 * HOUR)
    assert (standing.state, standing.ts_event, standing.ceilings) == ("armed", NOON + 7 * HOUR, {})


@pytest.mark.parametrize(("control", "twin"), [("drawdown", "max_drawdown_frac"), ("daily_loss", "daily_loss_frac")])
def test_gates_own_limit_that_repeats_the_control_is_not_held_either(control, twin):
    account, limits = Account(80.0, 100.0, 100.0, 0.0, 0.0, 0), Limits(max_position_frac=1.0, **{twin: 0.1})
    breaker = watched(Disregarded(control, "account", NOON, NOON + 3 * HOUR), drawdown=1.0, daily_loss=1.0)
    intent = Intent("A.X", 1.0, 8.0, "1")

    def asked(ts_event):
        guard = Guard(breaker.standing(ts_event), breaker.settings, ts_event, HOUR, 8.0)
        return judge(intent, account, limits, guard)

    hear(breaker, [100.0, 100.0, 80.0])
    assert asked(NOON + 2 * HOUR) == Approved(intent)
    ts_event = NOON + 3 * HOUR
    breaker.hear(Reading(ts_event, 80.0, (1.0,), (1.0,), (8.0,), (ts_event,)))
    assert asked(ts_event).limit == twin
