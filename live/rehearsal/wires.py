"""REST and websockets: aiohttp carries requests to the gateway, and outboxes to their sockets."""

import asyncio
import contextlib
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from live.rehearsal import socket_commands
from live.rehearsal.gateway import Answer, Credentials, Gateway
from live.rehearsal.signing import unsigned
from live.rehearsal.streams import Connection, Streams
from live.rehearsal.terms import Market

USDM_HOSTS = ("fapi.", "fstream.", "ws-fapi.", "fstream-auth.")
COMMAND_PATHS = ("/ws-api", "/ws-fapi")
SETTLE_SECS = 2.0
SETTLE_LOOKS = 8
"""A client in this process is as deaf as the exchange while something else computes: such a pause uses up one look, not all the time."""

USDM_PATHS = ("/fapi", "/public", "/market", "/private", "/ws-fapi")


class Wires:
    """Handlers of one exchange.

    Parameters
    ----------
    markets
        Market of each local port that has one; behind the others the name or the path of the request tells.
    """

    def __init__(self, gateway: Gateway, streams: Streams, markets: Mapping[int, Market]) -> None:
        self.gateway, self.streams, self.markets = gateway, streams, markets
        self._sockets: dict[int, web.WebSocketResponse] = {}
        self._pongs: dict[int, asyncio.Future[None]] = {}
        self._unresponsive: set[int] = set()

    def application(self) -> web.Application:
        """The application that serves every port of the exchange."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self.handle)
        return application

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Take a request or a socket."""
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._socket(request)
        return await self._request(request)

    async def settle(self) -> None:
        """Wait until every socket's client has taken in what was sent: a ping after it, answered.

        A client that once did not answer in time is not waited for until it does.
        """
        waiting = [
            number for number, one in self.streams.connections.items() if one.unsettled and number in self._sockets
        ]
        await asyncio.gather(*(self._settle(number) for number in waiting))

    async def close(self) -> None:
        """Close every socket."""
        for socket in list(self._sockets.values()):
            await socket.close(code=WSCloseCode.GOING_AWAY)

    def market_of(self, request: web.Request) -> Market:
        """The market that a request means."""
        transport = request.transport
        port = transport.get_extra_info("sockname")[1] if transport is not None else 0
        if port in self.markets:
            return self.markets[port]
        if request.path.startswith(USDM_PATHS) or request.host.startswith(USDM_HOSTS):
            return "usdm"
        return "spot"

    async def _request(self, request: web.Request) -> web.StreamResponse:
        query, form = request.rel_url.raw_query_string, await request.text()
        payload, signature = unsigned(query + form)
        params = dict(parse_qsl(query, keep_blank_values=True)) | dict(parse_qsl(form, keep_blank_values=True))
        shown = Credentials(request.headers.get("X-MBX-APIKEY"), payload, signature)
        answer = self.gateway.answer(self.market_of(request), request.method, request.path.rstrip("/"), params, shown)
        return await self._respond(request, answer)

    async def _respond(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        body = msgspec.json.encode(answer.document)
        mishap = answer.mishap
        if mishap is None or not mishap.kind.endswith("_accept"):
            return web.Response(
                body=body, status=answer.status, headers=answer.headers, content_type="application/json"
            )
        if mishap.kind == "hang_after_accept":
            await asyncio.sleep(mishap.seconds)
        if mishap.kind == "truncate_after_accept":
            response = web.StreamResponse(
                status=answer.status, headers={**answer.headers, "Content-Type": "application/json"}
            )
            response.content_length = len(body)
            await response.prepare(request)
            await response.write(body[: len(body) // 2])
            if request.transport is not None:
                request.transport.close()
            return response
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=499)

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        market, path = self.market_of(request), request.path
        socket = web.WebSocketResponse(autoping=False, heartbeat=None, compress=False)
        await socket.prepare(request)
        combined = path.rstrip("/").endswith("/stream")
        connection = self.streams.connect(market, combined)
        self._greet(connection, request)
        self._sockets[connection.number] = socket
        writer = asyncio.create_task(self._write(connection, socket, request))
        try:
            await self._read(connection, socket, path.startswith(COMMAND_PATHS))
        finally:
            self.streams.disconnect(connection)
            self._sockets.pop(connection.number, None)
            self._pong(connection.number)
            connection.empty()
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writer
        return socket

    def _greet(self, connection: Connection, request: web.Request) -> None:
        names = [name for name in request.query.get("streams", "").split("/") if name]
        key = request.query.get("listenKey")
        tail = request.path.rstrip("/").rpartition("/ws/")[2] if "/ws/" in request.path else ""
        names += [
            name for name in tail.split("/") if "@" in name or name in self.gateway.listen_keys[connection.market]
        ]
        self.streams.subscribe(connection, [*names, *([key] if key else [])])

    async def _write(self, connection: Connection, socket: web.WebSocketResponse, request: web.Request) -> None:
        while (content := await connection.outbox.get()) is not None:
            try:
                await socket.send_bytes(content) if b"\x00" in content[:1] else await socket.send_str(content.decode())
            except ConnectionError:
                connection.dropped = True
            connection.outbox.task_done()
        connection.outbox.task_done()
        if request.transport is not None:
            request.transport.abort()

    async def _read(self, connection: Connection, socket: web.WebSocketResponse, commanded: bool) -> None:
        async for message in socket:
            if message.type is WSMsgType.PING:
                if not connection.muted:
                    await socket.pong(message.data)
            elif message.type is WSMsgType.PONG:
                self._pong(connection.number)
            elif message.type is WSMsgType.TEXT:
                await self._said(connection, message.data, commanded)

    async def _said(self, connection: Connection, text: str, commanded: bool) -> None:
        try:
            document = json.loads(text)
        except ValueError:
            connection.send({"error": {"code": 3, "msg": "Invalid JSON"}})
            return
        method = document.get("method", "")
        if not commanded or method in ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS"):
            self._subscription(connection, document, method)
            return
        reply, answer = socket_commands.run(self.gateway, connection, document)
        await self._reply(connection, reply, answer)

    def _subscription(self, connection: Connection, document: dict[str, Any], method: str) -> None:
        names = [str(name) for name in document.get("params", [])]
        result: Any = None
        match method:
            case "SUBSCRIBE":
                self.streams.subscribe(connection, names)
            case "UNSUBSCRIBE":
                self.streams.unsubscribe(connection, names)
            case "LIST_SUBSCRIPTIONS":
                result = sorted(connection.streams)
            case _:
                connection.send(
                    {"error": {"code": 2, "msg": f"Invalid request: unknown method {method}"}, "id": document.get("id")}
                )
                return
        connection.send({"result": result, "id": document.get("id")})

    async def _reply(self, connection: Connection, reply: dict[str, Any], answer: Answer) -> None:
        mishap = answer.mishap
        if mishap is None or not mishap.kind.endswith("_accept"):
            connection.send(reply)
        elif mishap.kind == "truncate_after_accept":
            body = msgspec.json.encode(reply)
            connection.send_bytes(body[: len(body) // 2])
        elif mishap.kind != "hang_after_accept":
            connection.drop()

    async def _settle(self, number: int) -> None:
        connection, socket = self.streams.connections.get(number), self._sockets.get(number)
        if connection is None or socket is None or connection.muted or connection.dropped or socket.closed:
            return
        if number in self._unresponsive:
            return
        pong = self._pongs.setdefault(number, asyncio.get_running_loop().create_future())
        sent = False
        for _ in range(SETTLE_LOOKS):
            try:
                async with asyncio.timeout(SETTLE_SECS / SETTLE_LOOKS):
                    if not sent:
                        await connection.outbox.join()
                        connection.unsettled, sent = False, True
                        await socket.ping(b"settle")
                    await asyncio.shield(pong)
                return
            except TimeoutError:
                continue
            except ConnectionError:
                connection.dropped = True
                return
        self._unresponsive.add(number)

    def _pong(self, number: int) -> None:
        self._unresponsive.discard(number)
        pong = self._pongs.pop(number, None)
        if pong is not None and not pong.done():
            pong.set_result(None)
