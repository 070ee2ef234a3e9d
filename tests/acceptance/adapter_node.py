"""A live node with the adapter's two clients on the rehearsal exchange, and a strategy that does what a case tells it."""

import asyncio
import contextlib
import gc
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import nautilus_trader.model as m
from nautilus_trader.adapters.binance import BinanceExecutionClientFactory
from nautilus_trader.common import Environment, LoggerConfig, LogLevel
from nautilus_trader.config import LiveNodeConfig
from nautilus_trader.live import LiveNode, LiveNodeBuilder, LiveRiskEngineConfig
from nautilus_trader.trading import Strategy, StrategyConfig

from engine.contract.calendar import bar_ns
from engine.contract.config import Limits
from live.adapter.core.second_gate import SecondGate
from live.adapter.core.session import ExchangeSession
from live.adapter.data import CcxtDataClientFactory, CcxtDataConfig
from live.adapter.engine_settings import execution_engine_settings
from live.adapter.execution import CcxtExecutionClientFactory, CcxtExecutionConfig
from live.native.addresses import Addresses, execution_config
from tests.acceptance.adapter_stage import IDS, KEYS

PATIENCE_SECS = 8.0


def apart(work: Coroutine[Any, Any, None]) -> None:
    """Run a case and collect its node afterwards: NautilusTrader allows one live node a thread."""
    try:
        asyncio.run(work)
    finally:
        gc.collect()


class Player(Strategy):
    """Hears everything, does nothing by itself."""

    def __new__(cls, *_args: object, **_kwargs: object) -> "Player":
        return super().__new__(cls, cls.settings())  # type: ignore[call-arg]

    @staticmethod
    def settings(claims: list[Any] | None = None) -> StrategyConfig:
        return StrategyConfig(
            strategy_id=m.StrategyId("PLAYER-001"), order_id_tag="001", external_order_instrument_ids=claims
        )

    def __init__(self, instrument_id: str, claims: bool = False) -> None:
        self.instrument_id = m.InstrumentId.from_str(instrument_id)
        super().__init__(self.settings([self.instrument_id] if claims else None))
        self.heard: list[Any] = []
        self.events: list[Any] = []
        self.started = False

    def on_start(self) -> None:
        self.started = True

    def on_bar(self, bar: Any) -> None:
        self.heard.append(bar)

    on_quote = on_trade = on_mark_price = on_funding_rate = on_book_deltas = on_book_depth = on_bar

    def on_historical_bars(self, bars: Any) -> None:
        self.heard.append(("history", list(bars)))

    def on_historical_trades(self, trades: Any) -> None:
        self.heard.append(("trades", list(trades)))

    def on_historical_funding_rates(self, rates: Any) -> None:
        self.heard.append(("funding", list(rates)))

    def on_order_event(self, event: Any) -> None:
        self.events.append(event)

    def on_position_event(self, event: Any) -> None:
        self.events.append(event)

    def names(self, client_order_id: Any = None) -> list[str]:
        """Names of the order events so far, of one order where asked."""
        chosen = [e for e in self.events if type(e).__name__.startswith("Order")]
        return [type(e).__name__ for e in chosen if client_order_id is None or e.client_order_id == client_order_id]

    def of(self, kind: type) -> list[Any]:
        return [item for item in self.heard if isinstance(item, kind)]


