"""An account at an exchange, asked and ordered directly: for whoever looks before a session, or ends one from outside.

Nothing of the trading library is in here, and no state: what it does, it does at the venue.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from decimal import ROUND_DOWN, Decimal
from typing import Any, NamedTuple

from ccxt.base.errors import ExchangeError, NetworkError, OrderNotFound

from engine.contract.instrument import InstrumentSpec
from live.adapter.core.notes import Notes
from live.adapter.core.session import ExchangeSession, SessionSettings
from live.adapter.core.symbols import Symbols
from live.adapter.instruments import spec_of
from live.venue import Venue

ATTEMPTS = 3
AGAIN_SECS = 0.2
REST_SECS = 3.0
"""An answer that takes longer counts as lost: a kill has no time to wait."""


class OpenOrder(NamedTuple):
    """An order that rests at the venue."""

    instrument_id: str
    order_id: str
    client_order_id: str
    conditional: bool


class Permissions(NamedTuple):
    """What a key may do; None where the exchange does not say."""

    trade: bool | None
    withdraw: bool | None
    ip_bound: bool | None


class Account:
    """One account, open while this is entered.

    Parameters
    ----------
    exchange, market, instruments
        As in [live] and [universe].
    venue
        How it is reached.
    rehearsal
        Whether the exchange's clock is that of a tape.
    """

    def __init__(
        self, exchange: str, market: str, instruments: Sequence[str], venue: Venue, rehearsal: bool = False
    ) -> None:
        self._market = market
        self._instruments = list(instruments)
        self._venue = venue
        self._stack = AsyncExitStack()
        self._settings = SessionSettings(
            exchange=exchange,
            market=market,  # type: ignore[arg-type]
            private=True,
            rest_timeout_secs=REST_SECS,
            replayed=rehearsal,
            rate_limit=not rehearsal,
        )

    async def __aenter__(self) -> "Account":
        await self._stack.enter_async_context(self._venue)
        venue = self._venue
        self.session = ExchangeSession(self._settings, Notes(), http=venue.http, environment=venue.environment)
        await self.session.acquire()
        self._stack.push_async_callback(self.session.release)
        names = Symbols(self.session.markets, self._settings.venue)
        wanted = self._instruments or list(names)
        self.symbols = {name: names.unified(name) for name in wanted}
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _ask(self, method: str, *arguments: Any) -> Any:
        """Ask a question, again where the network failed; orders never go this way."""
        for _ in range(ATTEMPTS - 1):
            try:
                return await self.session.call(method, *arguments)
            except NetworkError:
                await asyncio.sleep(AGAIN_SECS)
        return await self.session.call(method, *arguments)

    def spec(self, instrument_id: str) -> InstrumentSpec:
        """Return the terms of an instrument."""
        return spec_of(self.session.market_of(self.symbols[instrument_id]), instrument_id)

    async def open_orders(self) -> list[OpenOrder]:
        """Return every resting order of the instruments, stops included."""
        asked = [self._resting(name, conditional) for name in self.symbols for conditional in self._kinds()]
        return [one for part in await asyncio.gather(*asked) for one in part]

    def _kinds(self) -> tuple[bool, ...]:
        return (False,) if self._market == "spot" else (False, True)

    async def _resting(self, name: str, conditional: bool) -> list[OpenOrder]:
        parameters = {"trigger": True} if conditional else {}
        found = await self._ask("fetch_open_orders", self.symbols[name], None, None, parameters)
        return [OpenOrder(name, str(one["id"]), str(one.get("clientOrderId") or ""), conditional) for one in found]

    async def positions(self) -> dict[str, Decimal]:
        """Return what is held, signed, base units; on a spot account the whole lots of the balances."""
        if self._market == "spot":
            found = {name: self._lots(name, whole) for name, whole in (await self._coins()).items()}
        else:
            rows = await self._ask("fetch_positions", list(self.symbols.values()))
            held = {row["symbol"]: row for row in rows}
            found = {name: _signed(held.get(symbol)) for name, symbol in self.symbols.items()}
        return {name: quantity for name, quantity in found.items() if quantity}

    async def _coins(self) -> dict[str, Decimal]:
        total = (await self._ask("fetch_balance")).get("total") or {}
        return {name: Decimal(str(total.get(self._base(name)) or 0)) for name in self.symbols}

    async def dust(self) -> dict[str, Decimal]:
        """Return what a spot account holds and cannot sell, base units: parts of a lot, and lots worth less than the smallest order."""
        if self._market != "spot":
            return {}
        coins = {name: held for name, held in (await self._coins()).items() if held}
        unsellable = await self._unsellable({name: self._lots(name, held) for name, held in coins.items()})
        left = {name: held if name in unsellable else held - self._lots(name, held) for name, held in coins.items()}
        return {name: quantity for name, quantity in left.items() if quantity}

    async def closable(self) -> dict[str, Decimal]:
        """Return the positions that an order can close: all of them, but on a spot account what is worth the smallest order."""
        held = await self.positions()
        unsellable = await self._unsellable(held) if self._market == "spot" else set()
        return {name: quantity for name, quantity in held.items() if name not in unsellable}

    async def _unsellable(self, lots: Mapping[str, Decimal]) -> set[str]:
        held = [name for name, quantity in lots.items() if quantity]
        prices = await asyncio.gather(*(self._ask("fetch_ticker", self.symbols[name]) for name in held))
        return {
            name
            for name, ticker in zip(held, prices, strict=True)
            if float(lots[name]) * float(ticker["last"]) < self.spec(name).min_notional
        }

    def _base(self, name: str) -> str:
        return str(self.session.market_of(self.symbols[name])["base"])

    def _lots(self, name: str, quantity: Decimal) -> Decimal:
        lot = Decimal(str(self.session.market_of(self.symbols[name])["precision"]["amount"]))
        return (quantity / lot).to_integral_value(ROUND_DOWN) * lot

    async def balance(self, currency: str) -> tuple[float, float]:
        """Return total and free of a currency."""
        found = await self._ask("fetch_balance")
        return float((found.get("total") or {}).get(currency) or 0), float((found.get("free") or {}).get(currency) or 0)

    async def cancel_all(self) -> int:
        """Cancel every resting order; return how many there were. One that is gone by then counts as cancelled."""
        found = await self.open_orders()
        await asyncio.gather(*(self._cancel(one) for one in found))
        return len(found)

    async def _cancel(self, one: OpenOrder) -> None:
        parameters = {"trigger": True} if one.conditional else {}
        try:
            await self.session.call("cancel_order", one.order_id, self.symbols[one.instrument_id], parameters)
        except OrderNotFound:
            return

    async def close_all(self, prefix: str) -> dict[str, Decimal]:
        """Close every position at the market, so that nothing can be opened by it; return what was held. Dust stays."""
        held = await self.closable()
        stamp = int(time.time() * 1000)
        await asyncio.gather(
            *(
                self._close(name, quantity, f"{prefix}-{stamp:x}-{number}")
                for number, (name, quantity) in enumerate(held.items())
            )
        )
        return held

    async def _close(self, name: str, quantity: Decimal, client_order_id: str) -> None:
        side = "sell" if quantity > 0 else "buy"
        parameters: dict[str, Any] = {"clientOrderId": client_order_id, "maxRetriesOnFailure": 0}
        if self._market != "spot":
            parameters["reduceOnly"] = True
        symbol = self.symbols[name]
        await self.session.call("create_order", symbol, "market", side, float(abs(quantity)), None, parameters)

    async def permissions(self) -> Permissions:
        """Return what the key may do, as far as the exchange says it."""
        ask = getattr(self.session.exchange, "sapi_get_account_apirestrictions", None)
        if ask is None:
            return Permissions(None, None, None)
        try:
            told = await self._ask("sapi_get_account_apirestrictions")
        except ExchangeError:
            return Permissions(None, None, None)
        trading = "enableSpotAndMarginTrading" if self._market == "spot" else "enableFutures"
        return Permissions(bool(told[trading]), bool(told["enableWithdrawals"]), bool(told["ipRestrict"]))

    async def hedged(self) -> bool | None:
        """Tell whether positions of both sides may be held at once; None on a spot account."""
        if self._market == "spot":
            return None
        told = await self._ask("fetch_position_mode", next(iter(self.symbols.values())))
        return bool(told["hedged"])

    @property
    def skew_ms(self) -> float:
        """The exchange's clock less ours, milliseconds."""
        return self.session.clock.offset_ns / 1e6


def _signed(row: dict[str, Any] | None) -> Decimal:
    contracts = Decimal(str((row or {}).get("contracts") or 0))
    return -contracts if (row or {}).get("side") == "short" else contracts
