"""The breaker trips when a breach is confirmed, latches, flattens in stages, and is armed again only by what its control says."""

from pathlib import Path

import msgspec
import pytest

from engine.contract.config import Limits
from engine.contract.errors import ConfigError, DataError, UsageError
from engine.risk.breaker import ALL, Breaker
from engine.risk.breaker_controls import BY_NAME, CONTROLS
from engine.risk.breaker_settings import BreakerSettings, parse
from engine.risk.breaker_values import Reading, Trip, flatten

HOUR = 3_600 * 10**9
DAY = 24 * HOUR
NOON = 20_000 * DAY + 12 * HOUR
NAMES = ("A.X", "B.X")


def breaker(limits=None, **settings):
    return Breaker(NAMES, BreakerSettings(**settings).resolved(limits or Limits()), HOUR)


def reading(hour, equity=100.0, **changed):
    ts_event = NOON + hour * HOUR
    base = Reading(ts_event, equity, (1.0, 0.0), (1.0, 0.0), (8.0, 8.0), (ts_event, ts_event))
    return base._replace(**changed)


def run(watched, equities, first=0):
    """The control names that tripped, per turn."""
    return [
        [change.trip.control for change in watched.hear(reading(first + hour, equity)) if change.kind == "tripped"]
        for hour, equity in enumerate(equities)
    ]


def test_drawdown_at_its_limit_trips_at_the_second_turn_with_limit_value_scope_time_and_action():
    watched = breaker(daily_loss=1.0)
    assert run(watched, [100.0, 100.0, 85.0]) == [[], [], []]
    (change,) = watched.hear(reading(3, 84.0))
    trip = change.trip
    assert trip == Trip("drawdown", 0.15, pytest.approx(0.16), "account", NOON + 3 * HOUR, "halt")
    assert str(trip) == f"drawdown 0.16 over 0.15, halt account since {'2024-10-04T15:00:00Z'}"


def test_breach_of_one_turn_refuses_new_risk_at_that_turn_and_latches_nothing():
    watched = breaker(daily_loss=1.0)
    run(watched, [100.0, 100.0, 80.0])
    standing = watched.standing(NOON + 2 * HOUR)
    assert (standing.state, [trip.control for trip in standing.unconfirmed]) == ("unconfirmed", ["drawdown"])
    assert run(watched, [100.0], first=3) == [[]]
    assert watched.standing(NOON + 3 * HOUR).state == "armed"


def test_one_price_far_too_high_does_not_raise_the_peak():
    watched = breaker(daily_loss=1.0)
    assert run(watched, [100.0, 100.0, 1_000.0, 100.0, 100.0, 100.0]) == [[]] * 6


def test_one_price_far_too_high_at_midnight_does_not_become_the_level_of_the_day():
    watched = breaker()
    assert run(watched, [100.0] * 12 + [130.0] + [100.0] * 6) == [[]] * 19


def test_loss_since_midnight_trips_although_it_is_spread_over_the_day_and_unrealised():
    watched = breaker()
    run(watched, [100.0] * 13)
    assert run(watched, [99.0, 98.1, 98.0, 97.9], first=13) == [[], [], [], ["daily_loss"]]


def test_loss_of_the_last_hour_before_midnight_counts_for_the_day_that_ends():
    watched = breaker()
    assert run(watched, [100.0] * 11 + [97.0, 97.0]) == [[]] * 12 + [["daily_loss"]]


def test_loss_of_a_day_is_released_at_the_next_midnight_and_not_before():
    watched = breaker()
    run(watched, [100.0] * 3 + [97.0] * 9)
    assert watched.standing(NOON + 11 * HOUR).state == "halt"
    (change,) = watched.hear(reading(12, 97.0))
    assert (change.kind, change.trip.control) == ("released", "daily_loss")


def test_drawdown_stays_tripped_when_equity_comes_back():
    watched = breaker(daily_loss=1.0)
    run(watched, [100.0, 100.0, 80.0, 80.0, 120.0, 120.0, 120.0])
    assert watched.standing(NOON + 6 * HOUR).state == "halt"


def test_reset_of_a_drawdown_measures_from_the_present_equity_on():
    watched = breaker(daily_loss=1.0)
    run(watched, [100.0, 100.0, 80.0, 80.0])
    (change,) = watched.reset(NOON + 3 * HOUR, "account", "ada", "seen and understood")
    assert (change.kind, change.by, change.trip.control) == ("reset", "ada", "drawdown")
    assert run(watched, [80.0, 80.0, 70.0, 68.0, 67.0], first=4) == [[], [], [], [], ["drawdown"]]


def test_reset_of_one_scope_leaves_the_other_tripped():
    watched = breaker()
    run(watched, [100.0])
    watched.stop(NOON, "ada", "news", "A.X")
    watched.stop(NOON, "ada", "news")
    watched.reset(NOON, "A.X", "ada", "over")
    assert [trip.scope for trip in watched.standing(NOON).trips] == ["account"]


