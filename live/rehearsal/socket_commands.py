"""Commands over a websocket: the spot and USD-M websocket APIs, on the routes that REST has."""

from collections.abc import Mapping
from typing import Any

from live.rehearsal.api import Route
from live.rehearsal.gateway import Answer, Credentials, Gateway
from live.rehearsal.refusals import Refused
from live.rehearsal.signing import command_payload, plain
from live.rehearsal.streams import Connection
from live.rehearsal.terms import Market

METHODS: dict[Market, dict[str, tuple[str, str]]] = {
    "spot": {
        "ping": ("GET", "/api/v3/ping"),
        "time": ("GET", "/api/v3/time"),
        "exchangeInfo": ("GET", "/api/v3/exchangeInfo"),
        "klines": ("GET", "/api/v3/klines"),
        "uiKlines": ("GET", "/api/v3/klines"),
        "depth": ("GET", "/api/v3/depth"),
        "trades.recent": ("GET", "/api/v3/trades"),
        "trades.aggregate": ("GET", "/api/v3/aggTrades"),
        "ticker.24hr": ("GET", "/api/v3/ticker/24hr"),
        "ticker.price": ("GET", "/api/v3/ticker/price"),
        "ticker.book": ("GET", "/api/v3/ticker/bookTicker"),
        "account.status": ("GET", "/api/v3/account"),
        "order.place": ("POST", "/api/v3/order"),
        "order.test": ("POST", "/api/v3/order/test"),
        "order.status": ("GET", "/api/v3/order"),
        "order.cancel": ("DELETE", "/api/v3/order"),
        "order.cancelReplace": ("POST", "/api/v3/order/cancelReplace"),
        "openOrders.status": ("GET", "/api/v3/openOrders"),
        "openOrders.cancelAll": ("DELETE", "/api/v3/openOrders"),
        "allOrders": ("GET", "/api/v3/allOrders"),
        "myTrades": ("GET", "/api/v3/myTrades"),
    },
    "usdm": {
        "ping": ("GET", "/fapi/v1/ping"),
        "time": ("GET", "/fapi/v1/time"),
        "depth": ("GET", "/fapi/v1/depth"),
        "ticker.price": ("GET", "/fapi/v1/ticker/price"),
        "ticker.book": ("GET", "/fapi/v1/ticker/bookTicker"),
        "account.status": ("GET", "/fapi/v3/account"),
        "v2/account.status": ("GET", "/fapi/v3/account"),
        "account.balance": ("GET", "/fapi/v3/balance"),
        "v2/account.balance": ("GET", "/fapi/v3/balance"),
        "account.position": ("GET", "/fapi/v3/positionRisk"),
        "v2/account.position": ("GET", "/fapi/v3/positionRisk"),
        "order.place": ("POST", "/fapi/v1/order"),
        "order.status": ("GET", "/fapi/v1/order"),
        "order.cancel": ("DELETE", "/fapi/v1/order"),
        "order.modify": ("PUT", "/fapi/v1/order"),
        "algoOrder.place": ("POST", "/fapi/v1/algoOrder"),
        "algoOrder.cancel": ("DELETE", "/fapi/v1/algoOrder"),
    },
}
SESSION_METHODS = (
    "session.logon",
    "session.status",
    "session.logout",
    "userDataStream.subscribe",
    "userDataStream.subscribe.signature",
    "userDataStream.unsubscribe",
)


def run(gateway: Gateway, connection: Connection, message: Mapping[str, Any]) -> tuple[dict[str, Any], Answer]:
    """Answer a command: the document to send, and the answer with its mishap."""
    market, method = connection.market, str(message.get("method", ""))
    given = message.get("params") or {}
    params = {name: plain(value) for name, value in given.items()}
    shown = Credentials(
        api_key=params.get("apiKey"),
        payload=command_payload(given),
        signature=params.get("signature", ""),
        trusted=connection.trusted and "signature" not in params,
    )
    if method in SESSION_METHODS:
        route = Route("session", lambda _: _session(connection, method), 2, "none" if method in UNSIGNED else "signed")
        if method == "userDataStream.subscribe" and not connection.trusted:
            route = Route("session", _refuse_stranger, 2)
        answer = gateway.run(market, route, params, shown)
    else:
        verb, path = METHODS[market].get(method, ("WS", method))
        answer = gateway.answer(market, verb, path, params, shown)
    connection.roles.add("commands")
    return _document(message.get("id"), answer), answer


UNSIGNED = ("session.status", "session.logout", "userDataStream.subscribe", "userDataStream.unsubscribe")


def _document(request_id: Any, answer: Answer) -> dict[str, Any]:
    limits = [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6_000, "count": 1}]
    body = {"id": request_id, "status": answer.status, "rateLimits": limits}
    if answer.status == 200:
        return {**body, "result": answer.document}
    error = dict(answer.document)
    if "Retry-After" in answer.headers:
        error["data"] = {"retryAfter": int(answer.headers["Retry-After"])}
    return {**body, "error": error}


def _session(connection: Connection, method: str) -> dict[str, Any]:
    match method:
        case "session.logon":
            connection.trusted = True
        case "session.logout":
            connection.trusted = False
        case "userDataStream.subscribe" | "userDataStream.subscribe.signature":
            connection.subscription_id = 0
            connection.roles.add("user")
            return {"subscriptionId": 0}
        case "userDataStream.unsubscribe":
            connection.subscription_id = None
            return {}
        case _:
            pass
    return {"authorizedSince": 1 if connection.trusted else None, "connectedSince": 1, "returnRateLimits": True}


def _refuse_stranger(params: Mapping[str, str]) -> Any:
    raise Refused(-1000, "WebSocket session not authenticated.", 401)
