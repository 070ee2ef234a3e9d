"""A paper session at the pace of a person: a turn every half second, an order at every turn. Run with a folder for its files."""

import asyncio
import datetime as dt
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from nautilus_trader.model import Bar
from numpy.typing import NDArray

from engine.contract.config import Config, parse
from engine.contract.messages import Turn
from live.replay.connection import CatalogConnection
from live.running import execute
from strategies.backtest import load
from strategies.base import Choice, GatedStrategy
from tests.parity.market import HOUR_NS, START_NS, write_market

PACE_SECS = 0.5
BARS = 1_000
WARM_UP = 200
INSTRUMENTS = ["BTCUSDT.BINANCE", "ETHUSDT.BINANCE"]


class Restless(GatedStrategy):
    """Wants all of its budget at one turn and half of it at the next."""

    policy_name = "restless"

    def decide(self, turn: Turn, present: Sequence[int], exposure: NDArray[np.float64]) -> list[Choice]:
        """Alternate."""
        target = 1.0 if turn.seq % 2 else 0.5
        return [Choice(index, target, target, target) for index in present]


class Paced(CatalogConnection):
    """A catalog whose bars come one every half second, each with the quote behind it."""

    async def drive(self, settled: Callable[[], bool]) -> None:
        """Hand on the span."""
        last = 0
        for item in self._items:
            if isinstance(item, Bar) and item.ts_event != last:
                last = item.ts_event
                await asyncio.sleep(PACE_SECS)
            while not settled():
                await asyncio.sleep(0.001)
            self._hear(item)


def configuration(folder: Path) -> Config:
    """Write the market, and return the configuration of the session."""
    write_market(folder / "catalog", INSTRUMENTS, WARM_UP + BARS)
    return parse(
        {
            "run": {"name": "desk", "seed": 1},
            "data": {
                "catalog": str(folder / "catalog"),
                "start": dt.datetime.fromtimestamp((START_NS + WARM_UP * HOUR_NS) / 1e9, dt.UTC),
            },
            "universe": {"instruments": INSTRUMENTS},
            "strategy": {"name": "tests.acceptance.dashboard_session:Restless"},
            "limits": {
                "max_position_frac": 0.4,
                "max_drawdown_frac": 0.9,
                "daily_loss_frac": 0.9,
                "daily_trades": 10_000,
            },
            "actors": {"breaker": {"loss_streak": None, "correlation": None, "repeated_execution": None}},
        }
    )


def main(folder: Path) -> None:
    """Run the session until it is stopped."""
    config: Any = configuration(folder)
    market, policy = load(config)
    execute(config, policy, Paced(config, market), "paper", folder / "runs", say=lambda line: print(line, flush=True))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
