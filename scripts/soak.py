"""Soak a live session on a failing rehearsal exchange on loopback, kill it a few times, and hold what it left to the venue's truth.

    python scripts/soak.py                       # an hour, three kills
    python scripts/soak.py --seconds 60 --kills 2

Prints the memory of the trading process every minute. It stops by itself; exit code 3 where anything differs.
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from live.recovery.soak import Soak

MOST_SECS = 7_200.0


def main(seconds: float, kills: int, seed: int, folder: Path | None) -> int:
    """Soak, print what was found, and return the exit code."""
    with tempfile.TemporaryDirectory(prefix="soak-") as made:
        found = Soak(
            folder or Path(made), min(seconds, MOST_SECS), kills, seed, lambda line: print(line, flush=True)
        ).run()
    grown = "not measured" if found.grown_mb is None else f"{found.grown_mb:+.1f} MB"
    print(
        f"{found.turns:,} turns, {found.orders:,} orders and {found.trades:,} trades at the venue,"
        f" {found.kills} kills, {found.starts} starts"
    )
    print(f"faults struck: {dict(sorted(found.struck.items()))}")
    print(f"rulings: {dict(sorted(found.rulings.items()))}")
    print(f"memory after the first ten minutes of a process: {grown}")
    for problem in found.problems[:50]:
        print(f"differs: {problem}")
    print(
        f"{len(found.problems)} differences" if found.problems else "equal: orders, trades, position, balance, journal"
    )
    return 3 if found.problems else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3_600.0)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=None, help="An empty folder to work in, which is kept.")
    chosen = parser.parse_args()
    sys.exit(main(chosen.seconds, chosen.kills, chosen.seed, chosen.folder))
