"""The dead man's switch: where the exchange has one, its timer cancels all orders unless it is set again in time.

It closes no position: one that is open when the machine dies stays open, and is said so in the summary before a start.
"""

import asyncio
from collections.abc import Sequence

from live.adapter.core.session import ANSWER_ERRORS, ExchangeSession

TIMERS = {("binance", "usdm"): "fapiPrivatePostCountdownCancelAll"}
"""Exchange and market to ccxt's method of the timer."""

BEATS = 3
"""How often the timer is set again within its length."""


def has_timer(exchange: str, market: str) -> bool:
    """Tell whether the exchange has such a timer."""
    return (exchange, market) in TIMERS


async def hold(session: ExchangeSession, symbols: Sequence[str], secs: float) -> None:
    """Set the timers of some symbols again and again; when cancelled, switch them off.

    A beat that is lost is made up for by the next; the timer outlasts two of them.
    """
    settings = session.settings
    method = TIMERS[settings.exchange, settings.market]
    markets = [str(session.market_of(symbol)["id"]) for symbol in symbols]

    async def beat(countdown_ms: int) -> None:
        for market in markets:
            try:
                await session.call(method, {"symbol": market, "countdownTime": countdown_ms})
            except ANSWER_ERRORS as error:
                session.notes.write("dead man's beat failed", market, type(error).__name__)

    try:
        while True:
            await beat(int(secs * 1_000))
            await asyncio.sleep(secs / BEATS)
    finally:
        await asyncio.shield(beat(0))
