"""A catalog of two instruments, spot and perpetual, with funding, for the exchange to replay."""

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from catalogs.generating import store_markets
from catalogs.importing import import_file
from catalogs.synthesis import synthesise
from engine.contract.config import Config, parse

SPOT, PERPETUAL = "BTCUSDT.BINANCE", "BTCUSDT-PERP.BINANCE"
START = dt.datetime(2020, 1, 3, tzinfo=dt.UTC)
BARS = 120


def build(folder: Path) -> Path:
    """120 hourly bars from 2020-01-01 of both instruments, and funding every 8 hours."""
    catalog = folder / "catalog"
    for seed, instrument in enumerate((SPOT, PERPETUAL), 3):
        store_markets(catalog, synthesise("trend", BARS, seed, "1-HOUR"), [instrument])
    hours = pd.date_range("2020-01-01T08:00", periods=BARS // 8 - 1, freq="8h")
    rates = pd.DataFrame({"ts": hours.as_unit("ns").astype("int64"), "rate": np.linspace(-1e-4, 2e-4, len(hours))})
    rates.to_parquet(folder / "funding.parquet")
    import_file(catalog, folder / "funding.parquet", PERPETUAL, kind="funding")
    return catalog


def configuration(catalog: Path, **sections) -> Config:
    """A configuration that replays both instruments from the third day on."""
    document = {
        "data": {"catalog": str(catalog), "start": START},
        "universe": {"instruments": [SPOT, PERPETUAL]},
        "strategy": {"name": "cash"},
        "venue": sections.pop("venue", {}),
        "rehearsal": sections.pop("rehearsal", {}),
    }
    return parse({**document, **sections})


@pytest.fixture(scope="session")
def rehearsal_catalog(tmp_path_factory) -> Path:
    return build(tmp_path_factory.mktemp("rehearsal"))