class Play:
    """The node at work: exchange, session, node, strategy, and the truth at the venue."""

    def __init__(self, rehearsal: Any, session: ExchangeSession, node: LiveNode, player: Player, market: str) -> None:
        self.rehearsal, self.session, self.node, self.player, self.market = rehearsal, session, node, player, market
        self.instrument_id = m.InstrumentId.from_str(IDS[market])
        self.cache, self.portfolio = node.cache, node.portfolio

    async def until(self, condition: Callable[[], bool], what: str, secs: float = PATIENCE_SECS) -> None:
        """Wait for a condition, and say what did not come."""
        end = time.monotonic() + secs
        while not condition():
            if time.monotonic() > end:
                shown = [f"{note.what} {note.about} {note.detail}" for note in self.session.notes.all()[-12:]]
                raise AssertionError(
                    f"{what} did not come in {secs:g} s; events {self.player.names()[-8:]}; notes {shown}"
                )
            await asyncio.sleep(0.01)

    def order(self, side: str, quantity: str, **terms: Any) -> Any:
        """Make an order of the player's."""
        factory, side_ = self.player.order_factory, m.OrderSide.BUY if side == "buy" else m.OrderSide.SELL
        size = m.Quantity.from_str(quantity)
        price, trigger = terms.pop("price", None), terms.pop("trigger", None)
        if trigger is not None:
            return factory.stop_market(self.instrument_id, side_, size, m.Price.from_str(trigger), **terms)
        if price is not None:
            return factory.limit(self.instrument_id, side_, size, m.Price.from_str(price), **terms)
        return factory.market(self.instrument_id, side_, size, **terms)

    def submit(self, order: Any) -> Any:
        self.player.submit_order(order)
        return order.client_order_id

    async def filled(self, client_order_id: Any) -> Any:
        """Play quotes until an order is filled, and return it."""
        await self.accepted(client_order_id)
        await self.rehearsal.step(3)
        await self.until(lambda: self.status(client_order_id) == m.OrderStatus.FILLED, f"fill of {client_order_id}")
        return self.cache.order(client_order_id)

    async def accepted(self, client_order_id: Any) -> None:
        await self.until(
            lambda: "OrderAccepted" in self.player.names(client_order_id), f"acceptance of {client_order_id}"
        )

    def status(self, client_order_id: Any) -> Any:
        found = self.cache.order(client_order_id)
        return None if found is None else found.status

    def net(self) -> Decimal:
        return Decimal(str(self.portfolio.net_position(self.instrument_id)))


def native_config(rehearsal: Any, market: str, leverage: dict[str, float] | None) -> Any:
    """Return the native execution client's configuration, as a session makes it."""
    urls = rehearsal.document()["urls"][market]
    addresses = Addresses(urls["http"], urls["ws"], urls["commands"], None)
    whole = None if leverage is None else {"BTCUSDT": round(next(iter(leverage.values())))}
    return execution_config(addresses, market, "BINANCE-001", (KEYS.api_key, KEYS.secret), whole)


@asynccontextmanager
async def play(
    rehearsal: Any,
    session: ExchangeSession,
    market: str,
    *,
    limits: Limits | None = None,
    claims: bool = False,
    leverage: dict[str, float] | None = None,
    engine: dict[str, Any] | None = None,
    breaker: Any = None,
    client: str = "ccxt",
    log: LogLevel = LogLevel.OFF,
) -> AsyncIterator[Play]:
    """Start a node, yield it at work, and stop it."""
    name = IDS[market]
    gate = SecondGate([name], limits or Limits(max_position_frac=2.0, max_gross_frac=3.0), breaker, bar_ns("1-HOUR"))
    config = LiveNodeConfig(
        environment=Environment.LIVE,
        trader_id=m.TraderId("HURACAN-001"),
        logging=LoggerConfig(stdout_level=log),
        timeout_disconnection_secs=1 if client == "ccxt" else 10,
        delay_post_stop_secs=0.1,
        risk_engine=LiveRiskEngineConfig(max_order_submit_rate="1000000/00:00:01"),
        exec_engine=execution_engine_settings(reconciliation_startup_delay_secs=0.1, **(engine or {})),
    )
    made: list[Any] = []

    class Factory(CcxtExecutionClientFactory):
        @staticmethod
        def create(**named: Any) -> Any:
            made.append(CcxtExecutionClientFactory.create(**named))
            return made[-1]

    orders: tuple[Any, Any] = (
        Factory,
        CcxtExecutionConfig(session=session, instrument_ids=[name], gate=gate, leverage=leverage),
    )
    if client == "native":
        orders = (BinanceExecutionClientFactory(), native_config(rehearsal, market, leverage))
    node = (
        LiveNodeBuilder.from_config("HURACAN", config)
        .add_data_client(
            "BINANCE", CcxtDataClientFactory, CcxtDataConfig(session=session, instrument_ids=[name], gate=gate)
        )
        .add_exec_client("BINANCE", *orders)
        .build()
    )
    player = Player(name, claims)
    node.add_strategy(player)
    work = Play(rehearsal, session, node, player, market)
    running = asyncio.create_task(node.run_async())
    try:
        await work.until(lambda: player.started or running.done(), "start of the node")
        if running.done():
            running.result()
        if made:
            work.client = made[0]  # type: ignore[attr-defined]
        yield work
    finally:
        node.handle().stop()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait_for(running, 15)
        made.clear()
        work.__dict__.clear()
        player.heard.clear()
        player.events.clear()
