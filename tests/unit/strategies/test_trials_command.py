"""`huracan trials`, on a ledger with two families."""

import json
import math

import numpy as np
import pytest

from engine.cli import main
from engine.evaluation.ledger import TRIALS, Ledger
from engine.evaluation.sharpe import PerPeriod

YEAR = 8_760.0


@pytest.fixture
def ledger(tmp_path, monkeypatch) -> Ledger:
    monkeypatch.chdir(tmp_path)
    return Ledger(TRIALS)


def evaluated(ledger: Ledger, family: str, number: int, sharpe: float | None) -> None:
    span = {"start_ns": 0, "end_ns": 86_400_000_000_000}
    with ledger.trial(family=family, path="backtest", config_sha256=f"c{number}", seed=number, **span) as trial:
        ratio = None if sharpe is None else PerPeriod(sharpe)
        trial.finish(sharpe_per_period=ratio, periods=1_000, periods_per_year=YEAR, run_id=f"run-{number}")


def test_families_are_counted_and_rows_carry_their_ratio(ledger, capsys):
    for number, sharpe in enumerate((0.01, 0.03, None)):
        evaluated(ledger, "trend:A.X:1-HOUR", number, sharpe)
    evaluated(ledger, "cash:A.X:1-HOUR", 9, None)
    assert main(["trials", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["ledger"] == "var/trials.sqlite"
    trend, cash = document["families"]
    assert trend == {
        "family": "trend:A.X:1-HOUR",
        "trials": 3,
        "rows": 3,
        "open": 0,
        "failed": 0,
        "best_sharpe": pytest.approx(0.03 * math.sqrt(YEAR)),
        "variance_per_period": pytest.approx(np.var([0.01, 0.03], ddof=1)),
        "periods_per_year": YEAR,
    }
    assert (cash["trials"], cash["best_sharpe"], cash["variance_per_period"]) == (1, None, None)
    assert [row["sharpe"] for row in document["trials"]] == [
        pytest.approx(0.01 * math.sqrt(YEAR)), pytest.approx(0.03 * math.sqrt(YEAR)), None, None,
    ]  # fmt: skip
    assert (document["trials"][0]["start"], document["trials"][0]["end"]) == (
        "1970-01-01T00:00:00Z",
        "1970-01-02T00:00:00Z",
    )


def test_one_family_shows_its_rows_to_a_person(ledger, capsys):
    for number in range(23):
        evaluated(ledger, "trend:A.X:1-HOUR", number, 0.01)
    evaluated(ledger, "cash:A.X:1-HOUR", 99, None)
    assert main(["trials", "--family", "trend:A.X:1-HOUR"]) == 0
    shown = capsys.readouterr().out
    assert "run-22" in shown
    assert "run-2 " not in shown
    assert "cash" not in shown
    assert "the newest 20 of 23 rows" in shown


def test_without_a_ledger_there_are_no_trials_and_none_is_made(ledger, capsys):
    assert main(["trials", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"ledger": "var/trials.sqlite", "families": [], "trials": []}
    assert main(["trials"]) == 0
    assert "no trials in var/trials.sqlite" in capsys.readouterr().out
    assert not ledger.path.exists()
