"""The monitor with its channels: a webhook and a mail server hear of each alert once per cooldown, and of its escalation."""

import email
import email.policy
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller

from engine.contract.alerts import Alerts
from engine.contract.errors import EnvironmentFault, UsageError
from live.monitoring.alert_files import acknowledge, read_notices, read_state
from live.monitoring.alerting import Notice
from live.monitoring.channels import RETRY_SECS, Channels, of_environment
from live.monitoring.monitor import Monitor, chosen
from live.monitoring.status import ticks_of_start
from tests.unit.live.monitoring.statuses import changed, put

ALERTS = Alerts(channels=["hook"], escalation=["mail"], cooldown_secs=300.0, escalate_after_secs=900.0)
SECRET = "s3cret"
ME = {"pid": os.getpid(), "started_ticks": ticks_of_start(os.getpid())}


class Sinks:
    """What a webhook and a mail server received."""

    def __init__(self) -> None:
        self.posted: list[dict] = []
        self.mailed: list[str] = []
        self.refuses = 0
        sinks = self

        class Hook(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if sinks.refuses:
                    sinks.refuses -= 1
                    self.send_response(500)
                else:
                    sinks.posted.append(json.loads(body))
                    self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Mail:
            async def handle_DATA(self, server: object, session: object, envelope: object) -> str:
                message = email.message_from_bytes(envelope.content, policy=email.policy.default)  # type: ignore[attr-defined]
                sinks.mailed.append(str(message["Subject"]))
                return "250 taken"

        self.hook = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
        threading.Thread(target=self.hook.serve_forever, daemon=True).start()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.mail_port = free.getsockname()[1]
        self.mail = Controller(Mail(), hostname="127.0.0.1", port=self.mail_port)
        self.mail.start()

    def environment(self) -> dict[str, str]:
        return {
            "HURACAN_CHANNEL_HOOK": f"json://me:{SECRET}@127.0.0.1:{self.hook.server_address[1]}/",
            "HURACAN_CHANNEL_MAIL": f"mailto://127.0.0.1:{self.mail_port}?from=huracan@example.com&to=boss@example.com",
        }

    def close(self) -> None:
        self.hook.shutdown()
        self.hook.server_close()
        self.mail.stop()


@pytest.fixture
def sinks() -> Iterator[Sinks]:
    found = Sinks()
    yield found
    found.close()


def watching(folder: Path, sinks: Sinks, alerts: Alerts = ALERTS) -> tuple[Monitor, Channels]:
    channels = Channels(of_environment([*alerts.channels, *alerts.escalation], sinks.environment()))
    return Monitor(folder, alerts, channels), channels


def looked(monitor: Monitor, channels: Channels, minute: float, began_ns: int) -> None:
    monitor.look(began_ns + int(minute * 60e9))
    deadline = time.monotonic() + 30.0
    while channels._running and time.monotonic() < deadline:
        channels.tend(monitor.run_id)
        time.sleep(0.01)


def test_webhook_and_mail_hear_of_an_alert_once_per_cooldown_and_of_its_escalation(
    tmp_path: Path, sinks: Sinks
) -> None:
    began = time.time_ns()
    folder = put(tmp_path / ".p-0001.partial", changed(drawdown_frac=0.2, phase="ending", **ME))
    for minutes in ((0, 1, 4), (5, 9, 10), (15, 16, 19)):
        monitor, channels = watching(folder, sinks)
        for minute in minutes:
            looked(monitor, channels, minute, began)
        channels.close()
    expected = "p-0001: drawdown"
    titles = [one["title"] for one in sinks.posted]
    assert titles == [expected, expected, expected, f"{expected} (nobody answered)"]
    assert sinks.mailed == [f"{expected} (nobody answered)"]
    assert sinks.posted[0]["message"].startswith("20.00% under the peak of 100,000.00")
    kinds = [(one.kind, one.channels) for one in read_notices(folder)]
    assert kinds == [
        ("fired", ["hook"]),
        ("repeated", ["hook"]),
        ("repeated", ["hook"]),
        ("escalated", ["hook", "mail"]),
    ]
    written = b"".join(path.read_bytes() for path in folder.iterdir())
    assert SECRET.encode() not in written
    assert b"127.0.0.1" not in written


def test_acknowledged_alert_reaches_nobody_any_more(tmp_path: Path, sinks: Sinks) -> None:
    began = time.time_ns() - int(30 * 60e9)
    folder = put(tmp_path / ".p-0001.partial", changed(drawdown_frac=0.2, phase="ending", **ME))
    monitor, channels = watching(folder, sinks)
    looked(monitor, channels, 0, began)
    said = acknowledge(folder, "drawdown", "me")
    for minute in (31, 40, 60):
        looked(monitor, channels, minute, began)
    channels.close()
    assert (len(sinks.posted), sinks.mailed, said.by) == (1, [], "me")
    assert [(one.kind, one.by) for one in read_notices(folder)] == [("fired", ""), ("acknowledged", "me")]


def test_process_that_died_is_told(tmp_path: Path, sinks: Sinks) -> None:
    status = changed(pid=ME["pid"], started_ticks=ME["started_ticks"] + 1, wall_ns=time.time_ns())
    monitor, channels = watching(put(tmp_path / ".p-0001.partial", status), sinks)
    looked(monitor, channels, 0, time.time_ns())
    channels.close()
    assert [one["title"] for one in sinks.posted] == ["p-0001: the process is gone"]
    assert "positions are as it left them: BTCUSDT.BINANCE +0.25" in sinks.posted[0]["message"]
    assert monitor.health()[0] == 503


def test_channel_that_does_not_take_it_is_tried_again_and_then_given_up() -> None:
    now, tries = [0.0], []

    def send(title: str, text: str, severity: str) -> bool:
        tries.append(now[0])
        return False

    channels = Channels({"hook": send}, clock=lambda: now[0])
    notice = Notice(ts_ns=1, kind="fired", key="k", rule="k", severity="info", title="t", text="x", channels=["hook"])
    channels.put("p-0001", [notice])
    failed: list[Notice] = []
    while not failed:
        channels._running and channels._running[0][1].result()
        failed = channels.tend("p-0001")
        now[0] += 1.0
    channels.close()
    assert len(tries) == len(RETRY_SECS) + 1
    assert [(one.kind, one.channels, one.text) for one in failed] == [
        ("failed", ["hook"], "not taken after 5 tries: x")
    ]


def test_channel_without_an_address_is_refused_and_the_address_is_never_repeated() -> None:
    with pytest.raises(
        EnvironmentFault, match="channel hook must have its address in HURACAN_CHANNEL_HOOK, was absent"
    ):
        of_environment(["log", "hook"], {})
    with pytest.raises(EnvironmentFault) as told:
        of_environment(["hook"], {"HURACAN_CHANNEL_HOOK": f"nothing-known://{SECRET}"})
    assert SECRET not in str(told.value)


def test_acknowledgement_of_nothing_or_by_nobody_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="alert must be one of none, was drawdown"):
        acknowledge(tmp_path, "drawdown", "me")
    with pytest.raises(UsageError, match="acknowledgement must be signed by a person, was ' '"):
        acknowledge(tmp_path, "drawdown", " ")


