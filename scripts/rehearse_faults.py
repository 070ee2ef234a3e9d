"""Drill the ccxt adapter through every fault alone and through seeded random combinations, and print what each ended with.

    python scripts/rehearse_faults.py --seeds 200

Every line is one drill: market, faults, how often they struck, orders, fills, orders whose answer was lost, and what differs from the
venue's truth at the end. Exit code 3 where anything does.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from live.adapter.core.notes import Notes
from live.adapter.drill_ground import make_catalog, make_config
from live.adapter.fault_drill import NAMES, Drilled, drill, names_of

MARKETS = ("spot", "usdm")
LONGEST_SECS = 120.0


async def main(seeds: int, first: int, at_once: int, verbose: bool) -> int:
    """Run all drills, some at once, and return how many found a difference."""
    turns = asyncio.Semaphore(at_once)
    done: list[Drilled] = []
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        catalog = make_catalog(Path(folder) / "catalog")

        async def one(names: tuple[str, ...], market: str, seed: int) -> None:
            async with turns:
                begun = time.monotonic()
                config = make_config(catalog, market, funding=False)
                try:
                    drilled = await asyncio.wait_for(drill(config, market, names, seed), LONGEST_SECS)
                except Exception as error:  # noqa: BLE001
                    failed = (f"the drill broke off: {type(error).__name__}: {error}",)
                    drilled = Drilled(seed, market, names, failed, {}, 0, 0, 0, Notes())
                done.append(drilled)
                line(drilled, time.monotonic() - begun, verbose)

        alone = [((name,), market, 0) for market in MARKETS for name in NAMES] if first == 1 else []
        mixed = [(names_of(seed), MARKETS[seed % 2], seed) for seed in range(first, first + seeds)]
        await asyncio.gather(*(one(*each) for each in (*alone, *mixed)))
    bad = [one for one in done if one.problems]
    struck = Counter({kind: 0 for one in done for kind in one.struck})
    for each in done:
        struck.update(each.struck)
    print(
        f"\n{len(done)} drills, {len(bad)} with a difference, {sum(o.orders for o in done)} orders, {sum(o.fills for o in done)} fills,"
    )
    print(f"{sum(o.unknown for o in done)} orders with a lost answer; struck: {dict(sorted(struck.items()))}")
    return len(bad)


def line(drilled: Drilled, seconds: float, verbose: bool) -> None:
    """Print one drill."""
    verdict = "equal" if not drilled.problems else "; ".join(drilled.problems)
    struck = sum(drilled.struck.values())
    counts = f"orders {drilled.orders:2} fills {drilled.fills:2} lost {drilled.unknown}"
    names = ", ".join(drilled.faults)
    print(
        f"{drilled.seed:4} {drilled.market:4} {seconds:5.1f} s {counts} struck {struck:2}  {verdict} [{names}]",
        flush=True,
    )
    if verbose and drilled.problems:
        for note in drilled.notes.all():
            print(f"       {note.ts_ns / 1e9 % 1000:8.3f} {note.what} | {note.about} | {note.detail[:160]}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("--verbose", action="store_true")
    chosen = parser.parse_args()
    sys.exit(3 if asyncio.run(main(chosen.seeds, chosen.first, chosen.at_once, chosen.verbose)) else 0)
