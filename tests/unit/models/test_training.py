"""From a catalog to a policy: splits, checkpoints, resumption, the choice of the seed, and what it learns."""

import datetime as dt
from pathlib import Path

import pytest
import torch

from catalogs.generating import store_markets
from catalogs.synthesis import synthesise
from engine.contract.config import Config, parse
from engine.contract.errors import ConfigError, DataError, EnvironmentFault
from engine.evaluation.ledger import Ledger
from models import candidates, training
from models.algorithms.learner import Progress
from models.algorithms.ppo import Ppo
from models.candidates import Judge
from models.features import lookback, window
from models.tape import ASK, make_tape
from models.training import TrainingResult, split_tape, train
from tests.unit.models.conftest import VENUE

HOUR = 3_600_000_000_000


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("catalog")
    store_markets(root, synthesise("trend", 1_500, 5))
    return root


def configured(catalog: Path, **keys: object) -> Config:
    document = {
        "run": {"name": "toy"},
        "data": {"catalog": str(catalog)},
        "universe": {"instruments": ["TRENDUSDT.SIM"]},
        "limits": {"max_position_frac": 1.0},
        "training": {
            "env_steps": 4_096,
            "envs": 64,
            "rollout_steps": 16,
            "minibatches": 2,
            "epochs": 2,
            "hidden": [16],
            "episode_bars": 32,
            "seeds": [1, 2],
            "checkpoint_every": 1,
            "device": "cpu",
            "end": dt.date(2020, 2, 1),
            **keys,
        },
    }
    return parse(document)


def weights(graph: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in graph.state_dict().items()}


class Killed(Exception):
    """Stands for the end of the process."""


