"""The search: what it tries, what it never sees, that it goes on where it stopped, and that workers do not matter."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
import tomli_w

from catalogs import arrays
from catalogs.generating import store_markets
from catalogs.synthesis import synthesise
from engine.cli import main
from engine.contract.calendar import to_ns
from engine.contract.config import Config, load, parse
from engine.contract.errors import ConfigError, DataError, UsageError
from engine.evaluation.ledger import Ledger
from models import search_trials
from models.search_trials import with_values
from models.searching import opened, search, study_digest
from strategies import walking
from tests.conftest import ROOT

RATE = "training.learning_rate"
VARY: dict[str, Any] = {
    RATE: {"low": 1e-4, "high": 1e-2, "log": True},
    "training.hidden": [[8], [8, 8]],
    "training.epochs": {"low": 1, "high": 3},
}
END = "2020-02-01T00:00:00Z"


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("search")
    store_markets(root, synthesise("trend", 1_000, 5))
    return root


def document(catalog: Path, **search: Any) -> dict[str, Any]:
    return {
        "run": {"name": "tried"},
        "data": {"catalog": str(catalog)},
        "universe": {"instruments": ["TRENDUSDT.SIM"]},
        "limits": {"max_position_frac": 1.0},
        "training": {
            "env_steps": 512,
            "envs": 32,
            "rollout_steps": 16,
            "minibatches": 2,
            "hidden": [8],
            "episode_bars": 32,
            "seeds": [1],
            "device": "cpu",
        },
        "search": {"vary": VARY, "end": END, "trials": 4, "batch": 2, "startup_trials": 2, "workers": 0, **search},
    }


def configured(catalog: Path, **search: Any) -> Config:
    return parse(document(catalog, **search))


def same(found: dict[str, Any]) -> dict[str, Any]:
    """What must not depend on when, where or by whom a search was made."""
    left = {"seconds", "workers", "folder", "study", "best"}
    return {key: value for key, value in found.items() if key not in left} | {"best": found["best"]["parameters"]}


@pytest.fixture(scope="module")
def searched(catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], Ledger]:
    root = tmp_path_factory.mktemp("searched")
    ledger = Ledger(root / "trials.sqlite")
    folder, found = search(configured(catalog), root=root, ledger=ledger)
    return folder, found, ledger


def test_best_of_the_trials_is_written_as_a_configuration(searched: Any) -> None:
    folder, found, _ = searched
    assert [one["number"] for one in found["trials"]] == [0, 1, 2, 3]
    assert found["states"] == {"complete": 4, "pruned": 0, "failed": 0}
    best = max(found["trials"], key=lambda one: one["value"])
    assert found["best"]["number"] == best["number"]
    assert len({one["value"] for one in found["trials"]}) > 1
    for one in found["trials"]:
        assert 1e-4 <= one["parameters"][RATE] <= 1e-2
        assert one["parameters"]["training.hidden"] in ([8], [8, 8])
        assert one["parameters"]["training.epochs"] in (1, 2, 3)
    written = load(found["best"]["config"])
    assert written.training.learning_rate == best["parameters"][RATE]
    assert written.training.hidden == best["parameters"]["training.hidden"]
    again = load(folder / "config.toml", found["set"])
    assert again.training == written.training
    with opened(folder, "tried") as study:
        assert study.best_value == best["value"]


def test_every_trial_has_a_row_that_was_opened_before_its_result_and_deflates_the_best(searched: Any) -> None:
    _, found, ledger = searched
    rows = ledger.rows("policy:TRENDUSDT.SIM:1-HOUR")
    # 512 decisions are one iteration, which is the last one and is therefore evaluated
    assert [(row.path, row.status, row.seed) for row in rows] == [("search", "done", 1)] * 4
    assert len({row.config_sha256 for row in rows}) == 4
    assert found["trials_of_family"] == 4
    best = max(rows, key=lambda row: row.id == rows[found["best"]["number"]].id)
    assert found["sharpe"] == pytest.approx(best.sharpe_per_period * 8_760**0.5)
    assert 0.0 < found["dsr"] < found["psr"] < 1.0


def test_search_that_was_killed_in_a_batch_goes_on_to_the_same_trials(
    searched: Any, catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(Exception):
        pass

    whole, made = search_trials.train, 0

    def cut(*arguments: Any, **named: Any) -> Any:
        nonlocal made
        made += 1
        if made == 4:
            raise Killed
        return whole(*arguments, **named)

    ledger = Ledger(tmp_path / "trials.sqlite")
    monkeypatch.setattr(search_trials, "train", cut)
    with pytest.raises(Killed):
        search(configured(catalog), root=tmp_path, ledger=ledger)
    _, found = search(configured(catalog), root=tmp_path, ledger=ledger)
    assert same(found) == same(searched[1])
    assert made == 5
    assert len(ledger.rows()) == 4


def test_more_trials_go_on_with_the_study(searched: Any, catalog: Path, tmp_path: Path) -> None:
    short = configured(catalog, trials=2)
    assert study_digest(short) == study_digest(configured(catalog)) != study_digest(configured(catalog, seed=2))
    ledger = Ledger(tmp_path / "trials.sqlite")
    assert len(search(short, root=tmp_path, ledger=ledger)[1]["trials"]) == 2
    assert same(search(configured(catalog), root=tmp_path, ledger=ledger)[1]) == same(searched[1])


@pytest.mark.slow
def test_command_that_was_killed_goes_on_with_more_workers_to_the_same_trials(
    searched: Any, catalog: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "engine.cli", "search", "tried.toml", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def start(workers: int) -> subprocess.Popen[str]:
        (tmp_path / "tried.toml").write_text(tomli_w.dumps(document(catalog, workers=workers)))
        return subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True)

    process = start(0)
    while not list(tmp_path.glob("var/search/*/trials/trial-0000.json")):
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.communicate()
    out, _ = start(2).communicate(timeout=300)
    found = json.loads(out)
    assert found["trials"] == searched[1]["trials"]
    rows = Ledger(tmp_path / "var" / "trials.sqlite").rows()
    assert {row.path for row in rows} == {"search"}
    assert found["trials_of_family"] - 4 in (0, 1)


@pytest.mark.cluster
@pytest.mark.filterwarnings("ignore")
def test_cluster_finds_what_processes_find(searched: Any, catalog: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    ledger = Ledger(tmp_path / "trials.sqlite")
    found = search(configured(catalog), root=tmp_path, ledger=ledger, workers=2, ray="local")[1]
    assert same(found) == same(searched[1])


@pytest.mark.parametrize("over", ["training", "walkforward"])
def test_no_bar_from_the_end_on_is_read(
    over: str, catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    def spied(*arguments: Any) -> Any:
        bars = arrays.read_bars(*arguments)
        read.append(int(bars.ts_close[-1]))
        return bars

    for place in ("models.tape", "strategies.folds"):
        monkeypatch.setattr(f"{place}.read_bars", spied)
    one = document(catalog, over=over, trials=1, vary={RATE: [1e-3]})
    one["walkforward"] = {"train_bars": 400, "test_bars": 120}
    one["training"]["validation_frac"] = 0.4
    config = parse(one)
    _, found = search(config, root=tmp_path, ledger=Ledger(tmp_path / "trials.sqlite"))
    # 744 hours of January: 400 to learn on, an embargo of 97 and 120 to test on end after 617 and 737 of them
    assert len(found["trials"][0]["steps"]) == (1 if over == "training" else 2)
    assert max(read) == to_ns(config.search.end)
    assert found["held_out_from"] == END


def test_trial_that_falls_behind_is_given_up_and_one_that_cannot_be_is_failed(
    catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, made = iter([0.3, 0.3, 0.1, 0.1, 0.25, 0.25, 0.2]), 0

    def measured(*arguments: Any) -> dict[str, Any]:
        empty = dict.fromkeys(("sharpe_per_period", "periods", "skew", "kurtosis"))
        return {"value": next(found), "degenerate": [], **empty}

    def trained(config: Config, **named: Any) -> None:
        nonlocal made
        made += 1
        if made == 8:
            raise ConfigError("entropy of seed 1 must stay finite, was nan")

    monkeypatch.setattr(search_trials, "train", trained)
    monkeypatch.setattr(search_trials, "_measured", measured)
    one = document(catalog, pruner="median", prune_after=2, batch=1, trials=5)
    one["training"]["seeds"] = [1, 2]
    _, tried = search(parse(one), root=tmp_path, ledger=Ledger(tmp_path / "trials.sqlite"))
    # after two trials the median of the first steps is 0.2, after three 0.25
    assert [(row["state"], row["value"], row["steps"]) for row in tried["trials"]] == [
        ("complete", pytest.approx(0.3), [0.3, 0.3]),
        ("complete", pytest.approx(0.1), [0.1, 0.1]),
        ("complete", pytest.approx(0.25), [0.25, 0.25]),
        ("pruned", pytest.approx(0.2), [0.2]),
        ("failed", None, []),
    ]
    assert "below the median, 0.25, after step 1" in tried["trials"][3]["reason"]
    assert "stay finite" in tried["trials"][4]["reason"]
    assert tried["dsr"] is None


@pytest.mark.parametrize(
    ("vary", "message"),
    [
        ({"training.learning_rate": {"low": 1e-2, "high": 1e-4}}, r"finite low below its high, was 0.01 and 0.0001"),
        ({"training.epochs": {"low": 2, "high": 2}}, "low below its high, was 2 and 2"),
        ({"training.learning_rate": {"low": 0.0, "high": 1.0, "log": True}}, "low must be above 0 where log = true"),
        ({"training.epochs": {"low": 1, "high": 3, "step": 5}}, "step must be above 0 and at most high - low, 2"),
        ({"training.hidden": []}, 'vary."training.hidden" must have a choice'),
        ({"training.epochs": [1, 1]}, "name each choice once"),
        ({"venue.taker_bps": [0.0]}, r"key of search.vary must be a key of \[training\]"),
        ({"training.seeds": [[1], [2]]}, "must be none of training.start"),
    ],
)
def test_range_that_is_empty_or_forbidden_is_refused(vary: dict[str, Any], message: str, catalog: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        configured(catalog, vary=vary)


@pytest.mark.parametrize(
    ("vary", "message"),
    [
        ({}, "search.vary must name a key that is varied, was empty"),
        ({"training.learning_rat": [1e-3]}, r"be a key of the configuration.*learning_rat"),
        ({"training.epochs": {"low": 0, "high": 3}}, "values in range, was 0"),
        ({"training.sac.entropyy": [1.0]}, "be a key of the configuration"),
    ],
)
def test_key_that_is_unknown_is_refused_before_anything_is_tried(
    vary: dict[str, Any], message: str, catalog: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        search(configured(catalog, vary=vary), root=tmp_path)
    assert not list(tmp_path.iterdir())


def test_search_that_holds_nothing_out_is_refused_and_so_is_a_span_without_validation(
    catalog: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"search\.end must say where the bars begin that the search never sees"):
        search(configured(catalog, end=None), root=tmp_path)
    with pytest.raises(DataError, match="to validate on, was"):
        search(configured(catalog, end="2020-01-08T00:00:00Z"), root=tmp_path)


def test_two_processes_at_one_search_are_refused(searched: Any, catalog: Path) -> None:
    folder, _, ledger = searched
    with walking.claimed(folder), pytest.raises(UsageError, match="must be left by its process"):
        search(configured(catalog), root=folder.parent, ledger=ledger)


def test_values_are_set_below_their_keys(catalog: Path) -> None:
    made = with_values(configured(catalog), {"training.replay.batch": 64, "limits.max_position_frac": 0.5})
    assert (made.training.replay.batch, made.limits.max_position_frac) == (64, 0.5)
    assert msgspec.structs.replace(made, training=configured(catalog).training).universe == configured(catalog).universe


def test_command_prints_one_document(
    catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tried.toml").write_text(tomli_w.dumps(document(catalog, trials=1, vary={RATE: [1e-3]})))
    assert main(["search", "tried.toml", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["best"]["parameters"] == {RATE: 1e-3}
    assert main(["search", "tried.toml"]) == 0
    assert "nothing from 2020-02-01T00:00:00Z on was seen" in capsys.readouterr().out


def test_search_without_its_package_names_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("models.searching", "models.commands.search"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert main(["search", "tried.toml"]) == 4
    assert "package optuna must be installed, was missing; run make setup" in capsys.readouterr().err
