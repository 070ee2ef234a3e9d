"""Feeding: patience for missing bars, and what happens when a component raises."""

import asyncio
import gc
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from live import session as module
from live.feeding import Line
from live.recording.rows import Deadline
from live.replay.connection import CatalogConnection
from live.running import execute
from strategies.assembly import Assembly
from strategies.backtest import RunFailure, load
from tests.parity.test_paper import COINS, configuration
from tests.unit.live.test_intake import bar


class Feeder:
    """Opens a turn with every bar, and closes it at a deadline."""

    def __init__(self) -> None:
        self.conductor = SimpleNamespace(open_ns=None)
        self.taken: list[Any] = []

    async def take(self, item: Any) -> None:
        self.taken.append(item)
        self.conductor.open_ns = None if isinstance(item, Deadline) else item.ts_event


def test_turn_is_closed_when_its_patience_is_over_and_not_before() -> None:
    feeder = Feeder()

    async def play() -> float:
        line = Line(feeder, 0.2)  # type: ignore[arg-type]
        work = asyncio.ensure_future(line.run(feeder.conductor))
        began = time.monotonic()
        line.put(bar(1))
        while len(feeder.taken) < 2:
            await asyncio.sleep(0.01)
        waited = time.monotonic() - began
        line.end()
        await work
        return waited

    assert asyncio.run(play()) >= 0.2
    assert [type(item).__name__ for item in feeder.taken] == ["Bar", "Deadline"]
    assert feeder.taken[1].ts_event == bar(1).ts_event


def test_patience_begins_with_the_first_bar_of_each_turn() -> None:
    feeder = Feeder()

    async def play() -> None:
        line = Line(feeder, 0.3)  # type: ignore[arg-type]
        work = asyncio.ensure_future(line.run(feeder.conductor))
        for hour in (1, 2, 3):
            line.put(bar(hour))
            await asyncio.sleep(0.15)
        line.end()
        await work

    asyncio.run(play())
    assert not any(isinstance(item, Deadline) for item in feeder.taken)


def test_component_that_raises_ends_the_session_and_its_journal_and_tape_stay(tmp_path: Path) -> None:
    config = configuration(tmp_path, COINS, 40)
    market, session = load(config)
    connection = CatalogConnection(config, market)
    armed: list[Assembly] = []

    def watch(line: str) -> None:
        if "decides from the next bar on" not in line:
            return
        strategy: Any = armed[0].strategy
        decide = strategy.decide

        def failing(turn: Any, *rest: Any) -> Any:
            if turn.seq >= 220:
                raise ZeroDivisionError("planted")
            return decide(turn, *rest)

        strategy.decide = failing

    assemble = module.assemble

    def spying(*arguments: Any, **named: Any) -> Assembly:
        armed.append(assemble(*arguments, **named))
        return armed[-1]

    def play() -> None:
        with pytest.raises(RunFailure, match="Trend must not raise, was ZeroDivisionError"):
            execute(config, session, connection, "paper", tmp_path / "runs", say=watch)

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as apart:
        patch.setattr(module, "assemble", spying)
        # A thread can have one node, and one that ended in an exception lives on in it. What others left is collected in their thread.
        gc.collect()
        apart.submit(play).result()
    (left,) = (tmp_path / "runs").glob(".*.partial")
    assert {"journal.sqlite", "received.jsonl", "control.json", "config.toml"} <= {path.name for path in left.iterdir()}


@pytest.mark.parametrize("bars", [0, 1, 2])
def test_session_that_ends_after_no_turn_or_few_writes_its_whole_folder(tmp_path: Path, bars: int) -> None:
    config = configuration(tmp_path, COINS, 10)
    market, session = load(config)
    connection = CatalogConnection(config, market)

    async def nothing(settled: Any) -> None:
        while not settled():
            await asyncio.sleep(0.01)

    if bars == 0:
        connection.drive = nothing  # type: ignore[method-assign]
    folder, document = execute(config, session, connection, "paper", tmp_path / "runs", bars=bars or None)
    assert document["decisions"] == bars * len(COINS)
    assert (folder / "report.html").is_file()
