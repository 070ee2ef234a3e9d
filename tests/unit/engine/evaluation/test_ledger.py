"""The trial ledger: rows come first, none is lost, and none that died is forgotten."""

import math
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engine.contract.errors import ConfigError, DataError, EnvironmentFault
from engine.evaluation.ledger import Ledger
from engine.evaluation.sharpe import PerPeriod, estimate
from engine.evaluation.trials import family_name
from tests.conftest import ROOT

FAMILY = "trend:BTCUSDT.BINANCE:1-HOUR"
YEAR = 8_760.0


def opened(ledger: Ledger, config: str = "aa", seed: int = 1, **changes):
    values = {"family": FAMILY, "path": "backtest", "config_sha256": config, "seed": seed, "start_ns": 0, "end_ns": 10}
    return ledger.trial(**{**values, **changes})


def result(sharpe: float | None, periods: int = 1_000) -> dict:
    return {
        "sharpe_per_period": None if sharpe is None else PerPeriod(sharpe),
        "periods": periods,
        "periods_per_year": YEAR,
    }


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "var" / "trials.sqlite")


def write_many(path: Path, worker: int, rows: int) -> None:
    ledger = Ledger(path)
    for number in range(rows):
        with opened(ledger, f"{worker}-{number}") as trial:
            trial.finish(**result(0.01 * worker))


def test_row_is_there_before_its_result_and_completed_after(ledger):
    with opened(ledger, policy="btc@1") as trial:
        (row,) = ledger.rows()
        assert (row.id, row.family, row.path, row.status, row.sharpe_per_period) == (
            trial.id,
            FAMILY,
            "backtest",
            "open",
            None,
        )
        assert row.started.endswith("Z")
        assert row.ended is None
        trial.finish(**result(0.02), skew=-0.5, kurtosis=7.0, run_id="btc-0001")
    (row,) = ledger.rows(FAMILY)
    assert (row.status, row.sharpe_per_period, row.periods, row.periods_per_year) == ("done", 0.02, 1_000, YEAR)
    assert (row.skew, row.kurtosis, row.policy, row.run_id) == (-0.5, 7.0, "btc@1", "btc-0001")
    assert row.ended >= row.started


def test_failure_inside_the_block_is_kept_with_its_reason_and_raised(ledger):
    with pytest.raises(ZeroDivisionError), opened(ledger):
        1 / 0  # noqa: B018
    (row,) = ledger.rows()
    assert (row.status, row.reason) == ("failed", "ZeroDivisionError: division by zero")
    assert ledger.trials(FAMILY, YEAR).number == 1


def test_block_that_ends_without_a_result_is_refused_and_counts(ledger):
    with pytest.raises(DataError, match=r"trial 1 must be finished inside its block, was open"), opened(ledger):
        pass
    assert ledger.rows()[0].status == "failed"


def test_result_is_written_once(ledger):
    with opened(ledger) as trial:
        trial.finish(**result(0.02))
        with pytest.raises(DataError, match="trial 1 must be open when its result is written, was not"):
            trial.finish(**result(0.5))
    assert ledger.rows()[0].sharpe_per_period == 0.02


def test_returns_are_measured_and_those_without_a_ratio_have_none(ledger):
    returns = np.random.default_rng(1).normal(0.001, 0.01, 500)
    with opened(ledger, "a") as trial:
        found = trial.finish_returns(returns, YEAR, run_id="r")
    with opened(ledger, "b") as trial:
        assert trial.finish_returns(np.zeros(500), YEAR) is None
    first, second = ledger.rows()
    assert (first.sharpe_per_period, first.skew, first.run_id) == (found.per_period, found.skew, "r")
    assert (second.status, second.sharpe_per_period, second.periods) == ("done", None, 500)
    counted = ledger.trials(FAMILY, YEAR)
    assert (counted.number, len(counted.sharpes_per_period)) == (2, 1)


def test_trials_count_what_is_different_and_measure_its_variance(ledger):
    for config, sharpe in (("a", 0.01), ("b", 0.03), ("b", 0.03), ("c", None), ("b", 0.05)):
        with opened(ledger, config) as trial:
            trial.finish(**result(sharpe))
    with opened(ledger, "z", family="other") as trial:
        trial.finish(**result(0.9))
    counted = ledger.trials(FAMILY, YEAR)
    assert (counted.number, counted.rows) == (4, 5)
    assert sorted(counted.sharpes_per_period) == [0.01, 0.03, 0.05]
    assert counted.variance_per_period == pytest.approx(0.0004)
    assert ledger.trials("unknown", YEAR).number == 0
    assert ledger.trials("unknown", YEAR).variance_per_period is None


def test_ratios_of_other_bars_are_brought_to_the_period_that_is_asked_for(ledger):
    with opened(ledger) as trial:
        trial.finish(sharpe_per_period=PerPeriod(0.1), periods=365, periods_per_year=365.0)
    (ratio,) = ledger.trials(FAMILY, YEAR).sharpes_per_period
    assert ratio * math.sqrt(YEAR) == pytest.approx(0.1 * math.sqrt(365.0))


