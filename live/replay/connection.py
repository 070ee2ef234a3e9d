"""A catalog as an exchange: its past is history, its span comes bar by bar and quote by quote, as an exchange's streams would bring it."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

from nautilus_trader.model import Bar, FundingRateUpdate, MarkPriceUpdate

from catalogs.instruments import nautilus_instrument
from engine.contract.config import Config
from engine.contract.instrument import InstrumentSpec
from live.node import Client
from live.recording.rows import Deadline, Received
from live.replay.client import ReplayConfig, ReplayFactory
from strategies.assembly import Assembly
from strategies.feed import Market, chunks

AHEAD = 256
"""Items that are received before the node is waited for."""


class CatalogConnection:
    """Serves a market to a session; moved on whenever the node has settled.

    Parameters
    ----------
    config
        Its [venue] says which quotes are made of bars.
    market
        With its warm-up.
    """

    def __init__(self, config: Config, market: Market) -> None:
        self.execution: Client | None = None
        self.venue: dict[str, str] = {}
        self.specs: tuple[InstrumentSpec, ...] = tuple(part.bars.instrument for part in market.parts)
        self._source = ReplayConfig(
            self.specs[0].venue, tuple(nautilus_instrument(spec, minimum=False) for spec in self.specs)
        )
        self.data = Client(ReplayFactory, self._source)
        self._first_ns = market.first_decision_ns
        self._items = self._received(config, market)
        self._hear: Callable[[Received], None] = lambda _: None

    def _received(self, config: Config, market: Market) -> Iterator[Any]:
        for lists in chunks(market, config.venue.fill, config.venue.half_spread_bps):
            items = (item for one in lists for item in one if not isinstance(item, MarkPriceUpdate))
            yield from self._punctual(map(_announced, sorted(items, key=lambda item: item.ts_init)))

    def _punctual(self, items: Iterator[Any]) -> Iterator[Any]:
        """End a turn that lacks a bar before the first item of a later time: nobody waits for a bar that a catalog does not hold."""
        closed_ns, came = 0, set[Any]()
        for item in items:
            if came and item.ts_init > closed_ns:
                if len(came) < len(self.specs):
                    yield Deadline(closed_ns, closed_ns)
                came.clear()
            if isinstance(item, Bar) and item.ts_event >= closed_ns:
                closed_ns = item.ts_event
                came.add(item.bar_type)
            yield item
        if 0 < len(came) < len(self.specs):
            yield Deadline(closed_ns, closed_ns)

    async def __aenter__(self) -> "CatalogConnection":
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    def skip_to(self, ns: int) -> None:
        """Begin behind the bars that close at this time."""
        self._first_ns = ns

    def arm(self, assembly: Assembly) -> None:
        """Do nothing: a catalog takes no orders."""

    def links(self) -> dict[str, int]:
        """Return no link."""
        return {}

    async def hold_alive(self, secs: float) -> None:
        """Do nothing: a catalog has no orders to cancel."""

    def listen(self, hear: Callable[[Received], None]) -> None:
        """Hand everything received to `hear`."""
        self._hear = hear

    def send(self, item: Any) -> None:
        """Let the node hear one piece of data."""
        assert self._source.client is not None
        self._source.client.send(item)

    async def history(self, bars: int) -> list[Bar]:
        """Return the bars before the span; all that the market holds."""
        past: list[Bar] = []
        for item in self._items:
            if item.ts_init > self._first_ns:
                self._hear(item)
                break
            if isinstance(item, Bar):
                past.append(item)
        return past

    async def drive(self, settled: Callable[[], bool]) -> None:
        """Hand on the span, some at a time."""
        for number, item in enumerate(self._items):
            if number % AHEAD == 0:
                while not settled():
                    await asyncio.sleep(0)
            self._hear(item)
        while not settled():
            await asyncio.sleep(0.001)


def _announced(item: Any) -> Any:
    """A back test hears a rate a nanosecond before it applies; an exchange says when that will be."""
    if not isinstance(item, FundingRateUpdate):
        return item
    return FundingRateUpdate(
        item.instrument_id, item.rate, item.ts_event, item.ts_init, next_funding_ns=item.ts_event + 1
    )