@pytest.mark.parametrize(("scope", "by", "message"), [("account", "ada", "nothing"), (ALL, "  ", "signed by a person")])
def test_reset_of_nothing_or_by_nobody_is_an_error(scope, by, message):
    with pytest.raises(UsageError, match=message):
        breaker().reset(NOON, scope, by, "")


def test_halt_keeps_half_then_a_quarter_then_nothing_of_what_was_held_at_the_trip():
    watched = breaker(daily_loss=1.0)
    run(watched, [100.0, 100.0, 80.0, 80.0])
    kept = [watched.standing(NOON + 3 * HOUR).ceilings["A.X"]]
    for hour in range(4, 8):
        watched.hear(reading(hour, 80.0, quantity=(0.5, 0.0)))
        kept.append(watched.standing(NOON + hour * HOUR).ceilings["A.X"])
    assert kept == [0.5, 0.25, 0.0, 0.0, 0.0]


def test_second_stop_does_not_start_the_flattening_again():
    watched = breaker()
    run(watched, [100.0])
    watched.stop(NOON, "ada", "news")
    run(watched, [100.0], first=1)
    watched.stop(NOON + HOUR, "bob", "news too")
    assert watched.standing(NOON + HOUR).ceilings["A.X"] == 0.25


@pytest.mark.parametrize(
    ("quantity", "ceiling", "traded"),
    [(1.0, 0.5, -0.5), (-1.0, 0.25, 0.8), (1.0, 0.0, -1.0), (0.3, 0.5, 0.0), (0.73, 0.0, -0.73), (1.0, 0.05, -1.0)],
)
def test_flattening_trades_whole_lots_down_to_the_ceiling(quantity, ceiling, traded):
    assert flatten(quantity, ceiling, 0.1) == pytest.approx(traded)


def test_stale_instrument_is_reduced_alone_and_recovers():
    watched = breaker()
    run(watched, [100.0])
    heard = NOON
    changes = [watched.hear(reading(hour, heard_ns=(NOON + hour * HOUR, heard))) for hour in range(1, 5)]
    assert [len(one) for one in changes] == [0, 0, 0, 1]
    trip = changes[3][0].trip
    assert (trip.control, trip.value, trip.scope, trip.action) == ("stale_data", 4.0, "B.X", "reduce")
    assert (trip.covers("B.X"), trip.covers("A.X")) == (True, False)
    assert [change.kind for change in watched.hear(reading(5))] == ["released"]


def test_spread_recovers_only_after_as_many_good_turns_as_it_took_to_trip():
    watched = breaker()
    wide, narrow = (60.0, float("nan")), (50.0, float("nan"))
    kinds = [
        [change.kind for change in watched.hear(reading(hour, spread_bps=spread))]
        for hour, spread in enumerate([wide, narrow, wide, wide, narrow, wide, narrow, narrow])
    ]
    assert kinds == [[], [], [], ["tripped"], [], [], [], ["released"]]


def test_turn_at_which_a_measure_is_not_known_counts_neither_way():
    watched = breaker(confirm={"entropy": 2})
    values = [0.05, None, 0.05]
    tripped = [bool(watched.hear(reading(hour, entropy=value))) for hour, value in enumerate(values)]
    assert tripped == [False, False, True]


def test_loss_streak_counts_trades_over_turns_and_a_win_ends_it():
    watched = breaker(loss_streak=3.0)
    closed = [(-1.0, -1.0, 2.0), (-1.0,), (0.0, -1.0), (-1.0,)]
    tripped = [bool(watched.hear(reading(hour, closed=profits))) for hour, profits in enumerate(closed)]
    assert tripped == [False, False, False, True]


def test_open_orders_count_in_the_position():
    watched = breaker(Limits(max_position_frac=0.1))
    changes = [watched.hear(reading(hour, worst_quantity=(1.6, 0.0))) for hour in range(2)]
    (change,) = changes[1]
    assert (change.trip.control, change.trip.value, change.trip.limit) == ("position", pytest.approx(0.128), 0.125)


def test_equal_orders_within_a_minute_halt_at_once_and_slower_ones_do_not():
    watched = breaker(repeated_execution=3.0)
    watched.hear(reading(0))
    seconds = [0, 1, 61, 62, 63]
    tripped = [bool(watched.hear_order(NOON + second * 10**9, f"k{second}", "A.X", 1.0, 8.0)) for second in seconds]
    assert tripped == [False, False, False, False, True]
    assert watched.standing(NOON + 63 * 10**9).state == "halt"


