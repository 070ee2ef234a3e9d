"""The native connection: where it finds the exchange, and what it refuses."""

from typing import Any

import pytest

from engine.contract.config import Config, parse
from engine.contract.errors import ConfigError
from live.exchange import ExchangeConnection
from live.native.addresses import addresses_of, speaks_json
from live.native.connection import NativeConnection, connection_of
from live.venue import RealVenue, RunningRehearsal

TOLD = {
    "spot_http": "http://127.0.0.1:1",
    "spot_ws": "ws://127.0.0.1:1/ws",
    "spot_commands": "ws://127.0.0.1:1/ws-api/v3",
    "control": "http://127.0.0.1:2",
}


def configuration(**live: Any) -> Config:
    name = "BTCUSDT-PERP.BINANCE" if live.get("market") == "usdm" else "BTCUSDT.BINANCE"
    venue = live.pop("venue", {})
    return parse({"universe": {"instruments": [name]}, "live": live, "venue": venue})


@pytest.mark.parametrize(("client", "kind"), [("ccxt", ExchangeConnection), ("native", NativeConnection)])
def test_client_of_the_configuration_is_the_one_that_connects(client: str, kind: type) -> None:
    assert type(connection_of(configuration(client=client), RealVenue(private=False))) is kind


def test_other_exchange_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"live\.exchange must be binance for the native client, was kraken"):
        connection_of(configuration(client="native", exchange="kraken"), RealVenue(private=False))


def test_leverage_that_is_not_whole_is_refused_on_perpetuals() -> None:
    config = configuration(client="native", market="usdm", venue={"leverage": 2.5})
    with pytest.raises(ConfigError, match=r"venue\.leverage must be whole for the native client, was 2\.5"):
        connection_of(config, RealVenue(private=False))


def test_real_exchange_has_no_addresses_of_ours_and_is_asked_as_the_global_one() -> None:
    found = addresses_of(RealVenue(private=False), "spot")
    assert (tuple(found), found.rehearsal, speaks_json(found, "spot")) == ((None, None, None, None), False, False)


def test_running_rehearsal_is_found_on_its_plain_ports() -> None:
    found = addresses_of(RunningRehearsal(TOLD, private=False), "spot")
    assert tuple(found) == (TOLD["spot_http"], TOLD["spot_ws"], TOLD["spot_commands"], "http://127.0.0.1:2/status")
    assert speaks_json(found, "spot")
    assert not speaks_json(found, "usdm")
