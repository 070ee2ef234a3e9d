"""How long a bar's close takes to become an order at the exchange, through every part of a live session on loopback."""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from catalogs.generating import store_markets
from catalogs.synthesis import synthesise
from engine.contract.config import Config, parse
from engine.contract.errors import CheckFailed, broken
from live.exchange import ExchangeConnection
from live.running import execute
from live.venue import Moved, OwnRehearsal
from strategies.assembly import load_session
from strategies.benchmarking import Measurement

GOAL_MS = 20.0
"""What 99 of 100 orders should not take longer than."""

GAP_SECS = 0.05
"""Rest between two turns, so that each begins with nothing waiting, as at real time."""

WARM_UP_BARS = 150
INSTRUMENT = "BTCUSDT-PERP.BINANCE"


class Timed(OwnRehearsal):
    """A rehearsal exchange that notes when it published a bar's close, and when the order that follows was placed with it.

    Attributes
    ----------
    taken
        Seconds from each close to its order.
    """

    def __init__(self, config: Config) -> None:
        super().__init__(config, private=True)
        self.taken: list[float] = []
        self._closed: float | None = None
        venue = self.exchange.exchange.venues[config.live.market]
        placed = venue.place

        def place(*arguments: Any, **named: Any) -> Any:
            if self._closed is not None:
                self.taken.append(time.perf_counter() - self._closed)
                self._closed = None
            return placed(*arguments, **named)

        venue.place = place  # type: ignore[method-assign]

    async def step(self) -> Moved | None:
        """Play one event; rest before a bar closes."""
        from live.rehearsal.tape import Candle

        ahead = self.exchange.exchange.next_event
        closes = isinstance(ahead, Candle) and ahead.closed
        if closes:
            await asyncio.sleep(GAP_SECS)
            self._closed = time.perf_counter()
        return await super().step()


def measure(policy: str, bars: int) -> list[float]:
    """Trade a generated market live on a rehearsal exchange in this process; return seconds from close to order, one per order.

    The first bar's order is left out: it pays for what is made once.
    """
    with tempfile.TemporaryDirectory(prefix="bench-live-") as folder:
        config = _config(Path(folder), policy, bars)
        venue = Timed(config)
        connection = ExchangeConnection(config, venue)
        execute(config, load_session(config), connection, "live", Path(folder) / "runs")
    return venue.taken[1:]


def _config(folder: Path, policy: str, bars: int) -> Config:
    made = synthesise("trend", WARM_UP_BARS + bars, 1)
    manifest = store_markets(folder / "catalog", made, [INSTRUMENT])
    start = np.datetime64(manifest.datasets[0].start.removesuffix("Z")) + np.timedelta64(WARM_UP_BARS, "h")
    document: dict[str, Any] = {
        "run": {"name": "bench", "seed": 1},
        "data": {"catalog": str(folder / "catalog"), "start": f"{start}"},
        "universe": {"instruments": [INSTRUMENT], "bar": "1-HOUR"},
        "venue": {"funding": False},
        "strategy": {"name": "policy"},
        "policy": {"path": policy},
        "limits": {"max_position_frac": 0.5},
        "actors": {"breaker": {"confidence": 0.0001}},
        "live": {"market": "usdm"},
    }
    return parse(document)


def results(taken: Sequence[float]) -> list[Measurement]:
    """Return the percentiles, each beside the goal.

    Raises
    ------
    CheckFailed
        Nothing was ordered.
    """
    if not taken:
        raise CheckFailed(broken("benchmark", "see orders", "none", "", "measure more bars"))
    values = np.array(taken) * 1e3
    name = "bar close to order at the exchange"
    return [
        Measurement(f"{name}, {label}", float(value), "ms", GOAL_MS, float(value) / GOAL_MS, len(values))
        for label, value in (
            ("p50", np.percentile(values, 50)),
            ("p90", np.percentile(values, 90)),
            ("p99", np.percentile(values, 99)),
            ("worst", values.max()),
        )
    ]
