"""The way of orders to the venue and of what becomes of them back, so that none is ever sent twice.

An order is sent once, with our own id and without a retry. Whatever is not a plain yes or no is UNKNOWN and looked up by that id: until it
is found, or until the venue would refuse the lost request for its age and still does not know it. Fills come from the stream of trades;
REST fills what a gap swallowed, and checks at intervals that the stream says everything.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any, Literal

from live.adapter.core.capabilities import Way
from live.adapter.core.events import Amended, Event, Foreign, NotDone
from live.adapter.core.ledger import Ledger, Tracked, decimal
from live.adapter.core.order_request import NewOrder, arguments, detail, without_actual
from live.adapter.core.outcomes import GONE, POST_ONLY, Outcome, describe, outcome_of
from live.adapter.core.pump import Pump
from live.adapter.core.session import ANSWER_ERRORS, ExchangeSession

LOOK_UP_SECS = (0.1, 0.2, 0.4, 0.8, 1.5, 3.0, 5.0)
"""Waits before the look-ups of a lost order; the last repeats."""
CLOCK_SLACK_SECS = 1.0
CLOCK_EVERY_SECS = 300.0
"""Between two measurements of the venue's clock."""
LEAST_ABSENT = 2
"""Look-ups that must say that there is no such order before that is believed."""
CANCEL_TRIES = 6
MISSED_SECS = 2.0
"""A fill that REST told so long ago and the stream still did not says that the stream is mute."""
BACK_MS = 60_000
PAGE = 500
FOREIGN_SECS = 3.0
FEE_SECS = (0.2, 0.5, 1.0, 2.0)


