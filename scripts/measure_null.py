"""How often a walk forward claims an edge in a market that has none: `python scripts/measure_null.py [--markets 20] [--workers 1]`.

Each market is a `null` of its own seed, walked forward with a small policy that learns and is traded in NautilusTrader like any other. It
has a ledger of its own, so that every validation and every test of the walk counts against it and nothing else does. Costs are zero: with
costs, policies without skill lose, and no edge would be claimed for that reason alone.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from catalogs.generating import store_markets
from catalogs.synthesis import synthesise
from engine.contract.config import Config, parse
from engine.evaluation.ledger import Ledger
from models.walking import learner
from strategies.walking import walk_forward

BARS = 3_000
LEVEL_DSR, LEVEL_P = 0.95, 0.05
TRAINING = {
    "env_steps": 8_192,
    "envs": 64,
    "rollout_steps": 32,
    "minibatches": 4,
    "hidden": [16],
    "episode_bars": 64,
    "evaluate_every": 2,
    "learning_rate": 3e-3,
    "device": "cpu",
}


def configured(catalog: Path, number: int) -> Config:
    """Return the configuration of one market's walk."""
    return parse(
        {
            "run": {"name": f"null-{number}", "seed": number},
            "data": {"catalog": str(catalog)},
            "universe": {"instruments": ["NULLUSDT.SIM"]},
            "venue": {"taker_bps": 0.0, "maker_bps": 0.0, "half_spread_bps": 0.0},
            "limits": {"max_position_frac": 1.0},
            "training": TRAINING,
            "walkforward": {"train_bars": 1_200, "test_bars": 560, "seeds": [1, 2]},
        }
    )


def measure(number: int, workers: int) -> dict[str, Any]:
    """Walk one market forward."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        store_markets(root / "catalog", synthesise("null", BARS, number))
        config = configured(root / "catalog", number)
        _, found = walk_forward(
            config, learner(config), root=root / "walks", ledger=Ledger(root / "trials.sqlite"), workers=workers
        )
    named = ("sharpe", "psr", "dsr", "p_value", "trials", "degenerate", "reasons")
    row = {"market": number} | {name: found[name] for name in named}
    claims = (row["dsr"] or 0.0) >= LEVEL_DSR and (1.0 if row["p_value"] is None else row["p_value"]) <= LEVEL_P
    return row | {"trades": found["metrics"]["trades"], "claims": claims, "seconds": time.perf_counter() - began}


def main() -> None:
    """Walk the markets, a line each, and count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--markets", type=int, default=20)
    parser.add_argument("--workers", type=int, default=0)
    arguments = parser.parse_args()
    rows = []
    for number in range(1, arguments.markets + 1):
        rows.append(measure(number, arguments.workers))
        print(json.dumps(rows[-1]), flush=True)
    claimed = sum(row["claims"] for row in rows)
    alone = sum((row["psr"] or 0.0) >= LEVEL_DSR for row in rows)
    lucky = sum((1.0 if row["p_value"] is None else row["p_value"]) <= LEVEL_P for row in rows)
    seconds = sum(row["seconds"] for row in rows)
    print(
        f"{claimed} of {len(rows)} claim an edge; probabilistic Sharpe ratio alone: {alone}; p-value alone: {lucky}; {seconds:.0f} s"
    )


if __name__ == "__main__":
    main()
