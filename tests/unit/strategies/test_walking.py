"""The walk of a rule: what it writes, that it goes on where it stopped, and that its parts are plain back tests."""

import json
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from catalogs.generating import store_markets
from catalogs.synthesis import synthesise
from engine.contract.config import Config, parse
from engine.contract.errors import UsageError
from engine.evaluation.ledger import Ledger
from strategies import walking
from strategies.backtest import load, run
from strategies.folds import fold_config
from strategies.running import metrics_of
from strategies.walking import digest, make_plan, walk_forward
from tests.conftest import ROOT, SAMPLE

DOCUMENT = {
    "run": {"name": "rule", "seed": 3},
    "universe": {"instruments": ["TRENDUSDT.SIM"]},
    "strategy": {"name": "trend", "lookback": 24},
    "limits": {"max_position_frac": 1.0},
    "walkforward": {"train_bars": 300, "test_bars": 200},
}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("walk")
    store_markets(root, synthesise("trend", 1_000, 5))
    return root


def configured(catalog: Path, **sections: dict[str, Any]) -> Config:
    return parse({**DOCUMENT, "data": {"catalog": str(catalog)}, **sections})


@pytest.fixture(scope="module")
def walked(catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], Ledger]:
    root = tmp_path_factory.mktemp("walked")
    ledger = Ledger(root / "trials.sqlite")
    folder, document = walk_forward(configured(catalog), root=root, ledger=ledger, workers=0)
    return folder, document, ledger


def same(document: dict[str, Any]) -> dict[str, Any]:
    """What must not depend on when, where or by whom a walk was made."""
    return {key: value for key, value in document.items() if key not in ("seconds", "workers", "folder")}


def test_walk_writes_its_folder_and_a_document_with_the_fixed_keys(walked: Any, catalog: Path) -> None:
    folder, document, _ = walked
    assert folder.name == f"rule-{digest(configured(catalog))[:12]}"
    assert {path.name for path in folder.iterdir()} >= {
        "config.toml",
        "plan.json",
        "folds",
        "paths.parquet",
        "result.json",
    }
    assert {
        "sharpe",
        "sharpe_error",
        "interval",
        "psr",
        "dsr",
        "pbo",
        "trials",
        "p_value",
        "p_value_error",
        "metrics",
    } <= set(document)
    assert {"seeds", "baselines", "break_even_bps", "intervals", "untested_bars", "workers", "seconds"} <= set(document)
    assert json.loads((folder / "result.json").read_bytes())["folds"] == document["folds"]
    assert [fold["number"] for fold in document["folds"]] == [1, 2]
    # 1,000 turns: 300 to learn on, an embargo of 201, two tests of 200, and 99 that are left
    assert document["untested_bars"] == 99
    assert document["folds"][0]["test_start"] == "2020-01-21T21:00:00Z"
    assert list(document["baselines"]) == ["cash", "buy_and_hold", "volatility_target", "random"]
    assert document["pbo"] is None
    assert "2 columns or more" in document["reasons"]["pbo"]


def test_paths_lie_end_to_end_and_compound(walked: Any) -> None:
    folder, document, _ = walked
    table = pq.read_table(folder / "paths.parquet")
    assert table.column_names == ["path", "ts_event", "equity", "return", "exposure", "turnover"]
    names = ["chosen", "seed:3", "cash", "buy_and_hold", "volatility_target", "random"]
    assert list(dict.fromkeys(table["path"].to_pylist())) == names
    rows = {name: table.filter(np.asarray(table["path"]) == name) for name in names}
    ts = rows["chosen"]["ts_event"].to_numpy()
    assert (np.diff(ts) == 3_600_000_000_000).all()
    assert all((one["ts_event"].to_numpy() == ts).all() for one in rows.values())
    returns = rows["chosen"]["return"].to_numpy()
    np.testing.assert_allclose(rows["chosen"]["equity"].to_numpy(), 100_000.0 * np.cumprod(1.0 + returns))
    both = [fold["total_return"] for fold in document["folds"]]
    assert (1.0 + both[0]) * (1.0 + both[1]) - 1.0 == pytest.approx(document["metrics"]["total_return"])
    assert rows["cash"]["return"].to_numpy().any() is np.False_
    assert document["metrics"]["sharpe"] == pytest.approx(document["sharpe"])


