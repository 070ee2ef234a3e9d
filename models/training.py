"""Training from a configuration: history in, one policy per seed, the best of them on rows that no gradient has seen.

A run that was killed goes on where it stopped, and on a CPU ends in the very weights that it would have had. Its checkpoints are keyed
by a digest over configuration, data and code, so that nothing is ever continued that was begun as something else.
"""

import hashlib
import math
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from catalogs.arrays import Bars, Funding, read_manifest
from engine.contract.action import ActionSpec
from engine.contract.calendar import iso
from engine.contract.config import Config
from engine.contract.errors import ConfigError, DataError, EnvironmentFault, broken
from engine.contract.learning import BASELINES
from engine.evaluation.ledger import Ledger
from engine.evaluation.sharpe import LEAST
from engine.evaluation.trials import Origin
from engine.signals.history import settings_of
from engine.signals.settings import parse
from models.algorithms import choice
from models.algorithms.learner import Learner, Progress, below, prefixed
from models.candidates import Best, Judge
from models.context import Histories, hear, turn_times
from models.features import lookback, window
from models.market import Market
from models.networks import PolicyGraph, describe
from models.tape import CLOSE, ROW, Tape, make_tape, read_histories
from strategies.signals import check_fit_precedes, signals_of

CHECKPOINTS = Path("var/training")
ROOT = Path(__file__).resolve().parents[1]
REAL_WINDOWS = 512
LEAST_VALIDATION_TURNS = LEAST + 1
"""Turns below which validation has no Sharpe ratio."""
ROOMS = ("changepoint", "contract", "execution", "regime", "risk", "signals")
"""Rooms of the engine whose code decides what is learned."""

Report = Callable[[int, str], None]
"""Called with the decisions made since the last call, and a line about them."""


@dataclass(frozen=True)
class Split:
    """Turns of the tape, [first, last): to learn on, and, a window and a bar later, to validate on."""

    training: tuple[int, int]
    validation: tuple[int, int]


@dataclass(frozen=True)
class SeedResult:
    """One policy: the best that a seed's run came to on the validation span.

    Attributes
    ----------
    seed, validation
        The seed, and `validation.figures` of the policy.
    best_env_steps
        Decisions after which the run had this policy.
    evaluations
        Decisions and validation log growth at every replay; one of them was chosen, and each is a trial.
    """

    seed: int
    validation: dict[str, float]
    best_env_steps: int
    evaluations: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class TrainingResult:
    """What a training run ended in.

    Attributes
    ----------
    graph
        The policy of `best`, on the CPU.
    seeds
        All of them, in configuration order.
    best
        The seed with the largest validation log growth after costs.
    env_steps, seconds
        Decisions made in this process, and the time that learning took; both leave out what a killed run had done before.
    benchmark
        Validation log growth of buying and holding the whole budget, of every instrument, before costs.
    data
        What the manifest says of the data.
    signals
        Settings of the signals that it learned with, by name.
    windows : float32 (n, W, 5)
        Real windows of training bars.
    """

    graph: PolicyGraph
    seeds: tuple[SeedResult, ...]
    best: SeedResult
    env_steps: int
    seconds: float
    benchmark: float
    data: dict[str, Any]
    signals: dict[str, dict[str, Any]]
    windows: NDArray[np.float32]

    @property
    def trials(self) -> int:
        """Policies that the exported one was chosen from: replays of the validation span, over all seeds."""
        return sum(len(one.evaluations) for one in self.seeds)

    @property
    def env_steps_per_second(self) -> float:
        """Decisions a second, learning included."""
        return self.env_steps / self.seconds if self.seconds > 0 else 0.0


