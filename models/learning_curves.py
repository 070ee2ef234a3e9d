"""Learning curves of every algorithm on markets whose truth is known: `python -m models.learning_curves`.

Measures are written to a file as they come, so that a run that was stopped goes on; tables and drawing are made from that file.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import torch

from catalogs.arrays import Bars
from catalogs.synthesis import synthesise
from engine.contract.config import Config, Venue, parse
from engine.contract.instrument import InstrumentSpec
from models.candidates import Best, Judge
from models.curves_drawing import draw, tables
from models.tape import Tape, make_tape
from models.toys import LIMITS, NAMES, Toy, best_rules, toy
from models.training import Split, action_spec, check, make_learner, split_tape

MARKETS = (*NAMES, "trend")
TOY_BARS, TREND_BARS = 4_000, 12_000
MARKET_SEED, OTHER_SEED = 1, 2
SEEDS = (1, 2, 3, 4, 5)
DOCS = Path(__file__).resolve().parents[1] / "docs" / "explanation"

COMMON: dict[str, Any] = {
    "envs": 256,
    "rollout_steps": 16,
    "minibatches": 8,
    "hidden": [32],
    "episode_bars": 64,
    "discount": 0.8,
    "learning_rate": 3e-3,
    "env_steps": 24_576,
    "evaluate_every": 2,
    "validation_frac": 0.1,
    "device": "cpu",
    "replay": {"batch": 128, "capacity": 20_000, "warm_up": 2_048, "reuse": 4.0, "target_rate": 0.05},
}
"""What all algorithms are told on a toy."""

ON_MARKET: dict[str, dict[str, Any]] = {
    "sign": {"env_steps": 49_152, "evaluate_every": 3},
    "trend": {
        "hidden": [64],
        "discount": 0.95,
        "learning_rate": 1e-3,
        "env_steps": 49_152,
        "evaluate_every": 3,
        "episode_bars": 256,
        "replay": {"batch": 256, "capacity": 50_000, "warm_up": 4_096, "reuse": 4.0, "target_rate": 0.02},
    },
}
"""What is different on a market, for all algorithms."""

LONGER, FACTOR = ("ppo", "ppo continuous", "rainbow"), 2
"""PPO, which forgets what it has learned from, and Rainbow, which has most to learn, make twice the decisions of the others."""

RAINBOW = {"prioritised": True, "n_step": 2, "distributional": True, "noisy": True}

VARIANTS: dict[str, dict[str, Any]] = {
    "ppo": {},
    "ppo continuous": {"action": "continuous"},
    "sac": {"algorithm": "sac"},
    "sac continuous": {"algorithm": "sac", "action": "continuous", "sac": {"entropy": -2.0}},
    "td3": {"algorithm": "td3", "action": "continuous"},
    "dqn": {"algorithm": "dqn", "dqn": {"double": False, "dueling": False}},
    "d3qn": {"algorithm": "dqn"},
    "twin d3qn": {"algorithm": "dqn", "dqn": {"twin": True}},
    "rainbow": {"algorithm": "dqn", "dqn": RAINBOW},
}
"""What each algorithm is told beside."""


class Run(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One seed of one algorithm on one market.

    Attributes
    ----------
    curve
        Decisions, and validation log growth of the policy after them.
    best
        Log growth of the best rule, where it is known.
    log_growth, sharpe, trades_per_1000
        Of the policy that was chosen on the validation span: on that span for a toy, on another draw of the market for `trend`.
    env_steps_per_second
        Learning included, on one core.
    """

    market: str
    variant: str
    seed: int
    curve: list[tuple[int, float]]
    best: float | None
    log_growth: float
    sharpe: float
    trades_per_1000: float
    env_steps_per_second: float


def market_of(name: str, seed: int) -> Toy:
    """Make a market by name: a toy, or `trend` at the venue's usual costs."""
    if name != "trend":
        return toy(name, TOY_BARS, seed)
    made = synthesise("trend", TREND_BARS, seed)[0]
    candles, step = made.candles, int(made.ts_open[1] - made.ts_open[0])
    spec = InstrumentSpec(made.instrument_id, "spot", "TREND", "USDT", price_precision=2, size_precision=6)
    columns = (candles.open, candles.high, candles.low, candles.close, candles.volume)
    bars = Bars(spec, made.bar, made.ts_open, made.ts_open + step, *columns)
    return Toy(name, (bars,), Venue(), LIMITS)


