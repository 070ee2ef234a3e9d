"""`huracan train`: what it prints, writes and refuses."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from catalogs.generating import store_markets
from catalogs.synthesis import synthesise
from engine.cli import main
from engine.policy.manifest import read
from tests.conftest import ROOT

CONFIG = """
[run]
name = "toy"
[data]
catalog = "CATALOG"
[universe]
instruments = ["TRENDUSDT.SIM"]
[training]
env_steps = 1024
envs = 64
rollout_steps = 16
hidden = [16]
seeds = [1]
"""

ANYHOW = ["--allow-degenerate"]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    store_markets(tmp_path / "catalog", synthesise("trend", 1_500, 5))
    path = tmp_path / "toy.toml"
    path.write_text(CONFIG.replace("CATALOG", str(tmp_path / "catalog")))
    return path


@pytest.mark.slow
def test_train_writes_a_policy_folder_and_one_document(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", "toy.toml", "--set", "training.epochs=2", "--output", "policies", *ANYHOW, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["policy"], document["version"], document["env_steps"]) == ("toy", "1", 1_024)
    assert document["env_steps_per_second"] > 0
    assert document["seconds"] > 0
    assert [one["seed"] for one in document["seeds"]] == [1]
    manifest = read(tmp_path / document["path"])
    command = "huracan train toy.toml --set training.epochs=2 --allow-degenerate"
    assert manifest.training["command"] == command
    assert f"Made by `{command}`" in (tmp_path / document["path"] / "CARD.md").read_text()
    assert manifest.training["epochs"] == 2
    assert manifest.data["instruments"][0]["instrument"] == "TRENDUSDT.SIM"
    assert {"entropy", "turnover", "commonest_action_share"} <= set(manifest.evaluation["seeds"][0])
    assert manifest.evaluation["trials"] == document["trials"] == 1
    assert manifest.evaluation["equivalence"]["passed"]
    assert manifest.evaluation["equivalence"]["checked"] > 1_000
    assert not list((tmp_path / "var" / "training").rglob("*.safetensors"))
    assert str(tmp_path) not in (tmp_path / document["path"] / "manifest.json").read_text()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.env_stepz=3", "env_stepz"),
        ('universe.instruments=["OTHERUSDT.SIM"]', "OTHERUSDT.SIM"),
        ("training.end=2020-01-03", "must leave 256 bars to learn on"),
        ('data.catalog="nowhere"', "nowhere"),
    ],
)
def test_train_refuses_what_it_cannot_train_on_and_writes_nothing(
    override: str,
    message: str,
    config: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", "toy.toml", "--set", override, "--output", "policies"]) == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert error.startswith("huracan train: ")
    assert "\n" not in error
    assert not (tmp_path / "policies").exists()
    assert not (tmp_path / "var").exists()


@pytest.mark.slow
def test_collapsed_policy_is_refused_with_its_figures_and_exported_with_a_mark_where_that_is_wanted(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["train", "toy.toml", "--set", "training.learning_rate=1e-9", "--output", "policies"]
    assert main(command) == 3
    error = capsys.readouterr().err
    # next to nothing was learned: all answers are about as probable, and the surest one is not what drawing would give
    assert "policy must not have collapsed, was agreement" in error
    assert "under 0.3" in error
    assert not list((tmp_path / "policies").rglob("manifest.json"))
    assert main([*command, *ANYHOW, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["env_steps"] == 0
    manifest = read(tmp_path / document["path"])
    assert manifest.evaluation["degenerate"][0].startswith("agreement")
    assert "**Degenerate:** agreement" in (tmp_path / document["path"] / "CARD.md").read_text()
    check = ["verify", "export", "toy.toml", "--policy", document["path"]]
    assert main(check) == 3
    assert "agreement" in capsys.readouterr().err
    assert main([*check, *ANYHOW]) == 0


@pytest.mark.slow
def test_process_killed_in_the_middle_resumes_to_the_same_weights(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = ["training.env_steps=8192", "training.algorithm=dqn", "training.replay.warm_up=512"]
    command = ["train", str(config), *ANYHOW, "--json", *(word for key in keys for word in ("--set", key))]

    def ended(folder: str) -> tuple[int, bytes]:
        monkeypatch.chdir(tmp_path / folder)
        assert main(command) == 0
        document = json.loads(capsys.readouterr().out)
        return document["env_steps"], Path(document["path"], "weights.safetensors").read_bytes()

    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "engine.cli", *command],
        cwd=tmp_path / "killed",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
    )
    while not list((tmp_path / "killed").rglob("seed-1.safetensors")):
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.wait()
    resumed, whole = ended("killed"), ended("whole")
    assert resumed[0] < whole[0] == 8_192
    assert resumed[1] == whole[1]


@pytest.mark.slow
def test_two_instruments_are_learned_and_traded_on_one_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    made = synthesise("leadlag", 1_500, 5)
    store_markets(tmp_path / "catalog", made)
    names = [market.instrument_id for market in made]
    text = CONFIG.replace("CATALOG", str(tmp_path / "catalog")).replace('["TRENDUSDT.SIM"]', json.dumps(names))
    (tmp_path / "two.toml").write_text(text + "[limits]\nmax_position_frac = 0.4\n")
    assert main(["train", "two.toml", "--output", "policies", *ANYHOW, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["env_steps"] == 2_048
    assert [one["instrument"] for one in read(tmp_path / document["path"]).data["instruments"]] == names
    assert document["equivalence"]["passed"]
    backtest = ["backtest", "two.toml", "--policy", document["path"], "--no-baselines", "--json"]
    assert main(backtest) == 0
    assert json.loads(capsys.readouterr().out)["decisions"] == 2 * (1_500 - 95)
