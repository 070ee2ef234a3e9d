"""Training from a configuration: history in, one policy per seed, the best of them on rows that no gradient has seen.

A run that was killed goes on where it stopped, and on a CPU ends in the very weights that it would have had. Its checkpoints are keyed
by a digest over configuration, data and code, so that nothing is ever continued that was begun as something else.
"""

import hashlib
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

from catalogs.arrays import Bars, Funding, read_bars, read_funding, read_manifest
from engine.contract.action import ActionSpec
from engine.contract.calendar import iso
from engine.contract.config import Config
from engine.contract.errors import DataError, EnvironmentFault, broken
from models.algorithms.ppo import Ppo, Progress
from models.features import lookback, window
from models.market import Market
from models.networks import PolicyGraph, describe
from models.tape import Tape, make_tape
from models.validation import figures, replay

CHECKPOINTS = Path("var/training")
ROOT = Path(__file__).resolve().parents[1]
REAL_WINDOWS = 512

Report = Callable[[int, str], None]
"""Called with the decisions made since the last call, and a line about them."""


@dataclass(frozen=True)
class Split:
    """Rows of the tape, [first, last) per segment: to learn on, and, a window and a bar later, to validate on."""

    training: tuple[tuple[int, int], ...]
    validation: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class SeedResult:
    """One policy: its seed, and `validation.figures` of it, over all instruments."""

    seed: int
    validation: dict[str, float]


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
        Validation log growth of buying and holding the whole budget, before costs, mean over instruments.
    data
        What the manifest says of the data.
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
    windows: NDArray[np.float32]

    @property
    def env_steps_per_second(self) -> float:
        """Decisions a second, learning included."""
        return self.env_steps / self.seconds if self.seconds > 0 else 0.0


def train(
    config: Config, report: Report = lambda steps, text: None, root: Path = CHECKPOINTS, fresh: bool = False
) -> TrainingResult:
    """Train one policy per seed and choose the best.

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

    Raises
    ------
    DataError
        The catalog lacks bars or funding rates, or the span is too short to learn from and to validate on.
    EnvironmentFault
        `cuda` is asked for and there is none.
    """
    torch.set_num_threads(1)
    device = choose_device(config.training.device)
    histories = read_histories(config)
    cpu_tape = make_tape(histories, config.venue, config.training.recipe)
    split = split_tape(cpu_tape, config)
    tape = cpu_tape.to(device)
    spec = action_spec(config)
    data = describe_data(config, histories, cpu_tape, split)
    folder = checkpoint_folder(config, data, root)
    if fresh:
        forget(config, data, root)
    graphs = []
    made, seconds = 0, 0.0
    for number, seed in enumerate(config.training.seeds, 1):
        learner = make_learner(config, tape, split, spec, seed)
        path = folder / f"seed-{seed}.safetensors"
        restore(learner, path)
        report(learner.iteration * learner.steps_per_iteration, f"seed {number}/{len(config.training.seeds)}")
        while not learner.done:
            began = time.perf_counter()
            progress = learner.iterate()
            spent = time.perf_counter() - began
            made, seconds = made + learner.steps_per_iteration, seconds + spent
            if learner.done or learner.iteration % config.training.checkpoint_every == 0:
                save(learner, path)
            rate = learner.steps_per_iteration / spent
            report(learner.steps_per_iteration, _line(number, len(config.training.seeds), rate, progress))
        graphs.append(learner.graph.cpu().eval())
    report(0, "validating")
    results = validate(graphs, cpu_tape, split, config)
    best, graph = max(zip(results, graphs), key=lambda pair: pair[0].validation["log_growth"])
    return TrainingResult(
        graph=graph,
        seeds=tuple(results),
        best=best,
        env_steps=made,
        seconds=seconds,
        benchmark=_hold(cpu_tape, split, config.limits.max_position_frac),
        data=data,
        windows=_real_windows(cpu_tape, split, window(config.training.recipe)),
    )


def validate(graphs: Sequence[PolicyGraph], tape: Tape, split: Split, config: Config) -> list[SeedResult]:
    """Replay the policies of all seeds over the validation rows of every instrument."""
    spans = enumerate(split.validation)
    replays = [replay(graphs, tape, config.venue, config.limits, first, last, index) for index, (first, last) in spans]
    spec, bar = action_spec(config), config.universe.bar
    return [
        SeedResult(seed, figures([per_policy[i] for per_policy in replays], spec, bar))
        for i, seed in enumerate(config.training.seeds)
    ]


def choose_device(name: str) -> torch.device:
    """Return the device that `training.device` means; `auto` is CUDA where there is one."""
    if name == "cuda" and not torch.cuda.is_available():
        raise EnvironmentFault(
            broken("training.device", "be one that this machine has", "cuda", remedy='write device = "auto"')
        )
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def action_spec(config: Config) -> ActionSpec:
    """Return the action space of [training]."""
    return ActionSpec(kind=config.training.action, short=config.training.short)


