"""A session says how it is while it runs, changes no decision by it, and is missed when it dies."""

import json
import signal
import urllib.error
import urllib.request
from pathlib import Path

import msgspec
import pytest

from engine import cli
from engine.journal.run import RUNS, find_run, unfinished
from live.monitoring import board
from live.monitoring.alert_files import read_notices
from live.monitoring.status import STATUS, Status, read_status
from live.replay.connection import CatalogConnection
from live.running import execute
from strategies.backtest import load, run
from tests.acceptance.test_live_commands import CONFIG, PERP, started, until
from tests.parity.market import write_market
from tests.parity.test_paper import COINS, policy

pytestmark = pytest.mark.slow


def test_paper_session_tells_its_status_at_every_turn_and_decides_as_the_back_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = policy(tmp_path, 60)
    market, session = load(config)
    tested = run(config, market, session)
    told: list[Status] = []
    written = board.write_status

    def note(folder: Path, status: Status) -> None:
        written(folder, status)
        told.append(msgspec.json.decode((folder / STATUS).read_bytes(), type=Status))

    monkeypatch.setattr(board, "write_status", note)
    monkeypatch.setattr(board, "LEAST_SECS", 0.0)
    monkeypatch.setattr(board, "AFTER_SECS", 0.0)
    folder, document = execute(config, session, CatalogConnection(config, market), "paper", tmp_path / "runs")
    assert document["decisions_sha256"] == tested.journal.decisions_sha256
    assert (told[0].phase, told[-1].phase) == ("starting", "ending")
    assert len({status.turn_ns for status in told}) > 20
    last, ended = told[-1], read_status(folder)
    assert (last.policy, last.instruments, last.mode) == ("trend@2", COINS, "paper")
    assert last.counts == msgspec.structs.replace(
        ended.counts, orders_today=last.counts.orders_today, refused=last.counts.refused
    )
    assert last.counts.refused == ended.counts.refused
    assert last.gaps.missing_bars == ended.gaps.missing_bars == 0
    assert [(one.instrument_id, one.action, one.context) for one in last.decisions] == [
        (one.instrument_id, one.action, one.context) for one in ended.decisions
    ]
    assert {"changepoint", "breaker"} <= set(last.decisions[0].context)
    assert last.equity == pytest.approx(ended.equity, rel=1e-3)
    for now, then in zip(last.positions, ended.positions):
        assert now.quantity == pytest.approx(then.quantity, abs=1e-9)
        assert now.entry_price == pytest.approx(then.entry_price, rel=1e-6)
    for status in told:
        if status.turn_ns:
            assert status.equity is not None
            assert status.cash is not None
            profit = sum(one.unrealised for one in status.positions)
            assert status.equity == pytest.approx(status.cash + profit, rel=1e-6)
            assert {one.name for one in status.limits} >= {
                "max_position_frac",
                "max_gross_frac",
                "drawdown",
                "daily_loss",
            }
            assert all(one.headroom == pytest.approx(one.bound - one.value) for one in status.limits)
    assert any(status.orders for status in told)
    assert {one.name for one in last.latencies} >= {"bar received to decision", "decision to order"}
    assert not (folder / STATUS).exists()


def test_monitor_beside_a_session_tells_that_it_runs_and_that_it_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_market(tmp_path / "catalog", [PERP], 8_000)
    (tmp_path / "config.toml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    session = started(tmp_path, "paper", "config.toml")
    monitor = None
    try:
        until(lambda: [one for one in unfinished(RUNS) if (one / STATUS).is_file()], "a status", session)
        folder = unfinished(RUNS)[0]
        until(lambda: read_status(folder).counts.turns > 3, "turns", session)
        assert cli.main(["monitor", "drill-0001", "--once"]) == 0
        monitor = started(tmp_path, "monitor", "config.toml", "--port", "0", "--every", "0.3")
        until(lambda: "/metrics" in (tmp_path / "monitor.out").read_text(), "the monitor's address", monitor)
        address = (tmp_path / "monitor.out").read_text().partition("http://")[2].partition("/metrics")[0]
        page = urllib.request.urlopen(f"http://{address}/metrics", timeout=30).read().decode()
        assert 'huracan_session_seen{mode="paper",run="drill-0001",seen="running"} 1.0' in page
        session.send_signal(signal.SIGKILL)
        session.wait()
        until(lambda: [one for one in read_notices(folder) if one.key == "process"], "the notice", monitor)
        with pytest.raises(urllib.error.HTTPError) as told:
            urllib.request.urlopen(f"http://{address}/health", timeout=30)
        with told.value:
            assert json.loads(told.value.read())["seen"] == "gone"
        capsys.readouterr()
        assert cli.main(["monitor", "drill-0001", "--once"]) == 3
        assert "run drill-0001 must be healthy, was gone" in capsys.readouterr().err
        assert cli.main(["alerts", "ack", "drill-0001", "process", "--by", "me"]) == 0
        until(lambda: read_notices(find_run("drill-0001", begun=True))[-1].kind == "acknowledged", "the word", monitor)
        assert [one.kind for one in read_notices(folder) if one.key == "process"] == ["fired", "acknowledged"]
        monitor.send_signal(signal.SIGTERM)
        assert monitor.wait(30) == 0
    finally:
        for process in (session, monitor):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
