"""Each rule finds what it is for, and nothing in a healthy session."""

import msgspec
import pytest

from engine.contract.alerts import Alerts
from live.monitoring.findings import GAP_STANDS_SECS, Recent, look
from live.monitoring.parts import (
    CountStatus,
    DriftStatus,
    GapStatus,
    HaltStatus,
    LatchStatus,
    LatencyStatus,
    LimitStatus,
    MismatchStatus,
    StreamStatus,
)
from tests.unit.live.monitoring.statuses import COIN, HEALTHY, NOW_NS, SEC_NS, changed

ALERTS = Alerts(memory_mb=500.0)
HOUR_NS = 3_600 * SEC_NS
DAY_NS = 24 * HOUR_NS


def stream(kind: str, age_secs: float) -> list[StreamStatus]:
    return [StreamStatus(kind=kind, instrument_id=COIN, received=1, age_secs=age_secs, ts_event=NOW_NS)]


def latency(name: str, p99_ms: float) -> list[LatencyStatus]:
    return [LatencyStatus(name=name, last_ms=1.0, p50_ms=1.0, p99_ms=p99_ms, worst_ms=p99_ms, n=1)]


TRIPPED = msgspec.structs.replace(HEALTHY.breakers[0], state="halt", value=0.2, since_ns=NOW_NS)
FOUND = {
    "process gone": ({"seen": "gone"}, "process", "critical"),
    "process hung": ({"seen": "hung"}, "process", "critical"),
    "breaker": ({"breakers": [TRIPPED]}, "breaker:drawdown:account", "critical"),
    "latch": ({"latch": LatchStatus(by="me", reason="test", ts_ns=NOW_NS)}, "halt", "critical"),
    "by hand": ({"halts": [HaltStatus(scope=COIN, reason="me", flatten=False)]}, f"halt:{COIN}", "warning"),
    "drawdown": ({"drawdown_frac": 0.10}, "drawdown", "critical"),
    "daily loss": ({"day_pnl": -1_990.0}, "daily_loss", "critical"),
    "limit": (
        {"limits": [LimitStatus(name="max_gross_frac", scope="account", value=0.95, bound=1.0, headroom=0.05)]},
        "limit:max_gross_frac:account",
        "warning",
    ),
    "quotes": ({"streams": stream("quote", 120.1)}, f"stale_data:quote:{COIN}", "warning"),
    "bars": ({"streams": stream("bar", 180.1)}, f"stale_data:bar:{COIN}", "warning"),
    "mismatch": (
        {"mismatches": [MismatchStatus(instrument_id=COIN, ours=1.0, engine=0.5)]},
        f"mismatch:{COIN}",
        "critical",
    ),
    "decision": ({"latencies": latency("bar received to decision", 1_000.1)}, "decision_time", "warning"),
    "order": ({"latencies": latency("decision to order", 1_000.1)}, "order_time", "warning"),
    "expires": ({"policy_expires_ns": NOW_NS + 6 * DAY_NS}, "policy", "warning"),
    "expired": ({"policy_expires_ns": NOW_NS - DAY_NS}, "policy", "critical"),
    "memory": ({"memory_bytes": 500_000_001}, "memory", "warning"),
    "drift": ({"drifting": [DriftStatus(measure="ks", value=0.3, bound=0.2)]}, "drift:ks", "warning"),
}


def test_healthy_session_gives_no_finding() -> None:
    assert look(HEALTHY, ALERTS, Recent(), NOW_NS)[0] == []


@pytest.mark.parametrize("name", FOUND)
def test_rule_finds_what_it_is_for(name: str) -> None:
    fields, key, severity = FOUND[name]
    found, _ = look(changed(**fields), ALERTS, Recent(), NOW_NS)
    assert [(one.key, one.severity) for one in found] == [(key, severity)]


@pytest.mark.parametrize("name", FOUND)
def test_rule_that_is_switched_off_finds_nothing(name: str) -> None:
    fields, key, _ = FOUND[name]
    off = msgspec.structs.replace(ALERTS, off=[key.split(":")[0]])
    assert look(changed(**fields), off, Recent(), NOW_NS)[0] == []


@pytest.mark.parametrize(
    "fields",
    [
        {"drawdown_frac": 0.0999},
        {"day_pnl": -1_989.0},
        {"streams": stream("quote", 119.9)},
        {"streams": stream("bar", 179.9)},
        {"streams": stream("bar", 9_999.0), "rehearsal": True},
        {"streams": stream("funding", 9_999.0)},
        {"streams": stream("quote", 9_999.0), "phase": "starting"},
        {"latencies": latency("decision to order", 9_999.0), "mode": "paper"},
        {"policy_expires_ns": NOW_NS + 8 * DAY_NS},
    ],
)
def test_value_within_its_bound_is_not_found(fields: dict) -> None:
    assert look(changed(**fields), ALERTS, Recent(), NOW_NS)[0] == []


@pytest.mark.parametrize("name", FOUND)
def test_run_that_has_ended_gives_no_finding(name: str) -> None:
    assert look(changed(**{**FOUND[name][0], "seen": "ended"}), ALERTS, Recent(), NOW_NS)[0] == []


def test_age_of_a_stream_goes_on_while_no_snapshot_is_written() -> None:
    status = changed(streams=stream("quote", 115.0), wall_ns=NOW_NS - 6 * SEC_NS)
    assert [one.key for one in look(status, ALERTS, Recent(), NOW_NS)[0]] == [f"stale_data:quote:{COIN}"]


def test_refused_orders_are_counted_over_the_last_hour_only() -> None:
    first = changed(counts=CountStatus(orders=100, refused=100))
    _, recent = look(first, ALERTS, Recent(), NOW_NS)
    later = changed(counts=CountStatus(orders=104, refused=106), streams=[])
    found, after = look(later, ALERTS, recent, NOW_NS + HOUR_NS // 2)
    assert [one.text for one in found] == ["6 of 10 orders of the last hour were refused (threshold 50%)"]
    found, _ = look(later, ALERTS, after, NOW_NS + 2 * HOUR_NS)
    assert found == []


def test_refused_orders_below_the_least_number_are_not_found() -> None:
    _, recent = look(changed(counts=CountStatus()), ALERTS, Recent(), NOW_NS)
    found, _ = look(changed(counts=CountStatus(orders=0, refused=9)), ALERTS, recent, NOW_NS)
    assert found == []


def test_counts_of_a_process_that_began_anew_start_anew() -> None:
    _, recent = look(changed(counts=CountStatus(orders=50, refused=50)), ALERTS, Recent(), NOW_NS)
    found, after = look(changed(counts=CountStatus(orders=1, refused=0)), ALERTS, recent, NOW_NS + SEC_NS)
    assert (found, len(after.asked)) == ([], 1)


def test_gap_is_found_when_it_is_new_and_for_a_minute_after() -> None:
    _, recent = look(changed(gaps=GapStatus(missing_bars=3)), ALERTS, Recent(), NOW_NS)
    assert recent.gap_ns == 0
    grown = changed(gaps=GapStatus(missing_bars=4, last_ns=NOW_NS, last_instruments=[COIN]))
    found, recent = look(grown, ALERTS, recent, NOW_NS + SEC_NS)
    assert [one.key for one in found] == ["gap"]
    found, recent = look(grown, ALERTS, recent, NOW_NS + 2 * SEC_NS)
    assert [one.key for one in found] == ["gap"]
    found, _ = look(grown, ALERTS, recent, NOW_NS + int((GAP_STANDS_SECS + 2) * SEC_NS))
    assert found == []
