"""The commands as a user runs them: what they print, where they write, and how they refuse."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.conftest import ROOT, SAMPLE

CONFIG = f"""
[run]
name = "small"
seed = 3
[data]
catalog = "{SAMPLE}"
start = 2021-01-01
end = 2021-03-01
[universe]
instruments = ["TRENDUSDT.SIM"]
[strategy]
name = "trend"
lookback = 24
[limits]
max_position_frac = 1.0
"""


EVERYTHING = f"""
[run]
name = "all"
[data]
catalog = "{SAMPLE}"
start = 2021-05-01
end = 2021-05-15
[universe]
instruments = ["TRENDUSDT.SIM", "NULLUSDT.SIM"]
[policy]
path = "{ROOT}/models/released/trend/2"
[limits]
max_position_frac = 0.5
daily_loss_frac = 0.01
[actors.regime]
fit_end = 2021-01-01
[actors.changepoint]
[actors.risk_budget]
[actors.breaker]
confidence = 0.3
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.toml").write_text(CONFIG)
    return tmp_path


def huracan(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "engine.cli", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def document(done: subprocess.CompletedProcess[str]) -> dict:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_backtest_writes_a_whole_run_folder_and_repeats_in_another_process(folder):
    first = document(huracan(folder, "backtest", "config.toml", "--no-baselines", "--json", PYTHONHASHSEED="1"))
    second = document(huracan(folder, "backtest", "config.toml", "--no-baselines", "--json", PYTHONHASHSEED="77"))
    assert first["decisions_sha256"] == second["decisions_sha256"]
    assert (first["run_id"], second["run_id"]) == ("small-0001", "small-0002")
    assert first["decisions"] == 59 * 24
    assert first["metrics"] == second["metrics"]
    assert (first["trials"], second["trials"]) == (1, 1)
    assert (first["dsr"], first["p_value"], first["interval"]) == (second["dsr"], second["p_value"], second["interval"])
    names = {path.name for path in (folder / "var/runs/small-0001").iterdir()}
    assert names == {
        "config.toml", "manifest.json", "journal.parquet", "orders.parquet", "fills.parquet", "equity.parquet",
        "baselines.parquet", "metrics.json", "report.html", "log.txt",
    }  # fmt: skip
    again = document(huracan(folder, "backtest", "var/runs/small-0001/config.toml", "--no-baselines", "--json"))
    assert again["decisions_sha256"] == first["decisions_sha256"]


@pytest.mark.slow
def test_two_processes_decide_the_same_with_every_actor_on_several_instruments_and_a_policy(folder):
    (folder / "all.toml").write_text(EVERYTHING)
    runs = [
        document(huracan(folder, "backtest", "all.toml", "--no-baselines", "--json", PYTHONHASHSEED=seed))
        for seed in ("1", "77")
    ]
    assert runs[0]["decisions_sha256"] == runs[1]["decisions_sha256"]
    assert runs[0]["orders"] > 0
    context = pq.read_table(folder / "var/runs/all-0001/journal.parquet")["context"][-1].as_py()
    assert list(json.loads(context)) == ["regime", "changepoint", "risk_budget", "breaker"]


def test_runs_report_and_why_read_the_run_folder(folder):
    done = document(huracan(folder, "backtest", "config.toml", "--no-baselines", "--json"))
    (counted,) = document(huracan(folder, "trials", "--json"))["trials"]
    assert (counted["path"], counted["status"], counted["run_id"]) == ("backtest", "done", done["run_id"])
    listed = document(huracan(folder, "runs", "--json"))["runs"]
    assert [run["run_id"] for run in listed] == [done["run_id"]]
    assert document(huracan(folder, "report", "small", "--json"))["report"] == "var/runs/small-0001/report.html"
    told = huracan(folder, "why", "small-0001", "200")
    assert told.returncode == 0
    assert "decided by trend" in told.stdout
    assert "gate: " in told.stdout
    explained = document(huracan(folder, "why", "small-0001", "200:TRENDUSDT.SIM", "--json"))["explained"]
    assert explained[0]["decision"]["seq"] == 200


def test_new_configuration_checks_and_its_name_is_taken_once(folder):
    path = document(huracan(folder, "new", "mine", "--json"))["path"]
    assert document(huracan(folder, "config", "check", path, "--json"))["passed"]
    assert huracan(folder, "new", "mine").returncode == 2


def test_schema_is_json_on_stdout(folder):
    assert "$defs" in document(huracan(folder, "config", "schema"))


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["backtest", "absent.toml"], 2, "configuration must be a file, was absent.toml"),
        (["backtest", "config.toml", "--set", "venue.colour=1"], 2, "unknown field `colour`"),
        (["backtest", "config.toml", "--set", "strategy.lookbak=3"], 2, "unknown field `lookbak`"),
        (["backtest", "config.toml", "--set", "strategy.name=nobody"], 2, "strategy.name must be one of policy, cash"),
        (["backtest", "config.toml", "--set", 'universe.instruments=["X.SIM"]'], 2, "be one that the catalog holds"),
        (["backtest", "config.toml", "--set", "universe.bar=5-MINUTE"], 2, "5-MINUTE bars"),
        (
            ["backtest", "config.toml", "--set", "data.start=2030-01-01", "--set", "data.end=2030-02-01"],
            2,
            "it holds 2020-01-01",
        ),
        (
            ["backtest", "config.toml", "--set", "data.catalog=nowhere"],
            2,
            "catalog must be an existing folder, was nowhere",
        ),
        (["backtest", "config.toml", "--policy", "ghost@3"], 2, "policy must be a policy folder or one of"),
        (["backtest", "config.toml", "--set", 'venue.balance="100 EUR"'], 2, "venue.balance must be in USDT"),
        (["backtest"], 2, "CONFIG must be given, or a run to --resume"),
        (["why", "ghost-0001", "1"], 2, "run must be one of none, was ghost-0001"),
        (["launch"], 2, "verb must be one of"),
        (["verify", "warmup", "config.toml"], 2, "strategy.name must be policy, was trend"),
    ],
)
def test_mistake_gets_one_clear_line_its_exit_code_and_writes_nothing(folder, arguments, code, said):
    before = tree(folder)
    done = huracan(folder, *arguments)
    assert done.returncode == code
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""
    assert tree(folder) == before


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("byte", "policy.onnx digest must be"),
        ("missing", "golden.npz must be in the policy folder"),
        ("contract", "contract digest must be"),
    ],
)
def test_altered_policy_is_refused_with_both_values(folder, damage, said):
    policy = folder / "policy"
    shutil.copytree(ROOT / "models/released/trend/2", policy)
    if damage == "byte":
        content = bytearray((policy / "policy.onnx").read_bytes())
        content[len(content) // 2] ^= 1
        (policy / "policy.onnx").write_bytes(bytes(content))
    elif damage == "missing":
        (policy / "golden.npz").unlink()
    else:
        manifest = json.loads((policy / "manifest.json").read_text())
        manifest["contract"]["window"] += 1
        (policy / "manifest.json").write_text(json.dumps(manifest))
    done = huracan(folder, "backtest", "config.toml", "--policy", "policy")
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (folder / "var").exists()


def test_doctor_passes_where_everything_is_installed(folder):
    checks = document(huracan(folder, "doctor", "--json"))["checks"]
    assert all(check["ok"] for check in checks)


def test_help_lists_every_verb(folder):
    from engine.cli import VERBS

    done = huracan(folder, "--help")
    assert done.returncode == 0
    assert all(verb in done.stdout for verb in VERBS)
