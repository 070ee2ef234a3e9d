"""The whole line on hourly BTC: import, train on 2021, trade the next quarter, twice, in other processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


def huracan(folder: Path, *arguments: str, hash_seed: str = "0") -> dict:
    done = subprocess.run(
        [sys.executable, "-m", "engine.cli", *arguments, "--json"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def catalog(tmp_path, shared_data) -> dict:
    file = str(shared_data / "BINANCE.BTCUSDT.1h.parquet")
    return huracan(tmp_path, "data", "import", file, "--instrument", "BTCUSDT.BINANCE", "--bar", "1-HOUR")


def test_import_reports_the_rows_and_gaps_of_the_file(catalog):
    assert (catalog["rows"], catalog["gaps"], catalog["missing"]) == (52_462, 27, 122)
    assert (catalog["start"], catalog["end"]) == ("2018-01-01T00:00:00Z", "2024-01-01T00:00:00Z")


@pytest.mark.slow
def test_policy_trained_on_a_year_trades_the_next_quarter_and_repeats(tmp_path, catalog):
    config = str(ROOT / "configs" / "btc-1h.toml")
    quick = ["training.start=2021-01-01", "training.env_steps=20000", "training.seeds=[1]"]
    trained = huracan(tmp_path, "train", config, *(f"--set={one}" for one in quick), "--allow-degenerate")
    assert trained["equivalence"]["passed"]
    assert trained["trials"] >= 1
    assert (trained["policy"], trained["version"]) == ("btc-1h", "1")
    span = ["--set", "data.end=2022-04-01"]
    first = huracan(tmp_path, "backtest", config, *span, hash_seed="1")
    second = huracan(tmp_path, "backtest", config, *span, "--no-baselines", hash_seed="2")
    assert first["decisions"] == 2_160
    assert first["decisions_sha256"] == second["decisions_sha256"]
    assert first["metrics"] == second["metrics"]
    assert {"cash", "buy_and_hold", "volatility_target", "trend", "random"} <= set(first["baselines"])
    assert (tmp_path / first["report"]).stat().st_size > 1_000_000
    checks = (
        ["lookahead", "--times", "2"],
        ["warmup", "--starts", "3"],
    )
    for check in checks:
        verdict = huracan(tmp_path, "verify", check[0], config, *span, *check[1:])
        assert verdict["passed"], verdict["first_difference"]
        assert verdict["checked"] >= 100
