"""Walk your own rule forward, and look at what came of it: python docs/how-to/walk_forward.py [CATALOG]

It needs nothing but a catalog; the sample one will do. Replace the strategy by the path of your own, `my_rules:AboveYesterday`.
"""

import sys
from pathlib import Path

from engine.contract.config import parse
from engine.evaluation.ledger import Ledger
from strategies.walking import Walked, walk_forward

ROOT = Path(__file__).resolve().parents[2]


def best_fold(walked: Walked, document: dict) -> dict:
    """Add a figure of your own: how much of the growth the best fold made."""
    returns = [fold["total_return"] for fold in document["folds"]]
    return {"best_fold_return": max(returns), "paths": sorted(walked.paths())}


def main(catalog: Path, folder: Path) -> dict:
    """Walk the trend rule over a year, in tests of two months; finished parts are kept in `folder`."""
    config = parse(
        {
            "run": {"name": "my-walk", "seed": 1},
            "data": {"catalog": str(catalog), "start": "2020-06-01T00:00:00Z", "end": "2021-06-01T00:00:00Z"},
            "universe": {"instruments": ["TRENDUSDT.SIM"]},
            "strategy": {"name": "trend", "lookback": 24},
            "limits": {"max_position_frac": 1.0},
            "walkforward": {"train_bars": 2_000, "test_bars": 1_440},
        }
    )
    ledger = Ledger(folder / "trials.sqlite")
    _, document = walk_forward(config, root=folder, ledger=ledger, workers=0, extras=[best_fold])
    return document


if __name__ == "__main__":
    made = main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "catalogs" / "sample", Path("var/walkforward"))
    for fold in made["folds"]:
        print(fold["test_start"], fold["test_end"], f"Sharpe {fold['sharpe']:.2f}, return {fold['total_return']:.1%}")
    print(
        f"p-value {made['p_value']:.4f}, deflated Sharpe ratio {made['dsr']:.3f}, {made['trials']} trials; {made['folder']}"
    )
