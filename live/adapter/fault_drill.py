"""A drill: trade at random through scripted faults on the rehearsal exchange, then compare our account of it with the venue's."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any, NamedTuple

from engine.contract.config import Config
from engine.contract.rehearsal import Fault
from live.adapter.core.bars import Row
from live.adapter.core.events import Ended, Event, Filled, Foreign, Rejected
from live.adapter.core.feeds import BarFeed, feed
from live.adapter.core.notes import Notes
from live.adapter.core.order_request import NewOrder
from live.adapter.core.orders import OrderRoute
from live.adapter.core.session import ANSWER_ERRORS, ExchangeSession, SessionSettings
from live.adapter.drill_ground import SYMBOLS
from live.rehearsal.control import truth
from live.rehearsal.server import RehearsalExchange
from live.rehearsal.signing import Keys
from live.rehearsal.terms import Market

KEYS = Keys("k" * 64, "s" * 64)
ENVIRONMENT = {"HURACAN_BINANCE_API_KEY": KEYS.api_key, "HURACAN_BINANCE_API_SECRET": KEYS.secret}
NATIVE = "BTCUSDT"
BAR = "1-HOUR"
MS, HOUR_MS = 1_000_000, 3_600_000
ROUNDS = 8
QUIET_SECS = 12.0
CENT = Decimal("0.000001")
"""Balances that differ by less are equal: the venue rounds."""

FAULTS: dict[str, tuple[Fault, ...]] = {
    "rate limited": (Fault(kind="rate_limited", on="order.place", nth=2, retry_after_secs=1),),
    "banned": (Fault(kind="banned", nth=12, retry_after_secs=1),),
    "maintenance": (Fault(kind="maintenance", nth=10, count=3, retry_after_secs=1),),
    "drop before accept": (Fault(kind="drop_before_accept", nth=2),),
    "error after accept": (Fault(kind="error_after_accept", nth=2),),
    "drop after accept": (Fault(kind="drop_after_accept", nth=2),),
    "hang after accept": (Fault(kind="hang_after_accept", nth=2, seconds=1.5),),
    "truncate after accept": (Fault(kind="truncate_after_accept", nth=2),),
    "answer to a cancel lost": (Fault(kind="drop_after_accept", on="order.cancel", nth=1),),
    "cancel lost": (Fault(kind="drop_before_accept", on="order.cancel", nth=1),),
    "partial fill": (Fault(kind="partial_fill", nth=2, count=3, fraction=0.4),),
    "below minimum": (Fault(kind="below_minimum", nth=2),),
    "cancel-fill race": (Fault(kind="cancel_fill_race", nth=1),),
    "duplicate trade": (Fault(kind="duplicate_trade", nth=1, count=3),),
    "late trade": (Fault(kind="late_trade", nth=1, count=2),),
    "book gap": (Fault(kind="book_gap", nth=1, count=2),),
    "user stream dropped": (Fault(kind="websocket_drop", on="user", nth=6),),
    "all streams dropped": (Fault(kind="websocket_drop", nth=8),),
    "user stream mute": (Fault(kind="mute_socket", on="user", nth=6),),
    "all streams mute": (Fault(kind="mute_socket", nth=8),),
    "clock skew": (Fault(kind="clock_skew", nth=6, seconds=60.0),),
}
"""Every fault that can be scripted at the venue, by the name that tables show; `killed` is ours."""
KILLED = "killed"
NAMES = (*FAULTS, KILLED)


class Drilled(NamedTuple):
    """What a drill found.

    Attributes
    ----------
    problems
        What differs from the venue's truth; empty when the drill passed.
    struck
        Kind of fault to how often it struck.
    """

    seed: int
    market: str
    faults: tuple[str, ...]
    problems: tuple[str, ...]
    struck: dict[str, int]
    orders: int
    fills: int
    unknown: int
    notes: Notes


def names_of(seed: int) -> tuple[str, ...]:
    """Return the faults of a seed: one to five of all of them."""
    draw = Random(f"faults/{seed}")
    return tuple(sorted(draw.sample(NAMES, draw.randint(1, 5))))


class _Trader:
    """One process that trades: session, route, and what it heard."""

    def __init__(self, rehearsal: RehearsalExchange, market: str, notes: Notes) -> None:
        settings = SessionSettings(
            exchange="binance",
            market="spot" if market == "spot" else "usdm",
            private=True,
            rest_timeout_secs=0.6,
            silence_secs=1.0,
            cross_check_secs=0.5,
            receive_window_secs=0.6,
            replayed=True,
            rate_limit=False,
        )
        self.session = ExchangeSession(settings, notes, http=rehearsal.session, environment=ENVIRONMENT)
        self.events: list[Event] = []
        self.route = OrderRoute(self.session, self.events.append)
        self.work: list[asyncio.Task[None]] = []
        self.bars: list[Row] = []
        self.books = 0
        self._feeds: list[asyncio.Task[None]] = []

    def watch(self, symbol: str) -> None:
        """Subscribe to bars, quotes and book."""
        bars = BarFeed(self.session, symbol, BAR, self.bars.append)
        quotes = feed(self.session, "quotes", symbol, lambda _result: None)
        book = feed(self.session, "book", symbol, self._hear_book)
        self._feeds = [asyncio.ensure_future(one.run()) for one in (bars, quotes, book)]

    def _hear_book(self, book: dict[str, Any]) -> None:
        self.books += 1
        if book["bids"] and book["asks"] and book["bids"][0][0] >= book["asks"][0][0]:
            self.session.notes.write("crossed book", "", f"{book['bids'][0]} {book['asks'][0]}")

    async def open(self) -> None:
        """Open the session, as often as it takes, and the streams."""
        await _patiently(self.session.acquire)
        self.route.start()

    async def adopt(self, symbol: str) -> None:
        """Take over the open orders that a killed process left."""
        session = self.session
        listed = await session.call("fetch_open_orders", symbol)
        trades = await session.call("fetch_my_trades", symbol)
        for order in listed:
            self.route.adopt(order, [trade for trade in trades if str(trade["order"]) == str(order["id"])])
        for trade in trades:
            self.route.ledger.saw(symbol, str(trade["id"]))

    def do(self, work: Any) -> None:
        """Begin something without waiting for it."""
        self.work.append(asyncio.ensure_future(work))

    async def kill(self) -> None:
        """End at once, whatever is on its way."""
        for task in self.work:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self.work, return_exceptions=True)
        for task in self._feeds:
            task.cancel()
        await asyncio.gather(*self._feeds, return_exceptions=True)
        await self.route.stop()
        await self.session.release()


async def drill(config: Config, market: str, names: Sequence[str], seed: int) -> Drilled:
    """Trade through the faults of these names, and compare.

    Parameters
    ----------
    config
        A stepwise rehearsal whose universe is one instrument of BTC and USDT, without funding.
    """
    script = [fault for name in names if name != KILLED for fault in FAULTS[name]]
    notes = Notes()
    draw = Random(f"drill/{seed}")
    async with RehearsalExchange(config, KEYS) as rehearsal:
        trader = _Trader(rehearsal, market, notes)
        before: list[_Trader] = []
        await trader.open()
        trader.watch(SYMBOLS[market])
        await asyncio.sleep(0.1)
        await rehearsal.turn()
        for fault in script:
            rehearsal.exchange.faults.add(fault)
        count = 0
        for turn in range(ROUNDS):
            count = await _trade(rehearsal, trader, market, draw, count)
            if KILLED in names and turn == ROUNDS // 2:
                await trader.kill()
                before.append(trader)
                trader = _Trader(rehearsal, market, notes)
                await trader.open()
                trader.watch(SYMBOLS[market])
                await _patiently(partial(trader.adopt, SYMBOLS[market]))
        struck = Counter({one["kind"]: one["struck"] for one in rehearsal.exchange.faults.told()})
        rehearsal.exchange.faults.clear()
        rehearsal.exchange.skew_ns = 0
        problems = await _end(trader, market)
        problems += await _differences(rehearsal, trader, before, market, count)
        for one in (*before, trader):
            problems += _untold(one, notes)
        await trader.kill()
        fills = sum(isinstance(event, Filled) for one in (*before, trader) for event in one.events)
        unknown = len(notes.all("order unknown"))
        return Drilled(seed, market, tuple(names), tuple(problems), dict(struck), count, fills, unknown, notes)


async def _trade(rehearsal: RehearsalExchange, trader: _Trader, market: str, draw: Random, count: int) -> int:
    best = rehearsal.exchange.venues["spot" if market == "spot" else "usdm"].best[NATIVE]
    mid = best.mid
    for _ in range(draw.randint(1, 3)):
        count += 1
        side = draw.choice(("buy", "buy", "sell"))
        amount = Decimal(draw.randint(1, 20)) / 100
        limit = draw.random() < 0.5
        away = Decimal(draw.choice((-300, -20, 20))) / 10_000 * (1 if side == "buy" else -1)
        price = (mid * (1 + away)).quantize(Decimal("0.01")) if limit else None
        order = NewOrder(
            f"D{trader.route.session.settings.market}-{count}",
            SYMBOLS[market],
            "limit" if limit else "market",
            "buy" if side == "buy" else "sell",
            amount,
            price,
            time_in_force="GTC" if limit else None,
            post_only=limit and draw.random() < 0.2,
        )
        trader.do(trader.route.submit(order))
    await asyncio.sleep(draw.choice((0.0, 0.02, 0.1)))
    open_ids = [one.client_id for one in trader.route.ledger.undone()]
    if open_ids and draw.random() < 0.6:
        trader.do(trader.route.cancel(draw.choice(open_ids)))
    await rehearsal.step(draw.randint(1, 6))
    await asyncio.sleep(draw.choice((0.0, 0.02, 0.1)))
    return count


async def _patiently(work: Callable[[], Awaitable[Any]]) -> Any:
    """Ask again until there is an answer: what is compared must be known."""
    for _ in range(20):
        try:
            return await work()
        except ANSWER_ERRORS:
            await asyncio.sleep(0.3)
    return await work()


async def _end(trader: _Trader, market: str) -> list[str]:
    """Wait until nothing is on its way, cancel what is open, and wait again."""
    if not await _quiet(trader):
        return [
            f"not quiet: {[(o.client_id, o.standing, str(o.filled), str(o.claimed)) for o in trader.route.ledger.undone()]}"
        ]
    for order in trader.route.ledger.undone():
        trader.do(trader.route.cancel(order.client_id))
    if not await _quiet(trader, nothing_open=True):
        return [f"not cancelled: {[(o.client_id, o.standing) for o in trader.route.ledger.undone()]}"]
    return []


async def _quiet(trader: _Trader, nothing_open: bool = False) -> bool:
    for _ in range(int(QUIET_SECS / 0.1)):
        await asyncio.sleep(0.1)
        undone = trader.route.ledger.undone()
        waiting = any(order.owes or order.standing == "sent" or nothing_open for order in undone)
        if all(task.done() for task in trader.work) and not waiting:
            await _patiently(trader.route.cross_check)
            if not any(order.owes for order in trader.route.ledger.undone()):
                return True
    return False


async def _differences(
    rehearsal: RehearsalExchange, trader: _Trader, before: list[_Trader], market: str, count: int
) -> list[str]:
    told: dict[str, Any] = truth(rehearsal.exchange)["spot" if market == "spot" else "usdm"]
    problems = []
    ids = Counter(order["client_order_id"] for order in told["orders"])
    problems += [f"duplicate order {name}: {times}" for name, times in ids.items() if times > 1]
    filled = [event for event in trader.events if isinstance(event, Filled)]
    heard = [event.trade_id for event in filled]
    problems += [f"fill told twice: {one}" for one, times in Counter(heard).items() if times > 1]
    problems += [f"foreign order {event.order['id']}" for event in trader.events if isinstance(event, Foreign)]
    if not before:
        venue = {str(trade["trade_id"]): trade for trade in told["trades"]}
        problems += [f"lost fill {one}" for one in sorted(set(venue) - set(heard))]
        problems += [f"invented fill {one}" for one in sorted(set(heard) - set(venue))]
        for event in filled:
            one = venue.get(event.trade_id)
            if one is not None and (Decimal(one["quantity"]) != event.quantity or Decimal(one["price"]) != event.price):
                problems.append(
                    f"fill {event.trade_id} is {event.quantity} at {event.price}, not {one['quantity']} at {one['price']}"
                )
        problems += _balance(told, filled, market)
        refused = {event.client_id for event in trader.events if isinstance(event, Rejected)}
        problems += [f"refused order lives: {one}" for one in sorted(refused & set(ids))]
        ended = {event.client_id for event in trader.events if isinstance(event, Ended | Rejected)}
        done = {order.client_id for order in trader.route.ledger.undone()}
        all_ids = {f"D{trader.session.settings.market}-{number}" for number in range(1, count + 1)}
        full = {
            one for one in all_ids if (mine := trader.route.ledger.get(one)) is not None and mine.filled >= mine.amount
        }
        problems += [f"order without an end: {one}" for one in sorted(all_ids - ended - full - done)]
    problems += await _snapshot(trader, told, market)
    problems += await _bars(rehearsal, trader, market)
    still = [order["client_order_id"] for order in told["orders"] if order["status"] in ("NEW", "PARTIALLY_FILLED")]
    problems += [f"order still open at the venue: {one}" for one in still]
    return problems


def _balance(told: dict[str, Any], filled: list[Filled], market: str) -> list[str]:
    position = sum((event.quantity if event.side == "buy" else -event.quantity for event in filled), Decimal(0))
    fees = sum((event.fee or Decimal(0) for event in filled), Decimal(0))
    cash = Decimal(100_000) - fees
    if market == "spot":
        cash -= sum(((1 if e.side == "buy" else -1) * e.quantity * e.price for e in filled), Decimal(0))
        free = told["balances"]
        theirs = Decimal(free["USDT"]["free"]) + Decimal(free["USDT"]["locked"])
        held = Decimal(free.get("BTC", {"free": "0"})["free"]) + Decimal(
            free.get("BTC", {"locked": "0"}).get("locked", "0")
        )
    else:
        cash += _realised(filled)
        theirs = Decimal(told["balances"]["USDT"]["wallet"])
        held = Decimal(told["positions"].get(NATIVE, {"quantity": "0"})["quantity"])
    problems = []
    if held != position:
        problems.append(f"position {position}, the venue's {held}")
    if abs(theirs - cash) > CENT:
        problems.append(f"balance {cash}, the venue's {theirs}")
    return problems


def _realised(filled: list[Filled]) -> Decimal:
    size, entry, profit = Decimal(0), Decimal(0), Decimal(0)
    for event in sorted(filled, key=lambda one: int(one.trade_id)):
        signed = event.quantity if event.side == "buy" else -event.quantity
        if size * signed >= 0:
            entry = (entry * abs(size) + event.price * abs(signed)) / (abs(size) + abs(signed))
            size += signed
            continue
        closed = min(abs(size), abs(signed))
        profit += closed * (event.price - entry) * (1 if size > 0 else -1)
        size += signed
        entry = event.price if abs(signed) > closed else entry
    return profit


async def _snapshot(trader: _Trader, told: dict[str, Any], market: str) -> list[str]:
    """Compare what the session reads of the account with the truth."""
    session = trader.session
    found = await _patiently(lambda: session.call("fetch_balance"))
    if market == "spot":
        theirs = Decimal(told["balances"]["USDT"]["free"]) + Decimal(told["balances"]["USDT"]["locked"])
        ours = Decimal(str(found["total"]["USDT"]))
        return [] if abs(ours - theirs) <= CENT else [f"balance read {ours}, the venue's {theirs}"]
    rows = await _patiently(lambda: session.call("fetch_positions", [SYMBOLS[market]]))
    read = sum((Decimal(str(r["contracts"] or 0)) * (-1 if r["side"] == "short" else 1) for r in rows), Decimal(0))
    held = Decimal(told["positions"].get(NATIVE, {"quantity": "0"})["quantity"])
    return [] if read == held else [f"position read {read}, the venue's {held}"]


async def _bars(rehearsal: RehearsalExchange, trader: _Trader, market: str) -> list[str]:
    """Compare the bars that were told with the tape: each once, none missing between first and last, all closed ones told."""
    await rehearsal.turn()
    await rehearsal.step()
    place: Market = "spot" if market == "spot" else "usdm"
    closed = {c.open_ns // MS: c for c in rehearsal.exchange.candles(place, NATIVE, None, None, 1_000) if c.closed}
    for _ in range(60):
        if trader.bars and trader.bars[-1].open_ms == max(closed):
            break
        await asyncio.sleep(0.1)
    told = [row.open_ms for row in trader.bars]
    if not told:
        return ["no bar was told"]
    wanted = [open_ms for open_ms in sorted(closed) if open_ms >= told[0]]
    problems = (
        []
        if told == wanted
        else [f"bars told {[one // HOUR_MS for one in told]}, closed {[one // HOUR_MS for one in wanted]}"]
    )
    for row in trader.bars:
        one = closed.get(row.open_ms)
        theirs = None if one is None else tuple(float(v) for v in (one.open, one.high, one.low, one.close, one.volume))
        if theirs is not None and theirs != tuple(row[1:]):
            problems.append(f"bar {row.open_ms // HOUR_MS} is {tuple(row[1:])}, not {theirs}")
    problems += [f"crossed book: {note.detail}" for note in trader.session.notes.all("crossed book")[:1]]
    return problems


def _untold(trader: _Trader, notes: Notes) -> list[str]:
    """Return orders whose unknown outcome the notes do not resolve."""
    problems = []
    for note in notes.all("order unknown"):
        mine = trader.route.ledger.get(note.about)
        if mine is None or mine.standing == "sent":
            continue
        later = {one.what for one in notes.all(about=note.about)}
        if not later & {"order found", "accepted", "rejected", "filled", "ended"}:
            problems.append(f"the notes do not say what became of {note.about}")
    return problems
