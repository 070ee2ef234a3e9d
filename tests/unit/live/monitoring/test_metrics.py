"""Metrics: every row of the table has its sample, and the dashboard asks for nothing else."""

import json
import re
import urllib.error
import urllib.request
from pathlib import Path

import msgspec
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from live.monitoring.alerting import AlertState, Standing
from live.monitoring.exposition import Exposition
from live.monitoring.findings import Finding
from live.monitoring.metrics import METRICS, StatusCollector, Watched
from live.monitoring.monitor import Monitor
from tests.conftest import ROOT
from tests.unit.live.monitoring.statuses import COIN, HEALTHY, NOW_NS, changed

DASHBOARD = ROOT / "packaging" / "grafana" / "huracan.json"
LOST = Finding(rule="drawdown", key="drawdown", severity="critical", title="drawdown", text="10 %")
ALERTS = AlertState(alerts={"drawdown": Standing(finding=LOST, since_ns=NOW_NS)})


def exposed(status: object = HEALTHY) -> str:
    registry = CollectorRegistry()
    registry.register(StatusCollector(lambda: None if status is None else Watched(status, ALERTS)))
    return generate_latest(registry).decode()


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics_are_the_values_of_the_status() -> None:
    found = samples(exposed())
    common = {("run", "paper-btc-0001"), ("mode", "live")}
    assert found["huracan_equity", frozenset(common)] == 99_000.0
    assert found["huracan_fills_total", frozenset(common)] == 5.0
    assert found["huracan_position", frozenset({*common, ("instrument", COIN)})] == 0.25
    labels = {*common, ("instrument", COIN), ("signal", "regime"), ("column", "crisis")}
    assert found["huracan_signal", frozenset(labels)] == 0.1
    labels = {*common, ("step", "decision to order"), ("quantile", "0.99")}
    assert found["huracan_latency_milliseconds", frozenset(labels)] == 5.0
    labels = {*common, ("key", "drawdown"), ("severity", "critical")}
    assert found["huracan_alert_standing", frozenset(labels)] == 1.0


def test_value_that_is_not_known_has_no_sample() -> None:
    assert "huracan_equity{" not in exposed(changed(equity=None))
    assert "huracan_policy_expires_seconds" not in exposed()


def test_every_row_of_the_table_has_a_sample() -> None:
    text = exposed(changed(policy_expires_ns=NOW_NS))
    missing = [row.name for row in METRICS if f"\n{row.name}" not in text]
    assert missing == []


def test_session_that_was_not_read_yet_has_no_metrics() -> None:
    assert exposed(None) == ""


def test_dashboard_asks_only_for_metrics_and_labels_that_exist() -> None:
    known = {
        f"{row.name}_total" if row.kind == "counter" else row.name: {"run", "mode", *row.labels} for row in METRICS
    }
    dashboard = json.loads(DASHBOARD.read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    expressions += [str(one["query"]) for one in dashboard["templating"]["list"] if one["type"] == "query"]
    assert len(expressions) > 20
    for expression in expressions:
        names = re.findall(r"huracan_\w+", expression)
        assert names, expression
        assert set(names) <= set(known), expression
        for name, selector in re.findall(r"(huracan_\w+)\{([^}]*)\}", expression):
            assert set(re.findall(r"(\w+)\s*[=!]~?", selector)) <= known[name], expression


def test_dashboard_has_panels_of_its_own_place() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    cells = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in panels
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in panels}) == len(panels)


def get(address: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.parametrize(("seen", "code"), [("running", 200), ("ended", 200), ("gone", 503), ("hung", 503)])
def test_health_says_whether_the_session_runs(tmp_path: Path, seen: str, code: int) -> None:
    from engine.contract.alerts import Alerts
    from live.monitoring.channels import Channels

    monitor = Monitor(tmp_path, Alerts(), Channels({}))
    monitor.watched = Watched(msgspec.structs.replace(HEALTHY, seen=seen), ALERTS)
    found, document = monitor.health()
    assert (found, document["seen"], document["healthy"], document["alerts"]) == (code, seen, code == 200, ["drawdown"])


def test_metrics_and_health_are_served_and_nothing_else() -> None:
    registry = CollectorRegistry()
    registry.register(StatusCollector(lambda: Watched(HEALTHY, ALERTS)))
    with Exposition(registry, lambda: (503, {"healthy": False})) as served:
        assert "huracan_equity{" in get(f"{served.address}/metrics")[1]
        assert get(f"{served.address}/health") == (503, '{"healthy":false}\n')
        assert get(f"{served.address}/")[0] == 404
