"""How fast the training market is, beside environments of other projects on the same prices, in one run and on one thread."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import torch

from catalogs.arrays import Bars
from engine.contract.action import ActionSpec
from engine.contract.config import Limits, Training, Venue
from engine.contract.instrument import InstrumentSpec
from models import peers
from models.algorithms import choice
from models.market import Market
from models.networks import PolicyGraph, describe
from models.tape import Tape, make_tape
from strategies.benchmarking import Measurement

PEER_FOLDER = Path("var/peers")
PEER_PACKAGES = (("gym-anytrading==2.0.0", "gym-trading-env==0.3.5"), ("--no-deps", "finrl==0.3.7"))
"""What is installed there, a command each; FinRL without the rest of its world."""

WINDOWED, FLAT = "windowed 32x8", "flat"
BEST_OF = 6
HOUR_NS = 3_600_000_000_000


class Skipped(msgspec.Struct, frozen=True):
    """A measurement that could not be made, and why."""

    name: str
    reason: str


def env_benchmark(
    accounts: tuple[int, int], seconds: float, compiled: bool, folder: Path = PEER_FOLDER
) -> tuple[list[Measurement], list[Skipped]]:
    """Measure the market with and without windows, learning on it, and the peers.

    Parameters
    ----------
    accounts
        Accounts side by side, windowed and flat.
    seconds
        Of each measurement.
    compiled
        Measure the compiled step as well.
    """
    torch.set_num_threads(1)
    tape, skipped = walk_tape(), []
    windows = torch.from_numpy(peers.walk()[1]).as_strided(
        (peers.BARS - peers.WINDOW + 1, peers.WINDOW * peers.FEATURES), (peers.FEATURES, 1)
    )
    rates: dict[str, dict[str, float]] = {"eager": {}}
    ways = {"eager": False}
    if compiled and shutil.which("c++") is None and not torch.cuda.is_available():
        skipped.append(Skipped("compiled step", "no C++ compiler on the path"))
    elif compiled:
        ways["compiled"], rates["compiled"] = True, {}
    for way, yes in ways.items():
        for name, count, table in ((WINDOWED, accounts[0], windows), (FLAT, accounts[1], None)):
            rates[way][name] = best_rate(market_steps(tape, count, table, yes), count, seconds)
    found = {name: max((rates[way][name], way) for way in rates) for name in (WINDOWED, FLAT)}
    results = []
    peer_rates, missing = measure_peers(folder, seconds)
    skipped += missing
    for peer, slow in peer_rates.items():
        name = FLAT if "FinRL" in peer else WINDOWED
        value, way = found[name]
        results.append(
            Measurement(
                f"environment {name}, {way}, against {peer}",
                value,
                "steps/s",
                slow,
                value / slow,
                accounts[name == FLAT],
            )
        )
    for way, by_name in rates.items():
        for name, value in by_name.items():
            label = f"environment {name}, {way}, against eager"
            results.append(
                Measurement(
                    label, value, "steps/s", rates["eager"][name], value / rates["eager"][name], accounts[name == FLAT]
                )
            )
    learned = learning_rate(tape, accounts[0], seconds)
    raw = found[FLAT][0]
    results.append(
        Measurement(
            "environment with learning, ppo mlp, against raw", learned, "steps/s", raw, learned / raw, accounts[0]
        )
    )
    return results, skipped


def walk_tape() -> Tape:
    """The peers' prices as a tape."""
    close = np.round(peers.walk()[0], 2)
    opened = np.append(close[0], close[:-1])
    ts = HOUR_NS * np.arange(len(close), dtype=np.int64)
    spec = InstrumentSpec("WALKUSDT.SIM", "spot", "WALK", "USDT", price_precision=2, size_precision=3)
    edges = (np.maximum(opened, close), np.minimum(opened, close))
    bars = Bars(spec, "1-HOUR", ts, ts + HOUR_NS, opened, *edges, close, np.full(len(close), 10.0))
    return make_tape([(bars, None)], Venue(), "base")


def market_steps(tape: Tape, accounts: int, windows: torch.Tensor | None, compiled: bool) -> Callable[[int], None]:
    """Return what makes n steps of a market: random answers, resets, and each window gathered where there are windows."""
    market = Market(tape, Venue(), Limits(max_position_frac=0.5), ActionSpec(), accounts, 256, 1, compiled=compiled)
    market.reset()
    generator = torch.Generator().manual_seed(1)
    answers = [torch.randint(0, 7, (accounts,), generator=generator) for _ in range(64)]

    def steps(count: int) -> None:
        for number in range(count):
            market.step(answers[number % len(answers)])
            if windows is not None:
                windows.index_select(0, market.observation().row - (peers.WINDOW - 1))

    return steps


def best_rate(steps: Callable[[int], None], accounts: int, seconds: float) -> float:
    """Steps a second of `accounts` accounts, the best of `BEST_OF`, after a warm-up."""
    steps(8)
    began = time.perf_counter()
    steps(8)
    count = max(8, int(8 * seconds / BEST_OF / (time.perf_counter() - began)))
    best = 0.0
    for _ in range(BEST_OF):
        began = time.perf_counter()
        steps(count)
        best = max(best, accounts * count / (time.perf_counter() - began))
    return best


def learning_rate(tape: Tape, accounts: int, seconds: float) -> float:
    """Decisions a second of PPO with its defaults, learning included."""
    training = Training(envs=accounts, env_steps=10**9)
    generator = torch.Generator().manual_seed(1)
    graph = PolicyGraph(describe("mlp", "base", training.hidden, 0.5, choice.head(training)), ActionSpec(), generator)
    graph.normaliser.fit(tape.features[tape.segments[0].ready :])
    market = Market(tape, Venue(), Limits(max_position_frac=0.5), ActionSpec(), accounts, 256, 1)
    learner = choice.learner(graph, market, training, 1)
    learner.iterate()
    made, began = 0, time.perf_counter()
    while made == 0 or time.perf_counter() - began < seconds:
        learner.iterate()
        made += learner.steps_per_iteration
    return made / (time.perf_counter() - began)


def measure_peers(folder: Path, seconds: float) -> tuple[dict[str, float], list[Skipped]]:
    """Run the peers in an environment of their own, which is made where it is missing."""
    python = folder / "bin" / "python"
    try:
        if not python.is_file():
            make_peers(folder)
        alone = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        command = [str(python), peers.__file__, str(seconds)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=alone, timeout=600)
    except (OSError, subprocess.SubprocessError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        detail = getattr(error, "stderr", None) or str(error)
        return {}, [Skipped("peers", str(detail).strip().splitlines()[-1])]
    document = json.loads(done.stdout.strip().splitlines()[-1])
    return document["rates"], [Skipped(name, reason) for name, reason in document["skipped"].items()]


def make_peers(folder: Path) -> None:
    """Install the peers into an environment of their own."""
    uv = [sys.executable, "-m", "uv"]
    subprocess.run(
        [*uv, "venv", "-q", "--python", sys.executable, str(folder)], check=True, capture_output=True, text=True
    )
    for packages in PEER_PACKAGES:
        install = [*uv, "pip", "install", "-q", "--python", str(folder / "bin" / "python"), *packages]
        subprocess.run(install, check=True, capture_output=True, text=True, timeout=600)
