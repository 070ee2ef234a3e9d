"""The ground of drills and acceptance cases: a small planted catalog of one coin, spot and perpetual, and a stepwise exchange on it."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from catalogs.columns import RATE_DECIMALS, Rows, encode
from catalogs.generating import store_markets
from catalogs.manifest import Source, locked
from catalogs.storage import Entry, commit
from catalogs.synthesis import synthesise
from engine.contract.config import Config, parse

SPOT, PERPETUAL = "BTCUSDT.BINANCE", "BTCUSDT-PERP.BINANCE"
IDS = {"spot": SPOT, "usdm": PERPETUAL}
SYMBOLS = {"spot": "BTC/USDT", "usdm": "BTC/USDT:USDT"}
BARS = 400
WARM = 200
FUNDING_HOURS = 8
LEVERAGE = {"spot": 1.0, "usdm": 3.0}
ACCOUNTS = {"spot": "cash", "usdm": "margin"}


def make_catalog(root: Path) -> Path:
    """Write 400 hourly bars of a market without an edge from 2020-01-01, and funding rates every eight hours."""
    spot, perpetual = synthesise("null", BARS, 5), synthesise("null", BARS, 6)
    manifest = store_markets(root, [*spot[:1], *perpetual[:1]], [SPOT, PERPETUAL])
    spec = manifest.spec(PERPETUAL)
    assert spec is not None
    times = perpetual[0].ts_open[::FUNDING_HOURS]
    rates = encode(np.where(np.arange(len(times)) % 2, 0.0001, -0.0002), RATE_DECIMALS)
    source = Source(file="made by hand", layout="synthetic")
    with locked(root):
        commit(root, [Entry(spec, Rows("funding", None, times, {"rate": rates}), [source], pinned=True)])
    return root


def make_config(
    catalog: Path, market: str, faults: Sequence[dict[str, Any]] = (), funding: bool = True, **rehearsal: Any
) -> Config:
    """Return a configuration that plays the catalog from its 200th bar, step by step."""
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=WARM)
    venue = {"account": ACCOUNTS[market], "balance": "100000 USDT", "leverage": LEVERAGE[market], "funding": funding}
    return parse(
        {
            "run": {"name": "adapter", "seed": 3},
            "data": {"catalog": str(catalog), "start": start},
            "universe": {"instruments": [IDS[market]]},
            "venue": venue,
            "strategy": {"name": "cash"},
            "limits": {"max_position_frac": 0.5, "max_gross_frac": 0.9},
            "rehearsal": {"pace": "stepwise", "faults": list(faults), **rehearsal},
        }
    )
