"""Paper, live and kill as a user runs them, on the rehearsal exchange."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine import cli
from engine.journal.journal import read
from engine.journal.run import STORE
from engine.journal.store import held
from live.steering import ask, read_controls
from strategies.steering import Verb
from tests.conftest import ROOT
from tests.parity.market import write_market

PERP = "BTCUSDT-PERP.BINANCE"
LOT = Decimal("0.0001")
CONFIG = """
[run]
name = "drill"
seed = 1
[data]
catalog = "catalog"
start = 2022-01-09T08:00:00
[universe]
instruments = ["BTCUSDT-PERP.BINANCE"]
[venue]
taker_bps = 5.0
[strategy]
name = "trend"
lookback = 24
[limits]
max_position_frac = 0.5
max_drawdown_frac = 0.5
daily_loss_frac = 0.5
[actors.breaker]
confidence = 0.0001
[live]
market = "usdm"
[rehearsal]
pace = "real_time"
speed = 7200
"""
KEYS = {"HURACAN_REHEARSAL_KEY": "k" * 64, "HURACAN_REHEARSAL_SECRET": "s" * 64}
PATIENCE_SECS = 60.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_market(tmp_path / "catalog", [PERP], 900)
    (tmp_path / "config.toml").write_text(CONFIG)
    return tmp_path


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **more}


def huracan(folder: Path, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "engine.cli", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment(**more), capture_output=True, text=True, timeout=PATIENCE_SECS, check=False
    )


def started(folder: Path, *arguments: str, **more: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "engine.cli", *arguments]
    with (folder / f"{arguments[0]}.out").open("wb") as file:
        return subprocess.Popen(command, cwd=folder, env=environment(**more), stdout=file, stderr=subprocess.STDOUT)


def until(done: Any, what: str, process: "subprocess.Popen[bytes] | None" = None) -> None:
    deadline = time.monotonic() + PATIENCE_SECS
    while not done():
        assert time.monotonic() < deadline, f"{what} did not come"
        assert process is None or process.poll() is None, f"the process ended before {what}"
        time.sleep(0.05)


@pytest.fixture
def exchange(folder: Path) -> Iterator[dict[str, Any]]:
    """`huracan rehearse` in a process of its own; yields what it announced."""
    (folder / "var" / "rehearsal").mkdir(parents=True)
    announced = folder / "var" / "rehearsal" / "exchange.json"
    process = started(folder, "rehearse", "config.toml", **KEYS)
    try:
        until(announced.is_file, "the announcement", process)
        yield json.loads(announced.read_text())
    finally:
        process.terminate()
        process.wait(20)


def _position(told: Any) -> float:
    if isinstance(told, dict):
        positions = told.get("positions")
        if isinstance(positions, dict) and positions:
            return sum(abs(float(one["quantity"] if isinstance(one, dict) else one)) for one in positions.values())
        return sum(_position(one) for one in told.values())
    return 0.0


@pytest.mark.parametrize(
    ("arguments", "without", "code", "told"),
    [
        (("live", "config.toml"), "", 4, "start one with huracan rehearse CONFIG"),
        (("live", "config.toml"), "daily_loss_frac = 0.5\n", 3, "was limits: not set: daily_loss_frac"),
        (("paper", "config.toml"), 'market = "usdm"\n', 2, "live.market must be usdm for perpetuals, was spot"),
        (("kill", "--all"), "", 2, "huracan kill --config CONFIG needs no session"),
        (("kill", "--reset", "--by", "ann"), "", 2, "--reset must be given with --config"),
        (("verify", "parity"), "", 2, "CONFIG or --recorded must be given"),
    ],
)
def test_command_that_cannot_begin_says_why_and_what_helps(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    without: str,
    code: int,
    told: str,
) -> None:
    (folder / "config.toml").write_text(CONFIG.replace(without, "") if without else CONFIG)
    monkeypatch.chdir(folder)
    assert cli.main(list(arguments)) == code
    assert told in " ".join(capsys.readouterr().err.split())
    assert not list(folder.glob("var/runs/*"))


@pytest.mark.slow
def test_paper_starts_its_own_exchange_and_writes_the_back_tests_decisions(folder: Path) -> None:
    span = ("--set", "data.end=2022-01-13")
    done = huracan(folder, "paper", "config.toml", "--json", *span)
    assert done.returncode == 0, done.stderr
    told, tested = (
        json.loads(done.stdout),
        huracan(folder, "backtest", "config.toml", "--json", "--no-baselines", *span),
    )
    expected = json.loads(tested.stdout)
    for key in ("decisions_sha256", "decisions", "orders", "refusals"):
        assert told[key] == expected[key], key
    run = folder / "var" / "runs" / told["run_id"]
    assert json.loads((run / "manifest.json").read_text())["mode"] == "paper"
    assert len(read(run / "journal.parquet")) == told["decisions"]
    assert huracan(folder, "verify", "parity", "--recorded", told["run_id"]).returncode == 0
    for path in run.rglob("*"):
        body = path.read_bytes() if path.is_file() else b""
        assert b"API_SECRET" not in body


@pytest.mark.slow
def test_live_with_a_key_that_may_withdraw_is_refused(folder: Path) -> None:
    (folder / "config.toml").write_text(CONFIG + "withdrawals = true\n")
    (folder / "var" / "rehearsal").mkdir(parents=True)
    process = started(folder, "rehearse", "config.toml", **KEYS)
    try:
        until((folder / "var" / "rehearsal" / "exchange.json").is_file, "the announcement", process)
        done = huracan(folder, "live", "config.toml", "--yes", HURACAN_LIVE="1", **KEYS)
    finally:
        process.terminate()
        process.wait(20)
    assert done.returncode == 3
    assert "preflight must pass, was key may not withdraw: yes" in done.stderr
    assert not list((folder / "var").glob("runs/*"))


@pytest.mark.slow
def test_live_asks_for_a_persons_word(folder: Path, exchange: dict[str, Any]) -> None:
    done = huracan(folder, "live", "config.toml", **KEYS)
    assert (done.returncode, "live must be confirmed" in done.stderr) == (2, True), done.stderr
    done = huracan(folder, "live", "config.toml", "--yes", **KEYS)
    assert (done.returncode, "--yes must come with HURACAN_LIVE=1" in done.stderr) == (2, True), done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("client", ["ccxt", "native"])
def test_kill_flattens_within_five_seconds_while_the_trading_process_is_stopped(
    folder: Path, exchange: dict[str, Any], client: str
) -> None:
    trading = started(
        folder, "live", "config.toml", "--yes", "--set", f"live.client={client}", HURACAN_LIVE="1", **KEYS
    )
    try:
        until(lambda: _position(truth(exchange)) > 0.0, "a position at the venue", trading)
        os.kill(trading.pid, signal.SIGSTOP)
        done = huracan(folder, "kill", "--all", "--json", "--reason", "drill", **KEYS)
        assert done.returncode == 0, done.stderr
        (killed,) = json.loads(done.stdout)["killed"]
        assert killed["seconds"] < 5.0
        assert (killed["left_orders"], killed["left_positions"], list(killed["closed"])) == (0, {}, [PERP])
        assert _position(truth(exchange)) == 0.0
        os.kill(trading.pid, signal.SIGCONT)
        assert trading.wait(PATIENCE_SECS) == 0
    finally:
        trading.kill()
        trading.wait()
    assert _position(truth(exchange)) == 0.0
    assert "stopped by" in (folder / "live.out").read_text()
    done = huracan(folder, "live", "config.toml", "--yes", HURACAN_LIVE="1", **KEYS)
    assert (done.returncode, "latch: stopped by" in done.stderr) == (3, True)
    assert huracan(folder, "kill", "--reset", "--config", "config.toml", "--by", "ann").returncode == 0
    assert huracan(folder, "live", "config.toml", "--preflight", **KEYS).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("client", ["ccxt", "native"])
def test_live_session_that_is_interrupted_ends_in_order_and_flat_where_it_is_told_to(
    folder: Path, exchange: dict[str, Any], client: str
) -> None:
    chosen = ("--set", "live.on_stop=flatten", "--set", f"live.client={client}")
    trading = started(folder, "live", "config.toml", "--yes", *chosen, HURACAN_LIVE="1", **KEYS)
    try:
        until(lambda: _position(truth(exchange)) > 0.0, "a position at the venue", trading)
        trading.send_signal(signal.SIGINT)
        assert trading.wait(PATIENCE_SECS) == 0, (folder / "live.out").read_text()
    finally:
        trading.kill()
        trading.wait()
    assert _position(truth(exchange)) == 0.0
    (run,) = (folder / "var" / "runs").glob("drill-*")
    manifest = json.loads((run / "manifest.json").read_text())
    assert (manifest["mode"], manifest["positions"], manifest["stopped"]) == ("live", {}, "signal SIGINT")
    assert KEYS["HURACAN_REHEARSAL_SECRET"].encode() not in b"".join(
        path.read_bytes() for path in run.iterdir() if path.is_file()
    )
    shutil.rmtree(folder / "var" / "runs")


@pytest.mark.slow
def test_flattened_live_session_stays_flat_over_a_kill_until_a_person_resumes_it(
    folder: Path, exchange: dict[str, Any]
) -> None:
    trading = started(folder, "live", "config.toml", "--yes", HURACAN_LIVE="1", **KEYS)
    going_on = folder / "var" / "runs" / ".drill-0001.partial"

    def asked(verb: Verb) -> None:
        id_ = ask(going_on, verb, "account", "ann", "drill").id
        until(lambda: any(one.asked.id == id_ and one.answered for one in read_controls(going_on)), verb, trading)

    def decisions() -> int:
        return held(going_on / STORE).decisions

    try:
        until(lambda: _position(truth(exchange)) > 0.0, "a position at the venue", trading)
        asked("flatten")
        until(lambda: _position(truth(exchange)) == 0.0, "a flat venue", trading)
        trading.kill()
        trading.wait()
        before = decisions()
        trading = started(folder, "live", "--resume", "drill-0001", "--yes", HURACAN_LIVE="1", **KEYS)
        until(lambda: decisions() > before + 3, "decisions after the kill", trading)
        assert _position(truth(exchange)) == 0.0
        asked("resume")
        until(lambda: _position(truth(exchange)) > 0.0, "a position after the resume", trading)
        trading.send_signal(signal.SIGINT)
        assert trading.wait(PATIENCE_SECS) == 0, (folder / "live.out").read_text()
    finally:
        trading.kill()
        trading.wait()
    verbs = [one.asked.verb for one in read_controls(folder / "var" / "runs" / "drill-0001")]
    assert verbs == ["flatten", "resume"]


@pytest.mark.slow
def test_kill_of_a_paper_session_halts_it(folder: Path, exchange: dict[str, Any]) -> None:
    trading = started(folder, "paper", "config.toml")
    try:
        until(lambda: "decides from the next bar on" in (folder / "paper.out").read_text(), "the warm-up", trading)
        done = huracan(folder, "kill", "--all", "--json")
        assert done.returncode == 0, done.stderr
        assert trading.wait(PATIENCE_SECS) == 0, (folder / "paper.out").read_text()
    finally:
        trading.kill()
        trading.wait()
    assert "ended: stopped by" in (folder / "paper.out").read_text()


SPOT = "BTCUSDT.BINANCE"
SPOT_CONFIG = (
    CONFIG.replace(PERP, SPOT)
    .replace("2022-01-09T08:00:00", "2022-01-16T00:00:00")
    .replace('market = "usdm"', 'market = "spot"')
    .replace("taker_bps = 5.0", 'taker_bps = 5.0\naccount = "cash"\nfunding = false')
    + 'spot_commission = "received"\n'
)


@pytest.fixture
def spot_folder(tmp_path: Path) -> Path:
    write_market(tmp_path / "catalog", [SPOT], 900)
    (tmp_path / "config.toml").write_text(SPOT_CONFIG)
    (tmp_path / "var" / "rehearsal").mkdir(parents=True)
    return tmp_path


def coins(exchange: dict[str, Any]) -> Decimal:
    held = truth(exchange)["spot"]["balances"].get("BTC", {"free": "0", "locked": "0"})
    return Decimal(held["free"]) + Decimal(held["locked"])


@pytest.mark.slow
@pytest.mark.parametrize("client", ["ccxt", "native"])
def test_kill_of_a_spot_session_sells_whole_lots_while_the_trading_process_is_stopped_and_says_what_stays(
    spot_folder: Path, client: str
) -> None:
    folder, chosen = spot_folder, ("--set", f"live.client={client}")
    announced = folder / "var" / "rehearsal" / "exchange.json"
    serving = started(folder, "rehearse", "config.toml", **KEYS)
    try:
        until(announced.is_file, "the announcement", serving)
        exchange = json.loads(announced.read_text())
        trading = started(folder, "live", "config.toml", "--yes", *chosen, HURACAN_LIVE="1", **KEYS)
        try:
            until(lambda: coins(exchange) > 0, "coins at the venue", trading)
            os.kill(trading.pid, signal.SIGSTOP)
            before = coins(exchange)
            done = huracan(folder, "kill", "--all", "--json", "--reason", "drill", **KEYS)
            assert done.returncode == 0, done.stderr
            (killed,) = json.loads(done.stdout)["killed"]
            assert killed["seconds"] < 5.0
            assert (killed["left_orders"], killed["left_positions"], list(killed["closed"])) == (0, {}, [SPOT])
            sold, stays = Decimal(str(killed["closed"][SPOT])), Decimal(str(killed["dust"].get(SPOT, 0.0)))
            assert sold % LOT == 0
            assert 0 < stays < LOT
            assert sold + stays == before
            assert coins(exchange) == stays
            os.kill(trading.pid, signal.SIGCONT)
            assert trading.wait(PATIENCE_SECS) == 0, (folder / "live.out").read_text()
        finally:
            trading.kill()
            trading.wait()
        assert coins(exchange) < LOT, "what a waking process still sent must be sold again"
        assert "stopped by" in (folder / "live.out").read_text()
    finally:
        serving.terminate()
        serving.wait(20)


def truth(exchange: dict[str, Any]) -> Any:
    """The venue's own word."""
    from urllib.request import urlopen

    with urlopen(f"{exchange['urls']['control']}/truth", timeout=5) as answer:
        return json.load(answer)


@pytest.mark.slow
def test_paper_session_that_was_killed_goes_on_and_ends_as_one_that_never_was(folder: Path) -> None:
    span = ("--set", "data.end=2022-01-19")
    trading = started(folder, "paper", "config.toml", *span)
    try:
        tape = folder / "var" / "runs" / ".drill-0001.partial" / "received.jsonl"
        until(lambda: tape.is_file() and tape.stat().st_size > 60_000, "some of the tape", trading)
    finally:
        trading.kill()
        trading.wait()
    done = huracan(folder, "paper", "--resume", "drill-0001", "--json")
    assert done.returncode == 0, done.stderr
    assert "decisions came as stored" in done.stderr
    tested = huracan(folder, "backtest", "config.toml", "--json", "--no-baselines", *span)
    told, expected = json.loads(done.stdout), json.loads(tested.stdout)
    for key in ("decisions_sha256", "decisions", "orders", "refusals"):
        assert told[key] == expected[key], key
    assert told["run_id"] == "drill-0001"
    assert huracan(folder, "verify", "parity", "--recorded", "drill-0001").returncode == 0
