"""Nautilus' own Binance clients trade on the rehearsal exchange: instruments, bars, quotes, orders, fills, cancels, positions."""

import asyncio

import pytest
from nautilus_trader.adapters import binance
from nautilus_trader.common import Environment, LoggerConfig, LogLevel
from nautilus_trader.config import LiveNodeConfig
from nautilus_trader.live import LiveNodeBuilder
from nautilus_trader.model import (
    AccountId,
    BarType,
    InstrumentId,
    OrderSide,
    Price,
    Quantity,
    StrategyId,
    TraderId,
)
from nautilus_trader.trading import Strategy, StrategyConfig

from live.rehearsal.control import truth
from live.rehearsal.server import RehearsalExchange
from live.rehearsal.signing import Keys
from live.rehearsal.tape import Quote
from tests.unit.live.rehearsal.conftest import PERPETUAL, SPOT, build, configuration

KEYS = Keys("k" * 64, "s" * 64)
HOUR_NS = 3_600_000_000_000


class Trader(Strategy):
    """Buys at the market after the first bar, rests a limit order after the second, cancels it after the third."""

    def __init__(self, config: StrategyConfig, name: str) -> None:
        self.instrument_id = InstrumentId.from_str(name)
        self.bars: list[int] = []
        self.quotes: list[str] = []
        self.events: list[str] = []

    def __new__(cls, config: StrategyConfig, name: str):
        return super().__new__(cls, config)

    def on_start(self) -> None:
        self.instrument = self.cache.instrument(self.instrument_id)
        self.subscribe_quotes(self.instrument_id)
        self.subscribe_bars(BarType.from_str(f"{self.instrument_id}-1-HOUR-LAST-EXTERNAL"))

    def on_quote(self, quote) -> None:
        self.quotes.append(str(quote.ask_price))

    def on_bar(self, bar) -> None:
        self.bars.append(bar.ts_event)
        quantity = Quantity(0.01, self.instrument.size_precision)
        if len(self.bars) == 1:
            self.submit_order(self.order_factory.market(self.instrument_id, OrderSide.BUY, quantity))
        elif len(self.bars) == 2:
            price = Price(float(bar.close) // 2, self.instrument.price_precision)
            self.submit_order(self.order_factory.limit(self.instrument_id, OrderSide.BUY, quantity, price))
        elif len(self.bars) == 3:
            self.cancel_all_orders(self.instrument_id)

    def on_order_event(self, event) -> None:
        self.events.append(type(event).__name__)


def node_of(rehearsal: RehearsalExchange, market: str, trader: Trader):
    product = binance.BinanceProductType.USD_M if market == "usdm" else binance.BinanceProductType.SPOT
    commands = "/ws-fapi/v1" if market == "usdm" else "/ws-api/v3"
    websocket = rehearsal.url(market, "ws")
    common = {
        "product_type": product,
        "base_url_http": rehearsal.url(market),
        "base_url_ws": f"{websocket}/ws",
        "api_key": KEYS.api_key,
        "api_secret": KEYS.secret,
        "max_retries": 0,
        "us": market == "spot",  # the global spot client speaks SBE over REST, which the exchange does not
    }
    json = {"spot_market_data_mode": binance.BinanceSpotMarketDataMode.Json}
    config = LiveNodeConfig(
        environment=Environment.LIVE,
        trader_id=TraderId("T-001"),
        logging=LoggerConfig(stdout_level=LogLevel.OFF),
        timeout_connection_secs=10,
        timeout_disconnection_secs=10,
        delay_post_stop_secs=0,
    )
    node = (
        LiveNodeBuilder.from_config("T", config)
        .add_data_client(
            "BINANCE", binance.BinanceDataClientFactory(), binance.BinanceDataClientConfig(**common, **json)
        )
        .add_exec_client(
            "BINANCE",
            binance.BinanceExecutionClientFactory(),
            binance.BinanceExecutionClientConfig(
                AccountId("BINANCE-001"), base_url_ws_trading=websocket + commands, **common
            ),
        )
        .build()
    )
    node.add_strategy(trader)
    return node


async def until(condition, seconds: float = 10.0) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not condition():
        assert loop.time() < end, "what was awaited did not come"
        await asyncio.sleep(0.02)


async def trade(catalog, market: str) -> tuple[Trader, dict, list[str], int]:
    name = PERPETUAL if market == "usdm" else SPOT
    config = configuration(catalog, universe={"instruments": [name]}, venue={"funding": False})
    async with RehearsalExchange(config, KEYS) as rehearsal:
        trader = Trader(StrategyConfig(strategy_id=StrategyId("S-001")), name)
        node = node_of(rehearsal, market, trader)
        running = asyncio.create_task(node.run_async())
        await until(lambda: len([s for s in rehearsal.streams.wearing("market") for _ in s.streams]) >= 2)
        waits = {1: "OrderAccepted", 2: "OrderAccepted", 3: "OrderCanceled"}
        for turn in (1, 2, 3):
            await rehearsal.turn()
            await until(lambda turn=turn: trader.events.count(waits[turn]) >= min(turn, 2) - (turn == 3))
            while not isinstance((await rehearsal.step())[0], Quote):
                pass
            await until(lambda: "OrderFilled" in trader.events)
        await until(lambda: len(trader.quotes) == 4)
        node.handle().stop()
        await asyncio.wait({running}, timeout=15)
        return trader, truth(rehearsal.exchange)[market], rehearsal.gateway.unknown, rehearsal.exchange.tape.start_ns


@pytest.mark.slow
@pytest.mark.parametrize("market", ["usdm", "spot"])
def test_native_client_trades(tmp_path, market):
    trader, venue, unknown, start_ns = asyncio.run(trade(build(tmp_path), market))
    assert unknown == []
    assert trader.bars == [start_ns + HOUR_NS * n - 1_000_000 for n in (1, 2, 3)]
    assert trader.events == [
        *("OrderInitialized", "OrderSubmitted", "OrderAccepted", "OrderFilled"),
        *("OrderInitialized", "OrderSubmitted", "OrderAccepted", "OrderPendingCancel", "OrderCanceled"),
    ]
    (filled, cancelled) = venue["orders"]
    assert (filled["status"], cancelled["status"]) == ("FILLED", "CANCELED")
    assert venue["trades"][0]["price"] == trader.quotes[1]
    if market == "usdm":
        assert venue["positions"]["BTCUSDT"]["quantity"].rstrip("0") == "0.01"
