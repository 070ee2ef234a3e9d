"""A back test that was cut short and gone on with leaves what one leaves that never was; what does not come again is named."""

import datetime as dt
import os
import shutil
import signal
import subprocess
import sys
import time

import msgspec
import pyarrow.parquet as pq
import pytest

from engine import cli
from engine.contract.config import load as load_config
from engine.contract.config import parse
from engine.contract.errors import ConfigError, DataError, UsageError
from engine.journal import run as folder_format
from engine.journal.resumed import ReplayDiffers, ResumedJournal
from engine.journal.run import (
    MANIFEST,
    METRICS,
    STORE,
    Interrupted,
    find_unfinished,
    read_json,
    runs,
    unfinished,
    write_json,
)
from engine.journal.state import encode
from engine.journal.store import Store, held
from strategies import running
from strategies.assembly import strategy_class
from strategies.resuming import resume
from strategies.running import execute
from tests.conftest import ROOT, SAMPLE

SAME = ("journal.parquet", "orders.parquet", "fills.parquet", "equity.parquet", "config.toml")
OWN = ("run_id", "trial", "trials", "dsr", "dsr_benchmark")
DECIDED = 10 * 24


def configuration(name="trend", **sections):
    document = {
        "run": {"name": "cut", "seed": 3},
        "data": {"catalog": str(SAMPLE), "start": dt.date(2021, 5, 1), "end": dt.date(2021, 5, 11)},
        "universe": {"instruments": ["TRENDUSDT.SIM"]},
        "strategy": {"name": name},
        "limits": {"max_position_frac": 1.0},
        "actors": {"breaker": {"daily_loss": 0.01, "loss_streak": 3, "drawdown": 0.5}},
        **sections,
    }
    if name == "policy":
        document["policy"] = {"path": str(ROOT / "models" / "released" / "trend" / "2")}
    return parse(document)


def contents(folder):
    """Everything but the run's id, the id of its trial, and what the ledger knew when it ended."""
    files = {name: (folder / name).read_bytes() for name in SAME if (folder / name).is_file()}
    documents = {name: read_json(folder / name) for name in (MANIFEST, METRICS)}
    own = {name: {key: value for key, value in one.items() if key not in OWN} for name, one in documents.items()}
    return {**files, **own}


@pytest.fixture
def cut(tmp_path, monkeypatch):
    """Run to the end, and leave beside it what a kill at the end of each of some turns would have left."""

    def make(config, turns, turns_per_commit=16):
        monkeypatch.setattr(running, "TURNS_PER_COMMIT", turns_per_commit)
        monkeypatch.setattr(running, "write_report", lambda _folder: None)
        left, root, end_turn, count = [], tmp_path / "runs", ResumedJournal.end_turn, [0]

        def copying(journal, ts_event, components):
            end_turn(journal, ts_event, components)
            count[0] += 1
            if count[0] in turns:
                other = tmp_path / f"killed-{count[0]}"
                shutil.copytree(journal.store.path.parent, other / journal.store.path.parent.name)
                left.append(other)

        with monkeypatch.context() as patched:
            patched.setattr(ResumedJournal, "end_turn", copying)
            folder, _ = execute(config, runs=root, baselines=False)
        assert len(left) == len(turns)
        return folder, left

    return make


@pytest.mark.parametrize("name", ["trend", "random", "policy"])
def test_run_that_is_killed_and_resumed_leaves_the_files_of_one_that_was_not(cut, name):
    warm_up = 200 if name != "policy" else 96
    folder, left = cut(configuration(name), {5, warm_up + 30, warm_up + DECIDED - 1})
    whole = contents(folder)
    assert len(whole) == len(SAME) + 2
    before = []
    for root in left:
        before.append(held(root / ".cut-0001.partial" / STORE).decisions)
        resumed, document = resume("cut-0001", runs=root)
        assert resumed == root / "cut-0001"
        assert contents(resumed) == whole
        assert document["decisions_sha256"] == whole[MANIFEST]["decisions_sha256"]
        assert not list(resumed.glob("journal.sqlite*"))
        assert unfinished(root) == []
    assert before[0] == 0
    assert 0 < before[1] < before[2] < DECIDED


