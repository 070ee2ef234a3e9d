"""The control endpoint: it steps the tape, adds faults, moves the clock, and tells the venue's truth."""

from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from engine.contract.calendar import iso
from engine.contract.rehearsal import Fault
from live.rehearsal.exchange import Exchange
from live.rehearsal.ledger import MarginLedger, SpotLedger
from live.rehearsal.order import ZERO
from live.rehearsal.tape import Candle, Quote, TapeEvent

if TYPE_CHECKING:
    from live.rehearsal.server import RehearsalExchange

NS_PER_SEC = 1_000_000_000


class Control:
    """Handlers of the control port; it trusts whoever reaches loopback."""

    def __init__(self, rehearsal: "RehearsalExchange") -> None:
        self.rehearsal = rehearsal

    def application(self) -> web.Application:
        """The application of the control port."""
        application = web.Application()
        add = application.router.add_route
        add("GET", "/status", self.status)
        add("GET", "/truth", self.truth)
        add("POST", "/step", self.step)
        add("POST", "/turn", self.turn)
        add("POST", "/until", self.until)
        add("POST", "/faults", self.add_fault)
        add("DELETE", "/faults", self.clear_faults)
        add("POST", "/skew", self.skew)
        add("POST", "/drop", self.drop)
        add("POST", "/mute", self.mute)
        add("POST", "/save", self.save)
        return application

    async def status(self, request: web.Request) -> web.Response:
        """Where the tape stands, and what the script did."""
        return _json(status(self.rehearsal))

    async def truth(self, request: web.Request) -> web.Response:
        """Orders, trades, balances and positions as the venue has them."""
        return _json(truth(self.rehearsal.exchange))

    async def step(self, request: web.Request) -> web.Response:
        """Play `count` events."""
        return self._played(await self.rehearsal.step(int((await _body(request)).get("count", 1))))

    async def turn(self, request: web.Request) -> web.Response:
        """Play until bars have closed, `count` times."""
        events: list[TapeEvent] = []
        for _ in range(int((await _body(request)).get("count", 1))):
            events += await self.rehearsal.turn()
        return self._played(events)

    async def until(self, request: web.Request) -> web.Response:
        """Play up to a time, `ns`."""
        return self._played(await self.rehearsal.until(int((await _body(request))["ns"])))

    def _played(self, events: list[TapeEvent]) -> web.Response:
        """What was pushed: the tape's time, closed bars and quotes per instrument, and every event."""
        instruments = {key: reel.terms.instrument_id for key, reel in self.rehearsal.exchange.reels.items()}
        bars, quotes = (dict.fromkeys(instruments.values(), 0) for _ in range(2))
        for event in events:
            name = instruments[event.market, event.symbol]
            bars[name] += isinstance(event, Candle) and event.closed
            quotes[name] += isinstance(event, Quote)
        ahead = self.rehearsal.exchange.next_event
        return _json(
            {
                "ts": self.rehearsal.exchange.now_ns,
                "played": len(events),
                "bars": bars,
                "quotes": quotes,
                "events": [
                    {
                        "kind": type(one).__name__,
                        "instrument_id": instruments[one.market, one.symbol],
                        "ts_ns": one.ts_ns,
                    }
                    for one in events
                ],
                "next": None if ahead is None else {"kind": type(ahead).__name__, "ts_ns": ahead.ts_ns},
                "ended": ahead is None,
            }
        )

    async def add_fault(self, request: web.Request) -> web.Response:
        """Append a fault of the form of [[rehearsal.faults]]."""
        try:
            fault = msgspec.convert(await _body(request), Fault, strict=False)
        except msgspec.ValidationError as error:
            return _json({"error": str(error)}, 400)
        self.rehearsal.exchange.faults.add(fault)
        return _json({"faults": self.rehearsal.exchange.faults.told()})

    async def clear_faults(self, request: web.Request) -> web.Response:
        """Forget the script, and the skew."""
        self.rehearsal.exchange.faults.clear()
        self.rehearsal.exchange.skew_ns = 0
        return _json({"faults": []})

    async def skew(self, request: web.Request) -> web.Response:
        """Tell another time than the tape's, by `seconds`."""
        self.rehearsal.exchange.skew_ns = round(float((await _body(request))["seconds"]) * NS_PER_SEC)
        return _json(status(self.rehearsal))

    async def drop(self, request: web.Request) -> web.Response:
        """Close the sockets of a role, `on`."""
        chosen = self.rehearsal.streams.wearing(str((await _body(request)).get("on", "*")))
        for connection in chosen:
            connection.drop()
        return _json({"dropped": len(chosen)})

    async def mute(self, request: web.Request) -> web.Response:
        """Let the sockets of a role, `on`, say nothing."""
        chosen = self.rehearsal.streams.wearing(str((await _body(request)).get("on", "*")))
        for connection in chosen:
            connection.muted = True
        return _json({"muted": len(chosen)})

    async def save(self, request: web.Request) -> web.Response:
        """Write the state file."""
        self.rehearsal.save()
        return _json(status(self.rehearsal))


def status(rehearsal: "RehearsalExchange") -> dict[str, Any]:
    """Where the tape stands, what the script did, who is connected, what nobody answered."""
    exchange = rehearsal.exchange
    return {
        "now_ns": exchange.now_ns,
        "now": iso(exchange.now_ns),
        "next_ns": exchange.next_ns,
        "position": exchange.position,
        "ended": exchange.next_ns is None,
        "skew_secs": exchange.skew_ns / NS_PER_SEC,
        "faults": exchange.faults.told(),
        "requests": dict(rehearsal.gateway.counts),
        "unknown": rehearsal.gateway.unknown,
        "sockets": [
            {"market": one.market, "roles": sorted(one.roles), "streams": sorted(one.streams), "muted": one.muted}
            for one in rehearsal.streams.connections.values()
        ],
    }


def truth(exchange: Exchange) -> dict[str, Any]:
    """Orders, trades, balances and positions of both markets; amounts as texts."""
    told: dict[str, Any] = {}
    for market, venue in exchange.venues.items():
        ledger = venue.ledger
        document: dict[str, Any] = {
            "orders": [msgspec.to_builtins(order) for order in venue.orders.values()],
            "trades": [msgspec.to_builtins(trade) for trade in venue.trades],
            "balances": {},
            "positions": {},
        }
        if isinstance(ledger, SpotLedger):
            document["balances"] = {
                a: {"free": f"{x:f}", "locked": f"{ledger.locked.get(a, ZERO):f}"} for a, x in ledger.free.items()
            }
        elif isinstance(ledger, MarginLedger):
            document["balances"] = {ledger.asset: {"wallet": f"{ledger.wallet:f}", "equity": f"{ledger.equity:f}"}}
            document["positions"] = {
                symbol: {"quantity": f"{p.quantity:f}", "entry_price": f"{p.entry_price:f}", "leverage": p.leverage}
                for symbol, p in ledger.positions.items()
            }
            document["funding"] = [
                {"ts_ns": ts, "symbol": symbol, "amount": f"{amount:f}"} for ts, symbol, amount in venue.funding_paid
            ]
        told[market] = document
    return told


async def _body(request: web.Request) -> dict[str, Any]:
    content = await request.read()
    return msgspec.json.decode(content, type=dict[str, Any]) if content else {}


def _json(document: Any, code: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(document), status=code, content_type="application/json")
