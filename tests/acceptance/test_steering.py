"""A running session is halted, flattened and resumed by hand; the replay of its tape repeats it."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from nautilus_trader.model import Bar

from engine.journal.journal import Entry, read
from engine.journal.run import JOURNAL
from live.parity.recorded import prove_recorded
from live.replay.connection import CatalogConnection
from live.running import execute
from live.steering import ask, read_controls
from strategies.backtest import load
from tests.parity.test_paper import BREAKER, COINS, configuration

pytestmark = pytest.mark.slow
BTC, ETH = COINS


class Steered(CatalogConnection):
    """A catalog that asks for controls before the bar of a turn, and waits until they are answered."""

    def __init__(self, config: Any, market: Any, runs: Path, script: dict[int, tuple[str, str, str]]) -> None:
        super().__init__(config, market)
        self._runs, self._script = runs, script

    async def drive(self, settled: Callable[[], bool]) -> None:
        turns: dict[int, int] = {}
        for item in self._items:
            while not settled():
                await asyncio.sleep(0)
            if isinstance(item, Bar) and item.ts_event not in turns:
                number = turns[item.ts_event] = len(turns)
                if number in self._script:
                    await self._ask(*self._script[number])
            self._hear(item)
        while not settled():
            await asyncio.sleep(0.001)

    async def _ask(self, verb: Any, scope: str, control: str) -> None:
        (folder,) = self._runs.glob(".*.partial")
        ask(folder, verb, scope, "ann", "drill", control)
        while any(one.answered is None for one in read_controls(folder)):
            await asyncio.sleep(0.02)


def steered(tmp_path: Path, script: dict[int, tuple[str, str, str]], **sections: Any) -> Path:
    config = configuration(tmp_path, COINS, 40, **sections)
    market, session = load(config)
    runs = tmp_path / "runs"
    connection = Steered(config, market, runs, script)
    return execute(config, session, connection, "paper", runs)[0]


def turns_of(folder: Path) -> dict[int, dict[str, Entry]]:
    found: dict[int, dict[str, Entry]] = {}
    for entry in read(folder / JOURNAL):
        found.setdefault(entry.seq, {})[entry.instrument_id] = entry
    return dict(enumerate(found.values()))


def test_halt_flatten_and_resume_act_on_their_scope_and_come_again_in_the_replay(tmp_path: Path) -> None:
    script = {
        10: ("flatten", "account", ""),
        20: ("resume", "account", ""),
        30: ("halt", BTC, ""),
        35: ("resume", BTC, "halt"),
    }
    folder = steered(tmp_path, script)
    equity = pq.read_table(folder / "equity.parquet")
    held = {name: equity[f"quantity:{name}"].to_pylist() for name in COINS}
    assert [one.answered is not None and one.answered.done for one in read_controls(folder)] == [True] * 4
    assert any(held[BTC][:10]) or any(held[ETH][:10])
    assert not any(held[BTC][11:20])
    assert not any(held[ETH][11:20])
    assert any(held[BTC][21:]) or any(held[ETH][21:])
    turns = turns_of(folder)
    refused = [number for number, turn in turns.items() for one in turn.values() if "halted by ann: drill" in one.gate]
    assert refused
    assert all(10 <= number < 20 or 30 <= number < 35 for number in refused)
    assert not any("halted by ann" in turns[number][ETH].gate for number in range(30, 40))
    assert prove_recorded(folder).passed


def test_resume_clears_the_breaker_that_it_names_and_refuses_what_does_not_stand(tmp_path: Path) -> None:
    breaker = {"breaker": BREAKER | {"daily_loss": 0.9, "drawdown": 0.0001}}
    script = {20: ("resume", "account", "daily_loss"), 30: ("resume", "account", "drawdown")}
    folder = steered(tmp_path, script, actors=breaker)
    refused, done = (one.answered for one in read_controls(folder))
    assert refused is not None
    assert done is not None
    assert (refused.done, done.done) == (False, True)
    assert "was daily_loss (account)" in refused.result
    assert done.result == "cleared drawdown (account)"
    rows = pq.read_table(folder / "breaker.parquet").to_pylist()
    assert ("reset", "drawdown", "ann", "drill") in [
        (row["kind"], row["control"], row["by"], row["reason"]) for row in rows
    ]
    assert prove_recorded(folder).passed
