"""A back test is counted before it runs, once, however it ends; baselines are not."""

import datetime as dt
import os
import signal

import pytest

from engine.contract.config import parse
from engine.contract.errors import ConfigError
from engine.evaluation.ledger import Ledger
from engine.journal.resumed import ResumedJournal
from engine.journal.run import MANIFEST, METRICS, Interrupted, find_unfinished, read_json
from strategies import running
from strategies.assembly import strategy_class
from strategies.counting import ledger_beside
from strategies.resuming import resume
from strategies.running import execute
from tests.conftest import SAMPLE


def configuration(**strategy):
    return parse(
        {
            "run": {"name": "counted", "seed": 3},
            "data": {"catalog": str(SAMPLE), "start": dt.date(2021, 5, 1), "end": dt.date(2021, 5, 11)},
            "universe": {"instruments": ["TRENDUSDT.SIM"]},
            "strategy": {"name": "trend", **strategy},
            "limits": {"max_position_frac": 1.0},
        }
    )


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(running, "write_report", lambda _folder: None)
    monkeypatch.setattr(running, "TURNS_PER_COMMIT", 1)
    return tmp_path / "var" / "runs"


def states(root):
    return [(row.path, row.status, row.run_id) for row in ledger_beside(root).rows()]


def test_run_is_an_open_row_while_it_runs_and_is_completed_with_its_ratio(root, monkeypatch):
    seen, end_turn = [], ResumedJournal.end_turn

    def watching(journal, ts_event, components):
        seen.append(states(root))
        end_turn(journal, ts_event, components)

    monkeypatch.setattr(ResumedJournal, "end_turn", watching)
    folder, document = execute(configuration(), runs=root, baselines=False)
    assert seen[0] == [("backtest", "open", "counted-0001")]
    (row,) = Ledger(root.parent / "trials.sqlite").rows("trend:TRENDUSDT.SIM:1-HOUR")
    assert (row.status, row.run_id, row.seed, row.periods) == ("done", "counted-0001", 3, 239)
    assert row.sharpe_per_period * 8_760**0.5 == pytest.approx(document["metrics"]["sharpe"])
    assert read_json(folder / MANIFEST)["trial"] == row.id


def test_every_other_configuration_is_a_trial_and_the_same_again_is_not(root):
    first = execute(configuration(), runs=root, baselines=False)[1]
    other = execute(configuration(lookback=24), runs=root, baselines=False)[1]
    again = execute(configuration(), runs=root, baselines=False)[1]
    assert [one["trials"] for one in (first, other, again)] == [1, 2, 2]
    assert first["dsr"] == first["psr"]
    assert again["dsr"] < again["psr"]
    assert again["dsr_benchmark"] > 0.0


def test_baselines_are_no_trials(root):
    document = execute(configuration(), runs=root)[1]
    assert len(document["baselines"]) == 4
    assert (document["trials"], len(states(root))) == (1, 1)


def test_run_that_raises_is_a_failed_trial(root, monkeypatch):
    def fails(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(strategy_class("trend"), "decide", fails)
    with pytest.raises(Exception, match="ZeroDivisionError"):
        execute(configuration(), runs=root, baselines=False)
    (row,) = ledger_beside(root).rows()
    assert row.status == "failed"
    assert "ZeroDivisionError" in row.reason
    assert list(root.iterdir()) == []


def test_configuration_that_is_refused_is_no_trial(root):
    with pytest.raises(ConfigError, match=r"strategy\.name must be one of"):
        execute(configuration(name="nobody"), runs=root, baselines=False)
    assert not ledger_beside(root).path.exists()


def interrupted(root, monkeypatch):
    end_turn = ResumedJournal.end_turn

    def pressed(journal, ts_event, components):
        if len(journal) == 77:
            os.kill(os.getpid(), signal.SIGINT)
        end_turn(journal, ts_event, components)

    with monkeypatch.context() as patched:
        patched.setattr(ResumedJournal, "end_turn", pressed)
        with pytest.raises(Interrupted):
            execute(configuration(), runs=root, baselines=False)


def test_run_that_is_cut_short_leaves_its_row_open_and_its_resumption_completes_it(root, monkeypatch):
    interrupted(root, monkeypatch)
    assert states(root) == [("backtest", "open", "counted-0001")]
    document = resume("counted-0001", runs=root)[1]
    assert states(root) == [("backtest", "done", "counted-0001")]
    assert document["trials"] == 1


def test_resumption_without_its_ledger_opens_a_new_row(root, monkeypatch):
    interrupted(root, monkeypatch)
    own = Ledger(root.parent / "elsewhere.sqlite")
    folder, document = resume("counted-0001", runs=root, ledger=own)
    assert [(row.status, row.run_id) for row in own.rows()] == [("done", "counted-0001")]
    assert document["trials"] == 1
    assert read_json(folder / METRICS)["trials"] == 1


def test_row_of_another_run_with_the_same_number_is_left_alone(root, monkeypatch):
    interrupted(root, monkeypatch)
    own = Ledger(root.parent / "elsewhere.sqlite")
    own.begin(
        family="trend:TRENDUSDT.SIM:1-HOUR", path="backtest", config_sha256="x", seed=1, start_ns=0, end_ns=1, run_id="other"
    )  # fmt: skip
    assert read_json(find_unfinished("counted-0001", root) / MANIFEST)["trial"] == 1
    document = resume("counted-0001", runs=root, ledger=own)[1]
    assert [(row.status, row.run_id) for row in own.rows()] == [("open", "other"), ("done", "counted-0001")]
    assert document["trials"] == 2
