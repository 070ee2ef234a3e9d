"""Which occasion a fault strikes."""

import datetime as dt
import tomllib

import msgspec
import pytest

from engine.contract.config import dump, load, parse
from engine.contract.errors import ConfigError
from engine.contract.rehearsal import REQUEST_FAULTS, Fault
from live.rehearsal.faults import FaultScript
from tests.conftest import ROOT

PLACE = "order.place"


def struck(script: FaultScript, times: int, action: str = PLACE, now_ns: int = 0) -> list[int]:
    return [n for n in range(1, times + 1) if script.strike(REQUEST_FAULTS, action, now_ns) is not None]


def test_fault_strikes_the_nth_occasion_and_those_that_follow_it():
    assert struck(FaultScript([Fault(kind="drop_after_accept", nth=2, count=3)]), 7) == [2, 3, 4]


def test_fault_without_a_count_strikes_for_ever():
    assert struck(FaultScript([Fault(kind="drop_after_accept", nth=5, count=None)]), 8) == [5, 6, 7, 8]


def test_fault_counts_only_its_own_action():
    script = FaultScript([Fault(kind="drop_after_accept")])
    assert struck(script, 3, "klines") == []
    assert struck(script, 3) == [1]


def test_rate_limit_strikes_any_action():
    assert struck(FaultScript([Fault(kind="rate_limited", count=2)]), 3, "klines") == [1, 2]


def test_fault_waits_for_its_time():
    script = FaultScript([Fault(kind="banned", at=dt.datetime(1970, 1, 2, tzinfo=dt.UTC))])
    assert struck(script, 3, now_ns=86_399_999_999_999) == []
    assert struck(script, 3, now_ns=86_400_000_000_000) == [1]


def test_chances_are_drawn_from_the_seed():
    drawn = [struck(FaultScript([Fault(kind="banned", count=None, chance=0.5)], seed), 200) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert 60 < len(drawn[0]) < 140


def test_added_fault_counts_from_then_on():
    script = FaultScript()
    struck(script, 5)
    script.add(Fault(kind="banned", nth=2))
    assert struck(script, 3) == [2]
    assert script.told() == [{"kind": "banned", "on": "*", "nth": 2, "seen": 3, "struck": 1}]


def test_unknown_fault_is_refused_by_the_configuration():
    document = {"universe": {"instruments": ["BTCUSDT.BINANCE"]}, "rehearsal": {"faults": [{"kind": "lightning"}]}}
    with pytest.raises(ConfigError, match="lightning"):
        parse(document)


def test_path_through_bars_is_refused_where_quotes_come_from_the_catalog():
    document = {"universe": {"instruments": ["BTCUSDT.BINANCE"]}, "rehearsal": {"quotes": "catalog", "path": "ohlc"}}
    with pytest.raises(
        ConfigError, match=r'rehearsal.path must be "open" where rehearsal.quotes is "catalog", was ohlc'
    ):
        parse(document)


def test_example_configuration_survives_being_written():
    config = load(ROOT / "configs" / "rehearsal.toml")
    assert [fault.kind for fault in config.rehearsal.faults] == [
        "drop_after_accept",
        "duplicate_trade",
        "websocket_drop",
    ]
    assert parse(tomllib.loads(dump(config))) == config


def test_fault_survives_a_round_trip_as_json():
    fault = Fault(kind="hang_after_accept", on="*", nth=3, seconds=0.5)
    assert msgspec.json.decode(msgspec.json.encode(fault), type=Fault) == fault
