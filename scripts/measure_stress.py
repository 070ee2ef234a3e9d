"""Print the tables of docs/explanation/stress.md and of the learned baselines in algorithms.md: `python scripts/measure_stress.py CATALOG`.

Learned baselines are trained on BTCUSDT, hourly bars, 2019 to 2021, and traded in the engine in 2022, beside rules; the stresses are those
of the rule `trend` in 2021 and 2022.
"""

import datetime as dt
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from engine.contract.config import Config, parse
from engine.policy.session import PolicySession
from models.baselines import train_direct_sharpe, train_supervised
from models.export import Description, export_policy
from models.training import TrainingResult
from strategies.backtest import with_strategy
from strategies.stress.pairing import against
from strategies.stress.suite import stress
from strategies.stress.track import Figures, Span, Track, figures, prepared, traded

RULES: dict[str, dict[str, Any]] = {
    "buy and hold": {"name": "buy_and_hold"},
    "trend": {"name": "trend"},
    "random": {"name": "random"},
}


def configured(catalog: str, start: int, end: int, **strategy: Any) -> Config:
    """Hourly BTC from one new year to another, all of the equity at stake."""
    return parse(
        {
            "run": {"name": "stress", "seed": 7},
            "data": {"catalog": catalog, "start": dt.date(start, 1, 1), "end": dt.date(end, 1, 1)},
            "universe": {"instruments": ["BTCUSDT.BINANCE"]},
            "strategy": strategy or {"name": "trend"},
            "limits": {"max_position_frac": 1.0},
            "training": {
                "start": dt.date(2019, 1, 1),
                "end": dt.date(2022, 1, 1),
                "action": "continuous",
                "short": True,
                "env_steps": 400_000,
            },
        }
    )


def row(name: str, found: Figures, more: str = "") -> None:
    """Print one line of a table."""
    ratio = "" if found.sharpe is None else f"{found.sharpe:.2f} ± {found.sharpe_error:.2f}"
    print(
        f"| {name} | {found.total_return:+.1%} | {ratio} | {found.max_drawdown:.0%} | {found.exposure:.2f} | "
        f"{found.turnover:.0f} | {more} |",
        flush=True,
    )


def exported(result: TrainingResult, bar: str, folder: str) -> PolicySession:
    """Put a policy where the engine can trade it."""
    described = Description("measured", {}, result.data, {}, {}, "", "")
    return PolicySession(export_policy(result.graph, bar, result.windows, described, Path(folder)))


def learned(catalog: str, seeds: range) -> None:
    """Train both baselines, one policy per seed, and trade them and the rules."""
    config = configured(catalog, 2022, 2023)
    bar, paths = config.universe.bar, dict[str, Track]()
    for name, section in RULES.items():
        paths[name] = traded(prepared([(with_strategy(config, **section), None)]))
        row(name, figures(paths[name], bar))
    for name, train in (("supervised", train_supervised), ("direct Sharpe", train_direct_sharpe)):
        for seed in seeds:
            one = msgspec.structs.replace(config, training=msgspec.structs.replace(config.training, seeds=[seed]))
            with tempfile.TemporaryDirectory() as folder:
                began = time.perf_counter()
                result = train(one, root=Path(folder))
                spent = time.perf_counter() - began
                span: Span = (with_strategy(config, "policy"), exported(result, bar, folder))
                path = traded(prepared([span]))
            validated = f"validation {result.best.validation['sharpe']:.2f}, {result.seconds:.0f} s of {spent:.0f} s"
            beside = against(path, paths["trend"])
            row(f"{name}, seed {seed}", figures(path, bar), f"{validated}; against trend p = {beside.p_value:.2f}")


def stressed(catalog: str) -> None:
    """Put the rule `trend` through everything."""
    last = began = time.perf_counter()

    def advance(_: int, name: str) -> None:
        nonlocal last
        now = time.perf_counter()
        print(f"{name}: {now - last:.1f} s", file=sys.stderr, flush=True)
        last = now

    done = stress([(configured(catalog, 2021, 2023), None)], advance=advance)
    found, bar = done.stresses, "1-HOUR"
    for multiple, one in found.costs.multiples.items():
        row(f"costs x {multiple}", one)
    row("one bar late", found.delay)
    for kind, market in found.directionless.markets.items():
        for draw in market.draws:
            row(
                f"{kind}, seed {draw.seed}",
                figures(done.paths[f"{kind} {draw.seed}"], bar),
                f"{draw.errors:+.2f} errors",
            )
        print(f"{kind}: {market.errors:+.2f} standard errors together, p = {market.p_value:.2f}")
    print(msgspec.json.format(msgspec.json.encode(found.document() | {"paths": None}), indent=1).decode())
    print(f"{time.perf_counter() - began:.0f} s in all")


if __name__ == "__main__":
    if len(sys.argv) > 2 and sys.argv[2] == "stresses":
        stressed(sys.argv[1])
    else:
        learned(sys.argv[1], range(1, 4))
        stressed(sys.argv[1])
