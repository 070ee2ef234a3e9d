"""The training market and NautilusTrader on real hours, and on a market without an edge."""

import datetime as dt

import numpy as np
import pytest

from catalogs.generating import store_markets
from catalogs.synthesis import synthesise
from engine.cli import main
from engine.contract.config import Config, parse
from models.equivalence import equivalence
from models.tape import read_histories

pytestmark = pytest.mark.slow
FOUR = ("BTCUSDT", "ETHUSDT", "DOGEUSDT", "SOLUSDT")


def configured(catalog: object, *instruments: str, frac: float, leverage: float = 3.0) -> Config:
    return parse(
        {
            "data": {"catalog": str(catalog), "start": dt.date(2020, 1, 1), "end": dt.date(2023, 1, 1)},
            "universe": {"instruments": list(instruments)},
            "venue": {"leverage": leverage},
            "limits": {"max_position_frac": frac},
        }
    )


def imported(folder: object, shared_data, *names: str) -> None:
    for name in names:
        arguments = ["--instrument", f"{name}.BINANCE", "--bar", "1-HOUR", "--catalog", str(folder)]
        assert main(["data", "import", str(shared_data / f"BINANCE.{name}.1h.parquet"), *arguments]) == 0


def test_hours_of_bitcoin_are_the_same_in_both(tmp_path, shared_data):
    imported(tmp_path, shared_data, "BTCUSDT")
    config = configured(tmp_path, "BTCUSDT.BINANCE", frac=1.0)
    found = equivalence(config, read_histories(config, *config.span_ns), 600)
    assert found.verdict.passed, found.verdict.first_difference
    assert found.largest["equity"] < 1e-9


def test_perpetual_with_funding_at_high_leverage_is_the_same_in_both(tmp_path, shared_data):
    imported(tmp_path, shared_data, "BTCUSDT-PERP")
    rates = str(shared_data / "BINANCE.BTCUSDT-PERP.funding.parquet")
    assert main(["data", "import", rates, "--instrument", "BTCUSDT-PERP.BINANCE", "--catalog", str(tmp_path)]) == 0
    config = configured(tmp_path, "BTCUSDT-PERP.BINANCE", frac=1.0, leverage=50.0)
    found = equivalence(config, read_histories(config, *config.span_ns), 1_200)
    assert found.verdict.passed, found.verdict.first_difference
    assert found.occurred["funding"] > 100
    assert found.occurred["liquidations"] > 0


def test_four_instruments_on_one_account_are_the_same_in_both(tmp_path, shared_data):
    imported(tmp_path, shared_data, *FOUR)
    config = configured(tmp_path, *(f"{name}.BINANCE" for name in FOUR), frac=0.25)
    found = equivalence(config, read_histories(config, *config.span_ns), 250)
    assert found.verdict.passed, found.verdict.first_difference
    assert found.occurred["refusals by the gate"] > 0


def test_market_without_an_edge_is_the_same_in_both(tmp_path):
    (made,) = synthesise("null", 3_000, 4)
    store_markets(tmp_path, [made])
    config = parse(
        {
            "data": {"catalog": str(tmp_path)},
            "universe": {"instruments": [made.instrument_id]},
            "limits": {"max_position_frac": 0.5},
        }
    )
    found = equivalence(config, read_histories(config, None, None), 600)
    assert found.verdict.passed, found.verdict.first_difference
    assert np.isfinite(found.largest["reward"])
