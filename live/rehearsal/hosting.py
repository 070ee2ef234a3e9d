"""The exchange in a thread or a process of its own, for clients that have no event loop to spare."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from engine.contract.config import Config
from engine.contract.errors import EnvironmentFault, broken
from live.rehearsal.command import KEY, SECRET
from live.rehearsal.server import RehearsalExchange
from live.rehearsal.signing import Keys

STOP_SECS = 10.0


class HostedExchange:
    """The exchange on an event loop of its own, in a thread of this process.

    Attributes
    ----------
    rehearsal
        The exchange; its coroutines are called through `call`, its plain attributes may be read.
    """

    def __init__(self, config: Config, keys: Keys) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="rehearsal", daemon=True)
        self._thread.start()
        self.rehearsal: RehearsalExchange = self.call(_started(config, keys))

    @property
    def now_ns(self) -> int:
        """Time of the tape."""
        return self.rehearsal.exchange.now_ns

    @property
    def ended(self) -> bool:
        """Whether the tape is at its end."""
        return self.rehearsal.exchange.next_ns is None

    def call(self, coroutine: Any) -> Any:
        """Run a coroutine on the exchange's loop and return its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def play(self) -> "Future[None]":
        """Play at the pace of [rehearsal], beside whatever the caller does."""
        return asyncio.run_coroutine_threadsafe(self.rehearsal.run(), self._loop)

    def stop(self) -> None:
        """Close the exchange and its loop."""
        self.call(self.rehearsal.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_SECS)
        self._loop.close()


async def _started(config: Config, keys: Keys) -> RehearsalExchange:
    rehearsal = RehearsalExchange(config, keys)
    await rehearsal.start()
    return rehearsal


@dataclass(frozen=True)
class SpawnedExchange:
    """`huracan rehearse` in a process of its own, and the document that it printed."""

    process: "subprocess.Popen[bytes]"
    document: dict[str, Any]


@contextmanager
def spawned(
    config: Path, keys: Keys, announce: Path, environment: Mapping[str, str], *options: str
) -> Iterator[SpawnedExchange]:
    """Run `huracan rehearse` until the block ends.

    Parameters
    ----------
    environment
        Of the process; the keys are added to it.
    options
        More arguments of the command.

    Raises
    ------
    EnvironmentFault
        It ended before it was ready.
    """
    command = [
        sys.executable,
        "-m",
        "engine.cli",
        "rehearse",
        str(config),
        "--json",
        "--announce",
        str(announce),
        *options,
    ]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, env={**environment, KEY: keys.api_key, SECRET: keys.secret}
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise EnvironmentFault(broken("rehearsal exchange", "start", f"ended with {process.wait()}", str(config)))
        yield SpawnedExchange(process, msgspec.json.decode(line))
    finally:
        process.terminate()
        process.wait(STOP_SECS)
        process.stdout.close()