def train(
    config: Config,
    report: Report = lambda steps, text: None,
    root: Path = CHECKPOINTS,
    fresh: bool = False,
    ledger: Ledger | None = None,
    path: Origin = "train",
) -> TrainingResult:
    """Train one policy per seed, the best that its run came to on the validation span, and choose the best of them.

    Parameters
    ----------
    config
        [training] with [universe], [venue], [limits] and, where [training] gives no span, [data].
    report
        Hears of every iteration.
    root
        Folder of checkpoints.
    fresh
        Begin anew even where a killed run could go on.
    ledger
        Where every replay of the validation span is written before it is made; None counts nothing, and is for what nobody chooses from.
    path
        What the ledger's rows say of where they come from.

    Raises
    ------
    ConfigError
        The run left the finite numbers.
    DataError
        The catalog lacks bars or funding rates, or the span is too short to learn from and to validate on.
    EnvironmentFault
        `cuda` is asked for and there is none.
    """
    torch.set_num_threads(1)
    device = choose_device(config.training.device)
    histories = read_histories(config, *config.training_span_ns)
    split = split_histories(histories, config)
    signals = signals_in_training(config)
    heard = hear(config, histories, config.training.context)
    cpu_tape = make_tape(histories, config.venue, config.training.recipe, heard=heard)
    check_fit_precedes(config, int(cpu_tape.ts_turn[split.validation[0]]), "the validation span")
    tape = cpu_tape.to(device)
    spec = action_spec(config)
    data = describe_data(config, histories, cpu_tape, split)
    folder = checkpoint_folder(config, data, root)
    if fresh:
        forget(config, data, root)
    judge = Judge(config, cpu_tape, spec, split.validation, ledger, path)
    seeds, bests = config.training.seeds, dict[int, Best]()
    made, seconds = 0, 0.0
    for number, seed in enumerate(seeds, 1):
        learner, best = make_learner(config, tape, split, spec, seed), Best()
        checkpoint = folder / f"seed-{seed}.safetensors"
        restore(learner, best, checkpoint)
        report(learner.iteration * learner.steps_per_iteration, f"seed {number}/{len(seeds)}")
        while not learner.done:
            began = time.perf_counter()
            progress = learner.iterate()
            spent = time.perf_counter() - began
            made, seconds = made + learner.steps_per_iteration, seconds + spent
            check(progress, seed, learner)
            judge.look(learner, best, seed)
            if learner.done or learner.iteration % config.training.checkpoint_every == 0:
                save(learner, best, checkpoint)
            rate = learner.steps_per_iteration / spent
            report(learner.steps_per_iteration, _line(number, len(seeds), rate, progress))
        bests[seed] = best
    report(0, "validating")
    judge.judge(learner.graph, bests)
    graphs = [best.policy(learner.graph) for best in bests.values()]
    measured = [best.figures for best in bests.values()]
    validations = measured if all(measured) else judge.figures(graphs)
    results = [
        SeedResult(seed, validation, best.env_steps, tuple(best.evaluations))
        for (seed, best), validation in zip(bests.items(), validations)
    ]
    exported, graph = max(zip(results, graphs), key=lambda pair: pair[0].validation["log_growth"])
    return TrainingResult(
        graph=graph,
        seeds=tuple(results),
        best=exported,
        env_steps=made,
        seconds=seconds,
        benchmark=_hold(cpu_tape, split, config.limits.max_position_frac),
        data=data,
        signals=signals,
        windows=_real_windows(cpu_tape, split, window(config.training.recipe)),
    )


def signals_in_training(config: Config) -> dict[str, dict[str, Any]]:
    """Return the settings of the signals that a policy learns with: those it sees, and those that bound what it holds.

    Raises
    ------
    ConfigError
        Sizes follow the policy's own confidence, which the training market does not know.
    """
    settings = parse(config.actors)
    budget = settings.risk_budget
    if budget is not None and budget.size_by_confidence:
        remedy = "train without it"
        where = "actors.risk_budget.size_by_confidence"
        raise ConfigError(broken(where, "be false in training, which knows no confidence", "true", remedy=remedy))
    kept = {*config.training.context, *settings.bounding()}
    return {name: found for name, found in settings_of(signals_of(config)).items() if name in kept}


def check(progress: Progress, seed: int, learner: Learner) -> None:
    """Stop a run whose numbers have left the finite ones.

    Raises
    ------
    ConfigError
        A reward or a loss is not a number.
    """
    lost = [name for name, value in progress._asdict().items() if not math.isfinite(value)]
    if lost:
        where = f"after {learner.iteration * learner.steps_per_iteration:,} decisions"
        remedy = "lower training.learning_rate or training.reward_scale"
        raise ConfigError(
            broken(f"{lost[0]} of seed {seed}", "stay finite", progress._asdict()[lost[0]], where, remedy)
        )


