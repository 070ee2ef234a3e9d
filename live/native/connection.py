"""An exchange through NautilusTrader's own Binance adapter: its streams and orders; history and terms come by this product's session."""

import asyncio
import contextlib
import time
from typing import Any

import aiohttp
from nautilus_trader.adapters.binance import BinanceExecutionClientFactory
from nautilus_trader.live.clients import DataClientFactory
from nautilus_trader.model import Bar, QuoteTick

from engine.contract.calendar import bar_ns
from engine.contract.config import Config
from engine.contract.errors import ConfigError, EnvironmentFault, broken
from live.adapter.core.session import credentials
from live.exchange import ExchangeConnection, HeardDataClient
from live.native.addresses import EXCHANGE, addresses_of, data_config, execution_config
from live.native.boundary import bar_at_close, quote_at
from live.native.listener import Listener
from live.node import Client
from live.venue import Venue
from strategies.assembly import Assembly

LISTENING_SECS = 10.0
LINK = "native data"


class NativeConnection(ExchangeConnection):
    """A session's connection to Binance through the native clients.

    Parameters
    ----------
    config
        [live] says which market.
    venue
        How it is reached, with or without keys.

    Raises
    ------
    ConfigError
        The exchange is another one, or the leverage is not whole.
    """

    def __init__(self, config: Config, venue: Venue) -> None:
        refuse_unsupported(config)
        super().__init__(config, venue)
        self._length_ns = bar_ns(config.universe.bar)
        self._last_ns = 0

    async def __aenter__(self) -> "NativeConnection":
        await super().__aenter__()
        async with contextlib.AsyncExitStack() as undone:
            undone.push_async_exit(super().__aexit__)
            config, market = self.config, self.config.live.market
            self._addresses = addresses_of(self.reached, market)
            self.data = Client(_factory(self), self.data.config)
            self._listener = Listener(
                data_config(self._addresses, market),
                self.session.settings.venue,
                config.universe.instruments,
                config.universe.bar,
                market == "usdm",
                self.received,
            )
            await self._listener.start()
            undone.push_async_callback(self._listener.stop)
            await self._listened_to()
            undone.pop_all()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._listener.stop()
        await super().__aexit__(*exception)

    async def _listened_to(self) -> None:
        """Wait until a rehearsal exchange says that every stream is subscribed to: a stepped one would begin without the listener."""
        if self._addresses.status is None:
            return
        wanted = 2 * len(self.config.universe.instruments)
        deadline = time.monotonic() + LISTENING_SECS
        async with aiohttp.ClientSession() as http:
            while True:
                async with http.get(self._addresses.status) as answer:
                    sockets = (await answer.json())["sockets"]
                mine = [one for one in sockets if one["market"] == self.config.live.market]
                found = sum(
                    name.endswith("@bookTicker") or "@kline_" in name for one in mine for name in one["streams"]
                )
                if found >= wanted:
                    return
                if time.monotonic() > deadline:
                    rule = f"subscribe to {wanted} streams within {LISTENING_SECS:g} s"
                    raise EnvironmentFault(broken("native data client", rule, found, str(sockets)))
                await asyncio.sleep(0.02)

    def received(self, item: Any) -> None:
        """Take in what the native client received, in this product's terms."""
        self._last_ns = time.time_ns()
        if isinstance(item, Bar):
            item = bar_at_close(item, self._length_ns)
            self.session.clock.hear(item.ts_event)
        elif isinstance(item, QuoteTick) and self.config.live.market == "spot":
            item = quote_at(item, self.session.clock.now_ns())
        super().received(item)

    def arm(self, assembly: Assembly) -> None:
        """Make the native execution client. The adapter's second gate is not on this way: the strategy's gate is the only one."""
        config, market = self.config, self.config.live.market
        keys = credentials(EXCHANGE, self.reached.environment)
        leverage = None
        if market == "usdm":
            names = [self._venue_symbol(name) for name in config.universe.instruments]
            leverage = dict.fromkeys(names, round(config.venue.leverage))
        venue = self.session.settings.venue
        pair = (keys["apiKey"], keys["secret"])
        made = execution_config(self._addresses, market, f"{venue}-001", pair, leverage)
        self.execution = Client(BinanceExecutionClientFactory(), made)

    def _venue_symbol(self, name: str) -> str:
        return str(self.session.market_of(self._provider.unified(name))["id"])

    def links(self) -> dict[str, int]:
        """Return the last sign of life of the listener, its time, UTC ns."""
        return {LINK: self._last_ns} if self._last_ns else {}


def refuse_unsupported(config: Config) -> None:
    """Refuse what the native client cannot do.

    Raises
    ------
    ConfigError
        The exchange is not Binance, or a perpetual account's leverage is not whole.
    """
    if config.live.exchange != EXCHANGE:
        remedy = 'write client = "ccxt"'
        raise ConfigError(
            broken("live.exchange", f"be {EXCHANGE} for the native client", config.live.exchange, "", remedy)
        )
    leverage = config.venue.leverage
    if config.live.market == "usdm" and leverage != round(leverage):
        raise ConfigError(
            broken("venue.leverage", "be whole for the native client", leverage, "", "Binance takes no other")
        )


class DeafDataClient(HeardDataClient):
    """The session's data client beside a listener: it publishes the instruments and what it is handed, and subscribes to nothing itself."""

    async def _subscribe_bars(self, command: Any) -> None:
        """The listener has them."""

    _subscribe_quotes = _subscribe_mark_prices = _subscribe_funding_rates = _subscribe_bars
    _unsubscribe_bars = _unsubscribe_quotes = _subscribe_bars
    _unsubscribe_mark_prices = _unsubscribe_funding_rates = _subscribe_bars

    def _handle_data(self, data: object) -> None:
        """Nothing comes from here."""


def _factory(connection: NativeConnection) -> type[DataClientFactory]:
    class DeafFactory(DataClientFactory):
        """Makes the data client of one connection."""

        @staticmethod
        def create(*, name: str, config: Any, cache: Any, clock: Any) -> DeafDataClient:
            """Make the client; nothing is opened before it connects."""
            return DeafDataClient(connection, name=name, config=config, cache=cache, clock=clock)

    return DeafFactory


def connection_of(config: Config, venue: Venue) -> ExchangeConnection:
    """Return the connection that [live] asks for: through ccxt, or through the native client."""
    return NativeConnection(config, venue) if config.live.client == "native" else ExchangeConnection(config, venue)
