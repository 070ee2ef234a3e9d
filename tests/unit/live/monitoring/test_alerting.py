"""When an alert is told: by hand, look for look."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.contract.alerts import Alerts
from live.monitoring.alerting import Acknowledgement, AlertState, Notice, step
from live.monitoring.findings import Finding

MINUTE_NS = 60 * 1_000_000_000
ALERTS = Alerts(channels=["team"], escalation=["boss"], cooldown_secs=300.0, escalate_after_secs=900.0)
LOST = Finding(rule="drawdown", key="drawdown", severity="warning", title="drawdown", text="10 %")


class Told:
    """Looks minute by minute; remembers the state as a process does."""

    def __init__(self, alerts: Alerts = ALERTS) -> None:
        self.alerts, self.state, self.said = alerts, AlertState(), {}

    def look(self, minute: float, *findings: Finding) -> list[Notice]:
        now = int((1_000 + minute) * MINUTE_NS)
        notices, self.state = step(findings, self.state, self.said, self.alerts, now)
        return notices

    def kinds(self, minute: float, *findings: Finding) -> list[tuple[str, tuple[str, ...]]]:
        return [(one.kind, tuple(one.channels)) for one in self.look(minute, *findings)]

    def acknowledge(self, minute: float, by: str = "me") -> None:
        ts_ns = int((1_000 + minute) * MINUTE_NS)
        self.said["drawdown"] = Acknowledgement(key="drawdown", by=by, ts_ns=ts_ns)

    def restart(self) -> None:
        self.state = msgspec.json.decode(msgspec.json.encode(self.state), type=AlertState)


def test_alert_that_lasts_is_told_once_per_cooldown() -> None:
    told = Told()
    kinds = {minute: told.kinds(minute, LOST) for minute in range(12)}
    assert {minute: one for minute, one in kinds.items() if one} == {
        0: [("fired", ("team",))],
        5: [("repeated", ("team",))],
        10: [("repeated", ("team",))],
    }


def test_alert_that_went_is_cleared_once_and_nobody_is_woken() -> None:
    told = Told()
    told.look(0, LOST)
    assert told.kinds(1) == [("cleared", ())]
    assert told.kinds(2) == []


def test_alert_that_comes_back_within_the_cooldown_waits_for_its_rest() -> None:
    told = Told()
    told.look(0, LOST)
    told.look(1)
    assert told.kinds(2, LOST) == []
    assert told.kinds(4.9, LOST) == []
    assert told.kinds(5, LOST) == [("fired", ("team",))]


def test_alert_that_comes_back_after_the_cooldown_is_told_at_once() -> None:
    told = Told()
    told.look(0, LOST)
    told.look(1)
    assert told.kinds(6, LOST) == [("fired", ("team",))]


def test_alert_without_an_answer_escalates_once_and_goes_on_to_both() -> None:
    told = Told()
    kinds = {minute: told.kinds(minute, LOST) for minute in range(21)}
    assert kinds[15] == [("escalated", ("team", "boss"))]
    assert kinds[20] == [("repeated", ("team", "boss"))]
    assert [one for minute in range(21) for one in kinds[minute] if one[0] == "escalated"] == kinds[15]


def test_escalation_between_two_repetitions_goes_to_the_escalation_alone() -> None:
    told = Told(msgspec.structs.replace(ALERTS, escalate_after_secs=120.0))
    assert [told.kinds(minute, LOST) for minute in (0, 2, 5, 6, 7)] == [
        [("fired", ("team",))],
        [("escalated", ("boss",))],
        [("repeated", ("team",))],
        [],
        [("repeated", ("boss",))],
    ]


def test_alert_without_an_escalation_list_never_escalates() -> None:
    told = Told(msgspec.structs.replace(ALERTS, escalation=[]))
    kinds = [kind for minute in range(60) for kind, _ in told.kinds(minute, LOST)]
    assert set(kinds) == {"fired", "repeated"}


def test_acknowledged_alert_is_told_no_more_until_it_is_gone() -> None:
    told = Told()
    told.look(0, LOST)
    told.acknowledge(1)
    assert told.kinds(2, LOST) == [("acknowledged", ())]
    assert [told.kinds(minute, LOST) for minute in (5, 15, 30)] == [[], [], []]
    assert told.kinds(31) == [("cleared", ())]
    assert told.kinds(32, LOST) == [("fired", ("team",))]


def test_acknowledgement_of_an_earlier_episode_counts_for_nothing() -> None:
    told = Told()
    told.look(0, LOST)
    told.acknowledge(0.5)
    told.look(1)
    assert told.kinds(10, LOST) == [("fired", ("team",))]


def test_alert_that_became_critical_is_told_at_once_even_when_acknowledged() -> None:
    told = Told()
    told.look(0, LOST)
    told.acknowledge(0.5)
    told.look(1, LOST)
    worse = msgspec.structs.replace(LOST, severity="critical")
    assert told.kinds(2, worse) == [("fired", ("team",))]
    assert told.kinds(3, worse) == []


def test_restart_repeats_nothing_and_forgets_nothing() -> None:
    told = Told()
    told.look(0, LOST)
    told.restart()
    assert told.kinds(1, LOST) == []
    told.restart()
    assert told.kinds(5, LOST) == [("repeated", ("team",))]
    told.restart()
    assert told.kinds(15, LOST) == [("escalated", ("team", "boss"))]
    told.restart()
    assert told.kinds(16, LOST) == []


def test_two_alerts_have_cooldowns_of_their_own() -> None:
    told = Told()
    other = msgspec.structs.replace(LOST, key="limit:x:account", rule="limit")
    told.look(0, LOST)
    assert [one.key for one in told.look(3, LOST, other)] == ["limit:x:account"]
    assert [one.key for one in told.look(5, LOST, other)] == ["drawdown"]
    assert [one.key for one in told.look(8, LOST, other)] == ["limit:x:account"]


def test_alert_that_is_long_gone_is_forgotten() -> None:
    told = Told()
    told.look(0, LOST)
    told.look(1)
    assert list(told.state.alerts) == ["drawdown"]
    told.look(1 + 24 * 60)
    assert list(told.state.alerts) == []


@settings(derandomize=True, deadline=None, max_examples=80)
@given(st.lists(st.tuples(st.integers(1, 400), st.sampled_from([True, True, True, False]), st.booleans()), max_size=60))
def test_channel_never_hears_of_an_alert_twice_within_a_cooldown(looks: list[tuple[int, bool, bool]]) -> None:
    state, now = AlertState(), 10**18
    sent: dict[str, list[int]] = {}
    for secs, there, restarts in looks:
        now += secs * 10**9
        notices, state = step([LOST] if there else [], state, {}, ALERTS, now)
        for notice in notices:
            for channel in notice.channels:
                sent.setdefault(channel, []).append(notice.ts_ns)
        if restarts:
            state = msgspec.json.decode(msgspec.json.encode(state), type=AlertState)
    for times in sent.values():
        assert all(later - earlier >= 300 * 10**9 for earlier, later in pairwise(times))


@pytest.mark.parametrize("key", ["channels", "escalation"])
def test_channel_named_twice_is_refused(key: str) -> None:
    from engine.contract.config import parse
    from engine.contract.errors import ConfigError

    with pytest.raises(ConfigError, match=f"alerts.{key} must name each channel once, was \\['a', 'a'\\]"):
        parse({"universe": {"instruments": ["A.B"]}, "alerts": {key: ["a", "a"]}})
