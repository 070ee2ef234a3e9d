"""A walk-forward's folder, made small with a seeded market: every figure in it is computed, none invented."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine.contract.calendar import iso
from engine.evaluation.bootstrap import intervals
from engine.evaluation.breakeven import break_even_bps
from engine.evaluation.chance import chance
from engine.evaluation.drawdown import max_drawdown
from engine.evaluation.metrics import EquityCurve, Fills, compute_metrics
from engine.evaluation.overfitting import overfitting
from engine.evaluation.sharpe import PerPeriod, annualise, estimate, probabilistic_sharpe, sharpe_per_period
from engine.evaluation.trials import Row, count
from engine.journal.run import write_json

HOUR = 3_600_000_000_000
START = 1_609_459_200_000_000_000
YEAR = 8_760.0
TRAIN, VALIDATION, TEST, EMBARGO = 2_000, 400, 500, 33
COST = 6e-4
CONFIG = """
[run]
name = "walk"
seed = 7
[universe]
instruments = ["TRENDUSDT.SIM"]
bar = "1-HOUR"
[strategy]
name = "policy"
[limits]
max_position_frac = 0.1
[venue]
account = "margin"
balance = "100000 USDT"
leverage = 1.0
taker_bps = 5.0
half_spread_bps = 1.0
fill = "next_open"
funding = true
[walkforward]
window = "rolling"
train_bars = 2000
test_bars = 500
"""


def market(bars: int, edge: float) -> tuple[np.ndarray, np.ndarray]:
    """Return what may be known of each bar, and its return: `edge` is their correlation."""
    random = np.random.default_rng(11)
    shock = random.standard_t(5, bars) * np.exp(0.4 * np.sin(np.arange(bars) / 300.0)) * 0.004
    slow = np.convolve(random.normal(size=bars), np.ones(48) / 7.0, "same")
    return slow, shock + edge * 0.004 * slow


def write_walk(folder: Path, folds: int = 6, seeds: int = 5, edge: float = 0.12, **changes: Any) -> Path:
    """Write the folder; `changes` replace keys of its document."""
    folder.mkdir(parents=True, exist_ok=True)
    first = TRAIN + VALIDATION + 2 * EMBARGO
    bars = folds * TEST
    slow, earned = market(first + bars, edge)
    ts = START + HOUR * np.arange(1, first + bars + 1)
    random = np.random.default_rng(5)
    seen = slow[first:]
    noisy = [seen + random.normal(0, 0.2 + 0.25 * seed) for seed in range(1, seeds + 1)]
    exposures = {f"seed:{1 + place}": np.where(one > 0, 1.0, -0.5) for place, one in enumerate(noisy)}
    chosen = np.concatenate(
        [exposures[f"seed:{1 + fold % seeds}"][fold * TEST : (fold + 1) * TEST] for fold in range(folds)]
    )
    trend = np.sign(np.convolve(earned, np.ones(24), "full")[first - 1 : first - 1 + bars])
    coin = np.repeat(random.integers(0, 2, bars // 20), 20).astype(float)
    beside = {"cash": np.zeros(bars), "buy_and_hold": np.ones(bars), "volatility_target": np.full(bars, 0.6)}
    beside |= {"trend": trend, "random": coin}
    paths = {
        name: path(exposure, earned[first:]) for name, exposure in {"chosen": chosen, **exposures, **beside}.items()
    }
    write_paths(folder / "paths.parquet", ts[first:], paths)
    (folder / "config.toml").write_text(CONFIG, encoding="utf-8")
    write_json(folder / "result.json", {**document(ts, first, folds, seeds, paths, earned[first:]), **changes})
    return folder


def path(exposure: np.ndarray, earned: np.ndarray) -> dict[str, np.ndarray]:
    turnover = np.abs(np.diff(exposure, prepend=0.0))
    net = exposure * earned - COST * turnover
    return {"equity": 100_000.0 * np.cumprod(1.0 + net), "return": net, "exposure": exposure, "turnover": turnover}


def write_paths(file: Path, ts: np.ndarray, paths: dict[str, dict[str, np.ndarray]]) -> None:
    columns: dict[str, Any] = {
        "path": [name for name in paths for _ in ts],
        "ts_event": np.tile(ts, len(paths)),
    }
    for key in ("equity", "return", "exposure", "turnover"):
        columns[key] = np.concatenate([one[key] for one in paths.values()])
    pq.write_table(pa.table(columns), file)


def metrics(ts: np.ndarray, one: dict[str, np.ndarray]) -> dict[str, Any]:
    none = np.zeros(0)
    fills = Fills(none.astype(np.int64), [], none.astype(np.int64), none, none, none, none)
    whole = np.concatenate([[100_000.0], one["equity"]])
    curve = EquityCurve(np.concatenate([[ts[0] - HOUR], ts]), whole, np.abs(np.append(one["exposure"], 0.0)))
    return {**compute_metrics(curve, fills, 0.0, YEAR), "max_drawdown": max_drawdown(whole)}


def ratio(returns: np.ndarray) -> float | None:
    return annualise(sharpe_per_period(returns), YEAR) if returns.std() > 0 else None


def document(
    ts: np.ndarray, first: int, folds: int, seeds: int, paths: dict[str, dict[str, np.ndarray]], earned: np.ndarray
) -> dict[str, Any]:
    chosen = paths["chosen"]
    found = estimate(chosen["return"], YEAR)
    names = [f"seed:{seed}" for seed in range(1, seeds + 1)]
    rows = [
        Row(k, "policy:X:1-HOUR", "walkforward", "c", k, 0, 1, "", "", "done", sharpe_per_period(paths[name]["return"]), len(earned), YEAR,
            0.0, 3.0, None, None, None)
        for k, name in enumerate(names)
    ]  # fmt: skip
    trials = count(rows, YEAR)
    made = intervals(chosen["return"], YEAR)
    luck = chance(chosen["exposure"], earned, cost_bps=6.0)
    panel = np.stack([paths[name]["return"] for name in names], 1)
    tested = [first + TEST * fold for fold in range(folds)]
    bars = folds * TEST

    def of_fold(number: int, at: int) -> dict[str, Any]:
        inside = slice(number * TEST, (number + 1) * TEST)
        single = [
            {
                "seed": seed,
                "sharpe": ratio(paths[f"seed:{seed}"]["return"][inside]),
                "total_return": float(np.prod(1.0 + paths[f"seed:{seed}"]["return"][inside]) - 1.0),
                "validation_log_growth": 0.01 * seed,
                "policy": f"policies/{number}/{seed}",
            }
            for seed in range(1, seeds + 1)
        ]
        validation = at - EMBARGO - VALIDATION
        return {
            "number": number + 1,
            "train_start": iso(ts[at - first]),
            "train_end": iso(ts[validation - EMBARGO]),
            "validation_start": iso(ts[validation]),
            "validation_end": iso(ts[at - EMBARGO]),
            "test_start": iso(ts[at] - HOUR),
            "test_end": iso(ts[at + TEST - 1]),
            "seed": 1 + number % seeds,
            "sharpe": ratio(chosen["return"][inside]),
            "total_return": float(np.prod(1.0 + chosen["return"][inside]) - 1.0),
            "degenerate": False,
            "seeds": single,
        }

    return {
        "folds": [of_fold(number, at) for number, at in enumerate(tested)],
        "sharpe": found.annualised,
        "sharpe_error": found.error_annualised,
        "interval": list(found.interval_annualised()),
        "psr": probabilistic_sharpe(found.per_period, PerPeriod(0.0), found.periods, found.skew, found.kurtosis),
        "dsr": trials.deflate(found).probability,
        "pbo": overfitting(panel, 10).probability if seeds > 1 else None,
        "trials": trials.number,
        "p_value": luck.p_value,
        "metrics": metrics(ts[first:], chosen),
        "seeds": [{"seed": seed, "metrics": metrics(ts[first:], paths[f"seed:{seed}"])} for seed in range(1, seeds + 1)],
        "baselines": {
            name: metrics(ts[first:], paths[name]) for name in ("cash", "buy_and_hold", "volatility_target", "trend", "random")
        },
        "break_even_bps": break_even_bps(chosen["return"] + COST * chosen["turnover"], chosen["turnover"]),
        "intervals": {
            "sharpe_annualised": [made.sharpe_annualised.low, made.sharpe_annualised.high],
            "total_return": [made.total_return.low, made.total_return.high],
            "max_drawdown_frac": [made.max_drawdown_frac.low, made.max_drawdown_frac.high],
            "block_periods": made.block_periods,
            "replicates": made.replicates,
        },
        "reasons": {} if seeds > 1 else {"pbo": "one configuration cannot be chosen wrongly"},
        "untested": ["120 bars at the end: no whole test window fits"],
        "apart_bars": EMBARGO,
        "degenerate": 0,
        "code_version": "0123abc",
        "coverage": [
            {"instrument_id": "TRENDUSDT.SIM", "expected": first + bars, "present": first + bars - 2, "warm_up": 0,
             "gaps": [[iso(ts[40]), 2]]}
        ],
        "datasets": {"TRENDUSDT.SIM 1-HOUR": "89ab" * 16},
        "workers": 2,
        "seconds": 311.0,
        "folder": "var/walks/walk-0001",
    }  # fmt: skip
