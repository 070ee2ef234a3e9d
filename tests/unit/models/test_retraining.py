"""`huracan retrain`: from the newest data to a candidate, or to a refusal with the gate's figures; then through the stages."""

import json
from pathlib import Path

import msgspec
import pytest

from catalogs.generating import store_markets
from catalogs.synthesis import synthesise
from engine.cli import main
from engine.contract.config import load
from engine.contract.errors import DataError
from engine.contract.retrain import Retrain
from engine.policy.history import History
from engine.policy.manifest import read
from engine.risk.novelty import REFERENCE, Reference
from strategies.backtest import load as load_market
from strategies.backtest import run
from tests.policies import clone

CONFIG = """
[run]
name = "drill"
seed = 1
[data]
catalog = "catalog"
[universe]
instruments = ["TRENDUSDT.SIM"]
[strategy]
name = "policy"
[limits]
max_position_frac = 0.5
[training]
action = "continuous"
short = true
env_steps = 30720
envs = 64
rollout_steps = 32
hidden = [16]
seeds = [1]
evaluate_every = 10
[walkforward]
train_bars = 900
test_bars = 200
workers = 0
[retrain]
bars = 2400
walk = false
"""


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    store_markets(tmp_path / "catalog", synthesise("trend", 2_600, 5))
    (tmp_path / "drill.toml").write_text(CONFIG)
    return tmp_path


def test_spans_are_moved_to_the_newest_bar(there: Path) -> None:
    from models.retraining import data_key, newest

    config = load("drill.toml")
    moved = newest(config, Retrain(bars=100))
    assert moved.data.end == moved.training.end
    assert moved.training.start is not None
    assert moved.training.end is not None
    assert (moved.training.end - moved.training.start).total_seconds() == 100 * 3_600
    assert moved.training.end.isoformat() == "2020-04-18T08:00:00+00:00"
    assert data_key(moved) != data_key(newest(config, Retrain(bars=101)))
    with pytest.raises(DataError, match=r"catalog must hold 1-MINUTE bars of TRENDUSDT\.SIM, was none"):
        newest(
            msgspec.structs.replace(config, universe=msgspec.structs.replace(config.universe, bar="1-MINUTE")),
            Retrain(),
        )


@pytest.mark.slow
def test_drill_from_retraining_over_shadow_and_canary_to_promotion_and_rollback(
    there: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def called(*words: str, code: int = 0) -> dict:
        assert main([*words, "--json"]) == code
        printed = capsys.readouterr().out
        return json.loads(printed) if printed else {}

    made = called("retrain", "drill.toml")
    assert (made["new"], made["event"], made["version"]) == (True, "candidate", "1")
    assert (made["gates"]["env"]["passed"], made["gates"]["export"]["differences"]) == (True, 0)
    assert made["gates"]["degeneracy"]["breaches"] == []
    assert Reference.load(Path(made["path"]) / REFERENCE).window == read(Path(made["path"])).contract.window
    again = called("retrain", "drill.toml")
    assert (again["new"], again["version"], len(History("drill").rows())) == (False, "1", 1)

    assert called("policy", "promote", "drill@1")["policies"][0]["role"] == "champion"
    clone(Path("var/policies"), "2", "drill", Path(made["path"]))
    called("policy", "shadow", "drill@2")
    called("policy", "canary", "drill@2", "--share", "0.1")
    events = '[{at = 2020-04-10, event = "shadow", policy = "drill@2"}, {at = 2020-04-11, event = "canary", policy = "drill@2"}]'
    config = load("drill.toml", ['policy.path="drill"', "data.start=2020-04-09", f"lifecycle={{events={events}}}"])
    outcome = run(config, *load_market(config))
    assert [note.event for note in outcome.strategy.lineup.notes[:2]] == ["shadow", "canary"]  # type: ignore[attr-defined]
    assert called("policy", "promote", "drill@2")["policies"][0]["version"] == "2"
    assert called("policy", "rollback", "drill")["policies"][0]["version"] == "1"
    kinds = [row.event for row in History("drill").rows()]
    assert kinds == ["candidate", "promote", "shadow", "canary", "promote", "rollback"]

    refused = ["--set", "training.env_steps=64", "--set", "training.envs=2"]
    assert main(["retrain", "drill.toml", *refused]) == 3
    assert "policy must not have collapsed" in " ".join(capsys.readouterr().err.split())
    assert History("drill").rows()[-1].event == "refused"


@pytest.mark.slow
def test_walk_that_earns_too_little_refuses_with_its_figures(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sets = ["retrain.walk=true", "retrain.min_sharpe=1000.0", "training.env_steps=64", "training.envs=2"]
    words = [
        word for one in [*sets, "walkforward.train_bars=1800", "walkforward.test_bars=400"] for word in ("--set", one)
    ]
    assert main(["retrain", "drill.toml", *words]) == 3
    assert "sharpe of the walk must be at least 1000" in " ".join(capsys.readouterr().err.split())
    row = History("drill").rows()[-1]
    assert (row.event, row.seat) == ("refused", None)
    assert main(["retrain", "drill.toml", *words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["new"] is False
