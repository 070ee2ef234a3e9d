"""Training finds an edge that was planted, and claims none where there is none: out of sample, in the engine, after costs."""

import json
from pathlib import Path

import numpy as np
import pytest

from catalogs.generating import store_markets
from catalogs.synthesis import synthesise
from engine.cli import main
from engine.contract.config import Config, load
from engine.evaluation.metrics import sharpe_standard_error, simple_returns
from strategies.backtest import Outcome, run, with_strategy
from strategies.backtest import load as load_market
from strategies.running import metrics_of, random_parameters

SEEDS = (1, 2)
MARKET_SEED = 21
BARS = 17_520
BARS_PER_YEAR = 8_760.0

CONFIG = """
[run]
name = "learned-{market}"
seed = 5
[data]
catalog = "{catalog}"
start = 2021-05-01
end = 2021-12-01
[universe]
instruments = ["{instrument}"]
[policy]
path = "{policy}"
[limits]
max_position_frac = 1.0
[training]
start = 2020-01-01
end = 2021-05-01
env_steps = 150000
"""


class Trial:
    """One seed, trained, exported and traded out of sample, beside random trading of the same turnover and exposure."""

    def __init__(self, config: Config) -> None:
        market, session = load_market(config)
        self.outcome: Outcome = run(config, market, session)
        equity = self.outcome.blotter.equity_table()
        self.equity = equity["equity"].to_numpy()
        beside = run(with_strategy(config, "random", **random_parameters(self.outcome)), market, None)
        self.random_return = metrics_of(beside)["total_return"]
        self.metrics = metrics_of(self.outcome)


def trials(market: str, folder: Path, capsys: pytest.CaptureFixture[str], seeds: tuple[int, ...]) -> list[Trial]:
    catalog = folder / "catalog"
    (generated,) = synthesise(market, BARS, MARKET_SEED)
    store_markets(catalog, [generated])
    done = []
    for number, seed in enumerate(seeds, 1):
        text = CONFIG.format(
            market=market,
            catalog=catalog,
            instrument=generated.instrument_id,
            policy=f"{folder}/policies/learned-{market}/{number}",
        )
        path = folder / f"{market}-{seed}.toml"
        path.write_text(text)
        capsys.readouterr()
        arguments = [
            "train",
            str(path),
            "--set",
            f"training.seeds=[{seed}]",
            "--output",
            str(folder / "policies"),
            "--allow-degenerate",
            "--json",
        ]
        assert main(arguments) == 0
        assert json.loads(capsys.readouterr().out)["version"] == str(number)
        done.append(Trial(load(path)))
    return done


@pytest.mark.slow
def test_policy_trained_on_planted_momentum_beats_cash_and_random_with_every_seed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    found = trials("trend", tmp_path, capsys, SEEDS)
    beaten = 0
    for trial in found:
        error = sharpe_standard_error(simple_returns(trial.equity), BARS_PER_YEAR)
        beaten += trial.metrics["sharpe"] > 2 * error and trial.metrics["total_return"] > max(0.0, trial.random_return)
    with capsys.disabled():
        print(
            "\ntrend:",
            [
                f"{t.metrics['total_return']:+.1%} Sharpe {t.metrics['sharpe']:.2f} random {t.random_return:+.1%}"
                for t in found
            ],
        )
    assert beaten == len(SEEDS)


@pytest.mark.slow
def test_policy_trained_on_a_market_without_an_edge_does_not_beat_cash(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    found = trials("null", tmp_path, capsys, SEEDS[:1])
    returns = np.array([trial.metrics["total_return"] for trial in found])
    significant = 0
    for trial in found:
        error = sharpe_standard_error(simple_returns(trial.equity), BARS_PER_YEAR)
        significant += error is not None and trial.metrics["sharpe"] > 2 * error
    with capsys.disabled():
        print("\nnull:", [f"{value:+.1%}" for value in returns], "distinguishable from zero:", significant)
    assert significant == 0
    assert np.median(returns) <= 0.0
