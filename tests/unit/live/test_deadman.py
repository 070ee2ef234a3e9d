"""The dead man's switch: set again and again, switched off at the end, not stopped by a lost beat."""

import asyncio
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import aiohttp

from live.adapter.core.notes import Notes
from live.deadman import has_timer, hold


class Session:
    """Counts the beats; the second one is lost."""

    def __init__(self) -> None:
        self.settings = SimpleNamespace(exchange="binance", market="usdm")
        self.notes = Notes()
        self.beats: list[int] = []

    def market_of(self, symbol: str) -> dict[str, str]:
        return {"id": symbol.replace("/", "").partition(":")[0]}

    async def call(self, method: str, parameters: dict[str, Any]) -> None:
        assert (method, parameters["symbol"]) == ("fapiPrivatePostCountdownCancelAll", "BTCUSDT")
        self.beats.append(parameters["countdownTime"])
        if len(self.beats) == 2:
            raise aiohttp.ClientConnectionError


def test_timer_is_set_three_times_within_its_length_and_switched_off_when_cancelled() -> None:
    session = Session()

    async def play() -> None:
        task = asyncio.ensure_future(hold(session, ["BTC/USDT:USDT"], 0.3))  # type: ignore[arg-type]
        await asyncio.sleep(0.25)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(play())
    assert session.beats == [300, 300, 300, 0]
    assert [note.about for note in session.notes.all("dead man's beat failed")] == ["BTCUSDT"]


def test_only_exchanges_with_a_timer_have_one() -> None:
    assert (has_timer("binance", "usdm"), has_timer("binance", "spot")) == (True, False)