@pytest.fixture(scope="module")
def whole(catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    """A run that nothing interrupted."""
    return train(configured(catalog), root=tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("killed_after", [1, 4, pytest.param(6, marks=pytest.mark.slow)])
def test_killed_run_goes_on_where_it_stopped_and_ends_in_the_same_weights(
    killed_after: int, whole: TrainingResult, catalog: Path, tmp_path: Path
) -> None:
    config, made = configured(catalog), 0

    def kill(steps: int, _: str) -> None:
        nonlocal made
        made += steps > 0
        if made == killed_after:
            raise Killed

    with pytest.raises(Killed):
        train(config, kill, root=tmp_path / "killed")
    again = train(config, root=tmp_path / "killed")
    assert again.env_steps == whole.env_steps - killed_after * 1_024
    for one, two in zip(whole.seeds, again.seeds):
        assert one == two
    for name, value in weights(whole.graph).items():
        assert torch.equal(value, weights(again.graph)[name]), name


def test_checkpoints_of_another_configuration_are_not_gone_on_with(catalog: Path, tmp_path: Path) -> None:
    short = {"seeds": [1], "env_steps": 2_048}
    for keys, fresh, made in (
        ({}, False, 2_048),
        ({"learning_rate": 2e-3}, False, 2_048),
        ({}, False, 0),
        ({}, True, 2_048),
    ):
        assert train(configured(catalog, **short, **keys), root=tmp_path, fresh=fresh).env_steps == made


def test_damaged_checkpoint_is_refused_with_its_path(catalog: Path, tmp_path: Path) -> None:
    config = configured(catalog, seeds=[1], env_steps=1_024)
    train(config, root=tmp_path)
    path = next(tmp_path.rglob("seed-1.safetensors"))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match="checkpoint must be readable") as error:
        train(config, root=tmp_path)
    assert str(path) in str(error.value)


def test_exported_seed_is_the_best_on_validation_and_all_are_reported(whole: TrainingResult) -> None:
    assert [one.seed for one in whole.seeds] == [1, 2]
    assert whole.best.validation["log_growth"] == max(one.validation["log_growth"] for one in whole.seeds)
    wanted = {"entropy", "turnover", "commonest_action_share", "trades_per_1000", "sharpe", "hold_share"}
    assert wanted <= set(whole.best.validation)
    assert whole.env_steps == 8_192


EVALUATED = {"evaluate_every": 1, "env_steps": 3_072}


@pytest.fixture(scope="module")
def evaluated(catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    """A run with an evaluation after every iteration."""
    return train(configured(catalog, **EVALUATED), root=tmp_path_factory.mktemp("evaluated"))


def test_policy_of_a_seed_is_the_best_of_its_evaluations_and_each_of_them_is_a_trial(evaluated: TrainingResult) -> None:
    assert evaluated.trials == 6
    for one in evaluated.seeds:
        assert [steps for steps, _ in one.evaluations] == [1_024, 2_048, 3_072]
        best = max(one.evaluations, key=lambda evaluation: evaluation[1])
        assert (one.best_env_steps, one.validation["log_growth"]) == best
    assert len({growth for one in evaluated.seeds for _, growth in one.evaluations}) > 2


def test_run_that_is_killed_after_its_best_evaluation_keeps_it(catalog: Path, tmp_path: Path) -> None:
    keys = {"evaluate_every": 1, "seeds": [1], "algorithm": "dqn", "env_steps": 3_072}
    keys |= {"replay": {"warm_up": 512, "batch": 64, "reuse": 1.0}}
    config = configured(catalog, **keys)
    unbroken, made = train(config, root=tmp_path / "whole"), 0

    def kill(steps: int, _: str) -> None:
        nonlocal made
        made += steps > 0
        if made == 2:
            raise Killed

    with pytest.raises(Killed):
        train(config, kill, root=tmp_path / "killed")
    again = train(config, root=tmp_path / "killed")
    assert again.seeds == unbroken.seeds
    for name, value in weights(unbroken.graph).items():
        assert torch.equal(value, weights(again.graph)[name]), name


@pytest.mark.parametrize("at_once", [1, 2])
def test_policies_that_are_judged_side_by_side_are_chosen_as_one_by_one(
    at_once: int, evaluated: TrainingResult, catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "MOST_AT_ONCE", at_once)
    apart = train(configured(catalog, **EVALUATED), root=tmp_path)
    assert evaluated.seeds == apart.seeds
    for name, value in weights(evaluated.graph).items():
        assert torch.equal(value, weights(apart.graph)[name]), name


def test_figures_of_the_chosen_policy_are_those_of_a_replay_of_its_own(
    evaluated: TrainingResult, catalog: Path
) -> None:
    config = configured(catalog, **EVALUATED)
    tape = make_tape(training.read_histories(config, *config.training_span_ns), config.venue, "base")
    judge = Judge(config, tape, training.action_spec(config), split_tape(tape, config).validation)
    assert judge.figures([evaluated.graph]) == [evaluated.best.validation]


def test_every_evaluation_of_a_learned_baseline_is_a_row_too(catalog: Path, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "trials.sqlite")
    keys = {"algorithm": "direct_sharpe", "action": "continuous", "seeds": [1], "evaluate_every": 2}
    result = train(configured(catalog, **keys), root=tmp_path, ledger=ledger)
    rows = ledger.rows("policy:TRENDUSDT.SIM:1-HOUR")
    assert [(row.path, row.status, row.policy) for row in rows] == [
        ("train", "done", "toy after 2048"),
        ("train", "done", "toy after 4096"),
    ]
    assert result.trials == len(rows)


def test_last_iteration_is_always_evaluated(whole: TrainingResult, catalog: Path, tmp_path: Path) -> None:
    assert whole.trials == 2
    once = train(configured(catalog, seeds=[1], evaluate_every=3), root=tmp_path)
    assert [steps for steps, _ in once.best.evaluations] == [3_072, 4_096]


def test_run_that_leaves_the_finite_numbers_is_stopped_with_what_to_lower(
    catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(learner: Ppo) -> Progress:
        learner.iteration += 1
        return Progress(0.0, 0.5, float("nan"), 0.0, 0.0, 1e-3)

    monkeypatch.setattr(Ppo, "iterate", lost)
    with pytest.raises(
        ConfigError, match=r"entropy of seed 1 must stay finite, was nan \(after 1,024 decisions\); lower"
    ):
        train(configured(catalog), root=tmp_path)


def test_split_leaves_a_window_and_a_bar_between_learning_and_validating(catalog: Path) -> None:
    config = configured(catalog, end=None)
    tape = make_tape(training.read_histories(config, *config.training_span_ns), config.venue, "base")
    (first, cut), (start, end) = (
        span for span in (split_tape(tape, config).training, split_tape(tape, config).validation)
    )
    # 1,500 bars; the first decision at row 95; a fifth of the 1,404 hours to the last row, 280.8, lies before row 1,499
    assert (first, cut) == (95, 1_219)
    assert start - cut == window("base") + 1
    assert end == 1_500
    first_bar_of_validation = start - window("base") + 1
    assert first_bar_of_validation > cut


def test_normaliser_knows_training_rows_alone(catalog: Path) -> None:
    config = configured(catalog, end=None)
    tape = make_tape(training.read_histories(config, *config.training_span_ns), config.venue, "base")
    split = split_tape(tape, config)
    spec = training.action_spec(config)
    centre = training.make_learner(config, tape, split, spec, 1).graph.normaliser.centre
    cut = split.training[1]
    rows = tape.features[lookback("base") - 1 : cut].double()
    torch.testing.assert_close(centre, rows.mean(0).float())
    tape.features[cut:] = 1e6
    again = training.make_learner(config, tape, split, spec, 1).graph.normaliser.centre
    assert torch.equal(centre, again)


def test_span_too_short_to_validate_on_is_refused(catalog: Path) -> None:
    config = configured(catalog, start=dt.date(2020, 1, 1), end=dt.date(2020, 1, 10))
    for refused in (train, training.check_span):
        with pytest.raises(
            DataError, match=r"history of TRENDUSDT.SIM must leave 32 bars to learn on .* to validate on, was 96 and 0 "
        ):
            refused(config)


def test_cuda_on_a_machine_without_it_is_refused(catalog: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EnvironmentFault, match=r"training\.device must be one that this machine has, was cuda"):
        train(configured(catalog, device="cuda"))


def test_venue_of_the_tape_decides_its_quotes(catalog: Path) -> None:
    config = configured(catalog)
    histories = training.read_histories(config, *config.training_span_ns)
    dear, cheap = make_tape(histories, VENUE, "base"), make_tape(histories, config.venue, "base")
    assert bool((dear.turns[:-1, 0, ASK] > cheap.turns[:-1, 0, ASK]).all())
    assert float(cheap.turns[0, 0, ASK]) == round(float(histories[0][0].open[1]) * 1.0001, 2)
    assert histories[0][0].ts_close[0] - histories[0][0].ts_open[0] == HOUR
