"""How fast the tape plays: at the machine's speed, or so many seconds of it a second."""

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from live.rehearsal.server import RehearsalExchange

NS_PER_SEC = 1_000_000_000
TICK_SECS = 0.25
"""Longest time that the clock of a paced tape stands still."""


async def play_fast(rehearsal: "RehearsalExchange") -> None:
    """Play to the end, each event once every client has the last one."""
    while await rehearsal.step(1):
        await asyncio.sleep(0)


async def play_paced(rehearsal: "RehearsalExchange", speed: float) -> None:
    """Play to the end at `speed` seconds of the tape a second.

    The pace is reckoned from the start, so a late event does not delay those after it.
    """
    loop = asyncio.get_running_loop()
    started_ns, started = rehearsal.exchange.now_ns, loop.time()
    while (ahead := rehearsal.exchange.next_ns) is not None:
        now_ns = started_ns + int((loop.time() - started) * speed * NS_PER_SEC)
        if now_ns >= ahead:
            await rehearsal.until(ahead)
            continue
        rehearsal.exchange.wait_until(now_ns)
        await asyncio.sleep(min(TICK_SECS, (ahead - now_ns) / NS_PER_SEC / speed))
