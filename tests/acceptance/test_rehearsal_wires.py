"""The wires themselves: what a plain client hears of trades told twice or late, of a torn book, and of a command over a websocket."""

import asyncio
import hashlib
import hmac
import json
import os
import time
from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from engine.contract.rehearsal import Fault, FaultKind
from live.rehearsal.hosting import HostedExchange, spawned
from live.rehearsal.server import RehearsalExchange
from live.rehearsal.signing import Keys, command_payload
from live.rehearsal.tape import Candle, Quote
from tests.unit.live.rehearsal.conftest import build, configuration

KEYS = Keys("k" * 64, "s" * 64)
Test = Callable[[RehearsalExchange, aiohttp.ClientSession], Awaitable[None]]


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    return build(tmp_path_factory.mktemp("rehearsal"))


def rehearse(catalog, test: Test, *faults: Fault, gate=None, **sections) -> None:
    async def run() -> None:
        config = configuration(catalog, rehearsal=sections)
        async with RehearsalExchange(config, KEYS, gate) as rehearsal, aiohttp.ClientSession() as session:
            for fault in faults:
                rehearsal.exchange.faults.add(fault)
            await test(rehearsal, session)

    asyncio.run(asyncio.wait_for(run(), 20))


def signed(**params) -> dict:
    given = {**params, "apiKey": KEYS.api_key, "timestamp": time.time_ns() // 1_000_000}
    return {
        **given,
        "signature": hmac.new(KEYS.secret.encode(), command_payload(given).encode(), hashlib.sha256).hexdigest(),
    }


async def command(socket: aiohttp.ClientWebSocketResponse, method: str, **params) -> list[dict]:
    """Send a command; return what was heard up to its answer, the answer last."""
    await socket.send_json({"id": method, "method": method, "params": params})
    heard: list[dict] = []
    while not heard or heard[-1].get("id") != method:
        heard.append(json.loads((await socket.receive(5)).data))
    return heard


class Listener:
    """A plain client of the USD-M streams: what it heard."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.heard: list[dict] = []
        self._task = asyncio.create_task(self._read(socket))

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async with socket:
            async for message in socket:
                self.heard.append(json.loads(message.data))

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def subscribed(rehearsal: RehearsalExchange, session: aiohttp.ClientSession, *names: str) -> Listener:
    socket = await session.ws_connect(f"{rehearsal.url('usdm', 'ws')}/ws")
    await socket.send_json({"id": 1, "method": "SUBSCRIBE", "params": list(names)})
    assert json.loads((await socket.receive(5)).data) == {"result": None, "id": 1}
    return Listener(socket)


@pytest.mark.parametrize(("kind", "ids"), [("duplicate_trade", [1, 1, 2]), ("late_trade", [2, 1])])
def test_trade_is_told_twice_or_late_and_happened_once(catalog, kind: FaultKind, ids):
    async def test(rehearsal, session):
        async with session.ws_connect(f"{rehearsal.url('spot', 'ws')}/ws-api/v3") as socket:
            answer = (await command(socket, "userDataStream.subscribe.signature", **signed()))[-1]
            assert answer["result"] == {"subscriptionId": 0}
            heard = []
            for client_id in ("first", "second"):
                order = {
                    "symbol": "BTCUSDT",
                    "side": "BUY",
                    "type": "MARKET",
                    "quantity": "0.5",
                    "newClientOrderId": client_id,
                }
                heard += await command(socket, "order.place", **signed(**order))
            heard += await command(socket, "ping")
        told = [message["event"]["t"] for message in heard if message.get("event", {}).get("x") == "TRADE"]
        assert told == ids
        assert [trade.trade_id for trade in rehearsal.exchange.venues["spot"].trades] == [1, 2]

    rehearse(catalog, test, Fault(kind=kind))


def test_torn_book_skips_an_update(catalog):
    async def test(rehearsal, session):
        socket = await subscribed(rehearsal, session, "btcusdt@depth@100ms")
        for _ in range(4):
            await rehearsal.turn()
        await socket.close()
        heard = socket.heard
        assert [message["pu"] for message in heard] == [2, 3, 5]
        assert [message["u"] for message in heard] == [3, 4, 6]

    rehearse(catalog, test, Fault(kind="book_gap", on="depth", nth=6))


def test_bar_is_told_closed_before_the_quote_of_the_next_open(catalog):
    async def test(rehearsal, session):
        socket = await subscribed(rehearsal, session, "btcusdt@kline_1h", "btcusdt@bookTicker", "btcusdt@markPrice@1s")
        await rehearsal.turn()
        await rehearsal.step(4)
        heard = [
            (m["e"], m.get("k", {}).get("x"), m["E"] - rehearsal.exchange.tape.start_ns // 1_000_000)
            for m in socket.heard
        ]
        await socket.close()
        hour = 3_600_000
        assert heard == [
            ("markPriceUpdate", None, -1),
            ("kline", False, 0),
            ("bookTicker", None, 0),
            ("markPriceUpdate", None, hour - 1),
            ("kline", True, hour),
            ("kline", False, hour),
            ("bookTicker", None, hour),
        ]

    rehearse(catalog, test)


def test_stranger_over_a_websocket_is_refused(catalog):
    async def test(rehearsal, session):
        async with session.ws_connect(f"{rehearsal.url('spot', 'ws')}/ws-api/v3") as socket:
            order = signed(symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.5")
            forged = (await command(socket, "order.place", **{**order, "quantity": "5"}))[-1]
            assert (forged["status"], forged["error"]["code"]) == (400, -1022)
            alone = (await command(socket, "userDataStream.subscribe"))[-1]
            assert alone["status"] == 401
        assert rehearsal.exchange.venues["spot"].orders == {}

    rehearse(catalog, test)


def test_gate_is_awaited_after_every_event_that_clients_have_taken_in(catalog):
    seen: list[tuple[str, int]] = []
    taken: list[dict] = []

    async def gate(event):
        seen.append((type(event).__name__, len(taken)))

    async def test(rehearsal, session):
        socket = await subscribed(rehearsal, session, "btcusdt@kline_1h")
        socket.heard = taken
        await rehearsal.turn()
        await socket.close()
        usdm = [count for (name, count) in seen if name == "Candle"]
        assert usdm == [0, 1, 1, 2]

    rehearse(catalog, test, gate=gate)


def test_control_steps_the_tape_adds_faults_and_tells_the_truth(catalog):
    async def test(rehearsal, session):
        url = rehearsal.document()["urls"]["control"]

        async def call(method, path, **body):
            async with session.request(method, f"{url}{path}", json=body or None) as response:
                return response.status, await response.json()

        _, played = await call("POST", "/turn")
        assert (played["bars"], played["ended"]) == ({"BTCUSDT.BINANCE": 1, "BTCUSDT-PERP.BINANCE": 1}, False)
        assert played["ts"] == rehearsal.exchange.tape.start_ns + 3_600_000_000_000
        status, answer = await call("POST", "/faults", kind="lightning")
        assert (status, "lightning" in answer["error"]) == (400, True)
        assert (await call("POST", "/faults", kind="banned"))[1]["faults"][0]["kind"] == "banned"
        assert (await call("POST", "/until", ns=rehearsal.exchange.tape.end_ns + 9))[1]["ended"] is True
        _, truth = await call("GET", "/truth")
        assert truth["usdm"]["balances"] == {"USDT": {"wallet": "100000", "equity": "100000.00"}}
        assert (await call("GET", "/status"))[1]["ended"] is True

    rehearse(catalog, test)


def test_paced_tape_keeps_time(catalog):
    async def test(rehearsal, session):
        started = time.monotonic()
        await rehearsal.run()
        assert 0.5 <= time.monotonic() - started < 3.0
        assert rehearsal.exchange.next_ns is None

    rehearse(catalog, test, pace="real_time", speed=72 * 3_600 / 0.5)


def test_hosted_exchange_plays_in_its_thread(catalog):
    hosted = HostedExchange(configuration(catalog, rehearsal={"pace": "fast"}), KEYS)
    try:
        events = hosted.call(hosted.rehearsal.turn())
        assert sum(isinstance(event, Candle) and event.closed for event in events) == 2
        assert sum(isinstance(event, Quote) for event in events) == 2
        hosted.play().result(20)
        assert hosted.ended
    finally:
        hosted.stop()


@pytest.mark.slow
def test_command_announces_itself_and_ends_with_its_tape(catalog, tmp_path):
    import tomli_w

    path, announce = tmp_path / "rehearse.toml", tmp_path / "exchange.json"
    config = {
        "data": {"catalog": str(catalog), "start": "2020-01-03"},
        "universe": {"instruments": ["BTCUSDT-PERP.BINANCE"]},
        "strategy": {"name": "cash"},
        "rehearsal": {"pace": "fast"},
    }
    path.write_text(tomli_w.dumps(config).replace('"2020-01-03"', "2020-01-03"))
    with spawned(path, KEYS, announce, dict(os.environ), "--pace", "stepwise") as exchange:
        told = json.loads(announce.read_bytes())
        assert told["pid"] == exchange.process.pid == exchange.document["pid"]
        assert KEYS.secret not in announce.read_text()
    assert not announce.exists()
    assert exchange.process.returncode == 0
    with spawned(path, KEYS, announce, dict(os.environ)) as exchange:
        assert exchange.process.wait(20) == 0
