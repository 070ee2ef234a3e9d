"""A session with real orders that was killed: put back into the state that it stored, held to the venue, and sent on its way."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import msgspec
from nautilus_trader.model import ClientOrderId

from engine.contract.calendar import bar_ns, iso
from engine.contract.config import Config
from engine.contract.errors import CheckFailed, DataError, broken
from engine.journal.order_log import Intended, OrderLog, Traded
from engine.journal.store import Store
from engine.risk.breaker_values import fingerprint
from live.account import Account
from live.adapter.core.events import Filled
from live.exchange import ExchangeConnection
from live.recording.tape import begun_ns
from live.recovery.asking import Asked, Inquiry, OpenAtVenue, cancel, open_orders
from live.recovery.remembered import Order, exact, out, read
from live.recovery.rules import (
    Found,
    Remembered,
    Ruling,
    balance_ruling,
    foreign_ruling,
    order_ruling,
    position_ruling,
)
from strategies.assembly import Assembly
from strategies.memory import OUT

RECOVERY = "recovery.jsonl"
"""The lines of every reconciliation of a run, in its folder."""

SETTLE_TRIES = 25
SETTLE_SECS = 0.2
"""How often, and how long apart, the engine's positions are looked at before they count as different."""

Told = dict[str, tuple[Found, list[Filled]]]


