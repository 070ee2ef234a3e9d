"""The door of the exchange: who may pass, what strikes the request, and what is answered, without a wire."""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.contract.rehearsal import REQUEST_FAULTS, Fault
from live.rehearsal import limits
from live.rehearsal.api import Api, Route
from live.rehearsal.exchange import Exchange
from live.rehearsal.limits import Limits
from live.rehearsal.refusals import Refused
from live.rehearsal.signing import Clocks, Keys
from live.rehearsal.spot_api import SpotApi
from live.rehearsal.terms import MARKETS, Market
from live.rehearsal.usdm_api import UsdmApi

BEFORE = ("rate_limited", "banned", "maintenance", "drop_before_accept")
LISTEN_KEY_PATHS: dict[Market, tuple[str, ...]] = {
    "spot": ("/api/v3/userDataStream", "/api/v1/userDataStream"),
    "usdm": ("/fapi/v1/listenKey",),
}


@dataclass(frozen=True)
class Answer:
    """What goes back: a status, a document, and the mishap that befalls it on the way."""

    status: int
    document: Any
    headers: dict[str, str] = field(default_factory=dict)
    mishap: Fault | None = None


@dataclass(frozen=True)
class Credentials:
    """What a request showed: a key, what it signed, and the signature."""

    api_key: str | None = field(default=None, repr=False)
    payload: str = field(default="", repr=False)
    signature: str = field(default="", repr=False)
    trusted: bool = False


class Gateway:
    """Admits requests of both markets.

    Parameters
    ----------
    seconds, machine_ns
        Clocks of the machine: for the limits, and for the timestamps of requests.

    Attributes
    ----------
    unknown
        Requests that no route answers, `GET /path`.
    counts
        Requests by market and action, `spot order.place`.
    """

    def __init__(
        self, exchange: Exchange, keys: Keys, seconds: Callable[[], float], machine_ns: Callable[[], int]
    ) -> None:
        section = exchange.section
        self.exchange = exchange
        self.keys = keys
        self.clocks = Clocks(lambda: exchange.now_ns, machine_ns, lambda: exchange.skew_ns)
        self.apis: dict[Market, Api] = {"spot": SpotApi(exchange), "usdm": UsdmApi(exchange)}
        self.limits = {m: Limits(m, section.weight_per_min, section.orders_per_10_secs, seconds) for m in MARKETS}
        self.unknown: list[str] = []
        self.counts: Counter[str] = Counter()
        self.listen_keys: dict[Market, set[str]] = {market: set() for market in MARKETS}
        for market in MARKETS:
            for path in LISTEN_KEY_PATHS[market]:
                for method in ("POST", "PUT", "DELETE"):
                    handler = self._listen_key_handler(market, method)
                    self.apis[market].routes[(method, path)] = Route("listenKey", handler, 1, "key")

    def answer(self, market: Market, method: str, path: str, params: Mapping[str, str], shown: Credentials) -> Answer:
        """Answer a request."""
        route = self.apis[market].routes.get((method, path))
        if route is None:
            self.unknown.append(f"{method} {path}")
            return Answer(404, {"code": -1, "msg": f"The rehearsal exchange has no {method} {path}."})
        return self.run(market, route, params, shown)

    def run(self, market: Market, route: Route, params: Mapping[str, str], shown: Credentials) -> Answer:
        """Let a request through to its route, past the script, the limits and the keys."""
        exchange = self.exchange
        self.counts[f"{market} {route.action}"] += 1
        fault = exchange.faults.strike(REQUEST_FAULTS, route.action, exchange.now_ns)
        try:
            if fault is not None and fault.kind in BEFORE:
                if fault.kind == "drop_before_accept":
                    return Answer(0, {}, mishap=fault)
                raise refusal_of(fault)
            self.limits[market].admit(route.weight, route.action in ("order.place", "order.amend"))
            self._check(route, params, shown)
            document = route.handler(params)
        except Refused as refused:
            headers = {} if refused.retry_after_secs is None else {"Retry-After": str(refused.retry_after_secs)}
            return Answer(refused.status, refused.document, headers | self._used(market))
        if route.action == "time":
            self.clocks.tell(exchange.served_ns)
        if fault is not None and fault.kind == "error_after_accept":
            return Answer(503, {"code": -1000, "msg": "Unknown error, please check your request or try again later."})
        return Answer(200, document, self._used(market), fault)

    def _check(self, route: Route, params: Mapping[str, str], shown: Credentials) -> None:
        if route.security == "none" or shown.trusted:
            return
        self.keys.known(shown.api_key)
        if route.security == "signed":
            self.clocks.check(params.get("timestamp"), params.get("recvWindow"))
            if not shown.signature:
                raise Refused(-1102, "Mandatory parameter 'signature' was not sent, was empty/null, or malformed.")
            self.keys.verify(shown.payload, shown.signature)

    def _used(self, market: Market) -> dict[str, str]:
        meters = self.limits[market]
        return {"X-MBX-USED-WEIGHT-1M": str(meters.weight.used), "X-MBX-ORDER-COUNT-10S": str(meters.orders.used)}

    def _listen_key_handler(self, market: Market, method: str) -> Callable[[Mapping[str, str]], Any]:
        name = hashlib.sha256(f"{market}/{self.keys.api_key}".encode()).hexdigest()

        def handle(params: Mapping[str, str]) -> Any:
            if method == "DELETE":
                self.listen_keys[market].discard(name)
                return {}
            if method == "PUT" and name not in self.listen_keys[market]:
                raise Refused(-1125, "This listenKey does not exist.")
            self.listen_keys[market].add(name)
            return {} if method == "PUT" and market == "spot" else {"listenKey": name}

        return handle


def refusal_of(fault: Fault) -> Refused:
    """The answer of a fault that strikes before anything is done."""
    match fault.kind:
        case "rate_limited":
            return limits.too_many(fault.retry_after_secs)
        case "banned":
            return limits.banned(fault.retry_after_secs)
        case _:
            return Refused(1, "System is under maintenance.", 503, fault.retry_after_secs)