def test_run_that_is_killed_twice_is_resumed_twice(cut, monkeypatch):
    folder, (root,) = cut(configuration("random"), {280})
    end_turn, count = ResumedJournal.end_turn, [0]

    def stopping(journal, ts_event, components):
        end_turn(journal, ts_event, components)
        count[0] += 1
        if count[0] == 350:
            os.kill(os.getpid(), signal.SIGINT)

    before = held(root / ".cut-0001.partial" / STORE).decisions
    with monkeypatch.context() as patched:
        patched.setattr(ResumedJournal, "end_turn", stopping)
        with pytest.raises(Interrupted, match="cut-0001"):
            resume("cut-0001", runs=root)
    assert before < held(root / ".cut-0001.partial" / STORE).decisions < DECIDED
    resumed, _ = resume("cut-0001", runs=root)
    assert contents(resumed) == contents(folder)


def stored(path):
    with Store(path) as store:
        return list(store.entries()), [
            store.load(name) and encode(store.load(name).state) for name in store.components()
        ]


def altered(path, component, change):
    """Write another state into a store, with a digest of its own."""
    with Store(path) as store:
        saved = {name: store.load(name) for name in store.components()}
        store.save(component, saved[component].ts_event, change(saved[component].state))


def test_decision_that_does_not_come_again_is_named_with_both_values_and_the_run_is_as_it_was(cut, monkeypatch):
    _, (root,) = cut(configuration(), {300})
    staged = find_unfinished("cut-0001", root)
    before = stored(staged / STORE)
    trend = strategy_class("trend")
    decide = trend.decide

    def other(strategy, turn, present, exposure):
        choices = decide(strategy, turn, present, exposure)
        return [choice._replace(confidence=0.5) for choice in choices] if turn.seq == 220 else choices

    with monkeypatch.context() as patched:
        patched.setattr(trend, "decide", other)
        with pytest.raises(
            ReplayDiffers,
            match=r"confidence of decision 20 of the replay must be 1.0, as stored, was 0.5 \(2021-05-01T21",
        ):
            resume("cut-0001", runs=root)
    assert stored(staged / STORE) == before
    resume("cut-0001", runs=root)


def test_state_that_is_not_the_stored_one_is_named_by_component_and_key(cut):
    _, (root,) = cut(configuration("random"), {300})
    store = find_unfinished("cut-0001", root) / STORE
    altered(store, "strategy", lambda state: {**state, "account": {**state["account"], "orders_today": 77}})
    with pytest.raises(
        ReplayDiffers,
        match=r"account.orders_today of the state of strategy must be 77, as stored, was \d+ \(2021-05-04",
    ):
        resume("cut-0001", runs=root)
    assert store.is_file()


def test_what_follows_runs_on_the_states_of_the_file(cut, monkeypatch):
    _, (root,) = cut(configuration("random"), {300})
    given = {}
    trend = strategy_class("random")
    restore = trend.restore
    monkeypatch.setattr(trend, "restore", lambda self, state: (given.update(state), restore(self, state))[1])
    with Store(find_unfinished("cut-0001", root) / STORE) as store:
        saved = store.load("strategy").state
    resume("cut-0001", runs=root)
    assert given["generator"] == saved["generator"]
    assert given["decided_ns"] == saved["decided_ns"]


def test_change_of_data_policy_or_code_is_said_before_anything_is_run(cut):
    folder, (root,) = cut(configuration("policy"), {100})
    path = find_unfinished("cut-0001", root) / MANIFEST
    begun = read_json(path)
    other = {**begun, "code_version": "0+src.1", "policy_digest": "p" * 64, "datasets": {"TRENDUSDT.SIM 1-HOUR": "d"}}
    write_json(path, other)
    lines = []
    resumed, _ = resume("cut-0001", runs=root, say=lines.append)
    assert [line.split(": ")[1].split(", was")[0] for line in lines] == [
        "data TRENDUSDT.SIM 1-HOUR",
        "policy digest",
        "code version",
    ]
    assert f"was 0+src.1, is {begun['code_version']}" in lines[2]
    assert contents(resumed) == contents(folder)


