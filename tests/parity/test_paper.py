"""One stream of events gives one journal: back test, live node, paper session, and the session replayed from its tape."""

import datetime as dt
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.contract.config import Config, parse
from engine.journal.journal import read
from engine.journal.run import JOURNAL, MANIFEST, read_json
from live.parity.comparing import compare
from live.parity.proving import prove
from live.parity.recorded import prove_recorded
from live.parity.sides import Side, of_folder
from live.recording.rows import Deadline
from live.recording.tape import read_tape
from live.replay.connection import CatalogConnection
from live.running import execute
from strategies.assembly import BASELINES
from strategies.backtest import Outcome, load, run
from tests.conftest import ROOT
from tests.parity.market import HOUR_NS, START_NS, write_market

COINS = ["BTCUSDT.BINANCE", "ETHUSDT.BINANCE"]
PERPETUALS = ["BTCUSDT-PERP.BINANCE", "ETHUSDT-PERP.BINANCE"]
WARM_UP = 200
BREAKER = {"confidence": 0.0001, "daily_loss": 0.002, "drawdown": 0.5, "correlation": None}


def configuration(folder: Path, names: list[str], bars: int, gap: int | None = None, **sections: Any) -> Config:
    write_market(folder / "catalog", names, WARM_UP + bars, gap=gap)
    start = dt.datetime.fromtimestamp((START_NS + WARM_UP * HOUR_NS) / 1e9, dt.UTC)
    document: dict[str, Any] = {
        "run": {"name": "parity", "seed": 1},
        "data": {"catalog": str(folder / "catalog"), "start": start},
        "universe": {"instruments": names},
        "strategy": {"name": "trend", "lookback": 24},
        "limits": {"max_position_frac": 0.5},
        "live": {"market": "usdm" if names == PERPETUALS else "spot"},
        **sections,
    }
    return parse(document)


def policy(folder: Path, bars: int, gap: int | None = None) -> Config:
    """An ONNX policy on two coins, with a breaker that trips on the way and a changepoint actor."""
    released = str(ROOT / "models" / "released" / "trend" / "2")
    actors = {"breaker": BREAKER, "changepoint": {"acts": True}}
    own = {"strategy": {"name": "policy"}, "policy": {"path": released}, "actors": actors}
    return configuration(folder, COINS, bars, gap, **own)


def side_of(outcome: Outcome) -> Side:
    blotter = outcome.blotter
    orders = list(blotter.orders.values())
    return Side(outcome.journal.entries, blotter.fills, orders, blotter.changes, blotter.equity_table())


def test_live_node_decides_and_fills_as_the_back_test_with_a_policy_a_breaker_and_a_gap(tmp_path: Path) -> None:
    certificate = prove(policy(tmp_path, 60, gap=WARM_UP + 40), through="catalog")
    assert (certificate.passed, certificate.differences, certificate.first_difference) == (True, {}, None)
    assert certificate.was == certificate.became
    assert certificate.figures["decisions"] == 2 * 60 - 1
    assert "a trip of the breaker" not in certificate.not_exercised
    assert "a turn with a missing bar" not in certificate.not_exercised


def test_paper_session_writes_the_back_tests_journal_and_its_tape_gives_it_again(tmp_path: Path) -> None:
    config = configuration(tmp_path, PERPETUALS, 50)
    market, session = load(config)
    tested = run(config, market, session)
    folder, document = execute(config, session, CatalogConnection(config, market), "paper", tmp_path / "runs")
    found = compare(side_of(tested), of_folder(folder))
    assert (found.passed, found.first) == (True, None)
    assert document["decisions_sha256"] == tested.journal.decisions_sha256
    assert (document["decisions"], document["orders"] > 0) == (100, True)
    manifest = read_json(folder / MANIFEST)
    assert (manifest["mode"], manifest["funding"]) == ("paper", tested.funding)
    assert tested.funding != 0.0
    again = prove_recorded(folder)
    assert (again.passed, again.figures["decisions"]) == (True, 100)
    assert again.figures["fills"] == len(tested.blotter.fills)


