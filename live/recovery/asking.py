"""Asking the venue what became of orders of a session that was killed, and what there is besides."""

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from live.adapter.core.events import Ended, Event, Filled, Rejected
from live.adapter.core.ledger import Tracked
from live.adapter.core.orders import OrderRoute
from live.adapter.core.outcomes import describe
from live.adapter.core.session import ANSWER_ERRORS, ExchangeSession
from live.recovery.rules import Found

TRADES_SECS = (0.0, 0.2, 0.5, 1.0, 2.0, 4.0)
"""Waits before the questions for trades that the venue owes."""

LONGEST_SECS = 60.0
"""How long an order is asked for, where the venue gives no certain answer."""


class Asked(NamedTuple):
    """An order that is asked for.

    Attributes
    ----------
    symbol
        ccxt's.
    quantity
        Signed, base units.
    filled, trades
        What was written down of it: the sum, and the ids.
    sent_ms
        Event time at which it was meant, UTC ms.
    """

    client_order_id: str
    symbol: str
    quantity: Decimal
    stop: bool
    filled: Decimal
    trades: Sequence[str]
    sent_ms: int


class Inquiry(OrderRoute):
    """An order route that sends nothing: it looks up what another process sent.

    An order that the venue does not know is asked for until its request, should it still be under way, would be refused for its age.

    Parameters
    ----------
    session
        Open, with keys.
    """

    def __init__(self, session: ExchangeSession) -> None:
        self.heard: list[Event] = []
        super().__init__(session, self.heard.append)

    async def of(self, asked: Sequence[Asked]) -> dict[str, tuple[Found, list[Filled]]]:
        """Return what the venue says of each order, with the trades that were not written down, in order of time."""
        for one in asked:
            side = "buy" if one.quantity > 0 else "sell"
            mine = Tracked(one.client_order_id, one.symbol, side, abs(one.quantity), one.stop, filled=one.filled)
            self.ledger.track(mine)
            self._sent_ms[one.client_order_id] = one.sent_ms
            for trade in one.trades:
                self.ledger.saw(one.symbol, trade)
        try:
            answers = await asyncio.gather(*(self._told(one) for one in asked))
        finally:
            await self.stop()
        return dict(zip((one.client_order_id for one in asked), answers))

    async def _told(self, one: Asked) -> tuple[Found, list[Filled]]:
        mine = self.ledger.get(one.client_order_id)
        assert mine is not None
        reason = ""
        try:
            await asyncio.wait_for(self._look_up(mine), LONGEST_SECS)
        except TimeoutError:
            reason = f"no certain answer within {LONGEST_SECS:g} s"
        for wait in TRADES_SECS:
            await asyncio.sleep(wait)
            if mine.standing == "sent" or (mine.standing == "done" and not mine.owes):
                break
            try:
                await self._backfill(one.symbol, one.sent_ms - 1)
            except ANSWER_ERRORS as error:
                reason = describe(error)
                continue
            if mine.claimed <= mine.filled and (mine.ending is None or mine.standing == "done"):
                break
        return self._verdict(mine, one, reason)

    def _verdict(self, mine: Tracked, one: Asked, reason: str) -> tuple[Found, list[Filled]]:
        own = [event for event in self.heard if getattr(event, "client_id", "") == mine.client_id]
        missed = sorted((event for event in own if isinstance(event, Filled)), key=lambda event: event.ts_ns)
        refused = next((event for event in own if isinstance(event, Rejected)), None)
        more = sum((event.quantity for event in missed), Decimal(0))
        filled = max(mine.claimed, one.filled + more)
        if mine.standing == "sent":
            return Found("uncertain", reason=reason or "asked, and not answered"), []
        if refused is not None and not mine.venue_ids:
            return Found("absent", reason=refused.reason), []
        if mine.standing == "done" or mine.ending is not None:
            ended = mine.ending is not None or any(isinstance(event, Ended) for event in own)
            return Found("ended" if ended else "filled", filled, more), missed
        return Found("open", filled, more), missed


class OpenAtVenue(NamedTuple):
    """An open order, whosever it is."""

    instrument_id: str
    client_order_id: str
    order_id: str
    conditional: bool
    described: str
    left: Decimal


async def open_orders(session: ExchangeSession, symbols: Mapping[str, str]) -> list[OpenAtVenue]:
    """Return every open order of the instruments, stops included.

    Parameters
    ----------
    symbols
        Instrument id to ccxt's symbol.
    """
    found = []
    for name, symbol in symbols.items():
        for conditional in (False,) if session.settings.market == "spot" else (False, True):
            for one in await session.call(
                "fetch_open_orders", symbol, None, None, {"trigger": True} if conditional else {}
            ):
                amount, filled = Decimal(str(one["amount"])), Decimal(str(one.get("filled") or 0))
                told = f"open, {one['side']} {amount} {name} {one.get('type')}, {filled} filled"
                client_id = str(one.get("clientOrderId") or one["id"])
                found.append(OpenAtVenue(name, client_id, str(one["id"]), conditional, told, amount - filled))
    return found


async def cancel(session: ExchangeSession, symbols: Mapping[str, str], order: OpenAtVenue) -> None:
    """Cancel an open order that is not ours."""
    parameters: dict[str, Any] = {"trigger": True} if order.conditional else {}
    await session.call("cancel_order", order.order_id, symbols[order.instrument_id], parameters)