def test_configuration_that_is_not_the_runs_own_is_refused_by_its_first_key(cut):
    _, (root,) = cut(configuration(), {250})
    with pytest.raises(ConfigError, match=r"run.seed must be 3, as the run was started, was 4 \(cut-0001\)"):
        resume("cut-0001", configuration(run={"name": "cut", "seed": 4}), runs=root)
    resume("cut-0001", configuration(), runs=root)


def test_run_that_is_unknown_finished_or_going_on_is_not_resumed(cut):
    folder, (root,) = cut(configuration(), {250})
    with pytest.raises(UsageError, match="unfinished run must be one of cut-0001, was cut-0009"):
        resume("cut-0009", runs=root)
    with pytest.raises(UsageError, match="run cut-0001 must be unfinished, was finished"):
        resume("cut-0001", runs=folder.parent)
    with (
        folder_format._claimed(find_unfinished("cut-0001", root)),
        pytest.raises(UsageError, match="run cut-0001 must be left by its process, was still going on"),
    ):
        resume("cut-0001", runs=root)


def test_ctrl_c_stops_at_the_end_of_a_turn_and_keeps_the_run(tmp_path, monkeypatch):
    end_turn = ResumedJournal.end_turn

    def pressed(journal, ts_event, components):
        if len(journal) == 77:
            os.kill(os.getpid(), signal.SIGINT)
        end_turn(journal, ts_event, components)

    monkeypatch.setattr(running, "TURNS_PER_COMMIT", 1)
    monkeypatch.setattr(running, "write_report", lambda _folder: None)
    with monkeypatch.context() as patched:
        patched.setattr(ResumedJournal, "end_turn", pressed)
        with pytest.raises(Interrupted) as caught:
            execute(configuration(), runs=tmp_path / "runs", baselines=False)
    assert caught.value.run_id == "cut-0001"
    assert held(find_unfinished("cut-0001", tmp_path / "runs") / STORE).decisions == 77
    assert runs(tmp_path / "runs") == []
    fresh, _ = execute(configuration(), runs=tmp_path / "runs", baselines=False)
    resumed, _ = resume("cut-0001", runs=tmp_path / "runs")
    assert (fresh.name, resumed.name) == ("cut-0002", "cut-0001")
    assert contents(fresh) == contents(resumed)


