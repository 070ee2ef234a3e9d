"""An exchange through ccxt, or the rehearsal exchange in its place: what it sends is received here before the node hears it."""

import asyncio
import contextlib
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from nautilus_trader.live.clients import DataClientFactory
from nautilus_trader.model import Bar, BarType, FundingRateUpdate, QuoteTick

from catalogs.storage import bar_type
from engine.contract.calendar import bar_ns
from engine.contract.config import Config
from engine.contract.instrument import InstrumentSpec
from live.adapter import mapping
from live.adapter.core import history
from live.adapter.core.bars import Row, timeframe
from live.adapter.core.notes import Notes
from live.adapter.core.second_gate import SecondGate
from live.adapter.core.session import ExchangeSession, SessionSettings
from live.adapter.data import CcxtDataClient, CcxtDataConfig
from live.adapter.execution import CcxtExecutionClientFactory, CcxtExecutionConfig
from live.adapter.provider import CcxtInstrumentProvider
from live.deadman import hold
from live.node import Client
from live.recording.rows import Deadline, Received
from live.venue import OwnRehearsal, Venue
from strategies.assembly import Assembly

MS = 1_000_000
ARRIVAL_SECS = 10.0
"""How long what a stepped exchange has published may take to be received."""


class ExchangeConnection:
    """A session's connection to an exchange.

    Parameters
    ----------
    config
        [live] says which one.
    venue
        How it is reached, with or without keys.
    notes
        File that the adapter's notes go to; None keeps them in memory.

    Attributes
    ----------
    session
        The adapter's session, open while this is entered.
    gate
        What is asked where orders leave; None where none does, and with the native client.
    """

    def __init__(self, config: Config, venue: Venue, notes: Path | None = None) -> None:
        self.config = config
        self.reached = venue
        self.specs: tuple[InstrumentSpec, ...] = ()
        self.execution: Client | None = None
        self.venue = venue.document
        self.gate: SecondGate | None = None
        self._notes = Notes(notes)
        self._stack = contextlib.AsyncExitStack()
        self._client: Any = None
        self._hear: Callable[[Received], None] | None = None
        self._quotes = self._bars = self._closed_ns = 0
        self._settled_ns: dict[str, int] = {}

    async def __aenter__(self) -> "ExchangeConnection":
        config = self.config
        await self._stack.enter_async_context(self.reached)
        settings = SessionSettings(
            exchange=config.live.exchange,
            market=config.live.market,
            private=self.reached.private,
            replayed=config.live.rehearsal,
            rate_limit=not config.live.rehearsal,
        )
        self.session = ExchangeSession(
            settings, self._notes, http=self.reached.http, environment=self.reached.environment
        )
        await self.session.acquire()
        self._stack.push_async_callback(self.session.release)
        self._provider = CcxtInstrumentProvider(self.session, config.universe.instruments)
        await self._provider.initialize()
        self.specs = tuple(self._provider.spec(name) for name in config.universe.instruments)
        wanted = CcxtDataConfig(session=self.session, instrument_ids=config.universe.instruments, closes_as_marks=False)
        self.data = Client(_factory(self), wanted)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()
        self._notes.close()

    def skip_to(self, ns: int) -> None:
        """Let an exchange of our own begin at this time of its tape; another one has gone on meanwhile."""
        if isinstance(self.reached, OwnRehearsal):
            self.reached.begin_ns = ns

    def arm(self, assembly: Assembly) -> None:
        """Make the execution client, with the gate that is asked once more where orders leave."""
        config, bar = self.config, bar_ns(self.config.universe.bar)
        names, breaker = config.universe.instruments, assembly.strategy.mandate.breaker
        gate = SecondGate(names, config.limits, breaker, bar)
        leverage = {} if config.live.market == "spot" else dict.fromkeys(names, config.venue.leverage)
        orders = CcxtExecutionConfig(session=self.session, instrument_ids=names, gate=gate, leverage=leverage)
        self.execution = Client(CcxtExecutionClientFactory, orders)
        self.data.config.gate = self.gate = gate

    def unified(self, instrument_id: str) -> str:
        """Return ccxt's symbol of an instrument."""
        return self._provider.unified(instrument_id)

    @property
    def behind(self) -> bool:
        """Whether the account is about to be asked for again, since something changed it."""
        client = None if self.execution is None else getattr(self.execution.config, "client", None)
        return client is not None and client.account_behind

    def links(self) -> dict[str, int]:
        """Return the links to the exchange and the last sign of life of each, its time, UTC ns."""
        return dict(self.session.links())

    async def hold_alive(self, secs: float) -> None:
        """Keep the exchange's dead man's switch from striking; return only when cancelled."""
        await hold(self.session, [self._provider.unified(name) for name in self.config.universe.instruments], secs)

    def bind(self, client: Any) -> None:
        """Take over the node's data client."""
        self._client = client

    def listen(self, hear: Callable[[Received], None]) -> None:
        """Hand everything received to `hear`; before, it is dropped: the history that is fetched next holds it."""
        self._hear = hear

    def received(self, item: Any) -> None:
        """Take in what the adapter received; a rate that is announced behind its settlement is old."""
        if isinstance(item, FundingRateUpdate):
            settled_ns = self._settled_ns.get(str(item.instrument_id), -1)
            if (item.next_funding_ns or 0) <= settled_ns:
                return
        self._quotes += isinstance(item, QuoteTick)
        if isinstance(item, Bar):
            self._bars, self._closed_ns = self._bars + 1, max(self._closed_ns, item.ts_event)
        if self._hear is not None:
            self._hear(item)

    def send(self, item: Any) -> None:
        """Let the node hear one piece of data."""
        self._client.pass_on(item)

    async def history(self, bars: int) -> list[Bar]:
        """Return the last closed bars of every instrument, in order of time; across gaps further back."""
        bar, found = self.config.universe.bar, []
        length = bar_ns(bar) // MS
        for name in self.config.universe.instruments:
            kind, to = BarType.from_str(bar_type(name, bar)), self._provider.rounding(name)
            rows = await self._rows(name, length, bars)
            found += [mapping.bar_of(row, kind, to, length, (row.open_ms + length) * MS) for row in rows]
        return sorted(found, key=lambda one: one.ts_event)

    async def _rows(self, name: str, length: int, wanted: int) -> list[Row]:
        symbol, frame = self._provider.unified(name), timeframe(self.config.universe.bar)
        now_ms = self.session.clock.now_ns() // MS
        span = wanted
        rows: list[Row] = []
        while True:
            start_ms, before = now_ms - now_ms % length - span * length, len(rows)
            rows = await history.bars(self.session, symbol, frame, length, start_ms, now_ms, None)
            if len(rows) >= wanted or (before and len(rows) == before):
                return rows[-wanted:]
            span += wanted - len(rows) + 1

    async def drive(self, settled: Callable[[], bool]) -> None:
        """Step an exchange of our own; wait for ever beside one that moves by itself."""
        exchange = self.reached.stepped
        if exchange is None:
            await asyncio.Event().wait()
            return
        await self._until(lambda: self._client is not None and settled())
        while True:
            quotes, bars = self._quotes, self._bars
            moved = await exchange.step()
            if moved is None:
                return
            if moved.funding:
                await self._settled_rates()
            await self._until(self._arrival(quotes + moved.quotes, bars + moved.bars))
            await self._until(settled)
            if moved.whole and 0 < self._bars - bars < len(self.specs):
                await self._missed(settled)

    async def _missed(self, settled: Callable[[], bool]) -> None:
        """End the turn of a time whose bars are all published, and not of all instruments: no later quote may come before its decisions."""
        self.received(Deadline(self._closed_ns, self._closed_ns))
        await self._until(settled)

    async def _settled_rates(self) -> None:
        """Ask for the rate that is settled now: a stepped exchange announces none ahead, as a tape does not know its future."""
        now_ms = self.session.clock.now_ns() // MS
        for name in self.config.universe.instruments:
            symbol, to = self._provider.unified(name), self._provider.rounding(name)
            told = await self.session.call("fetch_funding_rate_history", symbol, None, 1)
            for one in told:
                rate, due_ns = Decimal(str(one["fundingRate"])), int(one["timestamp"]) * MS
                made = FundingRateUpdate(to.instrument_id, rate, due_ns - 1, now_ms * MS, next_funding_ns=due_ns)
                self.received(made)
                self._settled_ns[name] = due_ns

    def _arrival(self, quotes: int, bars: int) -> Callable[[], bool]:
        return lambda: self._quotes >= quotes and self._bars >= bars

    async def _until(self, done: Callable[[], bool]) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + ARRIVAL_SECS
        turns = 0
        while not done():
            if loop.time() > deadline:
                self._notes.write("not received", "", f"what was published did not arrive within {ARRIVAL_SECS:g} s")
                return
            turns += 1
            await asyncio.sleep(0 if turns < 50 else 0.001)


class HeardDataClient(CcxtDataClient):
    """The adapter's data client, whose data goes to the session before it goes to the node."""

    def __init__(self, connection: ExchangeConnection, **parameters: Any) -> None:
        super().__init__(**parameters)
        self._connection = connection
        connection.bind(self)

    def _handle_data(self, data: object) -> None:
        self._connection.received(data)

    def pass_on(self, data: object) -> None:
        """Hand one piece of data to the node."""
        super()._handle_data(data)


def _factory(connection: ExchangeConnection) -> type[DataClientFactory]:
    class HeardFactory(DataClientFactory):
        """Makes the data client of one connection."""

        @staticmethod
        def create(*, name: str, config: Any, cache: Any, clock: Any) -> HeardDataClient:
            """Make the client; nothing is opened before it connects."""
            return HeardDataClient(connection, name=name, config=config, cache=cache, clock=clock)

    return HeardFactory
