"""The learned baselines: what they learn on, what they learn, and that the policy strategy trades them like any other policy."""

import copy
from pathlib import Path
from typing import Literal

import msgspec
import pytest
import torch

from catalogs.generating import store_markets
from catalogs.synthesis import synthesise
from engine.contract.config import Config, parse
from engine.contract.errors import ConfigError
from engine.policy.session import PolicySession
from models.algorithms.foreseen import Foreseen, sharpe
from models.baselines import Baseline, as_baseline, train_direct_sharpe, train_supervised
from models.export import Description, export_policy
from models.features import window
from models.tape import ASK, BID, CLOSE, make_tape, read_histories
from models.training import TrainingResult, action_spec, make_learner, split_tape
from strategies.backtest import with_strategy
from strategies.stress.track import Figures, figures, prepared, traded

BASELINES: tuple[Baseline, ...] = ("supervised", "direct_sharpe")
TRAIN = {"supervised": train_supervised, "direct_sharpe": train_direct_sharpe}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("catalog")
    for market in ("trend", "null"):
        store_markets(root, synthesise(market, 9_000, 5))
    return root


def configured(catalog: Path, market: Literal["TREND", "NULL"] = "TREND", **keys: object) -> Config:
    """Learn on 2020-01-01 to 2020-10-01, 6,576 bars; the rest of the year is for the engine."""
    return parse(
        {
            "run": {"name": "baseline", "seed": 1},
            "data": {"catalog": str(catalog), "start": "2020-10-01T00:00:00Z"},
            "universe": {"instruments": [f"{market}USDT.SIM"]},
            "strategy": {"name": "policy"},
            "limits": {"max_position_frac": 1.0},
            "training": {
                "start": "2020-01-01T00:00:00Z",
                "end": "2020-10-01T00:00:00Z",
                "env_steps": 131_072,
                "envs": 512,
                "hidden": [32],
                "seeds": [1],
                "action": "continuous",
                "short": True,
                "device": "cpu",
                **keys,
            },
        }
    )


def learner(config: Config, algorithm: Baseline) -> Foreseen:
    config = as_baseline(config, algorithm)
    histories = read_histories(config, *config.training_span_ns)
    tape = make_tape(histories, config.venue, "base")
    made = make_learner(config, tape, split_tape(tape, config), action_spec(config), 1)
    assert isinstance(made, Foreseen)
    return made


def in_the_engine(result: TrainingResult, config: Config, folder: Path) -> Figures:
    described = Description("baseline", {}, result.data, {}, {}, "", "")
    session = PolicySession(export_policy(result.graph, config.universe.bar, result.windows, described, folder))
    return figures(traded(prepared([(with_strategy(config, "policy"), session)])), config.universe.bar)


@pytest.mark.parametrize("algorithm", BASELINES)
def test_baseline_learns_on_training_turns_alone(algorithm: Baseline, catalog: Path) -> None:
    """The last two turns have no following fill inside the span; nothing of the table reaches beyond it."""
    config = configured(catalog)
    made = learner(config, algorithm)
    first, last = made.market.spans[0]
    tape = made.market.tape
    assert len(made.table.row) == last - first - 2
    assert int(made.table.row.max()) == last - 3
    mid = 0.5 * (tape.turns[:, 0, BID] + tape.turns[:, 0, ASK])
    assert float(made.table.earned[7, 0]) == pytest.approx(float(mid[first + 8] / mid[first + 7]) - 1.0)
    move = float((tape.turns[first + 8, 0, CLOSE] / tape.turns[first + 7, 0, CLOSE]).log())
    assert float(made.table.ahead[7, 0]) == pytest.approx(move / float(tape.volatility[first + 7]), rel=1e-5)
    assert last < split_tape(tape, config).validation[0] - window("base")


@pytest.mark.parametrize("algorithm", BASELINES)
def test_gradient_reaches_every_parameter_that_is_learned(algorithm: Baseline, catalog: Path) -> None:
    made = learner(configured(catalog), algorithm)
    policy, critic, _ = made.loss(2_048)
    (policy + critic).backward()
    fixed = {"supervised": {"log_std", "gain", "band_logit"}, "direct_sharpe": {"log_std"}}[algorithm]
    for name, parameter in made.graph.trunk.named_parameters():
        assert (parameter.grad is None or not parameter.grad.any()) == (name in fixed), name


