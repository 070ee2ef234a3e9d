"""What a fold of a walk forward really learns from: the tape, its split, the normaliser's rows, the fitted regime."""

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from catalogs.arrays import read_bars
from catalogs.generating import store_markets
from catalogs.synthesis import SyntheticMarket, synthesise
from engine.contract.calendar import bar_ns
from engine.contract.config import Config, parse
from engine.contract.errors import ConfigError, DataError, UsageError
from engine.contract.walkforward import WalkForward
from engine.evaluation.ledger import Ledger
from models import candidates
from models.context import hear
from models.features import lookback, window
from models.tape import ROW, Tape, make_tape, read_histories
from models.training import Split, action_spec, make_learner, split_tape, train
from models.validation import replay
from models.walking import learner
from strategies import walking
from strategies.folds import Plan, fold_config
from strategies.signals import _fitted, signals_of
from strategies.walking import make_plan, walk_forward

HOUR = bar_ns("1-HOUR")
NAME = "TRENDUSDT.SIM"


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("walk")
    store_markets(root, synthesise("trend", 2_400, 5))
    return root


def configured(
    catalog: Path, recipe: str = "base", window_kind: str = "rolling", frac: float = 0.2, regime: bool = False
) -> Config:
    return parse(
        {
            "run": {"name": "walked"},
            "data": {"catalog": str(catalog)},
            "universe": {"instruments": [NAME]},
            "limits": {"max_position_frac": 1.0},
            "actors": {"regime": {"fit_end": "2020-01-02T00:00:00Z"}} if regime else {},
            "training": {
                "recipe": recipe,
                "context": ["regime"] if regime else [],
                "validation_frac": frac,
                "episode_bars": 32,
                "env_steps": 1_024,
                "envs": 64,
                "rollout_steps": 16,
                "minibatches": 2,
                "hidden": [16],
                "seeds": [1],
                "device": "cpu",
            },
            "walkforward": {"train_bars": 900, "test_bars": 400, "window": window_kind},
        }
    )


def laid(config: Config) -> tuple[Tape, Split]:
    histories = read_histories(config, *config.training_span_ns)
    tape = make_tape(
        histories, config.venue, config.training.recipe, heard=hear(config, histories, config.training.context)
    )
    return tape, split_tape(tape, config)


def planned(config: Config) -> Plan:
    return make_plan(config, learner(config))


