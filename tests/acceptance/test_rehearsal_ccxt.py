"""Unmodified ccxt trades on the rehearsal exchange, spot and USD-M, by REST and websockets, and meets every scripted fault."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import ccxt.pro
import pytest

from engine.contract.errors import EnvironmentFault
from engine.contract.rehearsal import Fault, FaultKind
from live.rehearsal.control import truth
from live.rehearsal.server import RehearsalExchange
from live.rehearsal.signing import Keys
from live.rehearsal.tape import Quote
from tests.unit.live.rehearsal.conftest import build, configuration

KEYS = Keys("k" * 64, "s" * 64)
SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"
MARKETS = {SPOT: "spot", SWAP: "usdm"}
BOTH = pytest.mark.parametrize("symbol", [SPOT, SWAP])
START_MS = int(dt.datetime(2020, 1, 3, tzinfo=dt.UTC).timestamp()) * 1_000
HOUR_MS = 3_600_000

Test = Callable[[RehearsalExchange, ccxt.pro.binance], Awaitable[None]]


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    return build(tmp_path_factory.mktemp("rehearsal"))


@asynccontextmanager
async def client_of(rehearsal: RehearsalExchange, **more) -> AsyncIterator[ccxt.pro.binance]:
    session = rehearsal.session()
    options = {
        "defaultType": "spot",
        "fetchMarkets": {"types": ["spot", "linear"]},
        "fetchCurrencies": False,
        "fetchMargins": False,
    }
    keys = {"apiKey": KEYS.api_key, "secret": KEYS.secret}
    client = ccxt.pro.binance({**keys, "session": session, "enableRateLimit": False, "options": options, **more})
    try:
        await client.load_markets()
        yield client
    finally:
        await client.close()
        await session.close()


def rehearse(catalog, test: Test, *faults: Fault, more=None, **sections) -> RehearsalExchange:
    """Run a test against an exchange that has played to its first quotes."""

    async def run() -> RehearsalExchange:
        async with RehearsalExchange(configuration(catalog, rehearsal=sections), KEYS) as rehearsal:
            await to_quotes(rehearsal)
            async with client_of(rehearsal, **(more or {})) as client:
                for fault in faults:
                    rehearsal.exchange.faults.add(fault)
                await test(rehearsal, client)
            assert rehearsal.gateway.unknown == []
            return rehearsal

    return asyncio.run(asyncio.wait_for(run(), 30))


def on_both(test: Callable[..., Awaitable[None]]) -> Test:
    """A test of both markets, one after the other."""

    async def both(rehearsal: RehearsalExchange, client: ccxt.pro.binance) -> None:
        for symbol in (SPOT, SWAP):
            await test(rehearsal, client, symbol)

    return both


async def to_quotes(rehearsal: RehearsalExchange) -> None:
    """Play until both instruments have their next quote."""
    quotes = 0
    while quotes < 2:
        quotes += isinstance((await rehearsal.step())[0], Quote)


async def subscribed(rehearsal: RehearsalExchange, role: str, count: int = 1) -> None:
    """Wait until so many sockets of a role are there."""
    while len(rehearsal.streams.wearing(role)) < count:
        await asyncio.sleep(0.01)


def orders(rehearsal: RehearsalExchange, symbol: str) -> list[dict]:
    return truth(rehearsal.exchange)[MARKETS[symbol]]["orders"]


def test_markets_history_and_prices_are_read_by_rest(catalog):
    async def test(rehearsal, client, symbol):
        market = client.market(symbol)
        assert (market["precision"]["price"], market["limits"]["cost"]["min"], market["swap"]) == (
            0.01,
            5.0,
            symbol == SWAP,
        )
        rows = await client.fetch_ohlcv(symbol, "1h", limit=100)
        assert [row[0] for row in rows] == [START_MS + HOUR_MS * n for n in range(-48, 1)]
        assert [row[0] for row in await client.fetch_ohlcv(symbol, "1h", since=START_MS - 5 * HOUR_MS, limit=2)] == [
            START_MS - 5 * HOUR_MS,
            START_MS - 4 * HOUR_MS,
        ]
        best = rehearsal.exchange.venues[MARKETS[symbol]].best["BTCUSDT"]
        book = await client.fetch_order_book(symbol, 5)
        assert (book["bids"][0][0], book["asks"][0][0]) == (float(best.bid), float(best.ask))
        assert await client.fetch_time() == START_MS
        assert (await client.fetch_ticker(symbol))["last"] == rows[-1][4]
        assert (await client.fetch_balance({"type": "swap" if symbol == SWAP else "spot"}))["USDT"]["free"] == 100_000.0

    rehearse(catalog, on_both(test))


def test_orders_are_placed_filled_cancelled_and_told(catalog):
    async def test(rehearsal, client, symbol):
        ask = float(rehearsal.exchange.venues[MARKETS[symbol]].best["BTCUSDT"].ask)
        bought = await client.create_order(symbol, "market", "buy", 0.5, None, {"clientOrderId": "first"})
        assert (bought["status"], bought["filled"], bought["average"], bought["clientOrderId"]) == (
            "closed",
            0.5,
            ask,
            "first",
        )
        resting = await client.create_order(
            symbol, "limit", "buy", 0.5, round(ask * 0.5, 2), {"clientOrderId": "second"}
        )
        assert [order["clientOrderId"] for order in await client.fetch_open_orders(symbol)] == ["second"]
        resting = await client.edit_order(resting["id"], symbol, "limit", "buy", 0.4, round(ask * 0.6, 2))
        assert (resting["amount"], resting["price"], resting["status"]) == (0.4, round(ask * 0.6, 2), "open")
        assert (await client.cancel_order(resting["id"], symbol))["status"] == "canceled"
        stop = {"clientOrderId": "third", "stopLossPrice": round(ask * 0.5, 2)}
        waiting = await client.create_order(symbol, "market", "sell", 0.5, None, stop)
        assert waiting["status"] == "open"
        trigger = {"trigger": True} if symbol == SWAP else {}
        await client.cancel_order(waiting["id"], symbol, trigger)
        (trade,) = await client.fetch_my_trades(symbol)
        assert (trade["amount"], trade["price"], trade["fee"]["cost"]) == (0.5, ask, pytest.approx(ask * 0.5 * 5e-4))
        found = await client.fetch_order(None, symbol, {"origClientOrderId": "first"})
        assert found["id"] == bought["id"]
        if symbol == SWAP:
            (position,) = await client.fetch_positions([symbol])
            assert (position["contracts"], position["side"], position["entryPrice"]) == (0.5, "long", ask)
            await client.set_leverage(5, symbol)
            closed = await client.create_order(
                symbol, "market", "sell", 9, None, {"clientOrderId": "fourth", "reduceOnly": True}
            )
            assert closed["filled"] == 0.5
            assert await client.fetch_positions([symbol]) == []

    rehearse(catalog, on_both(test))


@BOTH
def test_streams_publish_bars_quotes_books_trades_and_the_account(catalog, symbol):
    async def test(rehearsal, client):
        watched = {
            "bars": client.watch_ohlcv(symbol, "1h"),
            "quotes": client.watch_bids_asks([symbol]),
            "ticker": client.watch_ticker(symbol),
            "trades": client.watch_trades(symbol),
            "book": client.watch_order_book(symbol),
            "orders": client.watch_orders(symbol),
            "fills": client.watch_my_trades(symbol),
        }
        tasks = {name: asyncio.create_task(coroutine) for name, coroutine in watched.items()}
        await subscribed(rehearsal, "user")
        await subscribed(rehearsal, "market", 5)
        await asyncio.sleep(0.1)
        await rehearsal.turn()
        await to_quotes(rehearsal)
        placed = await client.create_order(symbol, "market", "buy", 0.5, None, {"clientOrderId": "first"})
        heard = dict(zip(tasks, await asyncio.wait_for(asyncio.gather(*tasks.values()), 5), strict=True))
        best = rehearsal.exchange.venues[MARKETS[symbol]].best["BTCUSDT"]
        assert heard["bars"][-1][0] in (START_MS, START_MS + HOUR_MS)
        assert heard["quotes"][symbol]["ask"] == float(best.ask)
        assert heard["book"]["asks"][0][0] == float(best.ask)
        assert heard["trades"][0]["timestamp"] == START_MS + HOUR_MS - 1
        assert heard["orders"][0]["id"] == heard["fills"][0]["order"] == placed["id"]
        assert (heard["fills"][0]["amount"], heard["fills"][0]["price"]) == (0.5, float(best.ask))

    rehearse(catalog, test)


@BOTH
def test_order_decided_at_the_close_fills_at_the_next_open(catalog, symbol):
    async def test(rehearsal, client):
        await rehearsal.turn()
        placed = await client.create_order(symbol, "market", "buy", 0.5, None, {"clientOrderId": "first"})
        assert (placed["status"], placed["filled"]) == ("open", 0.0)
        await to_quotes(rehearsal)
        filled = await client.fetch_order(placed["id"], symbol)
        reel = rehearsal.exchange.reels[MARKETS[symbol], "BTCUSDT"]
        assert filled["average"] == round(float(reel.bars.open[49]) * 1.0001, 2)

    rehearse(catalog, test)


REQUEST_FAULTS: list[tuple[FaultKind, type[Exception], int]] = [
    ("rate_limited", ccxt.DDoSProtection, 0),
    ("banned", ccxt.DDoSProtection, 0),
    ("maintenance", ccxt.OnMaintenance, 0),
    ("drop_before_accept", ccxt.NetworkError, 0),
    ("below_minimum", ccxt.ExchangeError, 0),
    ("error_after_accept", ccxt.OperationFailed, 1),
    ("drop_after_accept", ccxt.NetworkError, 1),
    ("hang_after_accept", ccxt.RequestTimeout, 1),
    ("truncate_after_accept", ccxt.ExchangeError, 1),
]


@BOTH
def test_request_fault_says_less_than_what_happened(catalog, symbol):
    async def test(rehearsal, client):
        for kind, error, accepted in REQUEST_FAULTS:
            before = len(orders(rehearsal, symbol))
            rehearsal.exchange.faults.add(
                Fault(kind=kind, on=None if kind == "below_minimum" else "order.place", seconds=0.5)
            )
            with pytest.raises(error):
                await client.create_order(symbol, "market", "buy", 0.5, None, {"clientOrderId": kind})
            told = [order["status"] for order in orders(rehearsal, symbol)[before:]]
            assert told == ["FILLED"] * accepted, kind
            again = (
                await client.create_order(symbol, "market", "sell", 0.4, None, {"clientOrderId": f"{kind}-2"})
                if accepted
                else None
            )
            assert again is None or again["status"] == "closed"
        assert [fault["struck"] for fault in rehearsal.exchange.faults.told()] == [1] * len(REQUEST_FAULTS)

    rehearse(catalog, test, more={"timeout": 250})


def test_limit_beyond_what_is_allowed_answers_with_the_time_to_wait(catalog):
    async def test(rehearsal, client):
        async def ask_on() -> None:
            for _ in range(20):
                await client.fetch_time()

        with pytest.raises(ccxt.DDoSProtection):
            await ask_on()
        assert int(client.last_response_headers["Retry-After"]) in range(1, 62)

    rehearse(catalog, test, weight_per_min=30)


def test_partial_fill_is_completed_by_later_quotes(catalog):
    async def test(rehearsal, client, symbol):
        placed = await client.create_order(symbol, "market", "buy", 0.5, None, {"clientOrderId": "first"})
        assert (placed["status"], placed["filled"]) == ("open", 0.2)
        await rehearsal.turn()
        await to_quotes(rehearsal)
        done = await client.fetch_order(placed["id"], symbol)
        assert (done["status"], done["filled"]) == ("closed", 0.5)
        assert [trade["amount"] for trade in await client.fetch_my_trades(symbol)] == [0.2, 0.3]

    rehearse(catalog, on_both(test), Fault(kind="partial_fill", fraction=0.4, count=None))


def test_cancel_that_loses_the_race_finds_the_order_filled(catalog):
    async def test(rehearsal, client, symbol):
        ask = float(rehearsal.exchange.venues[MARKETS[symbol]].best["BTCUSDT"].ask)
        placed = await client.create_order(symbol, "limit", "buy", 0.5, round(ask * 0.9, 2), {"clientOrderId": "first"})
        with pytest.raises(ccxt.OrderNotFound):
            await client.cancel_order(placed["id"], symbol)
        assert (await client.fetch_order(placed["id"], symbol))["status"] == "closed"

    rehearse(catalog, on_both(test), Fault(kind="cancel_fill_race", count=2))


def test_skewed_clock_refuses_signatures_until_the_client_asks_for_the_time(catalog):
    async def test(rehearsal, client):
        await client.fetch_balance()
        await rehearsal.step()
        with pytest.raises(ccxt.InvalidNonce):
            await client.fetch_balance()
        client.options["adjustForTimeDifference"] = True
        await client.load_time_difference()
        await client.fetch_balance()

    rehearse(catalog, test, Fault(kind="clock_skew", seconds=60.0))


@pytest.mark.parametrize("kind", ["websocket_drop", "mute_socket"])
def test_socket_that_fails_is_heard_of_or_not(catalog, kind: FaultKind):
    async def test(rehearsal, client):
        watching = asyncio.create_task(client.watch_ohlcv(SPOT, "1h"))
        await subscribed(rehearsal, "market")
        await asyncio.sleep(0.1)
        await rehearsal.turn()
        if kind == "mute_socket":
            done, _ = await asyncio.wait({watching}, timeout=0.2)
            assert not done
            watching.cancel()
            return
        with pytest.raises(ccxt.NetworkError):
            await watching
        watching = asyncio.create_task(client.watch_ohlcv(SPOT, "1h"))
        await subscribed(rehearsal, "market")
        await asyncio.sleep(0.1)
        await rehearsal.turn()
        assert (await asyncio.wait_for(watching, 5))[-1][0] > START_MS

    rehearse(catalog, test, Fault(kind=kind, on="market"))


def test_session_reaches_nothing_but_the_rehearsal(catalog):
    async def test(rehearsal, client):
        with pytest.raises(
            EnvironmentFault, match=r"connection of a rehearsal must stay on loopback, was 192\.0\.2\.1"
        ):
            await client.session.get("https://192.0.2.1/")

    rehearse(catalog, test)


def test_venue_outlives_its_process(catalog, tmp_path):
    state = str(tmp_path / "venue.json")

    async def before(rehearsal, client):
        ask = float(rehearsal.exchange.venues["usdm"].best["BTCUSDT"].ask)
        await client.create_order(SWAP, "market", "buy", 0.5, None, {"clientOrderId": "first"})
        await client.create_order(SWAP, "limit", "buy", 0.5, round(ask * 0.5, 2), {"clientOrderId": "second"})

    async def after(rehearsal, client):
        (position,) = await client.fetch_positions([SWAP])
        (order,) = await client.fetch_open_orders(SWAP)
        assert (position["contracts"], order["clientOrderId"]) == (0.5, "second")

    played = rehearse(catalog, before, state=state).exchange.position
    assert rehearse(catalog, after, state=state).exchange.position > played


def test_client_without_any_option_loads_its_markets(catalog):
    async def test(rehearsal, client):
        plain = ccxt.pro.binance({"apiKey": KEYS.api_key, "secret": KEYS.secret, "session": client.session})
        assert sorted(await plain.load_markets()) == [SPOT, SWAP]
        await plain.close()

    rehearse(catalog, test)
