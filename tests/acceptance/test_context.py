"""A policy that sees signals: learned, exported, traded in the engine, and refused where the signals are other ones."""

import json
from pathlib import Path

import numpy as np
import pytest

from catalogs.generating import store_markets
from catalogs.synthesis import synthesise
from engine.cli import main
from engine.contract.config import load
from engine.contract.errors import PolicyError
from strategies.backtest import load as load_market
from strategies.backtest import run

pytestmark = pytest.mark.slow

CONFIG = """
[run]
name = "seeing"
[data]
catalog = "{root}/catalog"
start = 2020-05-01
end = 2020-06-01
[universe]
instruments = ["REGIMESUSDT.SIM"]
[policy]
path = "{root}/policies/seeing/1"
[limits]
max_position_frac = 1.0
[actors.regime]
fit_end = 2020-02-15
[actors.changepoint]
[actors.risk_budget]
target_volatility = 1.0
[training]
context = ["regime", "risk_budget"]
start = 2020-01-01
end = 2020-05-01
env_steps = 4096
envs = 64
rollout_steps = 16
minibatches = 2
hidden = [16]
episode_bars = 32
seeds = [1]
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("context")
    store_markets(folder / "catalog", synthesise("regimes", 4_000, 4))
    (folder / "config.toml").write_text(CONFIG.format(root=folder))
    arguments = ["train", str(folder / "config.toml"), "--output", str(folder / "policies"), "--allow-degenerate"]
    assert main(arguments) == 0
    return folder


def test_policy_carries_what_it_sees_and_what_bounded_it(root):
    manifest = json.loads((root / "policies/seeing/1/manifest.json").read_text())
    contract = manifest["contract"]
    (context,) = [spec for spec in contract["inputs"] if spec["name"] == "context"]
    assert context["shape"] == [13]
    assert context["columns"][0] == "regime.trending_bull"
    assert context["columns"][8] == "risk_budget.weight"
    assert set(contract["signals"]) == {"regime", "changepoint", "risk_budget"}
    assert contract["signals"]["risk_budget"]["target_volatility"] == 1.0
    assert manifest["evaluation"]["equivalence"]["differences"] == 0


def test_observation_holds_what_the_journal_says_of_the_signals(root):
    config = load(root / "config.toml")
    market, session = load_market(config)
    seen: dict[int, np.ndarray] = {}

    def look(assembly: object) -> None:
        assembly.strategy.observer = lambda ts, _index, inputs: seen.update({ts: inputs["context"].copy()})

    outcome = run(config, market, session, prepare=look)
    entries = outcome.journal.entries
    assert len(entries) == 31 * 24
    for entry in entries:
        said = json.loads(entry.context)
        values = [*said["regime"].values(), *said["risk_budget"].values()]
        np.testing.assert_array_equal(seen[entry.ts_event], np.array(values).astype(np.float32))
        assert abs(entry.target_exposure) <= 1.1


def test_exported_graph_answers_as_torch_with_context(root, capsys):
    arguments = ["verify", "export", str(root / "config.toml"), "--allow-degenerate", "--json"]
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["passed"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("actors.regime.enabled=false", r"actors\.regime must be enabled"),
        ("actors.risk_budget.target_volatility=0.5", r"actors\.risk_budget target_volatility must be 1\.0"),
        ("actors.regime.fit_end=2020-03-15", r"actors\.regime parameters must be"),
        ("actors.changepoint.acts=false", r"actors\.changepoint acts must be True"),
    ],
)
def test_policy_is_not_traded_on_other_signals_than_it_learned_with(root, change, message):
    config = load(root / "config.toml", [change])
    market, session = load_market(config)
    with pytest.raises(PolicyError, match=message):
        run(config, market, session)


def test_cold_start_sees_the_same_bars_and_nearly_the_same_context(root, capsys):
    assert main(["verify", "warmup", str(root / "config.toml"), "--starts", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["differences"] == 0
    assert found["checked"] > 0
    assert any(line.startswith("context to the last bit") for line in found["not_exercised"])