def test_each_test_is_the_back_test_of_its_span(walked: Any, catalog: Path) -> None:
    _, document, _ = walked
    config = configured(catalog)
    fees = turnover = 0.0
    for training, fold in zip(make_plan(config).trainings, document["folds"]):
        own = fold_config(config, training, training.tests[0], 3)
        market, session = load(own)
        metrics = metrics_of(run(own, market, session))
        assert fold["total_return"] == pytest.approx(metrics["total_return"])
        fees += metrics["fees"] * (1.0 if fold["number"] == 1 else 1.0 + document["folds"][0]["total_return"])
        turnover += metrics["turnover"] / 2
    assert document["metrics"]["fees"] == pytest.approx(fees)
    assert document["metrics"]["turnover"] == pytest.approx(turnover, rel=0.05)


def test_every_test_is_a_trial_and_baselines_are_none(walked: Any) -> None:
    _, document, ledger = walked
    rows = ledger.rows()
    assert [(row.family, row.path, row.seed, row.status, row.periods) for row in rows] == [
        ("trend:TRENDUSDT.SIM:1-HOUR", "walkforward", 3, "done", 200)
    ] * 2
    assert document["trials"] == 2


def test_finished_walk_is_not_done_again(walked: Any, catalog: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, document, ledger = walked
    monkeypatch.setattr("strategies.units.run", None)
    heard: list[int] = []
    again = walk_forward(
        configured(catalog), root=folder.parent, ledger=ledger, workers=0, advance=lambda n, text: heard.append(n)
    )
    assert again[0] == folder
    assert same(again[1]) == same(document)
    # 2 units and 3 rules, then 5 random runs, all of which are there
    assert heard == [5, 5]


def test_walk_that_was_cut_short_goes_on_to_the_same_result(walked: Any, catalog: Path, tmp_path: Path) -> None:
    class Cut(Exception):
        pass

    count = 0

    def cut(number: int, text: str) -> None:
        nonlocal count
        count += bool(text)
        if count == 3:
            raise Cut

    ledger = Ledger(tmp_path / "trials.sqlite")
    with pytest.raises(Cut):
        walk_forward(configured(catalog), root=tmp_path, ledger=ledger, workers=0, advance=cut)
    folder, document = walk_forward(configured(catalog), root=tmp_path, ledger=ledger, workers=0)
    assert same(document) == same(walked[1])
    assert pq.read_table(folder / "paths.parquet").equals(pq.read_table(walked[0] / "paths.parquet"))
    assert len(ledger.rows()) == 2


def test_workers_do_not_decide_the_name_of_a_walk_and_the_strategy_does(catalog: Path) -> None:
    config = configured(catalog)
    more = msgspec.structs.replace(config, walkforward=msgspec.structs.replace(config.walkforward, workers=4))
    other = configured(catalog, strategy={"name": "trend", "lookback": 25})
    assert digest(config) == digest(more) != digest(other)


def test_two_processes_at_one_walk_are_refused(walked: Any, catalog: Path) -> None:
    folder, _, ledger = walked
    with walking.claimed(folder), pytest.raises(UsageError, match="walk must be left by its process"):
        walk_forward(configured(catalog), root=folder.parent, ledger=ledger, workers=0)


def test_cash_is_walked_to_its_end_and_every_missing_figure_has_a_reason(catalog: Path, tmp_path: Path) -> None:
    config = configured(catalog, strategy={"name": "cash"}, walkforward={"train_bars": 500, "test_bars": 60})
    ledger = Ledger(tmp_path / "trials.sqlite")
    _, document = walk_forward(
        config, root=tmp_path, ledger=ledger, workers=0, extras=[lambda walked, found: {"grade": "F"}]
    )
    assert document["sharpe"] is None
    assert {"sharpe", "dsr", "p_value", "intervals", "break_even_bps"} <= set(document["reasons"])
    assert document["folds"][0]["sharpe"] is None
    assert document["metrics"]["total_return"] == 0.0
    assert document["grade"] == "F"


@pytest.mark.slow
def test_random_walk_of_several_seeds_in_processes_is_that_of_one_process(catalog: Path, tmp_path: Path) -> None:
    section = {"train_bars": 300, "test_bars": 100, "retrain_every": 2, "seeds": [4, 5, 6]}
    config = configured(catalog, strategy={"name": "random", "enter": 0.1, "leave": 0.1}, walkforward=section)
    found = []
    for workers in (0, 2):
        root = tmp_path / str(workers)
        found.append(walk_forward(config, root=root, ledger=Ledger(root / "trials.sqlite"), workers=workers))
    assert same(found[0][1]) == same(found[1][1])
    document = found[0][1]
    assert [seed["seed"] for seed in document["seeds"]] == [4, 5, 6]
    assert len({seed["metrics"]["total_return"] for seed in document["seeds"]}) == 3
    assert document["trials"] == 3 * len(document["folds"]) == 12
    assert 0.0 <= document["pbo"] <= 1.0
    low, middle, high = document["seed_quartiles"]["total_return"]
    assert low < middle < high


@pytest.mark.slow
def test_killed_worker_is_replaced_and_a_killed_command_goes_on(catalog: Path, tmp_path: Path) -> None:
    text = (
        f'[run]\nname = "rule"\nseed = 3\n[data]\ncatalog = "{catalog}"\n[universe]\ninstruments = ["TRENDUSDT.SIM"]\n'
    )
    text += '[strategy]\nname = "trend"\nlookback = 24\n[limits]\nmax_position_frac = 1.0\n'
    text += "[walkforward]\ntrain_bars = 200\ntest_bars = 60\nworkers = 1\n"
    (tmp_path / "rule.toml").write_text(text)
    command = [sys.executable, "-m", "engine.cli", "walkforward", str(tmp_path / "rule.toml"), "--no-stress", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def start(folder: str) -> subprocess.Popen[str]:
        (tmp_path / folder).mkdir(exist_ok=True)
        return subprocess.Popen(
            command, cwd=tmp_path / folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        return same(json.loads(out))

    def wait_for(fold: str, process: subprocess.Popen[str]) -> None:
        while not list((tmp_path / "killed").glob(f"var/walkforward/rule-*/folds/{fold}/seed-3/result.json")):
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)

    whole = ended(start("whole"))
    process = start("killed")
    wait_for("001", process)
    os.kill(_child(process.pid), signal.SIGKILL)
    wait_for("004", process)
    process.kill()
    process.communicate()
    assert_same_but_for_open_trials(ended(start("killed")), whole)


def assert_same_but_for_open_trials(found: dict[str, Any], whole: dict[str, Any]) -> None:
    """A trial that one of the two kills left open counts as one more, deflates as such, and is graded as such."""
    more = found["trials"] - whole["trials"]
    assert more in (0, 1, 2)
    assert found["dsr"] < whole["dsr"] if more else found["dsr"] == whole["dsr"]
    counted = ("trials", "dsr", "grade") if more else ()
    assert {key: value for key, value in found.items() if key not in counted} == {
        key: value for key, value in whole.items() if key not in counted
    }


def _child(parent: int) -> int:
    """Process id of the worker: the child that is no tracker of resources."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = path.read_text().rpartition(")")[2].split()
            spawned = b"spawn_main" in path.with_name("cmdline").read_bytes()
        except OSError:
            continue
        if int(words[1]) == parent and spawned:
            return int(path.parent.name)
    raise AssertionError("no worker")


@pytest.mark.slow
def test_script_of_the_guide_walks_the_sample_catalog(tmp_path: Path) -> None:
    main = runpy.run_path(str(ROOT / "docs" / "how-to" / "walk_forward.py"))["main"]
    document = main(SAMPLE, tmp_path)
    assert len(document["folds"]) == 4
    assert document["best_fold_return"] == max(fold["total_return"] for fold in document["folds"])
    assert document["p_value"] < 0.05
