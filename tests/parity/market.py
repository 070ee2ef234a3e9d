"""A small market of our own: two perpetuals, or coins, with gaps and funding, as a catalog."""

from pathlib import Path

import numpy as np

from catalogs.altering import write_copy
from catalogs.arrays import Bars, Funding
from engine.contract.instrument import InstrumentSpec

HOUR_NS = 3_600_000_000_000
START_NS = 1_640_995_200_000_000_000


def write_market(folder: Path, names: list[str], bars: int, seed: int = 1, gap: int | None = None) -> None:
    """Write hourly bars of a random walk; the second instrument lacks the bar `gap`; perpetuals have funding every eight hours."""
    parts = []
    for number, name in enumerate(names):
        random = np.random.default_rng([seed, number])
        perpetual = name.rpartition(".")[0].endswith("-PERP")
        close = np.round(20_000.0 * np.exp(np.cumsum(random.normal(0, 0.01, bars))), 2)
        opened = np.concatenate([[20_000.0], np.round(close[:-1] * (1 + random.normal(0, 1e-4, bars - 1)), 2)])
        wide = np.abs(random.normal(0, 2e-3, (2, bars)))
        columns = {
            "open": opened,
            "high": np.round(np.maximum(opened, close) * (1 + wide[0]), 2),
            "low": np.round(np.minimum(opened, close) * (1 - wide[1]), 2),
            "close": close,
            "volume": np.round(random.uniform(1, 50, bars), 5),
        }
        ts = START_NS + np.arange(bars, dtype=np.int64) * HOUR_NS
        kept = np.ones(bars, dtype=bool)
        if gap is not None and number == 1:
            kept[gap] = False
        kind, base = "perpetual" if perpetual else "spot", name.partition("USDT")[0]
        spec = InstrumentSpec(name, kind, base, "USDT", 2, 4)
        made = {key: column[kept] for key, column in columns.items()}
        settled = ts[8::8] if perpetual else ts[:0]
        rates = np.round(random.normal(1e-4, 1e-4, len(settled)), 8)
        one = Bars(instrument=spec, bar="1-HOUR", ts_open=ts[kept], ts_close=ts[kept] + HOUR_NS, **made)
        parts.append((one, Funding(settled, rates)))
    write_copy(folder, parts)