def test_deflated_ratio_falls_with_the_trials_of_the_family_and_no_other(ledger):
    selected = estimate(np.random.default_rng(2).normal(0.0008, 0.01, 3_000), YEAR)
    probabilities = [ledger.trials(FAMILY, YEAR).deflate(selected).probability]
    for number in range(12):
        with opened(ledger, str(number)) as trial:
            trial.finish(**result(0.02 * (-1) ** number))
        probabilities.append(ledger.trials(FAMILY, YEAR).deflate(selected).probability)
    assert probabilities[0] == probabilities[1] > 0.99
    assert probabilities[12] < probabilities[2] < probabilities[1]
    with pytest.raises(DataError, match="per 365 periods a year, as the trials, was per 8760"):
        ledger.trials(FAMILY, 365.0).deflate(selected)


def test_process_that_is_killed_leaves_an_open_row_that_counts(ledger):
    code = (
        "import os, signal\nfrom pathlib import Path\nfrom engine.evaluation.ledger import Ledger\n"
        f"with Ledger(Path({str(ledger.path)!r})).trial(family={FAMILY!r}, path='search', config_sha256='x', seed=1, "
        "start_ns=0, end_ns=1):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert [row.status for row in ledger.rows()] == ["open"]
    counted = ledger.trials(FAMILY, YEAR)
    assert (counted.number, counted.unfinished) == (1, 1)


def test_two_processes_at_once_lose_no_row(ledger):
    _write_at_once(ledger, processes=2, rows=25)


@pytest.mark.slow
def test_eight_processes_at_once_lose_no_row(ledger):
    _write_at_once(ledger, processes=8, rows=200)


def _write_at_once(ledger: Ledger, processes: int, rows: int) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=write_many, args=(ledger.path, number, rows)) for number in range(processes)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * processes
    found = ledger.rows()
    assert sorted(row.config_sha256 for row in found) == sorted(
        f"{w}-{n}" for w in range(processes) for n in range(rows)
    )
    assert {row.status for row in found} == {"done"}
    assert len({row.id for row in found}) == processes * rows


def test_ledger_that_nobody_wrote_is_empty_and_not_made_by_reading(ledger):
    assert ledger.rows() == []
    assert not ledger.path.exists()


def test_file_that_a_killed_process_left_empty_is_a_new_ledger(ledger):
    ledger.path.parent.mkdir()
    ledger.path.touch()
    assert ledger.rows() == []
    with opened(ledger) as trial:
        trial.finish(**result(0.1))
    assert len(ledger.rows()) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"family": " "}, "family of a trial must be named"),
        ({"path": "paper"}, "path of a trial must be one of .*, was paper"),
    ],
)
def test_row_without_family_or_path_is_refused(ledger, changes, message):
    with pytest.raises(ConfigError, match=message), opened(ledger, **changes):
        pass
    assert ledger.rows() == []


def test_result_that_is_not_finite_is_refused_and_the_row_fails(ledger):
    with pytest.raises(DataError, match=r"sharpe_per_period must be finite, .*, was nan"), opened(ledger) as trial:
        trial.finish(**result(math.nan))
    assert ledger.rows()[0].status == "failed"


def test_other_files_are_refused(tmp_path):
    foreign, damaged = tmp_path / "foreign.sqlite", tmp_path / "damaged.sqlite"
    with sqlite3.connect(foreign) as database:
        database.execute("CREATE TABLE other (x)")
    database.close()
    damaged.write_bytes(b"no database at all, but long enough to be read as one" * 10)
    with (
        pytest.raises(DataError, match="trial ledger must be of application 0x48555254, was 0x0"),
        opened(Ledger(foreign)),
    ):
        pass
    with pytest.raises(DataError, match="was 0x0"):
        Ledger(foreign).rows()
    with pytest.raises(DataError, match="be a sound SQLite file, was file is not a database"), opened(Ledger(damaged)):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_ledger_that_cannot_be_written_stops_the_evaluation(tmp_path):
    tmp_path.chmod(0o500)
    with (
        pytest.raises(EnvironmentFault, match="readable and writable"),
        opened(Ledger(tmp_path / "deeper" / "t.sqlite")),
    ):
        pass


def test_folder_that_is_a_file_stops_the_evaluation(tmp_path):
    (tmp_path / "var").write_text("")
    ran = False
    with pytest.raises(EnvironmentFault, match="readable and writable"), opened(Ledger(tmp_path / "var" / "t.sqlite")):
        ran = True
    assert not ran


def test_family_is_named_by_what_one_chooses_from():
    assert (
        family_name("trend", ["B.X", "A.X"], "1-HOUR")
        == family_name("trend", ["A.X", "B.X"], "1-HOUR")
        == "trend:A.X+B.X:1-HOUR"
    )
    many = [f"I{number}.X" for number in range(143)]
    assert family_name("policy", many, "1-DAY").startswith("policy:143-instruments-")
    assert family_name("policy", many, "1-DAY") != family_name("policy", [*many[1:], "Z.X"], "1-DAY")