def test_orders_are_counted_by_second_minute_and_utc_day():
    watched = breaker(repeated_execution=None)
    midnight = NOON + 12 * HOUR
    for number, ts_event in enumerate([midnight - 50 * 10**9, midnight - 1, midnight, midnight + 5]):
        watched.hear_order(ts_event, f"k{number}", "A.X", float(number + 1), 8.0)
    standing = watched.standing(midnight + 5)
    assert (standing.sent_second, standing.sent_minute, standing.sent_today) == (3, 4, 2)
    assert standing.keys == {"k0", "k1", "k2", "k3"}
    assert len(standing.equals) == 1
    later = watched.standing(midnight + 61 * 10**9)
    assert (later.sent_second, later.sent_minute, later.sent_today) == (0, 0, 2)


def test_equity_that_is_no_number_halts_at_the_second_turn_and_says_nothing_about_losses():
    watched = breaker()
    assert run(watched, [100.0, float("nan"), float("nan")]) == [[], [], ["equity"]]


def test_restart_keeps_every_trip_every_count_and_the_flattening():
    watched = breaker()
    run(watched, [100.0, 100.0, 80.0, 80.0])
    watched.hear_order(NOON + 3 * HOUR, "k", "A.X", 1.0, 8.0)
    again = breaker()
    again.restore(msgspec.json.decode(msgspec.json.encode(watched.state())))
    assert again.standing(NOON + 3 * HOUR) == watched.standing(NOON + 3 * HOUR)
    assert again.state() == watched.state()
    assert again.hear(reading(4, 80.0)) == watched.hear(reading(4, 80.0))
    assert again.state() == watched.state()


def test_state_of_another_version_or_with_an_unknown_control_is_refused():
    watched = breaker()
    with pytest.raises(DataError, match="version must be 2, was 9"):
        watched.restore({**watched.state(), "version": 9})
    watched.stop(NOON, "ada", "news")
    state = watched.state()
    state["watches"][0]["control"] = "mood"
    with pytest.raises(DataError, match="control table, was mood"):
        watched.restore(state)


def test_turn_that_is_not_later_is_refused():
    watched = breaker()
    watched.hear(reading(0))
    with pytest.raises(DataError, match="be later than 2024-10-04T12:00:00Z"):
        watched.hear(reading(0))


def test_settings_name_only_controls_of_the_breaker_and_rising_stages():
    with pytest.raises(ConfigError, match=r"actors.breaker.action must name one of .*, was price_collar"):
        BreakerSettings(action={"price_collar": "halt"})
    with pytest.raises(ConfigError, match=r"stages must rise from over 0 to 1, was \[0.5, 0.4, 1.0\]"):
        BreakerSettings(stages=(0.5, 0.4, 1.0))


def test_section_of_the_configuration_is_checked():
    assert parse({"spread": 30.0, "stages": [1.0]}) == BreakerSettings(spread=30.0, stages=(1.0,))
    with pytest.raises(ConfigError, match=r"actors.breaker: .*unknown field `mood`"):
        parse({"mood": 1.0})
    with pytest.raises(ConfigError, match=r"actors.breaker: .*>= 1.*confirm"):
        parse({"confirm": {"spread": 0}})


def test_limits_of_the_configuration_come_before_the_control_table():
    resolved = BreakerSettings().resolved(Limits(max_position_frac=0.2, max_drawdown_frac=0.3, daily_trades=7))
    assert (resolved.drawdown, resolved.daily_loss, resolved.daily_trades) == (0.3, 0.02, 7)
    assert resolved.position == pytest.approx(0.25)


def test_columns_of_the_context_name_what_stands():
    watched = breaker(daily_loss=1.0)
    run(watched, [100.0, 100.0, 80.0])
    assert watched.standing(NOON).columns() == {"state": 1.0, "drawdown": pytest.approx(0.2)}
    watched.stop(NOON + 2 * HOUR, "ada", "news", "B.X")
    columns = watched.standing(NOON).columns()
    assert columns == {"state": 3.0, "drawdown": pytest.approx(0.2), "manual:B.X": 1.0}


def test_control_table_names_each_control_once_and_says_everything_of_it():
    assert len(BY_NAME) == len(CONTROLS)
    for control in CONTROLS:
        assert control.meaning
        assert control.source
        assert control.confirm >= 1
        assert (control.action == "refuse") == (control.place == "gate")
        assert (control.release == "order") == (control.place == "gate")


def test_page_shows_every_control_with_its_meaning_action_and_release():
    page = (Path(__file__).parents[4] / "docs/explanation/circuit-breakers.md").read_text(encoding="utf-8")
    rows = {
        row[1].strip("` "): [cell.strip() for cell in row] for row in map(cells, page.splitlines()) if len(row) == 11
    }
    for control in CONTROLS:
        row = rows[control.name]
        assert (row[2], row[4], row[5], row[6], row[8], row[9]) == (
            control.meaning,
            control.scope,
            control.action,
            control.release,
            control.place,
            control.source,
        )
        if control.default is not None:
            assert row[3] == f"{control.default:g} {control.unit}"


def cells(line):
    return line.split("|")