@pytest.mark.parametrize(
    ("recipe", "kind", "frac"),
    [("base", "rolling", 0.2), ("higher_order", "expanding", 0.5), ("base", "expanding", 0.15)],
)
def test_rows_that_a_fold_learns_from_are_apart_from_those_of_its_tests(
    recipe: str, kind: str, frac: float, catalog: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configured(catalog, recipe, kind, frac)
    made = planned(config)
    assert made.window_bars == window(config.training.recipe)
    assert len(made.trainings) >= 2
    for fold in made.trainings:
        (test,) = fold.tests
        own = fold_config(config, fold, test, 1)
        tape, split = laid(own)
        closes = tape.ts_close.numpy()
        # the bars that the first decision of the test looks back at
        seen = read_bars(catalog, NAME, "1-HOUR", None, test.end_ns).ts_close
        first = int(np.searchsorted(seen, test.start_ns, side="right"))
        looked_at = seen[first - made.window_bars + 1 :]
        assert closes.max() == fold.end_ns
        assert not np.isin(closes, looked_at).any()
        assert test.start_ns - fold.end_ns == made.embargo_bars * HOUR
        # inside the fold: training, a window and a bar, validation
        learned, validated = tape.ts_turn[split.training[1] - 1], tape.ts_turn[split.validation[0]]
        assert validated - learned > made.window_bars * HOUR
        assert fold.fit_end_ns <= int(tape.ts_turn[split.training[1]])
        fitted: list[torch.Tensor] = []
        monkeypatch.setattr("models.networks.Normaliser.fit", lambda self, rows, into=fitted: into.append(rows))
        make_learner(own, tape, split, action_spec(own), 1)
        last = int(tape.turns[split.training[1] - 1, 0, ROW])
        reach = lookback(own.training.recipe) - 1
        assert torch.equal(fitted[0], tape.features[reach : last + 1])
        assert int(tape.ts_close[last]) == int(learned)


def spoiled(market: SyntheticMarket, after_ns: int) -> SyntheticMarket:
    """The same market with all bars that close after a time in reverse order."""
    after = market.ts_open + HOUR > after_ns
    candles = market.candles
    changed = {}
    for name in ("open", "high", "low", "close", "volume"):
        values = getattr(candles, name).copy()
        values[after] = values[after][::-1]
        changed[name] = values
    return replace(market, candles=replace(candles, **changed))


def test_bars_after_a_training_change_nothing_that_it_learns_or_fits(catalog: Path, tmp_path: Path) -> None:
    config = configured(catalog, regime=True)
    fold = planned(config).trainings[0]
    store_markets(tmp_path / "other", [spoiled(market, fold.end_ns) for market in synthesise("trend", 2_400, 5)])
    found = []
    for root in (catalog, tmp_path / "other"):
        own = fold_config(configured(root, regime=True), fold, fold.tests[0], 1)
        (regime,) = signals_of(own)
        result = train(own, root=tmp_path / root.name)
        found.append((result.graph.state_dict(), result.best.validation, regime.settings))
    for name, value in found[0][0].items():
        assert torch.equal(value, found[1][0][name]), name
    assert found[0][1:] == found[1][1:]


def test_every_replay_of_the_validation_span_is_a_trial_before_it_is_made(
    catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, ledger = configured(catalog), Ledger(tmp_path / "trials.sqlite")
    fold = planned(config).trainings[0]
    own = fold_config(config, fold, fold.tests[0], 1)
    open_rows = []
    whole = candidates.replay

    def looked(*arguments, **keys):
        open_rows.append([row.status for row in ledger.rows()])
        return whole(*arguments, **keys)

    monkeypatch.setattr(candidates, "replay", looked)
    result = train(own, root=tmp_path / "checkpoints", ledger=ledger)
    (row,) = ledger.rows(f"policy:{NAME}:1-HOUR")
    assert open_rows == [["open"]]
    assert (row.path, row.seed, row.status, result.trials) == ("train", 1, "done", 1)
    assert fold.start_ns < row.start_ns < row.end_ns == fold.end_ns
    assert row.periods == result.best.validation["decisions"]


@pytest.mark.parametrize(
    ("section", "frac", "regime"),
    [
        ({"train_bars": 800, "test_bars": 600}, 0.25, True),
        (
            {"train_bars": 600, "test_bars": 500, "window": "expanding", "retrain_every": 2, "embargo_bars": 150},
            0.35,
            False,
        ),
        ({"train_bars": 760, "test_bars": 200, "step_bars": 900}, 0.3, True),
    ],
)
def test_bars_that_a_fold_reads_to_learn_fit_and_choose_end_an_embargo_before_its_tests(
    section: dict[str, Any], frac: float, regime: bool, catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A spy on the catalog's reader, wherever learning reads: the tape, the regime's fit, and what validation replays."""
    config = configured(catalog, frac=frac, regime=regime)
    config = msgspec.structs.replace(config, walkforward=msgspec.convert(section, WalkForward))
    made = planned(config)
    read: dict[str, list[int]] = {"models.tape": [], "strategies.signals": []}
    judged: list[int] = []

    def spied(place: str) -> Callable[..., Any]:
        def reading(*arguments: Any) -> Any:
            bars = read_bars(*arguments)
            read[place].append(int(bars.ts_close[-1]))
            return bars

        return reading

    def watched(graphs: Any, tape: Tape, venue: Any, limits: Any, first: int, last: int) -> Any:
        judged.append(int(tape.ts_turn[last - 1]))
        return replay(graphs, tape, venue, limits, first, last)

    for place in read:
        monkeypatch.setattr(f"{place}.read_bars", spied(place))
    monkeypatch.setattr(candidates, "replay", watched)
    _fitted.cache_clear()
    for number, fold in enumerate(made.trainings):
        own = fold_config(config, fold, fold.tests[0], 1)
        train(own, root=tmp_path / str(number), ledger=Ledger(tmp_path / "trials.sqlite"))
        taped, fitted = read["models.tape"], read["strategies.signals"]
        assert set(taped) == {fold.end_ns}
        assert fitted == [fold.fit_end_ns] * regime
        assert judged == [fold.end_ns]
        for test in fold.tests:
            assert test.start_ns - max(taped + fitted + judged) >= made.embargo_bars * HOUR
        for heard in (taped, fitted, judged):
            heard.clear()


def test_baselines_of_a_fold_use_the_regime_that_is_fitted_for_it(catalog: Path) -> None:
    config = msgspec.structs.replace(
        configured(catalog, regime=True), walkforward=WalkForward(train_bars=900, test_bars=200, retrain_every=2)
    )
    made = planned(config)
    work = walking._baseline(config, made, "trend", "trend", 7)
    fits = [fold_config(work.config, fold, test, 7).actors.regime["fit_end"] for fold, test in work.rounds]
    own = [
        fold_config(config, fold, test, 7).actors.regime["fit_end"] for fold in made.trainings for test in fold.tests
    ]
    assert fits == own
    assert len(set(fits)) == len(made.trainings) > 1


def test_walk_whose_folds_leave_nothing_to_validate_on_is_refused_when_it_is_planned(
    catalog: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.walking.train", None)
    config = configured(catalog, frac=0.1)
    section = WalkForward(train_bars=900, test_bars=400)
    with pytest.raises(
        DataError, match=r"must leave 32 bars .* 9 to validate on, was 724 and 0 .*training.validation_frac 0.1"
    ):
        planned(msgspec.structs.replace(config, walkforward=section))


def test_policy_without_a_way_to_learn_it_is_refused(catalog: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="be policy exactly where a learner is given, was policy"):
        walk_forward(configured(catalog), root=tmp_path)
    config = configured(catalog)
    short = WalkForward(embargo_bars=96, train_bars=900, test_bars=400)
    with pytest.raises(ConfigError, match=r"96 \+ 1 = 97 bars, was 96"):
        walk_forward(msgspec.structs.replace(config, walkforward=short), learner(config), root=tmp_path)


@pytest.mark.cluster
@pytest.mark.filterwarnings("ignore")
def test_policies_of_a_cluster_are_those_of_processes_and_trade_alike(catalog: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    section = WalkForward(train_bars=900, test_bars=1_400, seeds=[1, 2])
    config = msgspec.structs.replace(configured(catalog), walkforward=section)
    found = []
    for name, ray in (("processes", None), ("cluster", "local")):
        ledger = Ledger(tmp_path / name / "trials.sqlite")
        folder, document = walk_forward(
            config, learner(config), root=tmp_path / name, ledger=ledger, workers=2, ray=ray
        )
        rows = [(row.path, row.seed, row.status, row.sharpe_per_period) for row in ledger.rows(f"policy:{NAME}:1-HOUR")]
        graphs = [path.read_bytes() for path in sorted(folder.glob("folds/*/*/policy/policy.onnx"))]
        varying = ("seconds", "workers", "folder")
        found.append(
            ({key: value for key, value in document.items() if key not in varying}, graphs, sorted(rows, key=str))
        )
    assert found[0] == found[1]
    document, graphs, rows = found[0]
    assert len(graphs) == 2
    assert [(path, seed, status) for path, seed, status, _ in rows] == [
        ("train", 1, "done"),
        ("train", 2, "done"),
        ("walkforward", 1, "done"),
        ("walkforward", 2, "done"),
    ]
    (fold,) = document["folds"]
    growth = {seed["seed"]: seed["validation_log_growth"] for seed in fold["seeds"]}
    assert fold["seed"] == max(growth, key=growth.__getitem__)
    assert document["trials"] == 4
    # so little was learned that the policies have collapsed: they are kept, marked and counted
    assert document["degenerate"] == 2
    assert [path.name for path in sorted(tmp_path.glob("processes/*/folds/001/*/policy/CARD.md"))] == ["CARD.md"] * 2


@pytest.mark.cluster
@pytest.mark.filterwarnings("ignore")
def test_fold_whose_cluster_worker_was_killed_is_learned_again_to_the_same_result(
    catalog: Path, tmp_path: Path
) -> None:
    pytest.importorskip("ray")
    config = configured(catalog)
    section = WalkForward(train_bars=900, test_bars=1_400, seeds=[1, 2])
    longer = msgspec.structs.replace(config.training, env_steps=8_192)
    config = msgspec.structs.replace(config, walkforward=section, training=longer)
    killed: list[int] = []

    def kill() -> None:
        """Kill a worker of the cluster once a fold has a checkpoint, and so is in the middle of its learning."""
        while not list((tmp_path / "killed").glob("*/folds/001/.seed-*.training/*/*/*.safetensors")):
            time.sleep(0.01)
        killed.append(working()[0])
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    found = []
    for name, ray in (("whole", None), ("killed", "local")):
        if ray is not None:
            killer.start()
        ledger = Ledger(tmp_path / name / "trials.sqlite")
        folder, document = walk_forward(
            config, learner(config), root=tmp_path / name, ledger=ledger, workers=2 if ray else 0, ray=ray
        )
        graphs = [path.read_bytes() for path in sorted(folder.glob("folds/*/*/policy/policy.onnx"))]
        open_rows = sum(row.status == "open" for row in ledger.rows())
        varying = ("seconds", "workers", "folder") + (("trials", "dsr") if open_rows else ())
        found.append(({key: value for key, value in document.items() if key not in varying}, graphs))
    killer.join(1.0)
    assert len(killed) == 1
    # a row that the kill left open counts as one more trial; all else is the same
    assert {key: found[0][0][key] for key in found[1][0]} == found[1][0]
    assert found[0][1] == found[1][1]
    assert len(found[0][1]) == 2


def working() -> list[int]:
    """Processes of the cluster that are at a unit: Ray names them after it."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(b"ray::_call"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found