@pytest.mark.parametrize("algorithm", BASELINES)
def test_same_seed_ends_in_the_same_weights_also_after_a_stop(algorithm: Baseline, catalog: Path) -> None:
    config = configured(catalog, env_steps=49_152)
    whole, first = learner(config, algorithm), learner(config, algorithm)
    while not whole.done:
        whole.iterate()
    first.iterate()
    kept = copy.deepcopy(first.state())
    second = learner(config, algorithm)
    second.restore(kept)
    while not second.done:
        second.iterate()
    for name, value in whole.graph.state_dict().items():
        assert torch.equal(value, second.graph.state_dict()[name]), name


def test_quick_growth_of_a_baseline_is_near_that_of_an_account(catalog: Path, tmp_path: Path) -> None:
    config = configured(catalog, env_steps=32_768, start="2020-08-01T00:00:00Z")
    result = train_direct_sharpe(config, root=tmp_path)
    quick = max(growth for _, growth in result.best.evaluations)
    assert result.best.validation["log_growth"] == pytest.approx(quick, abs=0.01)
    assert abs(quick) > 0.01


@pytest.mark.parametrize("algorithm", BASELINES)
def test_baseline_grows_on_turns_it_did_not_learn_from_where_there_is_a_trend_and_not_where_there_is_none(
    algorithm: Baseline, catalog: Path
) -> None:
    grown = []
    for market in ("TREND", "NULL"):
        config = configured(catalog, market, env_steps=98_304)  # type: ignore[arg-type]
        made = learner(config, algorithm)
        while not made.done:
            made.iterate()
        grown.append(made.growth(split_tape(made.market.tape, config).validation))
    assert grown[0] > 0.05
    assert grown[1] < 0.05


@pytest.mark.slow
def test_supervised_policy_earns_in_the_engine_after_costs_where_there_is_a_trend(
    catalog: Path, tmp_path: Path
) -> None:
    config = configured(catalog, validation_frac=0.08)
    found = in_the_engine(train_supervised(config, root=tmp_path / "run"), config, tmp_path)
    assert found.sharpe is not None
    assert found.sharpe_error is not None
    assert found.sharpe > 2.0 * found.sharpe_error
    assert found.turnover > 10.0


@pytest.mark.slow
def test_direct_sharpe_policy_earns_in_the_engine_after_costs_where_there_is_a_trend(
    catalog: Path, tmp_path: Path
) -> None:
    config = configured(catalog, validation_frac=0.08)
    found = in_the_engine(train_direct_sharpe(config, root=tmp_path / "run"), config, tmp_path)
    assert found.sharpe is not None
    assert found.sharpe_error is not None
    assert found.sharpe > 2.0 * found.sharpe_error


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", BASELINES)
def test_baseline_earns_nothing_where_there_is_nothing(algorithm: Baseline, catalog: Path, tmp_path: Path) -> None:
    config = configured(catalog, "NULL", validation_frac=0.08)
    found = in_the_engine(TRAIN[algorithm](config, root=tmp_path / "run"), config, tmp_path)
    if found.sharpe is not None and found.sharpe_error is not None:
        assert found.sharpe < 1.64 * found.sharpe_error


def test_sharpe_of_values_is_mean_over_deviation() -> None:
    assert float(sharpe(torch.tensor([1.0, 3.0]))) == pytest.approx(2.0 / 2.0**0.5)
    assert float(sharpe(torch.ones(5))) > 1e6


@pytest.mark.parametrize("algorithm", BASELINES)
def test_discrete_answers_and_smoothing_are_refused(algorithm: Baseline, catalog: Path) -> None:
    document = msgspec.to_builtins(configured(catalog).training) | {"algorithm": algorithm}
    universe = {"instruments": ["TRENDUSDT.SIM"]}
    with pytest.raises(ConfigError, match=f"training.action must be continuous for {algorithm}, was discrete7"):
        parse({"universe": universe, "training": {**document, "action": "discrete7", "short": False}})
    with pytest.raises(ConfigError, match=r"training.smoothing must be 0 for .*, was 0.25"):
        parse({"universe": universe, "training": {**document, "action": "continuous", "smoothing": 0.25}})


def test_everything_else_of_a_configuration_stays_when_a_baseline_takes_its_place(catalog: Path) -> None:
    config = configured(catalog, algorithm="sac", smoothing=0.25)
    made = as_baseline(config, "direct_sharpe")
    assert (made.training.algorithm, made.training.action, made.training.smoothing) == (
        "direct_sharpe",
        "continuous",
        0.0,
    )
    assert made.training.short == config.training.short
    assert made.venue == config.venue
