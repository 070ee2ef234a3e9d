"""Each fault that makes a live session another one than its back test is caught, and named at its first row with both values."""

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from nautilus_trader.model import Bar

import live.node
from engine.contract.config import Config
from engine.journal.certificate import Certificate
from engine.policy import session as policy_session
from engine.signals.changepoint import ChangepointSignal
from live.exchange import ExchangeConnection
from live.parity import proving
from live.parity.proving import prove
from tests.conftest import ROOT
from tests.parity.market import HOUR_NS, START_NS
from tests.parity.test_paper import COINS, WARM_UP, configuration

pytestmark = pytest.mark.slow
BARS = 40
FIRST = "2022-01-09T09:00:00Z"
"""Close of the first bar that is decided on: the 200th hour of 2022 opens at 08:00 on the ninth."""


def trend(folder: Path, **sections: Any) -> Config:
    return configuration(folder, COINS, BARS, **sections)


def named(certificate: Certificate) -> dict[str, Any]:
    assert not certificate.passed
    assert certificate.first_difference is not None
    return certificate.first_difference


def test_wall_clock_in_an_actor_is_named_in_the_context_of_the_first_decision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hear = ChangepointSignal.hear

    def looking(self: ChangepointSignal, turn: Any) -> Any:
        said = hear(self, turn)
        said[:, 0] += time.time_ns() % 1_000_000_007
        return said

    monkeypatch.setattr(ChangepointSignal, "hear", looking)
    first = named(prove(trend(tmp_path, actors={"changepoint": {"acts": False}}), through="catalog"))
    assert (first["row"], first["ts_event"], first["kind"]) == (0, FIRST, "context")
    assert first["field"].startswith("context.changepoint.")
    assert first["was"] != first["became"]


def test_feature_that_peeks_finds_nothing_in_a_session_and_is_named_by_its_action(tmp_path: Path) -> None:
    config = trend(tmp_path, strategy={"name": "tests.causality.leaking:Leaking"})
    first = named(prove(config, through="catalog"))
    assert (first["kind"], first["field"], first["was"], first["became"]) == ("action", "raw_action", 1.0, 0.0)
    assert first["instrument_id"] == COINS[0]


def test_different_fee_is_named_at_the_first_fill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    simulated = live.node.simulated

    def dearer(terms: Any, venue: str) -> Any:
        return simulated(msgspec.structs.replace(terms, taker_bps=terms.taker_bps + 1.0), venue)

    monkeypatch.setattr(live.node, "simulated", dearer)
    first = named(prove(trend(tmp_path), through="catalog"))
    assert (first["row"], first["kind"], first["field"]) == (0, "fill", "fee")
    assert first["became"] / first["was"] == pytest.approx(6.0 / 5.0, rel=1e-6)


def test_dropped_bar_is_named_as_missing_in_its_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    received, lost_ns = ExchangeConnection.received, START_NS + (WARM_UP + 10) * HOUR_NS

    def losing(self: ExchangeConnection, item: Any) -> None:
        if isinstance(item, Bar) and item.ts_event == lost_ns and str(item.bar_type).startswith(COINS[1]):
            self._bars += 1
            return
        received(self, item)

    monkeypatch.setattr(ExchangeConnection, "received", losing)
    config = trend(tmp_path)
    quick = msgspec.structs.replace(config, live=msgspec.structs.replace(config.live, turn_patience_secs=0.3))
    first = named(prove(quick))
    assert {key: first[key] for key in ("row", "instrument_id", "kind", "field", "was", "became")} == {
        "row": 18,
        "instrument_id": COINS[0],
        "kind": "turn",
        "field": "missing",
        "was": "",
        "became": COINS[1],
    }


def test_iteration_over_a_set_is_named_by_its_first_action(tmp_path: Path) -> None:
    config = trend(tmp_path, strategy={"name": "tests.parity.faulty:SetOrdered"})
    first = named(prove(config, through="catalog", apart=True))
    assert (first["row"], first["kind"], first["field"]) == (0, "action", "raw_action")
    assert first["was"] != first["became"]


def test_another_number_of_inference_threads_is_named_before_the_first_decision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = proving.load

    def threaded(config: Config) -> Any:
        monkeypatch.setattr(policy_session, "THREADS", 2)
        return load(config)

    monkeypatch.setattr(proving, "load", threaded)
    released = str(ROOT / "models" / "released" / "trend" / "2")
    config = trend(tmp_path, strategy={"name": "policy"}, policy={"path": released})
    certificate = prove(config, through="catalog")
    first = named(certificate)
    assert (first["row"], first["kind"], first["field"]) == (0, "inference", "inter_op_threads")
    assert (first["was"], first["became"]) == (1, 2)
    assert certificate.differences["inference"] == 2