class Recovery:
    """Brings one killed session back.

    Parameters
    ----------
    config
        Of the run.
    folder
        Of the run; the lines go to its `recovery.jsonl` too.
    prefix
        What the ids of its orders begin with.
    say
        Called with every line.
    adopt
        Whether a position that nothing explains is taken over.

    Attributes
    ----------
    turn_ns
        Event time of the last turn that is durable, UTC ns; before the first, the end of the warm-up; -1 before that.
    restored
        Whether there was a durable turn.
    """

    def __init__(
        self, config: Config, folder: Path, prefix: str, say: Callable[[str], None], adopt: bool = False
    ) -> None:
        self._config, self._path, self._prefix, self._say = config, folder / RECOVERY, prefix, say
        self._adopt = adopt
        self._orders: dict[str, Order] = {}
        self._balance: Decimal | None = None
        self._again: list[Intended] = []
        self._cancels: list[Intended] = []
        self._folder = folder
        self.turn_ns, self.restored = -1, False

    def restore(self, assembly: Assembly, store: Store) -> None:
        """Put every component into its stored state, and let the desk hear again what it logged since; a store without a turn begins anew.

        Raises
        ------
        DataError
            The states are not those of one turn and of these components, or the journal goes on behind them.
        """
        saved = {name: store.load(name) for name in store.components()}
        log = OrderLog(store)
        self._orders, self._balance = read(log)
        if not saved:
            self.turn_ns = begun_ns(self._folder)
            assembly.strategy.keep(log)
            return
        states = {name: one for name, one in saved.items() if one is not None}
        times = {one.ts_event for one in states.values()}
        last = max((entry.ts_event for entry in store.entries()), default=-1)
        self.turn_ns = min(times)
        if len(times) > 1 or last > self.turn_ns:
            found = ", ".join(map(iso, sorted({*times, last})))
            raise DataError(broken("states and journal", "end with one turn", found, str(store.path)))
        if set(states) != set(assembly.components):
            rule = f"be {', '.join(sorted(states))}, as stored"
            raise DataError(broken("components", rule, ", ".join(sorted(assembly.components)), str(store.path)))
        for name, one in states.items():
            assembly.components[name].restore(one.state)
        self.restored = True
        assembly.strategy.go_on(log, states[assembly.strategy.name].state["logged"])
        self._say(
            f"restored {', '.join(sorted(states))} to the turn of {iso(self.turn_ns)}, {len(log):,} rows of orders"
        )

    async def reconcile(self, connection: ExchangeConnection, assembly: Assembly) -> None:
        """Ask the venue, rule, print and write every line, and carry the rulings out; called before the node runs.

        Raises
        ------
        CheckFailed
            A difference that no rule resolves; nothing was changed, here or at the venue.
        """
        symbols = {name: connection.unified(name) for name in self._config.universe.instruments}
        told = await self._ask(connection, out(self._orders), symbols)
        live = self._config.live
        now = connection.session.clock.now_ns()
        rulings = [order_ruling(self._remembered(order, now), told[id_][0]) for id_, order in self._by_id()]
        foreign = [one for one in await open_orders(connection.session, symbols) if self._is_foreign(one)]
        strangers = [
            foreign_ruling(one.client_order_id, one.described, self._prefix, live.foreign_orders) for one in foreign
        ]
        places = await self._positions(connection, assembly, told)
        lines = [*rulings, *strangers, *places]
        self._write(lines)
        self._refuse(lines)
        for one, ruling in zip(foreign, strangers):
            if ruling.action == "cancel":
                await cancel(connection.session, symbols, one)
        self._hear(assembly, told)
        for (id_, order), ruling in zip(self._by_id(), rulings):
            self._carry_out(assembly, order, ruling, told[id_][0])
        for ruling in places:
            if ruling.action == "adopt":
                index = self._config.universe.instruments.index(ruling.about)
                account = assembly.strategy.account
                account.hear_position(index, float(ruling.there), float(account.entry_price[index]))
        self._count_sent(connection)

    def _by_id(self) -> list[tuple[str, Order]]:
        return [(order.meant.client_order_id, order) for order in self._asked_for]

    async def _ask(self, connection: ExchangeConnection, orders: list[Order], symbols: dict[str, str]) -> Told:
        self._asked_for = orders
        names = self._config.universe.instruments
        asked = [
            Asked(
                order.meant.client_order_id,
                symbols[names[order.meant.instrument]],
                exact(order.meant.quantity),
                order.meant.kind.startswith("STOP"),
                order.filled,
                [trade.trade_id for trade in order.trades],
                order.meant.ts_event // 1_000_000,
            )
            for order in orders
        ]
        return await Inquiry(connection.session).of(asked)

    def _remembered(self, order: Order, now_ns: int) -> Remembered:
        meant = order.meant
        name = self._config.universe.instruments[meant.instrument]
        due = self.is_due(meant.ts_event, now_ns)
        quantity = exact(meant.quantity)
        return Remembered(meant.order_key, meant.client_order_id, name, quantity, order.filled, due, order.cancelled)

    def is_due(self, ts_event: int, now_ns: int) -> bool:
        """Tell whether what was decided at an event time may still be acted on: within the patience, and within the bar."""
        patience = min(int(self._config.live.late_secs * 1e9), bar_ns(self._config.universe.bar) - 1)
        return now_ns - ts_event <= patience

    def _is_foreign(self, one: OpenAtVenue) -> bool:
        return one.client_order_id not in self._orders

    async def _positions(self, connection: ExchangeConnection, assembly: Assembly, told: Told) -> list[Ruling]:
        config = self._config
        live, names = config.live, config.universe.instruments
        account = Account(live.exchange, live.market, names, connection.reached, live.rehearsal)
        account.session, account.symbols = connection.session, {name: connection.unified(name) for name in names}
        held = await account.positions()
        total, _ = await account.balance(config.venue.currency)
        missed = dict.fromkeys(names, Decimal(0))
        for id_, (_, trades) in told.items():
            for trade in trades:
                name = names[self._orders[id_].meant.instrument]
                missed[name] += trade.quantity if trade.side == "buy" else -trade.quantity
        rulings = []
        for index, (name, spec) in enumerate(zip(names, connection.specs)):
            here = exact(float(assembly.strategy.account.quantity[index])) + missed[name]
            fees = sum(
                (
                    exact(one.coin_fee)
                    for order in self._orders.values()
                    for one in order.trades
                    if one.instrument == index
                ),
                Decimal(0),
            )
            rulings.append(position_ruling(name, here, held.get(name, Decimal(0)), exact(spec.lot), fees, self._adopt))
        return [*rulings, balance_ruling(config.venue.currency, self._balance, Decimal(str(total)))]

    def _write(self, lines: list[Ruling]) -> None:
        with self._path.open("ab") as file:
            for line in lines:
                self._say(str(line))
                file.write(msgspec.json.encode({"turn_ns": self.turn_ns, **line._asdict()}) + b"\n")

    def _refuse(self, lines: list[Ruling]) -> None:
        blocking = [line for line in lines if line.blocks]
        if blocking:
            remedy = "look at the venue, put it right there, then resume again"
            count = "" if len(blocking) == 1 else f"{len(blocking)} lines"
            raise CheckFailed(broken("recovery", "explain every difference", str(blocking[0]), count, remedy))

    def _hear(self, assembly: Assembly, told: Told) -> None:
        """Let the desk hear the trades that it missed, of all orders, in order of time."""
        missed = [(event, self._orders[id_]) for id_, (_, events) in told.items() for event in events]
        for event, order in sorted(missed, key=lambda one: one[0].ts_ns):
            trade = self._trade(order, event)
            order.trades.append(trade)
            assembly.strategy.hear_missed(trade)

    def _carry_out(self, assembly: Assembly, order: Order, ruling: Ruling, found: Found) -> None:
        strategy, key = assembly.strategy, order.meant.order_key
        match ruling.action:
            case "send":
                self._again.append(order.meant)
            case "cancel":
                self._cancels = [*(one for one in self._cancels if one != order.meant), order.meant]
            case "drop":
                order.status = f"dropped: {found.reason or 'never reached the venue'}"
            case _ if found.standing in ("filled", "ended"):
                order.status = "filled" if found.standing == "filled" else "cancelled: while nobody listened"
        if order.status not in OUT:
            strategy.hear_ended(key, order.status)

    def _trade(self, order: Order, event: Filled) -> Traded:
        meant, fee = order.meant, event.fee or Decimal(0)
        in_coin = event.fee_currency is not None and event.fee_currency != self._config.venue.currency
        return Traded(
            meant.order_key,
            meant.client_order_id,
            event.trade_id,
            meant.instrument,
            float(event.quantity if event.side == "buy" else -event.quantity),
            float(event.price),
            float(fee * event.price if in_coin else fee),
            event.ts_ns,
            float(fee) if in_coin else 0.0,
        )

    def _count_sent(self, connection: ExchangeConnection) -> None:
        """Let the second gate know of every order that left before."""
        gate = connection.gate
        if gate is None:
            return
        names, again = self._config.universe.instruments, {meant.order_key for meant in self._again}
        for id_, order in self._orders.items():
            meant = order.meant
            if meant.order_key in again or order.status.startswith("dropped"):
                continue
            mark = fingerprint(names[meant.instrument], meant.quantity, meant.price)
            gate.hear_left(id_, meant.ts_event, mark, meant.ts_event >= self.turn_ns)

    async def look_again(self, connection: ExchangeConnection, assembly: Assembly) -> None:
        """Close the gap between the questions and the node's own: called once it runs, before it hears anything of the market.

        Raises
        ------
        CheckFailed
            The engine holds another position than the restored account.
        """
        strategy = assembly.strategy
        kept = [order for order in out(self._orders) if order.meant not in self._again]
        if kept:
            symbols = {name: connection.unified(name) for name in self._config.universe.instruments}
            told = await self._ask(connection, kept, symbols)
            rulings = [order_ruling(self._remembered(order, 0), told[id_][0]) for id_, order in self._by_id()]
            news = [told[id_][1] or told[id_][0].standing in ("filled", "ended") for id_, _ in self._by_id()]
            self._write([ruling for ruling, new in zip(rulings, news) if new])
            self._hear(assembly, told)
            for (id_, order), ruling, new in zip(self._by_id(), rulings, news):
                if new:
                    self._carry_out(assembly, order, ruling, told[id_][0])
        await self._same_positions(assembly)
        for meant in self._again:
            strategy.send_again(meant)
        for meant in self._cancels:
            strategy.cancel_order(ClientOrderId(meant.client_order_id))
        self._again, self._cancels = [], []
        self._orders.clear()

    async def _same_positions(self, assembly: Assembly) -> None:
        strategy = assembly.strategy
        for left in range(SETTLE_TRIES, -1, -1):
            lines = []
            for index, spec in enumerate(strategy.mandate.instruments):
                here, engine = float(strategy.account.quantity[index]), strategy.held_by_engine(index)
                lines.append(
                    position_ruling(spec.instrument_id, exact(here), exact(engine), exact(spec.lot), Decimal(0))
                )
            if not any(line.blocks for line in lines):
                return
            if not left:
                self._write([line for line in lines if line.blocks])
                self._refuse(lines)
            await asyncio.sleep(SETTLE_SECS)
