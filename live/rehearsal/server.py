"""The exchange on its ports: started in a test or by a command, stepped or running, stopped with everything closed."""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from catalogs.manifest import write_atomically
from engine.contract.config import Config
from live.rehearsal.authority import make_authority
from live.rehearsal.control import Control
from live.rehearsal.exchange import Exchange
from live.rehearsal.gateway import Gateway
from live.rehearsal.pace import play_fast, play_paced
from live.rehearsal.redirect import LOOPBACK, loopback_session
from live.rehearsal.signing import Keys
from live.rehearsal.streams import Streams
from live.rehearsal.tape import Candle, TapeEvent
from live.rehearsal.terms import Market
from live.rehearsal.wires import Wires

Gate = Callable[[TapeEvent], Awaitable[None]]
LOOP_TURNS = 3
STEPWISE_LOOK_SECS = 0.2


class RehearsalExchange:
    """The rehearsal exchange, on loopback.

    >>> async def trade(config):  # doctest: +SKIP
    ...     async with RehearsalExchange(config, Keys("key", "secret")) as exchange:
    ...         await exchange.turn()

    Parameters
    ----------
    config
        What is replayed, and how; [rehearsal] pace is obeyed by `run`, not by the steps.
    keys
        Throwaway, made up by the caller.
    gate
        Awaited after every event, once the clients have it: the place to wait for a decision.

    Attributes
    ----------
    exchange
        The venues, the tape and the script, for tests to look into.
    ports
        `tls`, `spot`, `usdm`, `control`, once started.
    authority
        Certificate that clients of the TLS port trust.
    """

    def __init__(self, config: Config, keys: Keys, gate: Gate | None = None) -> None:
        self.config, self.keys, self.gate = config, keys, gate
        self.exchange = Exchange.from_config(config)
        self.gateway = Gateway(self.exchange, keys, time.monotonic, time.time_ns)
        self.streams = Streams(self.gateway)
        self.ports: dict[str, int] = {}
        self._markets: dict[int, Market] = {}
        self.wires = Wires(self.gateway, self.streams, self._markets)
        self._folder = tempfile.TemporaryDirectory(prefix="rehearsal-")
        self.authority = Path(self._folder.name) / "authority.pem"
        self._runners: list[web.AppRunner] = []
        self._busy = asyncio.Lock()
        if config.rehearsal.state is not None and Path(config.rehearsal.state).is_file():
            self.exchange.restore(msgspec.json.decode(Path(config.rehearsal.state).read_bytes()))

    async def start(self) -> None:
        """Open the ports."""
        self.authority, context = make_authority(Path(self._folder.name))
        section = self.config.rehearsal
        runner = web.AppRunner(self.wires.application(), access_log=None, handle_signals=False, shutdown_timeout=1.0)
        control = web.AppRunner(
            Control(self).application(), access_log=None, handle_signals=False, shutdown_timeout=1.0
        )
        self._runners = [runner, control]
        for one in self._runners:
            await one.setup()
        for name, port in (
            ("spot", section.spot_port),
            ("usdm", section.usdm_port),
            ("tls", section.tls_port),
            ("control", section.control_port),
        ):
            site = web.TCPSite(
                control if name == "control" else runner, LOOPBACK, port, ssl_context=context if name == "tls" else None
            )
            await site.start()
            assert site._server is not None
            self.ports[name] = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        self._markets[self.ports["spot"]] = "spot"
        self._markets[self.ports["usdm"]] = "usdm"

    async def stop(self) -> None:
        """Keep the state where [rehearsal] says so, and close everything."""
        self.save()
        await self.wires.close()
        for runner in self._runners:
            await runner.cleanup()
        self._folder.cleanup()

    def save(self) -> None:
        """Write the venue's state to the file that [rehearsal] names, if it does."""
        if self.config.rehearsal.state is not None:
            write_atomically(Path(self.config.rehearsal.state), msgspec.json.encode(self.exchange.state()))

    async def __aenter__(self) -> "RehearsalExchange":
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def step(self, count: int = 1) -> list[TapeEvent]:
        """Play `count` events, each taken in by every client before the next; fewer at the end."""
        async with self._busy:
            return await self._step(count)

    async def moment(self) -> list[TapeEvent]:
        """Play every event of the next time, then let every client take them in; none at the end."""
        async with self._busy:
            ahead, played = self.exchange.next_ns, list[TapeEvent]()
            while ahead is not None and self.exchange.next_ns == ahead:
                event = self.exchange.play()
                assert event is not None
                played.append(event)
            await self.settle()
            if self.gate is not None:
                for event in played:
                    await self.gate(event)
            return played

    async def turn(self) -> list[TapeEvent]:
        """Play up to and including the next time at which bars close."""
        async with self._busy:
            played: list[TapeEvent] = []
            closed_ns: int | None = None
            while (ahead := self.exchange.next_ns) is not None and (closed_ns is None or ahead <= closed_ns):
                played += await self._step(1)
                if isinstance(played[-1], Candle) and played[-1].closed:
                    closed_ns = played[-1].ts_ns
            return played

    async def until(self, ns: int) -> list[TapeEvent]:
        """Play every event up to and including a time, and let the clock reach it."""
        async with self._busy:
            played: list[TapeEvent] = []
            while (ahead := self.exchange.next_ns) is not None and ahead <= ns:
                played += await self._step(1)
            self.exchange.wait_until(ns)
            return played

    async def run(self) -> None:
        """Play to the end at the pace of [rehearsal]; a stepwise tape is played by the control endpoint, so this waits for its end."""
        section = self.config.rehearsal
        match section.pace:
            case "fast":
                await play_fast(self)
            case "real_time":
                await play_paced(self, section.speed)
            case "stepwise":
                while self.exchange.next_ns is not None:
                    await asyncio.sleep(STEPWISE_LOOK_SECS)

    async def settle(self) -> None:
        """Wait until every client has taken in what was sent."""
        await self.wires.settle()
        for _ in range(LOOP_TURNS):
            await asyncio.sleep(0)

    def session(self) -> aiohttp.ClientSession:
        """Open a session whose names lead here; whoever asked for it closes it."""
        return loopback_session(self.ports["tls"], self.authority)

    def url(self, market: Market, scheme: str = "http") -> str:
        """Base URL of a market's plain port."""
        return f"{scheme}://{LOOPBACK}:{self.ports[market]}"

    def document(self) -> dict[str, Any]:
        """Where everything is, for a person or a program; no secret is in it."""
        return {
            "authority": str(self.authority),
            "ports": self.ports,
            "urls": {
                "spot": {
                    "http": self.url("spot"),
                    "ws": f"{self.url('spot', 'ws')}/ws",
                    "commands": f"{self.url('spot', 'ws')}/ws-api/v3",
                },
                "usdm": {
                    "http": self.url("usdm"),
                    "ws": f"{self.url('usdm', 'ws')}/ws",
                    "commands": f"{self.url('usdm', 'ws')}/ws-fapi/v1",
                },
                "control": f"http://{LOOPBACK}:{self.ports['control']}",
            },
            "instruments": [reel.terms.instrument_id for reel in self.exchange.tape.reels],
            "interval": self.exchange.tape.interval,
        }

    async def _step(self, count: int) -> list[TapeEvent]:
        played: list[TapeEvent] = []
        for _ in range(count):
            event = self.exchange.play()
            if event is None:
                break
            played.append(event)
            await self.settle()
            if self.gate is not None:
                await self.gate(event)
        return played
