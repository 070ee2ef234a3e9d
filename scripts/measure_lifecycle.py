"""Measure the figures of docs/explanation/model-lifecycle.md: `swaps`, `rollbacks`, `drift POLICY CONFIG`.

python -m scripts.measure_lifecycle swaps 100000 1000
python -m scripts.measure_lifecycle rollbacks var/catalogs/main BTCUSDT.BINANCE
python -m scripts.measure_lifecycle drift var/policies/btc-1h/1 configs/btc-1h.toml
"""

import datetime as dt
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr
from scipy.stats import beta

from catalogs.arrays import read_bars
from catalogs.generating import store_markets
from catalogs.synthesis import synthesise
from engine.contract.calendar import iso
from engine.contract.config import Config, load, parse
from engine.evaluation.sequential import SCALE_PAIRS, PairedTest
from engine.policy.manifest import read, write
from engine.policy.registry import RELEASED
from engine.risk.novelty import REFERENCE, Reference, describe, smoothed
from strategies import backtest
from strategies.running import metrics_of

Floats = NDArray[np.float64]
EFFECT, ALPHA, LEAST = 0.03, 0.05, 50
PAIRS, RUNS = 4_000, 500
COST = 6e-4
INSTRUMENT = "TRENDUSDT.SIM"


def swaps(bars: int, every: int) -> None:
    """Trade a generated market with and without a swap of equal policies every so many decisions, and compare row by row."""
    with tempfile.TemporaryDirectory(prefix="swaps-") as place:
        folder = Path(place)
        store_markets(folder / "catalog", synthesise("trend", bars + 200, 11))
        ours = []
        for version in ("2", "3"):
            copy = folder / "trend" / version
            shutil.copytree(RELEASED / "trend" / "2", copy)
            write(copy, msgspec.structs.replace(read(copy), version=version))
            ours.append(str(copy))
        start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=150)
        events = [
            {
                "at": start + dt.timedelta(hours=k),
                "event": "promote",
                "policy": ours[(k // every) % 2],
            }
            for k in range(every, bars, every)
        ]
        document: dict[str, Any] = {
            "data": {"catalog": str(folder / "catalog"), "start": start, "end": start + dt.timedelta(hours=bars)},
            "universe": {"instruments": [INSTRUMENT]},
            "policy": {"path": ours[0]},
            "limits": {"max_position_frac": 0.5},
        }
        alone = _run(parse(document))
        swapped = _run(parse(document | {"lifecycle": {"events": events}}))
        differing = sum(
            one._replace(version="") != other._replace(version="")
            for one, other in zip(alone.journal, swapped.journal, strict=True)
        )
        by_version = {version: sum(row.version == version for row in swapped.journal) for version in ("2", "3")}
        print(f"decisions {len(alone.journal)}, {len(swapped.journal)}; events {alone.events}, {swapped.events}")
        print(f"swaps {len(swapped.strategy.lineup.notes)}, decided by {by_version}")  # type: ignore[attr-defined]
        print(
            f"rows that differ in anything but the version {differing}; fills equal {_fills(alone) == _fills(swapped)}"
        )
        print(f"seconds {alone.seconds:.0f}, {swapped.seconds:.0f}")


def _run(config: Config) -> backtest.Outcome:
    market, session = backtest.load(config)
    return backtest.run(config, market, session)


def _fills(outcome: backtest.Outcome) -> list[Any]:
    return outcome.blotter.fills


def rollbacks(catalog: str, instrument: str) -> None:
    """Simulate canaries that are equal, and ones that are worse, on generated differences and on the returns of a market."""
    generator = np.random.default_rng(1)
    _check(generator)
    kinds = {
        "normal": lambda: generator.standard_normal((RUNS, PAIRS)),
        "Student, 3 degrees": lambda: generator.standard_t(3, (RUNS, PAIRS)) / np.sqrt(3.0),
        "lognormal (skewness 6)": lambda: (np.exp(generator.standard_normal((RUNS, PAIRS))) - np.exp(0.5)) / 2.161,
    }
    for name, draw in kinds.items():
        equal = [one for _ in range(8) for one in found_after(draw()).tolist()]
        line = f"{name}: false {_rate(equal)};"
        for worse in (0.05, 0.1, 0.2):
            line += f" worse by {worse:g}: {_power(found_after(draw() - worse))};"
        print(line)
    returns = read_bars(catalog, instrument, "1-HOUR").close
    returns = np.diff(returns) / returns[:-1]
    for hold in (6, 24, 168):
        for short in (False, True):
            equal, churn, wrong = [], [], []
            for _ in range(6):
                earned = np.stack([returns[k : k + PAIRS] for k in generator.integers(0, len(returns) - PAIRS, RUNS)])
                champion, twin = (_after_costs(_positions(generator, hold, short), earned) for _ in range(2))
                equal += found_after(twin - champion).tolist()
                hasty = _after_costs(_positions(generator, 2, short), earned)
                churn += found_after(hasty - champion).tolist()
                side = np.where(generator.random(earned.shape) < 0.55, -1.0, 1.0) * np.sign(earned)
                wrong += found_after(side * earned - champion).tolist()
            print(
                f"{instrument}, held {hold} bars, {'long and short' if short else 'long'}: false {_rate(equal)}; "
                f"trades every 2 bars: {_power(np.array(churn))}; wrong side at 55 %: {_power(np.array(wrong))}"
            )


def found_after(differences: Floats) -> NDArray[np.int64]:
    """Return after how many pairs each row of differences, (runs, pairs), is found worse; -1: never. `PairedTest`, many at once."""
    counted = np.arange(1, differences.shape[1] + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        unit = np.sqrt(np.cumsum(differences**2, 1) / np.cumsum(differences != 0.0, 1))
        scaled = np.nan_to_num(differences[:, SCALE_PAIRS:] / unit[:, SCALE_PAIRS - 1 : -1], posinf=0.0, neginf=0.0)
    total, squares = np.cumsum(scaled, 1), np.cumsum(scaled**2, 1)
    variation = np.maximum(squares, (squares + 2.0 * np.cumsum(scaled != 0.0, 1)) / 3.0)
    spread = EFFECT**2 * variation + 1.0
    reach = EFFECT * total / np.sqrt(spread)
    evidence = np.log(2.0) - 0.5 * np.log(spread) + 0.5 * reach**2 + log_ndtr(-reach)
    evidence[:, counted[SCALE_PAIRS:] < LEAST] = -np.inf
    hit = evidence >= np.log(1.0 / ALPHA)
    return np.where(hit.any(1), hit.argmax(1) + SCALE_PAIRS + 1, -1)


def _check(generator: np.random.Generator) -> None:
    differences = generator.standard_normal((4, 1_000)) - 0.15
    for row, found in zip(differences, found_after(differences).tolist()):
        test, after = PairedTest(EFFECT), -1
        for difference in row.tolist():
            test.update(difference, 0.0)
            if test.pairs >= LEAST and test.worse >= 1.0 / ALPHA:
                after = test.pairs
                break
        assert after == found, (after, found)


def _positions(generator: np.random.Generator, hold: int, short: bool) -> Floats:
    levels = generator.choice([-1.0, 0.0, 1.0] if short else [0.0, 1.0], (RUNS, PAIRS))
    changes = generator.random((RUNS, PAIRS)) < 1.0 / hold
    changes[:, 0] = True
    since = np.maximum.accumulate(np.where(changes, np.arange(PAIRS), 0), 1)
    return np.take_along_axis(levels, since, 1)


def _after_costs(position: Floats, earned: Floats) -> Floats:
    return position * earned - COST * np.abs(np.diff(position, axis=1, prepend=0.0))


def _rate(found: list[int]) -> str:
    runs, hits = len(found), sum(one >= 0 for one in found)
    low = float(beta.ppf(0.025, hits, runs - hits + 1)) if hits else 0.0
    return f"{hits / runs:.4f} [{low:.4f}, {float(beta.ppf(0.975, hits + 1, runs - hits)):.4f}] of {runs}"


def _power(found: NDArray[np.int64]) -> str:
    seen = found[found >= 0]
    return f"found {len(seen) / len(found):.0%}, median after {np.median(seen) if len(seen) else 0:.0f} pairs"


def drift(policy: str, path: str) -> None:
    """Score the span of [data], which training did not see, and back-test the policy with and without the ceilings."""
    config = load(path, [f'policy.path="{policy}"', 'strategy={name="policy"}'])
    market, session = backtest.load(config)
    reference = Reference.load(Path(policy) / REFERENCE)
    for part in market.parts:
        bars = part.bars
        rows = np.stack([bars.open, bars.high, bars.low, bars.close, bars.volume], -1)
        score = smoothed(reference.distance(describe(rows, reference.window)), reference.decay)
        ends = bars.ts_close[reference.window - 1 :]
        for rate in (0.01, 0.05, 0.10):
            above = score > reference.bound(rate)
            quarters = [f"{iso(int(ends[piece[0]]))[:7]} {above[piece].mean():.3f}" for piece in _quarters(ends)]
            print(f"{bars.instrument.instrument_id} at {rate:g}: above {above.mean():.4f}; {', '.join(quarters)}")
    names = ("total_return", "sharpe", "max_drawdown", "volatility", "exposure", "turnover")
    for rate in (None, 0.01, 0.05, 0.10):
        section = None if rate is None else {"false_rate": rate}
        actors = msgspec.structs.replace(config.actors, drift=section)
        outcome = backtest.run(msgspec.structs.replace(config, actors=actors), market, session)
        found = metrics_of(outcome)
        shown = ", ".join(f"{name} {found[name]:.4f}" for name in names if found[name] is not None)
        print(f"false_rate {rate}: {shown}")


def _quarters(ends: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return np.array_split(np.arange(len(ends)), 4)


if __name__ == "__main__":
    verb, *words = sys.argv[1:]
    if verb == "swaps":
        swaps(int(words[0]), int(words[1]))
    elif verb == "rollbacks":
        rollbacks(words[0], words[1])
    else:
        drift(words[0], words[1])
