"""One stream of events gives one journal: back test, live node, paper session, and the session replayed from its tape."""

import datetime as dt
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

from engine.contract.config import Config, parse
from engine.journal.blotter import Fill
from engine.journal.journal import read
from engine.journal.run import FILLS, JOURNAL, MANIFEST, read_json
from live.parity import compare, parity, session_parity
from live.recording.rows import Deadline
from live.recording.tape import read_tape
from live.replay.connection import CatalogConnection
from live.running import execute
from strategies.backtest import load, run
from tests.conftest import ROOT
from tests.parity.market import HOUR_NS, START_NS, write_market

COINS = ["BTCUSDT.BINANCE", "ETHUSDT.BINANCE"]
PERPETUALS = ["BTCUSDT-PERP.BINANCE", "ETHUSDT-PERP.BINANCE"]
WARM_UP = 200
BREAKER = {"confidence": 0.0001, "daily_loss": 0.004, "drawdown": 0.5, "correlation": None}


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


def fills_of(folder: Path) -> list[Fill]:
    return [Fill(**row) for row in pq.read_table(folder / FILLS).to_pylist()]


def test_live_node_decides_and_fills_as_the_back_test_with_a_policy_a_breaker_and_a_gap(tmp_path: Path) -> None:
    verdict = parity(policy(tmp_path, 150, gap=WARM_UP + 40))
    assert (verdict.passed, verdict.differences) == (True, 0)
    assert verdict.checked > 300
    assert "a trip of the breaker" not in verdict.not_exercised
    assert "a turn with a missing bar" not in verdict.not_exercised


def test_live_node_settles_the_funding_of_the_back_test(tmp_path: Path) -> None:
    verdict = parity(configuration(tmp_path, PERPETUALS, 120))
    assert (verdict.passed, verdict.checked > 240) == (True, True)
    assert "a payment of funding" not in verdict.not_exercised


def test_paper_session_writes_the_back_tests_journal_and_its_tape_gives_it_again(tmp_path: Path) -> None:
    config = configuration(tmp_path, PERPETUALS, 100)
    market, session = load(config)
    tested = run(config, market, session)
    folder, document = execute(config, session, CatalogConnection(config, market), "paper", tmp_path / "runs")
    verdict = compare(tested.journal.entries, read(folder / JOURNAL), tested.blotter.fills, fills_of(folder))
    assert (verdict.passed, verdict.first_difference) == (True, None)
    assert document["decisions_sha256"] == tested.journal.decisions_sha256
    assert (document["decisions"], document["orders"] > 0) == (200, True)
    manifest = read_json(folder / MANIFEST)
    assert (manifest["mode"], manifest["funding"]) == ("paper", tested.funding)
    again = session_parity(folder)
    assert (again.passed, again.checked) == (True, 200 + len(tested.blotter.fills))


def test_turn_that_ended_without_a_bar_is_told_on_the_tape_and_repeated_by_its_replay(tmp_path: Path) -> None:
    config = configuration(tmp_path, COINS, 30, gap=WARM_UP + 29)
    market, session = load(config)
    folder, _ = execute(config, session, CatalogConnection(config, market), "paper", tmp_path / "runs")
    assert [entry.missing for entry in read(folder / JOURNAL)][-1] == "ETHUSDT.BINANCE"
    assert sum(isinstance(item, Deadline) for item in read_tape(folder)) == 1
    assert session_parity(folder).passed


def test_comparison_names_the_first_row_and_the_field_that_differ(tmp_path: Path) -> None:
    config = configuration(tmp_path, COINS, 40)
    market, session = load(config)
    outcome = run(config, market, session)
    left = outcome.journal.entries
    right = [*left[:5], left[5]._replace(confidence=0.5), *left[6:]]
    verdict = compare(left, right)
    assert (verdict.passed, verdict.checked, verdict.differences) == (False, len(left), 1)
    assert verdict.first_difference is not None
    assert {key: verdict.first_difference[key] for key in ("field", "was", "became")} == {
        "field": "confidence",
        "was": 1.0,
        "became": 0.5,
    }


def test_comparison_finds_a_fill_that_is_missing(tmp_path: Path) -> None:
    config = configuration(tmp_path, COINS, 40)
    market, session = load(config)
    outcome = run(config, market, session)
    fills = outcome.blotter.fills
    verdict = compare(outcome.journal.entries, outcome.journal.entries, fills, fills[:-1])
    assert verdict.first_difference is not None
    assert (verdict.differences, verdict.first_difference["field"]) == (1, "fill")


def test_replay_with_another_decision_is_caught(tmp_path: Path) -> None:
    """The same tape under another configuration: the comparison must be able to fail."""
    config = configuration(tmp_path, COINS, 40)
    market, session = load(config)
    folder, _ = execute(config, session, CatalogConnection(config, market), "paper", tmp_path / "runs")
    path = folder / "config.toml"
    path.write_text(path.read_text().replace("lookback = 24", "lookback = 25"))
    verdict = session_parity(folder)
    assert not verdict.passed
    assert verdict.first_difference is not None
    assert "was" in verdict.first_difference


@pytest.mark.slow
def test_policy_with_actors_is_equal_over_a_thousand_turns(tmp_path: Path) -> None:
    verdict = parity(policy(tmp_path, 1_000, gap=WARM_UP + 40))
    assert (verdict.passed, verdict.differences) == (True, 0)
    assert verdict.checked > 2_000


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
    verdict = compare(tested.journal.entries, read(folder / JOURNAL), tested.blotter.fills, fills_of(folder))
    assert (verdict.passed, verdict.first_difference) == (True, None)
    assert document["decisions_sha256"] == tested.journal.decisions_sha256
    assert session_parity(folder).passed


def test_session_that_was_told_to_end_after_some_turns_replays_to_the_same_end(tmp_path: Path) -> None:
    config = configuration(tmp_path, COINS, 40)
    market, session = load(config)
    connection = CatalogConnection(config, market)
    folder, document = execute(config, session, connection, "paper", tmp_path / "runs", bars=7)
    assert (document["decisions"], document["stopped"]) == (14, "7 turns were decided")
    assert session_parity(folder).passed