def test_exception_in_a_run_leaves_no_folder(tmp_path, monkeypatch):
    def fails(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(strategy_class("trend"), "decide", fails)
    with pytest.raises(Exception, match="ZeroDivisionError"):
        execute(configuration(), runs=tmp_path / "runs", baselines=False)
    assert list((tmp_path / "runs").iterdir()) == []


def test_store_that_was_damaged_is_refused_and_left(cut):
    _, (root,) = cut(configuration(), {300})
    path = find_unfinished("cut-0001", root) / STORE
    path.with_name(f"{STORE}-wal").unlink(missing_ok=True)
    path.write_bytes(b"no store" * 100)
    with pytest.raises(DataError, match="store must be a sound SQLite file"):
        resume("cut-0001", runs=root)
    assert path.is_file()


def test_commands_list_explain_and_resume_an_unfinished_run(cut, monkeypatch, capsys, tmp_path):
    folder, (root,) = cut(configuration(), {300})
    (tmp_path / "here" / "var").mkdir(parents=True)
    (tmp_path / "here" / "var" / "runs").symlink_to(root)
    monkeypatch.chdir(tmp_path / "here")
    assert cli.main(["runs", "--json"]) == 0
    listed = msgspec.json.decode(capsys.readouterr().out)
    assert listed["runs"] == []
    (one,) = listed["unfinished"]
    assert (one["run_id"], one["decisions"], one["running"]) == ("cut-0001", 88, False)
    assert cli.main(["runs"]) == 0
    assert "huracan backtest --resume cut-0001 goes on with it" in capsys.readouterr().out
    assert cli.main(["why", "cut-0001", "210", "--json"]) == 0
    assert msgspec.json.decode(capsys.readouterr().out)["run_id"] == "cut-0001"
    assert cli.main(["backtest"]) == 2
    assert "CONFIG must be given, or a run to --resume, was absent" in capsys.readouterr().err
    assert cli.main(["backtest", "--resume", "cut-0001", "--set", "run.seed=4"]) == 2
    assert "CONFIG must be given with --set and --policy" in capsys.readouterr().err
    assert cli.main(["backtest", "--resume", "cut-0001", "--json"]) == 0
    document = msgspec.json.decode(capsys.readouterr().out)
    assert document["decisions_sha256"] == read_json(folder / MANIFEST)["decisions_sha256"]
    assert document["baselines"] == {}


KILLED = """
import os, signal, sys
from pathlib import Path
from engine.contract.config import load
from engine.journal.store import Store
from strategies import running

runs, config, where, number = Path(sys.argv[1]), load(sys.argv[2]), sys.argv[3], int(sys.argv[4])
running.TURNS_PER_COMMIT = 16
calls = [0]

def dying(name, before):
    whole = getattr(Store, name)
    def counted(self, *args, **kwargs):
        calls[0] += 1
        if before and calls[0] == number:
            os.kill(os.getpid(), signal.SIGKILL)
        answer = whole(self, *args, **kwargs)
        if calls[0] == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer
    setattr(Store, name, counted)

if where != "never":
    dying(where.removeprefix("before "), where.startswith("before "))
running.execute(config, runs=runs, baselines=False)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "where", "number"),
    [
        ("policy", "before commit", 12),
        ("trend", "append", 90),
        ("random", "save", 55),
    ],
)
def test_process_that_is_killed_between_any_two_writes_is_resumed(tmp_path, name, where, number):
    from engine.contract.config import dump

    config = tmp_path / "cut.toml"
    config.write_text(dump(configuration(name)))
    dead = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "runs"), str(config), where, str(number)], cwd=ROOT, check=False
    )
    assert dead.returncode == -signal.SIGKILL
    staged = find_unfinished("cut-0001", tmp_path / "runs")
    assert 0 < held(staged / STORE).decisions < DECIDED
    whole, _ = execute(load_config(config), runs=tmp_path / "runs", baselines=False)
    assert whole.name == "cut-0002"
    resumed, _ = resume("cut-0001", runs=tmp_path / "runs")
    assert contents(resumed) == contents(whole)


@pytest.mark.slow
def test_command_that_is_killed_at_any_instant_is_resumed(tmp_path):
    from engine.contract.config import dump

    own = configuration(
        "random", data={"catalog": str(SAMPLE), "start": dt.date(2020, 1, 10), "end": dt.date(2020, 3, 1)}
    )
    (tmp_path / "cut.toml").write_text(dump(own))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "engine.cli", "backtest", "cut.toml", "--no-baselines"]
    session = subprocess.Popen(command, cwd=tmp_path, env=environment)
    store = tmp_path / "var" / "runs" / ".cut-0001.partial" / STORE
    while session.poll() is None and not (store.is_file() and held(store).decisions > 300):
        time.sleep(0.001)
    session.send_signal(signal.SIGKILL)
    assert session.wait() == -signal.SIGKILL
    assert held(store).decisions > 300
    resumed, _ = resume("cut-0001", runs=tmp_path / "var" / "runs")
    whole, _ = execute(own, runs=tmp_path / "other", baselines=False)
    assert contents(resumed) == contents(whole)
    assert pq.read_metadata(resumed / "journal.parquet").num_rows == 51 * 24