def choose_device(name: str) -> torch.device:
    """Return the device that `training.device` means; `auto` is CUDA where there is one."""
    if name == "cuda" and not torch.cuda.is_available():
        raise EnvironmentFault(
            broken("training.device", "be one that this machine has", "cuda", remedy='write device = "auto"')
        )
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def action_spec(config: Config) -> ActionSpec:
    """Return the action space of [training]; a baseline's own band takes the place of the hold zone."""
    training = config.training
    spec = ActionSpec(kind=training.action, short=training.short, smoothing=training.smoothing)
    return msgspec.structs.replace(spec, hold_zone=0.0) if training.algorithm in BASELINES else spec


def split_tape(tape: Tape, config: Config) -> Split:
    """Split the turns at one moment: the last `validation_frac` of the time at which all instruments trade is for validation.

    Between the parts lie a window and one bar of every instrument, so that no validation window holds a bar whose close a training
    reward has used.

    Raises
    ------
    DataError
        A part is too short.
    """
    rows = tape.turns[..., ROW].long().numpy()
    names = [segment.instrument.instrument_id for segment in tape.segments]
    return _split(tape.ts_turn.numpy(), tape.first_turn, rows, names, config)


def split_histories(histories: Histories, config: Config) -> Split:
    """Return the split of the tape that these histories will make, before any feature or signal is computed.

    Raises
    ------
    DataError
        A part is too short.
    """
    ts, reach = turn_times(histories), window(config.training.recipe) - 1
    rows = np.stack([np.searchsorted(bars.ts_close, ts, side="right") - 1 for bars, _ in histories], -1)
    first = int((rows < reach).any(-1).sum())
    names = [bars.instrument.instrument_id for bars, _ in histories]
    return _split(ts, first, rows, names, config)


def check_span(config: Config) -> None:
    """Refuse a training span that is too short, before anything is learned.

    Raises
    ------
    DataError
        See `split_histories`.
    """
    split_histories(read_histories(config, *config.training_span_ns), config)


def _split(ts: NDArray[np.int64], first: int, rows: NDArray[np.int64], names: Sequence[str], config: Config) -> Split:
    """Split turns ts (G,), of which `first` is the first with whole windows, that end at rows (G, K)."""
    gap = window(config.training.recipe) + 1
    cut = begin = len(ts)
    if first < len(ts):
        moment = int(ts[-1]) - int(int(ts[-1] - ts[first]) * config.training.validation_frac)
        cut = int(np.searchsorted(ts, moment))
        clear = np.flatnonzero(((rows - rows[cut]) >= gap).all(-1))
        begin = int(clear[0]) if len(clear) else len(ts)
    learned, validated = max(cut - first, 0), len(ts) - begin
    if learned < config.training.episode_bars or validated < LEAST_VALIDATION_TURNS:
        rule = (
            f"leave {config.training.episode_bars} bars to learn on after the first window of {gap - 1} bars, and, another window and a "
            f"bar later, {LEAST_VALIDATION_TURNS} to validate on"
        )
        span = f"{iso(int(ts[0]))} to {iso(int(ts[-1]))}, training.validation_frac {config.training.validation_frac:g}"
        remedy = "give a longer span (walkforward.train_bars in a walk), or change training.validation_frac"
        raise DataError(broken(f"history of {', '.join(names)}", rule, f"{learned} and {validated}", span, remedy))
    return Split((first, cut), (begin, len(ts)))


def make_learner(config: Config, tape: Tape, split: Split, spec: ActionSpec, seed: int) -> Learner:
    """Make a policy with its normaliser fitted on training rows, a market, and what joins them."""
    training = config.training
    frac = config.limits.max_position_frac
    head = choice.head(training)
    network = describe(training.network, training.recipe, training.hidden, frac, head, training.context)
    graph = PolicyGraph(network, spec, torch.Generator().manual_seed(seed))
    reach = lookback(training.recipe) - 1
    ends = tape.turns[split.training[1] - 1, :, ROW].long().tolist()
    rows = [tape.features[segment.first + reach : end + 1] for segment, end in zip(tape.segments, ends)]
    graph = graph.to(tape.close.device)
    graph.normaliser.fit(torch.cat(rows))
    market = Market(
        tape,
        config.venue,
        config.limits,
        spec,
        training.envs,
        training.episode_bars,
        seed,
        [split.training],
        training.reward_scale,
        training.reward,
    )
    return choice.learner(graph, market, training, seed)