def configure(market: Toy, variant: str, seed: int = 1, **changes: Any) -> Config:
    """Compose the configuration of one run."""
    training = COMMON | ON_MARKET.get(market.name, {}) | VARIANTS[variant]
    if variant in LONGER:
        training |= {name: FACTOR * training[name] for name in ("env_steps", "evaluate_every")}
    document = {
        "universe": {"instruments": [bars.instrument.instrument_id for bars in market.bars]},
        "venue": msgspec.to_builtins(market.venue),
        "limits": {name: getattr(market.limits, name) for name in ("max_position_frac", "max_gross_frac")},
        "training": training | changes | {"seeds": [seed]},
    }
    return parse(document, f"{market.name}, {variant}")


def lay(market: Toy, config: Config) -> tuple[Tape, Split]:
    """Make the tape of a market, and its split."""
    tape = make_tape([(bars, None) for bars in market.bars], market.venue, config.training.recipe)
    return tape, split_tape(tape, config)


def best_growth(market: Toy, config: Config) -> float | None:
    """Replay the best rules of a toy over the validation span; None where none is known."""
    if market.name not in NAMES:
        return None
    tape, split = lay(market, config)
    rules = best_rules(market.name, action_spec(config))
    judge = Judge(config, tape, action_spec(config), split.validation)
    return max(found["log_growth"] for found in judge.figures(rules))


def learn(market: Toy, variant: str, seed: int, **changes: Any) -> Run:
    """Train one policy and measure it."""
    config = configure(market, variant, seed, **changes)
    tape, split = lay(market, config)
    learner, best = make_learner(config, tape, split, action_spec(config), seed), Best()
    judge = Judge(config, tape, action_spec(config), split.validation)
    seconds = 0.0
    while not learner.done:
        began = time.perf_counter()
        progress = learner.iterate()
        seconds += time.perf_counter() - began
        check(progress, seed, learner)
        judge.look(learner, best, seed)
    judge.judge(learner.graph, {seed: best})
    policy = best.policy(learner.graph)
    if market.name == "trend":
        other = market_of(market.name, OTHER_SEED)
        tape, split = lay(other, config)
        judge = Judge(config, tape, action_spec(config), split.validation)
    found = judge.figures([policy])[0]
    return Run(
        market=market.name,
        variant=variant,
        seed=seed,
        curve=[(steps, round(growth, 5)) for steps, growth in best.evaluations],
        best=best_growth(market, config),
        log_growth=round(found["log_growth"], 5),
        sharpe=round(found["sharpe"], 3),
        trades_per_1000=round(found["trades_per_1000"], 1),
        env_steps_per_second=round(learner.iteration * learner.steps_per_iteration / seconds),
    )


def measured(path: Path) -> list[Run]:
    """Read the runs that a file holds."""
    return msgspec.json.decode(path.read_bytes(), type=list[Run]) if path.is_file() else []


def write(path: Path, runs: Sequence[Run]) -> None:
    """Write runs, one a line."""
    lines = [msgspec.json.encode(run).decode() for run in runs]
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is missing, then write tables and drawing."""
    parser = argparse.ArgumentParser(prog="python -m models.learning_curves", description=__doc__)
    parser.add_argument(
        "--folder", type=Path, default=DOCS, help="where learning-curves.json, .md and .svg are written"
    )
    parser.add_argument("--markets", nargs="*", default=MARKETS, choices=MARKETS)
    parser.add_argument("--variants", nargs="*", default=tuple(VARIANTS), choices=tuple(VARIANTS))
    parser.add_argument("--seeds", nargs="*", type=int, default=SEEDS)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    path = chosen.folder / "learning-curves.json"
    runs = measured(path)
    have = {(run.market, run.variant, run.seed) for run in runs}
    markets = {name: market_of(name, MARKET_SEED) for name in chosen.markets}
    for seed in chosen.seeds:
        for name, market in markets.items():
            for variant in chosen.variants:
                if (name, variant, seed) in have:
                    continue
                runs.append(learn(market, variant, seed))
                write(path, runs)
                print(name, variant, seed, runs[-1].log_growth, runs[-1].sharpe, flush=True)
    (chosen.folder / "learning-curves.md").write_text(tables(runs), encoding="utf-8")
    (chosen.folder / "learning-curves.svg").write_text(draw(runs), encoding="utf-8")


if __name__ == "__main__":
    main()
