"""NautilusTrader's execution client over the order route: commands in, events and reports out, and the gate once more in between."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from nautilus_trader.config import ExecutionClientConfig
from nautilus_trader.live.clients import ExecutionClient, ExecutionClientFactory
from nautilus_trader.model import (
    AccountId,
    AccountType,
    ClientOrderId,
    InstrumentId,
    OmsType,
    OrderSide,
    OrderType,
    TimeInForce,
    TradeId,
    TraderId,
    Venue,
    VenueOrderId,
)

from catalogs.instruments import currency
from engine.contract.errors import ConfigError, broken
from engine.risk.gate import Approved, Intent, OpenOrder, Refusal
from live.adapter import mapping, reports
from live.adapter.core import events
from live.adapter.core.allowed import require_live
from live.adapter.core.ledger import decimal
from live.adapter.core.order_request import NewOrder
from live.adapter.core.orders import OrderRoute
from live.adapter.core.outcomes import describe
from live.adapter.core.second_gate import Holding, SecondGate
from live.adapter.core.session import ANSWER_ERRORS, ExchangeSession
from live.adapter.provider import CcxtInstrumentProvider

ACCOUNT_SECS = 0.1
"""Changes of the account that come within so short a time are asked for once."""

KINDS = {
    OrderType.MARKET: "market",
    OrderType.LIMIT: "limit",
    OrderType.STOP_MARKET: "market",
    OrderType.STOP_LIMIT: "limit",
}
FORCES = {TimeInForce.GTC: "GTC", TimeInForce.IOC: "IOC", TimeInForce.FOK: "FOK"}


class CcxtExecutionConfig(ExecutionClientConfig):
    """What an execution client is made of; all of it by keyword.

    Parameters
    ----------
    session
        The account's session, with keys; the data client is given the same one.
    instrument_ids
        Instruments that may be traded.
    gate
        Asked before every order; None only where none shall be.
    leverage
        Instrument id to leverage that is set at the venue on connecting.
    account
        Number of the account, the part of its id after the venue.
    """

    def __init__(
        self,
        *,
        session: ExchangeSession,
        instrument_ids: Sequence[str],
        gate: SecondGate | None = None,
        leverage: Mapping[str, float] | None = None,
        account: str = "001",
        **_kwargs: Any,
    ) -> None:
        self.session = session
        self.instrument_ids = tuple(instrument_ids)
        self.gate = gate
        self.leverage = dict(leverage or {})
        self.account = account
        self.client: CcxtExecutionClient | None = None


class CcxtExecutionClient(ExecutionClient):
    """Trades one account of one venue.

    Attributes
    ----------
    route
        The way of the orders, once connected.
    """

    def __init__(self, *, name: str, config: CcxtExecutionConfig, cache: Any, clock: Any, trader_id: TraderId) -> None:
        settings = config.session.settings
        require_live(settings.exchange, settings.market)
        self._session = config.session
        self._names = CcxtInstrumentProvider(config.session, config.instrument_ids)
        self._spot = settings.market == "spot"
        super().__init__(
            name=name,
            config=config,
            cache=cache,
            clock=clock,
            trader_id=trader_id,
            venue=Venue(settings.venue),
            account_id=AccountId(f"{settings.venue}-{config.account}"),
            account_type=AccountType.CASH if self._spot else AccountType.MARGIN,
            oms_type=OmsType.NETTING,
            instrument_provider=self._names,
        )
        self._gate = config.gate
        self._leverage = config.leverage
        self._ids = [InstrumentId.from_str(one) for one in config.instrument_ids]
        self.route = OrderRoute(config.session, self._tell, self._account_changed)
        self._account_task: Any = None
        self._account_stale = False
        self._first_positions = True
        config.client = self

    @property
    def account_behind(self) -> bool:
        """Whether a change of the account was heard that has not been asked for yet."""
        return self._account_task is not None and not self._account_task.done()

    async def _connect(self) -> None:
        await self._session.acquire()
        try:
            await self._names.initialize()
            for instrument in self._names.list_all():
                self._handle_instrument(instrument)
            await self._check_mode()
            for instrument_id, leverage in self._leverage.items():
                self._session.ability("leverage")
                await self._session.call("set_leverage", int(leverage), self._names.unified(instrument_id))
            await self._send_account()
        except BaseException:
            await self._session.release()
            raise
        self.route.start()

    async def _check_mode(self) -> None:
        """Refuse an account that holds longs and shorts side by side: positions here are net."""
        if self._spot or self._session.exchange.has.get("fetchPositionMode") is not True:
            return
        symbol = self._names.unified(self._ids[0]) if self._ids else None
        mode = await self._session.call("fetch_position_mode", symbol)
        if mode.get("hedged"):
            settings = self._session.settings
            where = f"{settings.exchange} {settings.market}"
            raise ConfigError(
                broken("position mode", "be one-way", "hedged", where, "change it at the venue, without positions")
            )

    async def _disconnect(self) -> None:
        await self.route.stop()
        if self._account_task is not None:
            self._account_task.cancel()
        await self._session.release()

    async def _submit_order(self, command: Any) -> None:
        self._submit([command.order])

    async def _submit_order_list(self, command: Any) -> None:
        """Send the orders of a list, all or none; the venue knows them as single orders."""
        self._submit([self.cache.order(client_order_id) for client_order_id in command.order_list.client_order_ids()])

    def _submit(self, orders: list[Any]) -> None:
        made: list[NewOrder] = []
        for order in orders:
            new = self._new_order(order)
            answer = new if isinstance(new, str) else self._judged(order)
            if isinstance(answer, str | Refusal) or isinstance(new, str):
                for one in orders:
                    self._deny(one, str(answer) if one is order else f"denied with its list: {answer}")
                return
            made.append(new._replace(waits=answer is not None and answer.reducing))
        for order, new in zip(orders, made, strict=True):
            self.generate_order_submitted(order)
            self.create_task(self.route.submit(new), f"submit {order.client_order_id}")

    def _deny(self, order: Any, reason: str) -> None:
        self._session.notes.write("order denied", str(order.client_order_id), reason)
        self.generate_order_denied(order, reason)

    def _new_order(self, order: Any) -> NewOrder | str:
        """Return the order for the route, or why it cannot be sent."""
        kind = KINDS.get(order.order_type)
        if kind is None:
            return f"order type {order.order_type} is not sent to this venue"
        force = FORCES.get(order.time_in_force)
        if force is None:
            return f"time in force {order.time_in_force} is not sent to this venue"
        if getattr(order, "is_quote_quantity", False):
            return "quantity in quote currency is not sent to this venue"
        if getattr(order, "contingency_type", None) is not None:
            return "orders that depend on one another are not sent to this venue"
        if order.is_reduce_only and self._spot:
            return "reduce-only is not known to a spot venue"
        if str(order.instrument_id) not in {str(one) for one in self._ids}:
            return f"{order.instrument_id} is not among the instruments of this client"
        price, trigger = getattr(order, "price", None), getattr(order, "trigger_price", None)
        return NewOrder(
            str(order.client_order_id),
            self._names.unified(order.instrument_id),
            "limit" if kind == "limit" else "market",
            "buy" if order.side == OrderSide.BUY else "sell",
            order.quantity.as_decimal(),
            None if price is None else price.as_decimal(),
            None if trigger is None else trigger.as_decimal(),
            force if kind == "limit" else None,
            bool(order.is_reduce_only),
            bool(getattr(order, "is_post_only", False)),
        )

    def _judged(
        self, order: Any, quantity: float | None = None, price: float | None = None, replaces: OpenOrder | None = None
    ) -> Approved | Refusal | None:
        """Ask the gate about an order, or about what a modification would leave of it; None without a gate."""
        if self._gate is None:
            return None
        name = str(order.instrument_id)
        sign = 1.0 if order.side == OrderSide.BUY else -1.0
        if price is None:
            own = getattr(order, "price", None) or getattr(order, "trigger_price", None)
            price = self._gate.price(name) if own is None else float(own)
        size = sign * (float(order.quantity) if quantity is None else quantity)
        key = str(order.client_order_id) if replaces is None else ""
        intent = Intent(name, size, price, key, 1.0, bool(order.is_reduce_only), replaces)
        holdings = self._holdings(str(order.client_order_id) if replaces is None else "")
        return self._gate.ask(self._session.clock.now_ns(), intent, holdings)

    def _holdings(self, except_id: str) -> dict[str, Holding]:
        found: dict[str, Holding] = {}
        for position in self.cache.positions_open(venue=self.venue):
            name = str(position.instrument_id)
            one = found.get(name, Holding())
            found[name] = one._replace(position=one.position + float(position.signed_qty))
        for order in (*self.cache.orders_open(venue=self.venue), *self.cache.orders_inflight(venue=self.venue)):
            if str(order.client_order_id) == except_id:
                continue
            name, left = str(order.instrument_id), float(order.leaves_qty)
            one = found.get(name, Holding())
            bought = order.side == OrderSide.BUY
            found[name] = one._replace(
                open_buys=one.open_buys + left * bought, open_sells=one.open_sells + left * (not bought)
            )
        return found

    async def _modify_order(self, command: Any) -> None:
        order: Any = self.cache.order(command.client_order_id)
        if order is None:
            return
        quantity = command.quantity or order.quantity
        price = command.price or getattr(order, "price", None)
        left, sign = float(order.leaves_qty), 1.0 if order.side == OrderSide.BUY else -1.0
        replaced = OpenOrder(sign * left, float(getattr(order, "price", None) or 0.0))
        wanted = float(quantity) - float(order.filled_qty)
        refusal = self._judged(order, wanted, None if price is None else float(price), replaced)
        if isinstance(refusal, Refusal):
            now = self._session.clock.now_ns()
            self.generate_order_modify_rejected(order, order.venue_order_id, str(refusal), now)
            return
        value = None if price is None else price.as_decimal()
        kind = KINDS.get(order.order_type, "limit")
        work = self.route.modify(str(order.client_order_id), quantity.as_decimal(), value, kind)
        self.create_task(work, f"modify {order.client_order_id}")

    async def _cancel_order(self, command: Any) -> None:
        self.create_task(self.route.cancel(str(command.client_order_id)), f"cancel {command.client_order_id}")

    async def _cancel_all_orders(self, command: Any) -> None:
        wanted = self.cache.orders_open(
            instrument_id=command.instrument_id, strategy_id=command.strategy_id, side=command.order_side
        )
        waiting = self.cache.orders_inflight(
            instrument_id=command.instrument_id, strategy_id=command.strategy_id, side=command.order_side
        )
        for client_id in sorted({str(order.client_order_id) for order in (*wanted, *waiting)}):
            self.create_task(self.route.cancel(client_id), f"cancel {client_id}")

    async def _query_order(self, command: Any) -> None:
        report = await self._generate_order_status_report(command)
        if report is not None:
            self._handle_report(report)

    async def _query_account(self, command: Any) -> None:
        await self._send_account()

    def _account_changed(self) -> None:
        self._account_stale = True
        if self._account_task is None or self._account_task.done():
            self._account_task = asyncio.ensure_future(self._account_soon())

    async def _account_soon(self) -> None:
        while self._account_stale:
            await asyncio.sleep(ACCOUNT_SECS)
            self._account_stale = False
            try:
                await self._send_account()
            except ANSWER_ERRORS as error:
                self._session.notes.write("balance failed", "", describe(error))

    async def _send_account(self) -> None:
        found = await self._session.call("fetch_balance")
        rows = mapping.balances(found if self._spot else mapping.wallets(found))
        ts_ns = int(found.get("timestamp") or 0) * mapping.MS or self._session.clock.now_ns()
        self.generate_account_state(rows, [], True, ts_ns)
        self._session.alive("account")
        if self._gate is not None:
            equity = self._equity(found)
            if equity is not None:
                self._gate.hear_equity(ts_ns, equity)

    def _equity(self, balance: dict[str, Any]) -> float | None:
        """Return the account's worth in the instruments' quote; None where a price is missing."""
        total: dict[str, Any] = balance.get("total") or {}
        quotes = {str(self._names.find(one).quote_currency): one for one in self._ids}  # type: ignore[attr-defined]
        if len(quotes) != 1:
            return None
        (quote,) = quotes
        worth = float(total.get(quote) or 0.0)
        if not self._spot or self._gate is None:
            return worth
        for one in self._ids:
            held = float(total.get(str(self._names.find(one).base_currency)) or 0.0)  # type: ignore[attr-defined]
            price = self._gate.price(str(one))
            if held and price == price:
                worth += held * price
        return worth

    def _tell(self, event: events.Event) -> None:
        if isinstance(event, events.Foreign):
            self._tell_foreign(event)
            return
        order: Any = self.cache.order(ClientOrderId(event.client_id))
        if order is None:
            self._session.notes.write("event without order", event.client_id, type(event).__name__)
            return
        match event:
            case events.Accepted():
                self.generate_order_accepted(order, VenueOrderId(event.venue_id), event.ts_ns)
            case events.Filled():
                self._fill(order, event)
            case events.Ended(how="expired"):
                self.generate_order_expired(order, VenueOrderId(event.venue_id), event.ts_ns)
            case events.Ended():
                self.generate_order_canceled(order, VenueOrderId(event.venue_id), event.ts_ns)
            case events.Rejected():
                self.generate_order_rejected(order, event.reason, event.ts_ns, event.post_only)
            case events.Triggered():
                if order.order_type == OrderType.STOP_LIMIT:
                    self.generate_order_triggered(order, VenueOrderId(event.venue_id), event.ts_ns)
            case events.Amended():
                to = self._names.rounding(order.instrument_id)
                price = None if event.price is None else to.price(event.price)
                venue_id = VenueOrderId(event.venue_id)
                self.generate_order_updated(order, venue_id, to.size(event.quantity), price, None, None, event.ts_ns)
            case events.NotDone():
                venue_id = None if event.venue_id is None else VenueOrderId(event.venue_id)  # type: ignore[assignment]
                if event.what == "cancel":
                    self.generate_order_cancel_rejected(order, venue_id, event.reason, event.ts_ns)
                else:
                    self.generate_order_modify_rejected(order, venue_id, event.reason, event.ts_ns)

    def _fill(self, order: Any, event: events.Filled) -> None:
        to = self._names.rounding(order.instrument_id)
        quote = self._names.find(order.instrument_id).quote_currency  # type: ignore[attr-defined]
        fee = None if event.fee is None else mapping.money(event.fee, event.fee_currency or str(quote))
        self.generate_order_filled(
            order,
            VenueOrderId(event.venue_id),
            None,
            TradeId(event.trade_id),
            to.size(event.quantity),
            to.price(event.price),
            currency(str(quote)),
            fee,
            reports.liquidity(event.maker),
            event.ts_ns,
        )

    def _tell_foreign(self, event: events.Foreign) -> None:
        instrument_id = self._names.names.ours(event.order["symbol"])
        if InstrumentId.from_str(instrument_id) not in self._ids:
            return
        to, now = self._names.rounding(instrument_id), self.clock.timestamp_ns()
        quote = str(self._names.find(to.instrument_id).quote_currency)  # type: ignore[attr-defined]
        fills = [reports.fill_report(trade, self.account_id, to, quote, now) for trade in event.trades]
        self._handle_report(reports.order_report(event.order, self.account_id, to, now), fills)

    def _provides_bulk_position_coverage(self, instrument_id: InstrumentId) -> bool:
        return not self._spot

    def _asked(self, command: Any) -> list[InstrumentId]:
        return (
            self._ids if command.instrument_id is None else [one for one in self._ids if one == command.instrument_id]
        )

    async def _generate_order_status_reports(self, command: Any) -> list[Any]:
        found = []
        for instrument_id in self._asked(command):
            symbol, to = self._names.unified(instrument_id), self._names.rounding(instrument_id)
            for order in await self._open_orders(symbol):
                mine = self.route.ledger.find(order)
                if mine is None:
                    trades = await self._trades_of(order) if decimal(order.get("filled")) > 0 else []
                    self.route.adopt(order, trades)
                    mine = self.route.ledger.find(order)
                else:
                    self.route.hear(dict(order))
                if mine is not None and mine.standing != "done":
                    now = self.clock.timestamp_ns()
                    found.append(reports.order_report(order, self.account_id, to, now, mine))
        return found

    async def _open_orders(self, symbol: str) -> list[dict[str, Any]]:
        orders = list(await self._session.call("fetch_open_orders", symbol))
        if not self._spot:
            orders += await self._session.call("fetch_open_orders", symbol, None, None, {"trigger": True})
        return orders

    async def _trades_of(self, order: dict[str, Any]) -> list[dict[str, Any]]:
        since = int(order.get("timestamp") or 0) - 1
        trades = await self._session.call("fetch_my_trades", order["symbol"], since)
        return [trade for trade in trades if str(trade["order"]) == str(order["id"])]

    async def _generate_order_status_report(self, command: Any) -> Any:
        client_id = command.client_order_id
        if client_id is None and command.venue_order_id is not None:
            client_id = self.cache.client_order_id(command.venue_order_id)
        if client_id is None:
            return None
        try:
            order = await self.route.look(str(client_id))
        except ANSWER_ERRORS as error:
            self._session.notes.write("look-up", str(client_id), describe(error))
            return None
        mine = self.route.ledger.get(str(client_id))
        if order is None or mine is None:
            return None
        to = self._names.rounding(command.instrument_id)
        return reports.order_report(order, self.account_id, to, self.clock.timestamp_ns(), mine)

    async def _generate_fill_reports(self, command: Any) -> list[Any]:
        """Return the trades of orders that are still open; those since a stated time where one is asked for."""
        found = []
        for instrument_id in self._asked(command):
            symbol, to = self._names.unified(instrument_id), self._names.rounding(instrument_id)
            quote = str(self._names.find(instrument_id).quote_currency)  # type: ignore[attr-defined]
            since = None if command.start is None else command.start // mapping.MS
            for trade in await self._session.call("fetch_my_trades", symbol, since):
                mine = self.route.ledger.find({"symbol": symbol, "id": trade["order"]})
                wanted = command.venue_order_id is None or str(command.venue_order_id) == str(trade["order"])
                if mine is None or not wanted:
                    continue
                self.route.hear_trades([trade])
                found.append(reports.fill_report(trade, self.account_id, to, quote, self.clock.timestamp_ns(), mine))
        return found

    async def _generate_position_status_reports(self, command: Any) -> list[Any]:
        if self._spot:
            return await self._spot_positions(command)
        asked = self._asked(command)
        rows = await self._session.call("fetch_positions", [self._names.unified(one) for one in asked])
        by_symbol = {row["symbol"]: row for row in rows if decimal(row.get("contracts"))}
        found, now = [], self.clock.timestamp_ns()
        for instrument_id in asked:
            row = by_symbol.get(self._names.unified(instrument_id), {})
            entry = None if row.get("entryPrice") is None else decimal(row["entryPrice"])
            to = self._names.rounding(instrument_id)
            found.append(
                reports.position_report(self.account_id, instrument_id, reports.signed_contracts(row), entry, to, now)
            )
        return found

    async def _spot_positions(self, command: Any) -> list[Any]:
        """A spot venue knows balances only: at the start they are the positions, afterwards the fills are."""
        if not self._first_positions:
            return []
        self._first_positions = False
        balance, found = await self._session.call("fetch_balance"), []
        for instrument_id in self._asked(command):
            symbol, to = self._names.unified(instrument_id), self._names.rounding(instrument_id)
            instrument: Any = self._names.find(instrument_id)
            quantity = reports.held(balance, str(instrument.base_currency), instrument.size_increment.as_decimal())
            trades = await self._session.call("fetch_my_trades", symbol) if quantity else []
            entry = reports.entry_price(trades, quantity) if quantity else None
            now = self.clock.timestamp_ns()
            found.append(reports.position_report(self.account_id, instrument_id, quantity, entry, to, now))
        return found


class CcxtExecutionClientFactory(ExecutionClientFactory):
    """Makes the execution client of a session."""

    @staticmethod
    def create(*, name: str, config: Any, cache: Any, clock: Any, trader_id: TraderId) -> CcxtExecutionClient:
        """Make the client; nothing is opened before it connects.

        Raises
        ------
        ConfigError
            The exchange is not on the allow-list.
        """
        return CcxtExecutionClient(name=name, config=config, cache=cache, clock=clock, trader_id=trader_id)