def describe_data(
    config: Config, histories: Sequence[tuple[Bars, Funding | None]], tape: Tape, split: Split
) -> dict[str, Any]:
    """Compose the manifest's `data`: per instrument the spans that were used, as ISO times of closes, and the digest of its bars."""
    manifest = read_manifest(config.data.catalog)
    instruments = []
    turns = (split.training[0], split.training[1] - 1, split.validation[0], split.validation[1] - 1)
    for number, (bars, _) in enumerate(histories):
        name = bars.instrument.instrument_id
        held = manifest.dataset(name, "bars", config.universe.bar)
        rates = manifest.dataset(name, "funding")
        times = [iso(int(tape.ts_close[int(tape.turns[turn, number, ROW])])) for turn in turns]
        document = {
            "instrument": name,
            "training": times[:2],
            "validation": times[2:],
            "rows": len(bars),
            "sha256": held.sha256 if held else "",
        }
        instruments.append(document | ({"funding_sha256": rates.sha256} if rates else {}))
    return {"bar": config.universe.bar, "instruments": instruments}


def checkpoint_folder(config: Config, data: dict[str, Any], root: Path = CHECKPOINTS) -> Path:
    """Return `root/NAME/DIGEST`, the digest taken over all that decides the weights: configuration, data, code."""
    parts = [config.training, config.venue, config.limits, config.universe, data, config.actors]
    sha = hashlib.sha256(msgspec.json.encode(parts, order="sorted"))
    for package in ("models", *(f"engine/{room}" for room in ROOMS)):
        for path in sorted((ROOT / package).rglob("*.py")):
            sha.update(path.read_bytes())
    return root / config.run.name / sha.hexdigest()[:16]


def save(learner: Learner, best: Best, path: Path) -> None:
    """Write a checkpoint beside its place, then put it there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(f".{os.getpid()}.tmp")
    state = prefixed("learner.", learner.state()) | prefixed("best.", best.state())
    save_file({name: value.detach().cpu().contiguous() for name, value in state.items()}, beside)
    os.replace(beside, path)


def restore(learner: Learner, best: Best, path: Path) -> None:
    """Go on from a checkpoint, where there is one.

    Raises
    ------
    DataError
        The file cannot be read.
    """
    if not path.is_file():
        return
    try:
        with safe_open(path, "pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise DataError(broken("checkpoint", "be readable", str(error), str(path), "train with --fresh")) from error
    learner.restore(below("learner.", state))
    best.restore(below("best.", state))


def forget(config: Config, data: dict[str, Any], root: Path = CHECKPOINTS) -> None:
    """Remove the checkpoints of this very run."""
    folder = checkpoint_folder(config, data, root)
    shutil.rmtree(folder, ignore_errors=True)
    if folder.parent.is_dir() and not any(folder.parent.iterdir()):
        folder.parent.rmdir()


def _line(number: int, seeds: int, rate: float, progress: Progress) -> str:
    return (
        f"seed {number}/{seeds}  {rate:,.0f} env_steps/s  reward {progress.reward:+.4f}  wins {progress.win_rate:.0%}"
    )


def _hold(tape: Tape, split: Split, frac: float) -> float:
    """Log growth of an account that buys the budget of every instrument and holds."""
    first, last = split.validation
    gained = tape.turns[last - 1, :, CLOSE] / tape.turns[first, :, CLOSE] - 1.0
    return float(torch.log1p((frac * gained.sum()).clamp(min=-0.999)))


def _real_windows(tape: Tape, split: Split, length: int) -> NDArray[np.float32]:
    """Windows spread evenly over the training turns."""
    first, last = split.training
    turns = torch.linspace(first, last - 1, REAL_WINDOWS // len(tape.segments)).long()
    ends = tape.turns[turns, :, ROW].long().flatten().tolist()
    return np.stack([tape.bars[end - length + 1 : end + 1].numpy() for end in ends])