def read_histories(config: Config) -> list[tuple[Bars, Funding | None]]:
    """Read bars, and for perpetuals that pay funding their rates, of the training span."""
    start, end = config.training_span_ns
    catalog, out = config.data.catalog, []
    for instrument_id in config.universe.instruments:
        bars = read_bars(catalog, instrument_id, config.universe.bar, start, end)
        charged = config.venue.funding and bars.instrument.kind == "perpetual"
        out.append((bars, read_funding(catalog, instrument_id, start, None) if charged else None))
    return out


def split_tape(tape: Tape, config: Config) -> Split:
    """Split every segment at one moment: the last `validation_frac` of the whole time is for validation.

    Between the parts lie a window and one bar, so that no validation window holds a bar whose close a training reward has used.
    """
    ts = tape.ts_close
    begin = min(int(ts[segment.ready]) for segment in tape.segments if segment.ready < segment.last)
    finish = max(int(ts[segment.last - 1]) for segment in tape.segments)
    moment = finish - int((finish - begin) * config.training.validation_frac)
    gap = window(config.training.recipe) + 1
    training, validation = [], []
    for segment in tape.segments:
        cut = segment.first + int(torch.searchsorted(ts[segment.first : segment.last], moment))
        first = min(max(cut, segment.ready) + gap, segment.last)
        if cut - segment.ready < config.training.episode_bars or segment.last - first < 2:
            raise DataError(
                broken(
                    f"history of {segment.instrument.instrument_id}",
                    f"leave {config.training.episode_bars} bars to learn on and 2 to validate on, split at {iso(moment)}",
                    f"{max(cut - segment.ready, 0)} and {segment.last - first}",
                    "[training]",
                    "give a longer span",
                )
            )
        training.append((segment.ready, cut))
        validation.append((first, segment.last))
    return Split(tuple(training), tuple(validation))


def make_learner(config: Config, tape: Tape, split: Split, spec: ActionSpec, seed: int) -> Ppo:
    """Make a policy with its normaliser fitted on training rows, a market, and what joins them."""
    training = config.training
    network = describe(training.network, training.recipe, training.hidden, config.limits.max_position_frac)
    graph = PolicyGraph(network, spec, torch.Generator().manual_seed(seed))
    reach = lookback(training.recipe) - 1
    rows = [tape.features[segment.first + reach : cut] for segment, (_, cut) in zip(tape.segments, split.training)]
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
        split.training,
        training.reward_scale,
    )
    return Ppo(graph, market, training, seed)


def describe_data(
    config: Config, histories: Sequence[tuple[Bars, Funding | None]], tape: Tape, split: Split
) -> dict[str, Any]:
    """Compose the manifest's `data`: per instrument the spans that were used, as ISO times of closes, and the digest of its bars."""
    manifest = read_manifest(config.data.catalog)
    instruments = []
    for (bars, _), learn, check in zip(histories, split.training, split.validation):
        name = bars.instrument.instrument_id
        held = manifest.dataset(name, "bars", config.universe.bar)
        rates = manifest.dataset(name, "funding")
        times = [iso(int(tape.ts_close[row])) for row in (learn[0], learn[1] - 1, check[0], check[1] - 1)]
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
    parts = [config.training, config.venue, config.limits.max_position_frac, config.universe, data]
    sha = hashlib.sha256(msgspec.json.encode(parts, order="sorted"))
    for package in ("models", "engine/contract", "engine/execution"):
        for path in sorted((ROOT / package).rglob("*.py")):
            sha.update(path.read_bytes())
    return root / config.run.name / sha.hexdigest()[:16]


def save(learner: Ppo, path: Path) -> None:
    """Write a checkpoint beside its place, then put it there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(f".{os.getpid()}.tmp")
    save_file({name: value.detach().cpu().contiguous() for name, value in learner.state().items()}, beside)
    os.replace(beside, path)


def restore(learner: Ppo, path: Path) -> None:
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
            learner.restore({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except SafetensorError as error:
        raise DataError(broken("checkpoint", "be readable", str(error), str(path), "train with --fresh")) from error


def forget(config: Config, data: dict[str, Any], root: Path = CHECKPOINTS) -> None:
    """Remove the checkpoints of this very run."""
    folder = checkpoint_folder(config, data, root)
    shutil.rmtree(folder, ignore_errors=True)
    if folder.parent.is_dir() and not any(folder.parent.iterdir()):
        folder.parent.rmdir()


def _line(number: int, seeds: int, rate: float, progress: Progress) -> str:
    return (
        f"seed {number}/{seeds}  {rate:,.0f} env_steps/s  reward {progress.reward:+.4f}  entropy {progress.entropy:.2f}"
    )


def _hold(tape: Tape, split: Split, frac: float) -> float:
    growths = [torch.log1p(frac * (tape.close[last - 1] / tape.close[first] - 1.0)) for first, last in split.validation]
    return float(torch.stack(growths).mean())


def _real_windows(tape: Tape, split: Split, length: int) -> NDArray[np.float32]:
    """Windows spread evenly over the training rows."""
    ends = [
        np.linspace(first, last - 1, REAL_WINDOWS // len(split.training), dtype=np.int64)
        for first, last in split.training
    ]
    return np.stack([tape.bars[end - length + 1 : end + 1].numpy() for end in np.concatenate(ends)])
