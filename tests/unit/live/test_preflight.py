"""Preflight: each check fails on what it is there for, and on what an exchange does not say."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.contract.config import Config, parse
from live.checks import Check
from live.control import set_latch
from live.preflight import Found, Local, offline, online, trained_until

PERP = "BTCUSDT-PERP.BINANCE"
GOOD = Found(12.0, False, True, False, True, False, 1_000.0, 900.0, {}, [], {PERP: 5.0}, {PERP: 0.001})
CASH = {"universe": {"instruments": ["BTCUSDT.BINANCE"]}, "venue": {"account": "cash"}}


def configuration(**sections: Any) -> Config:
    document = {
        "universe": {"instruments": [PERP]},
        "strategy": {"name": "trend"},
        "limits": {"max_drawdown_frac": 0.2, "daily_loss_frac": 0.05},
        "actors": {"breaker": {}},
        "live": {"market": "usdm", "rehearsal": False},
        **sections,
    }
    return parse(document)


def failed(checks: list[Check]) -> list[str]:
    return [one.name for one in checks if not one.ok]


def with_(**changed: Any) -> Found:
    return msgspec.structs.replace(GOOD, **changed)


def test_everything_in_order_passes(tmp_path: Path) -> None:
    config = configuration()
    assert failed(offline(config, None, tmp_path / "latch.json", 0)) == []
    assert failed(online(config, GOOD, None)) == []


@pytest.mark.parametrize(("client", "told"), [("ccxt", False), ("native", True)])
def test_native_client_is_said_to_have_no_second_gate(tmp_path: Path, client: str, told: bool) -> None:
    config = configuration(live={"market": "usdm", "rehearsal": False, "client": client})
    exchange = offline(config, None, tmp_path / "latch.json", 0)[0]
    assert ("the native client has no second gate" in exchange.detail) is told


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"may_withdraw": True}, "key may not withdraw"),
        ({"may_withdraw": None}, "key may not withdraw"),
        ({"may_trade": False}, "key may trade"),
        ({"may_trade": None}, "key may trade"),
        ({"skew_ms": -1_001.0}, "clock"),
        ({"hedged": True}, "position mode"),
        ({"total": 4.99}, "balance"),
        ({"positions": {PERP: 0.01}}, "venue against local state"),
        ({"orders": ["H-a"]}, "venue against local state"),
    ],
)
def test_one_thing_wrong_at_the_exchange_fails_its_check_alone(changed: dict[str, Any], name: str) -> None:
    assert failed(online(configuration(), with_(**changed), None)) == [name]


@pytest.mark.parametrize(
    ("sections", "name"),
    [
        ({"limits": {"max_drawdown_frac": 0.2}}, "limits"),
        ({"actors": {}}, "breaker"),
        ({"actors": {"breaker": {"enabled": False}}}, "breaker"),
        ({"live": {"market": "usdm", "exchange": "kraken"}}, "exchange"),
        ({"live": {"market": "spot", "dead_man_secs": 60}, **CASH}, "dead man's switch"),
        ({"live": {"market": "spot"}, "universe": {"instruments": ["BTCUSDT.BINANCE"]}}, "account kind"),
    ],
)
def test_configuration_that_may_not_trade_fails_its_check_alone(
    tmp_path: Path, sections: dict[str, Any], name: str
) -> None:
    assert failed(offline(configuration(**sections), None, tmp_path / "latch.json", 0)) == [name]


def test_halted_account_fails(tmp_path: Path) -> None:
    set_latch(tmp_path / "latch.json", "ann", "drill")
    checks = offline(configuration(), None, tmp_path / "latch.json", 0)
    assert [(one.name, one.detail) for one in checks if not one.ok] == [("latch", "stopped by ann: drill")]


def test_clock_of_the_rehearsal_exchange_is_not_judged() -> None:
    assert failed(online(configuration(), with_(skew_ms=-1e9, replayed=True), None)) == []


def test_position_that_the_last_session_left_is_no_difference() -> None:
    held = Local("a-0001", {PERP: 0.01}, finished=True)
    assert failed(online(configuration(), with_(positions={PERP: 0.0104}), held)) == []
    checks = online(configuration(), with_(positions={PERP: 0.012}), held)
    assert [one.detail for one in checks if not one.ok] == [f"{PERP} 0.012 at the venue, 0.01 here (run a-0001)"]


def test_orders_of_a_session_that_was_killed_are_expected_and_of_one_that_ended_are_not() -> None:
    for finished, expected in ((False, []), (True, ["venue against local state"])):
        assert failed(online(configuration(), with_(orders=["H-a"]), Local("a-0001", {}, finished))) == expected


def test_flat_venue_after_a_kill_from_outside_is_no_difference() -> None:
    local = Local("a-0001", {PERP: 0.01}, finished=True, halted=True)
    assert failed(online(configuration(), GOOD, local)) == []
    assert failed(online(configuration(), with_(positions={PERP: 0.5}), local)) == ["venue against local state"]


def test_difference_is_taken_over_only_on_request() -> None:
    config, found = configuration(), with_(positions={PERP: 0.01})
    checks = online(config, found, None, adopt=True)
    assert failed(checks) == []
    assert checks[-1].detail.endswith("taken over")


def test_training_ended_with_the_last_data_that_a_policy_was_chosen_on() -> None:
    training, validation = ("2020-01-05", "2021-01-24"), ("2021-01-28", "2021-05-01")
    spans = {"training": training, "validation": validation}
    assert trained_until({"instruments": [spans]}) == 1_619_827_200_000_000_000
    assert trained_until({}) is None