def test_run_that_cannot_be_read_is_told_once_and_is_not_healthy(tmp_path: Path) -> None:
    said: list[str] = []
    monitor = Monitor(tmp_path / ".p-0001.partial", ALERTS, Channels({}), said.append)
    assert [monitor.look(), monitor.look()] == [None, None]
    assert (len(said), monitor.health()[0]) == (1, 503)


def test_monitor_follows_a_run_that_is_finished_and_keeps_its_alerts(tmp_path: Path, sample_run: Path) -> None:
    import shutil

    runs = tmp_path / "runs"
    shutil.copytree(sample_run, runs / "small-0001")
    monitor = Monitor(runs / ".small-0001.partial", Alerts(), Channels({"log": lambda *_: True}))
    status = monitor.look()
    assert status is not None
    assert (status.seen, monitor.folder.name, monitor.health()[0]) == ("ended", "small-0001", 200)
    assert read_state(monitor.folder).recent.gaps == 0


def test_run_of_a_configuration_is_its_last_one(tmp_path: Path, sample_run: Path) -> None:
    import shutil

    for number in ("0001", "0002"):
        shutil.copytree(sample_run, tmp_path / "runs" / f"small-{number}")
    shutil.copytree(sample_run, tmp_path / "runs" / "small-other-0009")
    file = tmp_path / "small.toml"
    shutil.copy(sample_run / "config.toml", file)
    folder, config = chosen(str(file), tmp_path / "runs")
    assert (folder.name, config.run.name) == ("small-0002", "small")