class OrderRoute:
    """Sends, cancels and follows the orders of one account.

    Parameters
    ----------
    session
        Acquired by the caller, with keys.
    tell
        Is given every event, once, in order.
    account_changed
        Called when balances or positions may be others than before.
    longest_wait_secs
        An order that would have to wait longer for the venue's pause is refused instead, unless it only reduces.
    """

    def __init__(
        self,
        session: ExchangeSession,
        tell: Callable[[Event], None],
        account_changed: Callable[[], None] = lambda: None,
        longest_wait_secs: float = 2.0,
    ) -> None:
        self.session = session
        self.ledger = Ledger()
        self.missed = 0
        self._notes = session.notes
        self._tell_one = tell
        self._account_changed = account_changed
        self._longest_wait = longest_wait_secs
        self._tasks: set[asyncio.Task[Any]] = set()
        self._sent_ms: dict[str, int] = {}
        self._looking: set[str] = set()
        self._sending: set[str] = set()
        self._feeless: set[tuple[str, str]] = set()
        self._unconfirmed: dict[tuple[str, str], float] = {}
        self._start_ms = 0
        self._parked_at: dict[tuple[str, str], float] = {}
        self._absent: set[str] = set()
        self.pumps: list[Pump] = []

    def start(self) -> None:
        """Open the private streams and begin to cross-check."""
        self._start_ms = self.session.clock.now_ns() // 1_000_000
        streams = (("fills", "watch_my_trades", self._hear_trades), ("orders", "watch_orders", self._hear_orders))
        for feature, method, deliver in streams:
            if self.session.abilities[feature].way is Way.STREAM:
                pump = Pump(
                    feature,
                    lambda method=method: getattr(self.session.exchange, method)(),  # type: ignore[misc]
                    deliver,
                    self._notes,
                    recover=self._recover,
                )
                self.pumps.append(pump)
                self._spawn(pump.run())
        self._spawn(self._cross_check_for_ever())

    async def stop(self) -> None:
        """End all of it; orders stay where they are."""
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            error = task.exception()
            assert error is not None
            self._notes.write("defect", "", describe(error))
            asyncio.get_running_loop().call_exception_handler(
                {"message": "a task of the adapter raised", "exception": error}
            )

    def _tell(self, events: list[Event]) -> None:
        for event in events:
            client_id = getattr(event, "client_id", "")
            self._notes.write(type(event).__name__.lower(), client_id, detail(event))
            self._tell_one(event)
        if events:
            self._account_changed()

    def adopt(self, order: dict[str, Any], trades: list[dict[str, Any]]) -> None:
        """Follow an open order that an earlier session sent; its trades so far are reported, and not told again."""
        if self.ledger.find(order) is not None:
            return
        symbol = order["symbol"]
        filled = sum((decimal(trade["amount"]) for trade in trades), Decimal(0))
        client_id = str(order.get("clientOrderId") or order["id"])
        stop = order.get("triggerPrice") is not None
        mine = Tracked(
            client_id, symbol, order["side"], decimal(order["amount"]), stop, [str(order["id"])], "open", filled
        )
        self.ledger.track(mine)
        self._sent_ms[client_id] = int(order.get("timestamp") or self._start_ms)
        for trade in trades:
            self.ledger.saw(symbol, str(trade["id"]))
        self._notes.write("order adopted", client_id, f"{order['id']}, {filled} of {mine.amount} filled")

    def hear(self, order: dict[str, Any]) -> None:
        """Take in an order that somebody else asked the venue for."""
        self._hear_order(order)

    def hear_trades(self, trades: list[dict[str, Any]]) -> None:
        """Take in trades that somebody else asked the venue for."""
        for trade in trades:
            self._hear_trade(dict(trade))

    async def look(self, client_id: str) -> dict[str, Any] | None:
        """Ask for one order of ours and take in the answer; None where the venue did not give it."""
        mine = self.ledger.get(client_id)
        if mine is None:
            return None
        found = await self._fetched(mine)
        if found is not None:
            self._hear_order(found)
        return found

    async def submit(self, order: NewOrder) -> None:
        """Send an order, once, and return when it is known what became of it, or that it is not known yet."""
        mine = Tracked(order.client_id, order.symbol, order.side, order.amount, stop=order.trigger is not None)
        if self.ledger.get(order.client_id) is not None:
            self._notes.write("order repeated", order.client_id, "not sent: the id was used before")
            return
        self.ledger.track(mine)
        left = self.session.pause.left_secs
        if left > self._longest_wait and not (order.reduce_only or order.waits):
            self._refuse(mine, f"the venue ordered a pause of {left:.0f} s more")
            return
        self._sent_ms[order.client_id] = self.session.clock.now_ns() // 1_000_000
        self._notes.write("order sent", order.client_id, f"{order.side} {order.amount} {order.symbol} {order.kind}")
        self._sending.add(order.client_id)
        try:
            answer = await self.session.call("create_order", *arguments(order))
        except ANSWER_ERRORS as error:
            if outcome_of(error) is Outcome.REFUSED:
                self._refuse(mine, describe(error), type(error).__name__ in POST_ONLY)
                return
            self._notes.write("order unknown", order.client_id, describe(error))
            await self._look_up(mine)
            return
        finally:
            self._sending.discard(order.client_id)
        if not isinstance(answer, dict) or answer.get("id") is None:
            self._notes.write("order unknown", order.client_id, "the answer named no order")
            await self._look_up(mine)
            return
        self._hear_order({**answer, "clientOrderId": order.client_id, "symbol": order.symbol})

    def _refuse(self, mine: Tracked, reason: str, post_only: bool = False) -> None:
        self._tell(self.ledger.refuse(mine.client_id, reason, self.session.clock.now_ns(), post_only))

    async def _look_up(self, mine: Tracked) -> None:
        """Ask for a lost order until it is found, or certainly never arrived."""
        if mine.client_id in self._looking:
            return
        self._looking.add(mine.client_id)
        lost, absent, tries = time.monotonic(), 0, 0
        window = self.session.receive_window_secs
        try:
            while mine.standing == "sent":
                await asyncio.sleep(LOOK_UP_SECS[min(tries, len(LOOK_UP_SECS) - 1)])
                tries += 1
                found = await self._fetched(mine)
                if found is not None:
                    self._notes.write("order found", mine.client_id, f"look-up {tries}: {found.get('status')}")
                    self._hear_order(found)
                    return
                absent += mine.client_id in self._absent
                old = window is not None and time.monotonic() - lost > window + CLOCK_SLACK_SECS
                if old and absent >= LEAST_ABSENT and mine.client_id in self._absent:
                    self._refuse(mine, f"never reached the venue: {absent} look-ups did not find it")
                    return
                if window is None and absent >= len(LOOK_UP_SECS):
                    self._notes.write("order unresolved", mine.client_id, "left as sent; checked again at intervals")
                    return
        finally:
            self._looking.discard(mine.client_id)
            self._absent.discard(mine.client_id)

    async def _fetched(self, mine: Tracked) -> dict[str, Any] | None:
        """Return the venue's order; None where it was not to be had, `_absent` says whether the venue denied it."""
        plain = {"clientOrderId": mine.client_id}
        ways = [{**plain, "trigger": True}, plain] if self._by_algorithm(mine) else [plain]
        denied = 0
        self._absent.discard(mine.client_id)
        for params in ways:
            try:
                found = await self.session.call("fetch_order", mine.venue_id or mine.client_id, mine.symbol, params)
            except ANSWER_ERRORS as error:
                denied += type(error).__name__ in GONE
                self._notes.write("look-up", mine.client_id, describe(error))
                continue
            if isinstance(found, dict) and found.get("id") is not None:
                return {**found, "symbol": mine.symbol, "clientOrderId": mine.client_id}
        if denied == len(ways):
            self._absent.add(mine.client_id)
        return None

    def _by_algorithm(self, mine: Tracked) -> bool:
        return mine.stop and self.session.settings.market != "spot"

    def _hear_order(self, order: dict[str, Any]) -> None:
        order = without_actual(order)
        events = self.ledger.hear_order(order)
        self._tell(events)
        self._hear_actual(order)
        mine = self.ledger.find(order)
        if mine is not None and mine.owes:
            self._spawn(self._settle(mine))

    def _hear_actual(self, order: dict[str, Any]) -> None:
        """A triggered stop goes on as another order; follow it under its own id too."""
        info = order.get("info")
        actual = "" if not isinstance(info, dict) else str(info.get("ai") or info.get("actualOrderId") or "")
        if actual and actual != "0" and actual != str(order["id"]):
            self._tell(self.ledger.hear_order({**order, "id": actual, "status": None, "filled": None}))

    async def _settle(self, mine: Tracked) -> None:
        """Give the stream a moment for the trades that the venue owes, then ask for them."""
        for wait in LOOK_UP_SECS:
            await asyncio.sleep(wait)
            if not mine.owes:
                return
            try:
                await self._backfill(mine.symbol)
            except ANSWER_ERRORS as error:
                self._notes.write("recovery failed", mine.symbol, describe(error))

    def _hear_orders(self, orders: list[dict[str, Any]]) -> None:
        for order in orders:
            self._hear_order(dict(order))

    def _hear_trades(self, trades: list[dict[str, Any]]) -> None:
        for trade in trades:
            self._unconfirmed.pop((trade["symbol"], str(trade["id"])), None)
            self._hear_trade(dict(trade))

    def _hear_trade(self, trade: dict[str, Any], final: bool = False) -> None:
        key = (trade["symbol"], str(trade["id"]))
        fee = trade.get("fee") or {}
        if fee.get("cost") is None and not final and not self.ledger.told(*key):
            if key not in self._feeless:
                self._feeless.add(key)
                self._notes.write("fee missing", str(trade["order"]), f"trade {key[1]}: asked again")
                self._spawn(self._ask_fee(key, trade))
            return
        if fee.get("cost") is None and not self.ledger.told(*key):
            self._notes.write("fee unknown", str(trade["order"]), f"trade {key[1]}: counted without one")
        self._tell(self.ledger.hear_trade(trade))

    async def _ask_fee(self, key: tuple[str, str], trade: dict[str, Any]) -> None:
        for wait in FEE_SECS:
            await asyncio.sleep(wait)
            try:
                await self._backfill(key[0], int(trade["timestamp"]) - 1)
            except ANSWER_ERRORS as error:
                self._notes.write("look-up", str(trade["order"]), describe(error))
            if self.ledger.told(*key):
                return
        self._hear_trade(trade, final=True)

    async def _backfill(self, symbol: str, since_ms: int | None = None) -> None:
        """Ask for the account's trades of a symbol; those that are news here are noted, until the stream tells them too."""
        since = self._since(symbol) if since_ms is None else since_ms
        while True:
            trades = await self.session.call("fetch_my_trades", symbol, since, PAGE)
            for trade in trades:
                key = (symbol, str(trade["id"]))
                if not self.ledger.told(*key) and key not in self._parked_at and key not in self._feeless:
                    self._unconfirmed[key] = time.monotonic()
                self._hear_trade(dict(trade))
            if len(trades) < PAGE or int(trades[-1]["timestamp"]) <= since:
                return
            since = int(trades[-1]["timestamp"])

    def _since(self, symbol: str) -> int:
        sent = [
            self._sent_ms[o.client_id]
            for o in self.ledger.undone()
            if o.symbol == symbol and o.client_id in self._sent_ms
        ]
        return max(min([*sent, self.session.clock.now_ns() // 1_000_000]) - BACK_MS, self._start_ms - BACK_MS)

    async def cross_check(self) -> None:
        """Ask over REST for everything that is not done, and let whatever the streams did not tell be news."""
        symbols = {order.symbol for order in self.ledger.undone()} | {one["symbol"] for one in self.ledger.parked()}
        for symbol in sorted(symbols):
            before = {order.client_id for order in self.ledger.undone() if order.symbol == symbol}
            listed = await self._open_orders(symbol)
            for order in listed:
                self._hear_order(dict(order))
            seen = {one.client_id for order in listed if (one := self.ledger.find(order)) is not None}
            for client_id in sorted(before - seen):
                mine = self.ledger.get(client_id)
                if mine is None or mine.standing == "done" or client_id in self._looking | self._sending:
                    continue
                found = await self._fetched(mine)
                if found is not None:
                    self._hear_order(found)
                elif mine.standing == "sent":
                    self._spawn(self._look_up(mine))
            await self._backfill(symbol)
        await self._foreign()
        self.session.alive("account")

    async def _recover(self) -> None:
        """Fill what a gap swallowed; that REST alone tells it is no wonder."""
        await self.cross_check()
        self._unconfirmed.clear()

    def _suspect(self) -> None:
        """Break the private stream when it did not tell what REST told a while ago."""
        late = [key for key, at in self._unconfirmed.items() if time.monotonic() - at > MISSED_SECS]
        if late and any(pump.name == "fills" for pump in self.pumps):
            self.missed += len(late)
            self._unconfirmed.clear()
            opened = self.session.revive_private("fills were not told")
            self._notes.write(
                "stream missed",
                "fills",
                f"{len(late)} fills came from REST only; {len(opened)} connections opened anew",
            )

    async def _open_orders(self, symbol: str) -> list[dict[str, Any]]:
        listed = list(await self.session.call("fetch_open_orders", symbol))
        if any(self._by_algorithm(order) for order in self.ledger.undone() if order.symbol == symbol):
            listed += await self.session.call("fetch_open_orders", symbol, None, None, {"trigger": True})
        return listed

    async def _foreign(self) -> None:
        """Find out whose the trades are that no order of ours has claimed for a while."""
        now = time.monotonic()
        waiting: dict[tuple[str, str], list[dict[str, Any]]] = {}
        parked = {(trade["symbol"], str(trade["id"])): trade for trade in self.ledger.parked()}
        self._parked_at = {key: self._parked_at.get(key, now) for key in parked}
        for key, trade in parked.items():
            if now - self._parked_at[key] >= FOREIGN_SECS:
                waiting.setdefault((trade["symbol"], str(trade["order"])), []).append(trade)
        for (symbol, venue_id), trades in waiting.items():
            order = await self.session.call("fetch_order", venue_id, symbol)
            if self.ledger.find(order) is not None:
                self._hear_order(order)
                continue
            self.ledger.release([(symbol, str(trade["id"])) for trade in trades])
            self._notes.write("foreign order", venue_id, f"{len(trades)} trades of {symbol}")
            self._tell([Foreign(order, tuple(trades))])

    async def _cross_check_for_ever(self) -> None:
        timed = time.monotonic()
        while True:
            await asyncio.sleep(self.session.settings.cross_check_secs)
            try:
                if time.monotonic() - timed > CLOCK_EVERY_SECS:
                    await self.session.synchronise()
                    timed = time.monotonic()
                await self.cross_check()
                self._suspect()
            except ANSWER_ERRORS as error:
                self._notes.write("cross-check failed", "", describe(error))
                continue
            self._account_changed()

    async def cancel(self, client_id: str) -> None:
        """Cancel one order of ours; a cancel may be sent again, unlike an order."""
        mine = self.ledger.get(client_id)
        if mine is None or mine.standing == "done":
            self._not_done(client_id, None, "cancel", "no such open order here")
            return
        reason = ""
        for attempt in range(CANCEL_TRIES):
            if attempt:
                await asyncio.sleep(LOOK_UP_SECS[attempt])
                if mine.standing == "done":
                    return
            params: dict[str, Any] = {"clientOrderId": client_id}
            if self._by_algorithm(mine) and len(mine.venue_ids) < 2:
                params["trigger"] = True
            try:
                answer = await self.session.call("cancel_order", mine.venue_id or client_id, mine.symbol, params)
            except ANSWER_ERRORS as error:
                reason = describe(error)
                refused = outcome_of(error) is Outcome.REFUSED
                self._notes.write("cancel refused" if refused else "cancel unknown", client_id, reason)
            else:
                if isinstance(answer, dict) and answer.get("status") and answer.get("id") is not None:
                    self._hear_order({**answer, "symbol": mine.symbol, "clientOrderId": client_id})
                    if mine.ending is not None or mine.standing == "done":
                        return
                refused = False
            found = await self._fetched(mine)
            if found is not None:
                self._hear_order(found)
                if mine.ending is not None:
                    return
                if found.get("status") == "closed":
                    self._not_done(client_id, mine.venue_id, "cancel", "the order was filled")
                    return
            if refused and mine.standing == "open":
                break
        self._not_done(client_id, mine.venue_id, "cancel", reason or "the venue did not confirm it")

    async def modify(self, client_id: str, amount: Decimal, price: Decimal | None, kind: str) -> None:
        """Change quantity and price of an open order of ours, where the venue does so in one step."""
        mine = self.ledger.get(client_id)
        ability = self.session.abilities["modify"]
        if mine is None or mine.standing != "open":
            self._not_done(client_id, None, "modify", "no such open order here")
            return
        if ability.way is Way.REFUSE:
            self._not_done(client_id, mine.venue_id, "modify", ability.reason)
            return
        changed = (
            mine.venue_id,
            mine.symbol,
            kind,
            mine.side,
            float(amount),
            None if price is None else float(price),
        )
        try:
            found = await self.session.call("edit_order", *changed, {"clientOrderId": client_id})
        except ANSWER_ERRORS as error:
            if outcome_of(error) is Outcome.REFUSED:
                self._not_done(client_id, mine.venue_id, "modify", describe(error))
                return
            self._notes.write("modify unknown", client_id, describe(error))
            await asyncio.sleep(LOOK_UP_SECS[0])
            found = await self._fetched(mine)
        if (
            found is None
            or decimal(found.get("amount")) != amount
            or (price is not None and decimal(found.get("price")) != price)
        ):
            self._not_done(client_id, mine.venue_id, "modify", "the venue still shows the order as it was")
            return
        mine.amount = amount
        ts_ns = int(found.get("lastUpdateTimestamp") or found.get("timestamp") or 0) * 1_000_000
        self._tell([Amended(client_id, str(mine.venue_id), amount, price, ts_ns or self.session.clock.now_ns())])
        self._hear_order({**found, "symbol": mine.symbol, "clientOrderId": client_id})

    def _not_done(self, client_id: str, venue_id: str | None, what: Literal["cancel", "modify"], reason: str) -> None:
        self._tell([NotDone(client_id, venue_id, what, reason, self.session.clock.now_ns())])
