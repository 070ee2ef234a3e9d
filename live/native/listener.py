"""A node of its own around the native data client, in a thread of its own: it hears the exchange and hands everything on.

In the session's node the native client would speak to the conductor directly, past the tape and past the pace of the decisions.
NautilusTrader keeps one node a thread, so the listener has its own.
"""

import asyncio
import gc
import threading
from collections.abc import Callable, Sequence
from typing import Any

from nautilus_trader.adapters.binance import BinanceDataClientConfig, BinanceDataClientFactory
from nautilus_trader.common import DataActor, DataActorConfig, Environment, LoggerConfig, LogLevel
from nautilus_trader.live import LiveNode, LiveNodeBuilder, LiveNodeConfig
from nautilus_trader.model import ActorId, BarType, InstrumentId, TraderId

from catalogs.storage import bar_type
from engine.contract.errors import broken
from strategies.backtest import RunFailure

START_SECS = 30.0
STOP_SECS = 20.0
LOOK_SECS = 0.02


class Ear(DataActor):
    """Subscribes to bars, quotes and, on perpetuals, funding rates.

    Parameters
    ----------
    names
        Instruments.
    bar
        Length of the bars.
    funding
        Whether the market has funding.
    hear
        Called with every item, in the listener's thread.
    """

    def __new__(cls, *_arguments: object, **_named: object) -> "Ear":
        return super().__new__(cls, DataActorConfig(actor_id=ActorId("EAR-001")))  # type: ignore[call-arg]

    def __init__(self, names: Sequence[str], bar: str, funding: bool, hear: Callable[[Any], None]) -> None:
        super().__init__(DataActorConfig(actor_id=ActorId("EAR-001")))
        self._names, self._bar, self._funding, self._hear = tuple(names), bar, funding, hear
        self.started = False

    def on_start(self) -> None:
        """Subscribe."""
        for name in self._names:
            instrument_id = InstrumentId.from_str(name)
            self.subscribe_bars(BarType.from_str(bar_type(name, self._bar)))
            self.subscribe_quotes(instrument_id)
            if self._funding:
                self.subscribe_funding_rates(instrument_id)
        self.started = True

    def on_bar(self, bar: Any) -> None:
        """Hand on a closed bar."""
        self._hear(bar)

    def on_quote(self, quote: Any) -> None:
        """Hand on a quote."""
        self._hear(quote)

    def on_funding_rate(self, rate: Any) -> None:
        """Hand on an announced rate."""
        self._hear(rate)


class Listener:
    """Hears the exchange from `start` to `stop`.

    Parameters
    ----------
    config
        Of the native data client.
    venue
        Name of the venue, `BINANCE`.
    names, bar, funding
        As of `Ear`.
    hear
        Called with every item on the event loop that `start` was called on, in the order in which they came.
    """

    def __init__(
        self,
        config: BinanceDataClientConfig,
        venue: str,
        names: Sequence[str],
        bar: str,
        funding: bool,
        hear: Callable[[Any], None],
    ) -> None:
        self._config, self._venue, self._hear = config, venue, hear
        self._terms = (tuple(names), bar, funding)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ear: Ear | None = None
        self._failure: BaseException | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._live, name="native-listener", daemon=True)

    async def start(self) -> None:
        """Start the node, and wait until it has subscribed.

        Raises
        ------
        RunFailure
            It did not within `START_SECS`.
        """
        self._loop = asyncio.get_running_loop()
        self._thread.start()
        deadline = self._loop.time() + START_SECS
        while self._ear is None or not self._ear.started:
            if not self._thread.is_alive() or self._loop.time() > deadline:
                await self.stop()
                rule = f"subscribe within {START_SECS:g} s"
                raise RunFailure(broken("native data client", rule, self._failure or "not")) from self._failure
            await asyncio.sleep(LOOK_SECS)

    @property
    def alive(self) -> bool:
        """Whether its node runs."""
        return self._thread.is_alive()

    async def stop(self) -> None:
        """Stop the node, and wait until its thread has ended."""
        self._stopping.set()
        await asyncio.to_thread(self._thread.join, STOP_SECS)

    def _hand_on(self, item: Any) -> None:
        loop = self._loop
        if loop is not None and not self._stopping.is_set():
            loop.call_soon_threadsafe(self._hear, item)

    def _live(self) -> None:
        try:
            asyncio.run(self._run())
        except (RuntimeError, ValueError, OSError) as error:
            self._failure = error
        finally:
            self._ear = None
            gc.collect()

    async def _run(self) -> None:
        node = self._node()
        self._ear = ear = Ear(*self._terms, self._hand_on)
        node.add_actor(ear)
        running = asyncio.ensure_future(node.run_async())
        while not self._stopping.is_set() and not running.done():
            await asyncio.sleep(LOOK_SECS)
        node.handle().stop()
        await asyncio.wait({running}, timeout=STOP_SECS)
        if running.done():
            running.result()
            node.dispose()

    def _node(self) -> LiveNode:
        config = LiveNodeConfig(
            environment=Environment.LIVE,
            trader_id=TraderId("LISTENER-001"),
            logging=LoggerConfig(stdout_level=LogLevel.OFF),
            timeout_disconnection_secs=1,
            delay_post_stop_secs=0.0,
        )
        builder = LiveNodeBuilder.from_config("LISTENER", config)
        return builder.add_data_client(self._venue, BinanceDataClientFactory(), self._config).build()