@pytest.mark.slow
def test_turn_that_ended_without_a_bar_is_told_on_the_tape_and_repeated_by_its_replay(tmp_path: Path) -> None:
    config = configuration(tmp_path, COINS, 30, gap=WARM_UP + 29)
    market, session = load(config)
    folder, _ = execute(config, session, CatalogConnection(config, market), "paper", tmp_path / "runs")
    assert [entry.missing for entry in read(folder / JOURNAL)][-1] == "ETHUSDT.BINANCE"
    assert sum(isinstance(item, Deadline) for item in read_tape(folder)) == 1
    assert prove_recorded(folder).passed


@pytest.mark.slow
def test_replay_with_another_decision_is_caught(tmp_path: Path) -> None:
    """The same tape under another configuration: the comparison must be able to fail."""
    config = configuration(tmp_path, COINS, 40)
    market, session = load(config)
    folder, _ = execute(config, session, CatalogConnection(config, market), "paper", tmp_path / "runs")
    path = folder / "config.toml"
    path.write_text(path.read_text().replace("lookback = 24", "lookback = 25"))
    certificate = prove_recorded(folder)
    assert not certificate.passed
    assert certificate.first_difference is not None
    assert certificate.first_difference["kind"] in ("action", "turn")


@pytest.mark.slow
def test_policy_with_actors_is_equal_through_the_exchange_with_a_gap(tmp_path: Path) -> None:
    certificate = prove(policy(tmp_path, 150, gap=WARM_UP + 40))
    assert (certificate.proof, certificate.passed, certificate.first_difference) == ("exchange", True, None)
    assert certificate.figures["decisions"] == 299
    assert "a turn with a missing bar" not in certificate.not_exercised


@pytest.mark.slow
@pytest.mark.parametrize("client", ["ccxt", "native"])
@pytest.mark.parametrize("names", [COINS, PERPETUALS], ids=["spot", "usdm"])
def test_paper_on_the_rehearsal_exchange_writes_the_back_tests_journal(
    tmp_path: Path, names: list[str], client: str
) -> None:
    """Through ccxt or the library's own adapter, websockets and REST, on loopback: funding, gaps and all."""
    from live.native.connection import connection_of
    from live.venue import OwnRehearsal

    config = configuration(tmp_path, names, 150)
    config = msgspec.structs.replace(config, live=msgspec.structs.replace(config.live, client=client))
    market, session = load(config)
    tested = run(config, market, session)
    connection = connection_of(config, OwnRehearsal(config, private=False))
    folder, document = execute(config, session, connection, "paper", tmp_path / "runs")
    found = compare(side_of(tested), of_folder(folder))
    assert (found.passed, found.first) == (True, None)
    assert document["decisions_sha256"] == tested.journal.decisions_sha256
    assert prove_recorded(folder).passed


@pytest.mark.slow
def test_session_that_was_told_to_end_after_some_turns_replays_to_the_same_end(tmp_path: Path) -> None:
    config = configuration(tmp_path, COINS, 40)
    market, session = load(config)
    connection = CatalogConnection(config, market)
    folder, document = execute(config, session, connection, "paper", tmp_path / "runs", bars=7)
    assert (document["decisions"], document["stopped"]) == (14, "7 turns were decided")
    assert prove_recorded(folder).passed


@pytest.mark.slow
@pytest.mark.parametrize("name", BASELINES)
def test_every_rule_decides_in_a_session_as_in_the_back_test(tmp_path: Path, name: str) -> None:
    actors = {"breaker": BREAKER, "changepoint": {"acts": True}}
    config = configuration(tmp_path, PERPETUALS, 60, strategy={"name": name}, actors=actors)
    certificate = prove(config, through="catalog")
    assert (certificate.passed, certificate.first_difference) == (True, None)
    assert certificate.figures["decisions"] == 60 * len(PERPETUALS)
