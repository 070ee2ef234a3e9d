"""Streams as exchanges send them: bars twice, late, out of order or never; a day that ends; a process that is killed; a clock that runs."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from nautilus_trader.model import Bar, QuoteTick

from engine.contract.config import Config
from engine.journal.journal import read
from engine.journal.run import JOURNAL
from live.exchange import ExchangeConnection
from live.parity.comparing import compare
from live.parity.proving import prove
from live.parity.recorded import prove_recorded
from live.parity.sides import of_folder
from live.recording.rows import Answer, Deadline
from live.recording.tape import read_tape
from live.replay.connection import CatalogConnection
from live.running import execute, resume
from live.venue import OwnRehearsal
from strategies.backtest import load, run
from tests.parity.market import HOUR_NS, START_NS
from tests.parity.test_paper import COINS, PERPETUALS, WARM_UP, configuration, side_of

pytestmark = pytest.mark.slow
BARS = 30
Disturb = Callable[[Iterator[Any]], Iterator[Any]]


def close_ns(turn: int) -> int:
    """Event time of a turn of the span, counted from 1."""
    return START_NS + (WARM_UP + turn) * HOUR_NS


def is_bar(item: Any, of: str, turn: int) -> bool:
    return isinstance(item, Bar) and str(item.bar_type).startswith(of) and item.ts_event == close_ns(turn)


def session(folder: Path, disturb: Disturb) -> tuple[Config, Path]:
    """Run a paper session on two coins whose stream is disturbed, and return its configuration and its run folder."""
    config = configuration(folder, COINS, BARS)
    market, policy = load(config)

    class Disturbed(CatalogConnection):
        def _punctual(self, items: Iterator[Any]) -> Iterator[Any]:
            return super()._punctual(disturb(items))

    found, _ = execute(config, policy, Disturbed(config, market), "paper", folder / "runs")
    return config, found


def twice_and_swapped(items: Iterator[Any]) -> Iterator[Any]:
    """Every bar twice; those of one time with the last instrument first."""
    turn: list[Any] = []
    for item in items:
        if isinstance(item, Bar):
            turn.append(item)
            continue
        yield from reversed([*turn, *turn])
        turn.clear()
        yield item
    yield from reversed([*turn, *turn])


def never(items: Iterator[Any]) -> Iterator[Any]:
    return (item for item in items if not is_bar(item, COINS[1], 12))


def late(items: Iterator[Any]) -> Iterator[Any]:
    """The bar of a coin comes behind its next one."""
    held = None
    for item in items:
        if is_bar(item, COINS[1], 12):
            held = item
            continue
        yield item
        if held is not None and is_bar(item, COINS[1], 13):
            yield held
            held = None


def test_bars_that_come_twice_and_out_of_order_give_the_back_tests_journal(tmp_path: Path) -> None:
    config, folder = session(tmp_path, twice_and_swapped)
    tested = run(config, *load(config))
    assert compare(side_of(tested), of_folder(folder)).passed
    assert prove_recorded(folder).passed


@pytest.mark.parametrize("disturb", [never, late])
def test_bar_that_comes_late_or_never_is_missing_in_its_turn_and_the_replay_repeats_it(
    tmp_path: Path, disturb: Disturb
) -> None:
    _, folder = session(tmp_path, disturb)
    entries = read(folder / JOURNAL)
    assert [entry.missing for entry in entries if entry.ts_event == close_ns(12)] == [COINS[1]]
    assert len(entries) == 2 * BARS - 1
    assert [item.ts_event for item in read_tape(folder) if isinstance(item, Deadline)] == [close_ns(12)]
    again = prove_recorded(folder)
    assert (again.passed, again.first_difference) == (True, None)
    assert again.figures["decisions"] == 2 * BARS - 1


def test_start_in_the_middle_of_a_day_and_limits_that_begin_anew_at_midnight_are_equal(tmp_path: Path) -> None:
    """The span begins at eight in the morning; midnight follows sixteen hours later."""
    limits = {"max_position_frac": 0.5, "daily_trades": 2}
    config = configuration(tmp_path, COINS, BARS, limits=limits, strategy={"name": "trend", "lookback": 4})
    certificate = prove(config, through="catalog")
    assert (certificate.passed, certificate.first_difference) == (True, None)
    gates = [(entry.ts_event, entry.gate) for entry in run(config, *load(config)).journal]
    refused = [ts for ts, gate in gates if gate.startswith("refused: daily_trades")]
    approved = [ts for ts, gate in gates if gate == "approved"]
    assert refused[0] < close_ns(16) < approved[-1]


def test_session_that_was_killed_and_gone_on_with_has_the_journal_of_one_that_was_not(tmp_path: Path) -> None:
    """What a kill leaves is the folder as it stands between two events."""
    config = configuration(tmp_path, PERPETUALS, BARS)
    market, policy = load(config)
    going_on, left = tmp_path / "runs" / ".parity-0001.partial", tmp_path / "left" / ".parity-0001.partial"

    class Copied(CatalogConnection):
        def send(self, item: Any) -> None:
            if isinstance(item, QuoteTick) and item.ts_event > close_ns(11) and not left.is_dir():
                shutil.copytree(going_on, left)
            super().send(item)

    execute(config, policy, Copied(config, market), "paper", tmp_path / "runs")
    said: list[str] = []
    folder, _ = resume("parity-0001", lambda known: CatalogConnection(known, market), left.parent, say=said.append)
    assert any("22 decisions came as stored" in line for line in said), said
    found = compare(side_of(run(config, market, policy)), of_folder(folder))
    assert (found.passed, found.first) == (True, None)
    assert prove_recorded(folder).passed


def test_real_time_pace_is_compared_as_samples_and_its_decisions_are_the_same(tmp_path: Path) -> None:
    config = configuration(tmp_path, COINS, BARS, strategy={"name": "volatility_target"})
    certificate = prove(config, speed=36_000.0)
    assert (certificate.proof, certificate.pace, certificate.passed) == ("exchange", "real_time", True)
    assert "decisions" not in certificate.differences, certificate.first_difference
    slippage, delay = certificate.distributions
    assert (slippage["measure"], delay["measure"]) == ("slippage_bps", "delay_secs")
    assert slippage["differs"] is not True
    assert min(slippage["n"]) > 0


def test_session_at_real_time_pace_is_repeated_by_its_tape(tmp_path: Path) -> None:
    from live.parity.rehearsed import PacedRehearsal, as_session

    config = as_session(configuration(tmp_path, COINS, BARS), 36_000.0)
    _, policy = load(config)
    connection = ExchangeConnection(config, PacedRehearsal(config, private=False))
    folder, _ = execute(config, policy, connection, "paper", tmp_path / "runs")
    again = prove_recorded(folder)
    assert (again.passed, again.first_difference) == (True, None)
    assert again.figures["decisions"] == 2 * BARS


def test_live_session_is_repeated_with_the_answers_of_its_venue(tmp_path: Path) -> None:
    strategy = {"name": "trend", "lookback": 3}
    config = configuration(tmp_path, PERPETUALS, 20, strategy=strategy)
    _, policy = load(config)
    connection = ExchangeConnection(config, OwnRehearsal(config, private=True))
    folder, document = execute(config, policy, connection, "live", tmp_path / "runs")
    answers = [item for item in read_tape(folder) if isinstance(item, Answer)]
    filled = sum(item.event == "OrderFilled" for item in answers)
    assert document["orders"] >= filled > 2
    again = prove_recorded(folder)
    assert (again.passed, again.first_difference, again.figures["decisions"]) == (True, None, 40)
    assert again.figures["fills"] == filled
