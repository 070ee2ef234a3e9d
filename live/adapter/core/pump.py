"""One stream, kept running: a watchdog for silence, a capped backoff, and a recovery behind every gap."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from live.adapter.core.notes import Notes
from live.adapter.core.outcomes import PERMANENT, describe
from live.adapter.core.session import ANSWER_ERRORS

FIRST_BACKOFF_SECS = 0.1
LONGEST_BACKOFF_SECS = 10.0
SETTLED = 5.0
"""A stream that ran for so many times its backoff starts again with the first one: the connection itself was good."""
RESUMED_SECS = 0.5
"""Time that a new subscription has before the gap is filled over REST: what comes meanwhile is delivered as it comes."""
MOST_PATIENCE = 8.0
"""Factor by which a stream that stays silent is left alone longer: a silent market is no fault."""


class Pump:
    """Awaits one `watch…` call after the other and delivers what they return, without a step in between that could lose something.

    Parameters
    ----------
    name
        For notes: `bars BTC/USDT 1m`.
    watch
        Makes the next call.
    deliver
        Is given its result, at once and in the same step: ccxt changes it in place later.
    notes
        Where gaps are written down.
    silence_secs
        After which the stream is broken by `revive`; None where silence is normal.
    revive
        Breaks the connection beneath a mute stream.
    recover
        Fills a gap over REST, after the new subscription was sent; asked again until it succeeds.
    broken
        Called at once when a gap begins.
    """

    def __init__(
        self,
        name: str,
        watch: Callable[[], Awaitable[Any]],
        deliver: Callable[[Any], None],
        notes: Notes,
        *,
        silence_secs: float | None = None,
        revive: Callable[[], object] = lambda: None,
        recover: Callable[[], Awaitable[None]] | None = None,
        broken: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self.gaps = 0
        self.heard = 0
        self.failed: str | None = None
        self._watch = watch
        self._deliver = deliver
        self._notes = notes
        self._silence = silence_secs
        self._revive = revive
        self._recover = recover
        self._broken = broken
        self._heard_at = time.monotonic()
        self._filling: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Run until cancelled, or until the venue says that there is no such stream."""
        backoff, patience = FIRST_BACKOFF_SECS, 1.0
        try:
            while True:
                begun, before = time.monotonic(), self.heard
                reason = await self._until_broken(patience)
                if self.failed is not None:
                    return
                self.gaps += 1
                self._broken()
                self._notes.write("gap", self.name, reason)
                if time.monotonic() - begun > SETTLED * backoff:
                    backoff = FIRST_BACKOFF_SECS
                patience = min(2.0 * patience, MOST_PATIENCE) if self.heard == before else 1.0
                await asyncio.sleep(backoff)
                backoff = min(2.0 * backoff, LONGEST_BACKOFF_SECS)
                self._fill_soon()
        finally:
            if self._filling is not None:
                self._filling.cancel()

    async def _until_broken(self, patience: float) -> str:
        """Stream until something is wrong, and return what."""
        worker = asyncio.ensure_future(self._stream())
        self._heard_at = time.monotonic()
        silence = None if self._silence is None else patience * self._silence
        try:
            while not worker.done():
                left = None if silence is None else self._heard_at + silence - time.monotonic()
                if left is not None and left <= 0.0:
                    self._revive()
                    await asyncio.wait({worker}, timeout=FIRST_BACKOFF_SECS)
                    return f"silent for {silence:g} s"
                await asyncio.wait({worker}, timeout=left)
            return "connection closed" if worker.cancelled() else worker.result()
        finally:
            if not worker.done():
                worker.cancel()
                await asyncio.wait({worker})

    async def _stream(self) -> str:
        while True:
            try:
                result = await self._watch()
            except ANSWER_ERRORS as error:
                if type(error).__name__ in PERMANENT:
                    self.failed = describe(error)
                    self._notes.write("stream refused", self.name, self.failed)
                return describe(error)
            self.heard += 1
            self._heard_at = time.monotonic()
            self._deliver(result)

    def _fill_soon(self) -> None:
        if self._recover is None:
            return
        if self._filling is not None:
            self._filling.cancel()
        self._filling = asyncio.ensure_future(self._fill(self._recover))

    async def _fill(self, recover: Callable[[], Awaitable[None]]) -> None:
        wait = RESUMED_SECS
        while True:
            await asyncio.sleep(wait)
            try:
                await recover()
            except ANSWER_ERRORS as error:
                self._notes.write("recovery failed", self.name, describe(error))
                wait = min(2.0 * wait, LONGEST_BACKOFF_SECS)
                continue
            self._notes.write("recovered", self.name)
            return


class Poll:
    """Asks over REST at intervals, where there is no stream.

    Parameters
    ----------
    ask, deliver
        As `watch` and `deliver` of a pump.
    every_secs
        Between the end of one question and the next.
    """

    def __init__(
        self,
        name: str,
        ask: Callable[[], Awaitable[Any]],
        deliver: Callable[[Any], None],
        notes: Notes,
        every_secs: float,
    ) -> None:
        self.name = name
        self._ask, self._deliver, self._notes, self._every = ask, deliver, notes, every_secs

    async def run(self) -> None:
        """Run until cancelled, or until the venue says that there is no such thing."""
        while True:
            try:
                self._deliver(await self._ask())
            except ANSWER_ERRORS as error:
                self._notes.write("poll failed", self.name, describe(error))
                if type(error).__name__ in PERMANENT:
                    return
            await asyncio.sleep(self._every)
