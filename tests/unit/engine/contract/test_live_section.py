"""[live]: what it refuses."""

import pytest

from engine.contract.config import parse
from engine.contract.errors import ConfigError
from engine.contract.live import check_live


def configuration(market: str, *names: str) -> dict:
    return {"universe": {"instruments": list(names)}, "live": {"market": market}}


def test_rehearsal_is_the_default() -> None:
    assert parse({"universe": {"instruments": ["BTCUSDT.BINANCE"]}}).live.rehearsal


def test_unknown_key_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"live.*api_key"):
        parse({"universe": {"instruments": ["BTCUSDT.BINANCE"]}, "live": {"api_key": "x"}})


@pytest.mark.parametrize(
    ("market", "names"),
    [
        ("spot", ["BTCUSDT-PERP.BINANCE"]),
        ("usdm", ["BTCUSDT.BINANCE"]),
        ("usdm", ["BTCUSDT-PERP.BINANCE", "ETHUSDT.BINANCE"]),
    ],
)
def test_instruments_of_another_market_are_refused(market: str, names: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"live\.market must be"):
        check_live(parse(configuration(market, *names)), "file.toml")


def test_mixed_instruments_are_refused() -> None:
    config = parse(configuration("spot", "BTCUSDT-PERP.BINANCE", "ETHUSDT.BINANCE"))
    with pytest.raises(ConfigError, match="be of one market"):
        check_live(config, "file.toml")


def test_native_client_is_refused_for_another_exchange_and_taken_for_binance() -> None:
    document = configuration("spot", "BTCUSDT.BINANCE")
    document["live"] |= {"client": "native"}
    check_live(parse(document), "file.toml")
    document["live"] |= {"exchange": "kraken"}
    with pytest.raises(
        ConfigError, match=r"live\.client must be ccxt: .* for binance alone, was native \(file\.toml\)"
    ):
        check_live(parse(document), "file.toml")
