"""What the order desk remembers: the account, the orders that are out, times and counts; kept, restored, and gone on with."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from nautilus_trader.model import ClientOrderId, InstrumentId, OrderStatus, StrategyId, Venue
from nautilus_trader.trading import Strategy, StrategyConfig

from catalogs.instruments import currency
from engine.contract.calendar import bar_ns
from engine.execution.netting import Holding, filled
from engine.execution.tracker import AccountTracker
from engine.journal.order_log import INTENT, ORDER, TRADE, Intended, OrderLog, Traded
from engine.risk.gate import Account, Guard
from engine.risk.readings import MarketReadings
from strategies.mandate import Mandate
from strategies.settling import FundingLedger
from strategies.steering import Halts

OUT = ("held", "submitted")
"""Statuses of orders that are out."""

KEPT_TRADES = 4_096
"""Trades whose ids are remembered: one that is told twice is heard once."""


class DeskMemory(Strategy):
    """Knows the account and the orders that are out; sends nothing.

    Parameters
    ----------
    mandate
        What may be traded, and how.

    Attributes
    ----------
    order_log
        Where orders are written before they leave, and what becomes of them as it is heard; None keeps nothing.
    """

    def __new__(cls, mandate: Mandate, *_args: object, **_kwargs: object) -> "DeskMemory":
        """Hand the base class its configuration only."""
        return super().__new__(cls, cls._nautilus_config(mandate))  # type: ignore[call-arg]

    @classmethod
    def _nautilus_config(cls, mandate: Mandate) -> StrategyConfig:
        """Live, orders and positions that a session before left at the venue are claimed."""
        claims = [InstrumentId.from_str(spec.instrument_id) for spec in mandate.instruments]
        return StrategyConfig(
            strategy_id=StrategyId("HURACAN-001"),
            order_id_tag="001",
            external_order_instrument_ids=claims if mandate.mode == "live" else None,
        )

    def __init__(self, mandate: Mandate) -> None:
        super().__init__(self._nautilus_config(mandate))
        self.failure: Exception | None = None
        self.mandate = mandate
        specs = mandate.instruments
        self.instrument_ids = [InstrumentId.from_str(spec.instrument_id) for spec in specs]
        self._index = {instrument_id: index for index, instrument_id in enumerate(self.instrument_ids)}
        self._venue = Venue(specs[0].venue)
        self._lot = np.array([spec.lot for spec in specs])
        self.account = AccountTracker(len(specs), mandate.venue.starting_balance)
        self._held: dict[int, Any] = {}
        self._on_their_way: dict[str, tuple[int, float]] = {}
        self._resting: dict[str, tuple[int, float]] = {}
        self._bar_ns = bar_ns(mandate.bar)
        self._deployed = frozenset(spec.instrument_id for spec in specs)
        self._closed: list[float] = []
        self._mid = np.full(len(specs), np.nan)
        self._order_keys: dict[str, str] = {}
        self._decided_ns = 0
        self._event_ns = 0
        self._stray = 0
        self._named = 0
        self._fills = 0
        self.order_log: OrderLog | None = None
        self._gone_on = False
        self._deciding = False
        self._leaving: list[Callable[[], None]] = []
        self._trades: dict[str, None] = {}
        self._realised = [0.0] * len(specs)
        self._carried = [0.0] * len(specs)
        self.halted = ""
        self.halts = Halts(tuple(spec.instrument_id for spec in specs))
        self.latched: Callable[[], str] | None = None
        self.quotes_heard = 0
        self.funding = FundingLedger(specs, currency(mandate.venue.currency).precision)
        self.wake: Callable[[], None] | None = None
        self.readings = self._market_readings(mandate)
        self.quotes_measured = mandate.measured_quotes or not mandate.holds_orders

    def _market_readings(self, mandate: Mandate) -> MarketReadings | None:
        if mandate.breaker is None:
            return None
        settings = mandate.breaker.settings
        return MarketReadings(
            len(mandate.instruments),
            self._bar_ns,
            settings.correlation_half_life,
            settings.correlation_observations,
        )

    def orders_state(self) -> dict[str, Any]:
        """Return what `restore_orders` needs, orders as plain values: of one that is held its instrument, key, client id, quantity."""
        out = {**self._on_their_way, **self._resting}
        held = [[index, key, str(order.client_order_id), out[key][1]] for index, (order, key) in self._held.items()]
        return {
            "account": self.account.state(),
            "held": held,
            "on_their_way": [[key, *order] for key, order in self._on_their_way.items()],
            "resting": [[key, *order] for key, order in self._resting.items()],
            "order_keys": {id_: key for id_, key in self._order_keys.items() if key in out},
            "closed": list(self._closed),
            "mid": self._mid.copy(),
            "decided_ns": self._decided_ns,
            "event_ns": self._event_ns,
            "stray": self._stray,
            "named": self._named,
            "halted": self.halted,
            "fills": self._fills,
            "realised": list(self._realised),
            "logged": 0 if self.order_log is None else len(self.order_log),
            "funding": self.funding.state(),
            "readings": None if self.readings is None else self.readings.state(),
        } | ({"halts": self.halts.state()} if self.halts else {})

    def _again(self, index: int, signed: float, order_key: str, client_order_id: str) -> Any:
        """Make a held order again; whoever makes orders knows how."""
        raise NotImplementedError

    def restore_orders(self, state: dict[str, Any]) -> None:
        """Go on from a state; a held order that is not here is made again, under its client order id.

        Raises
        ------
        DataError
            An order that is not here was no market order.
        """
        here = {str(order.client_order_id): order for order, _ in self._held.values()}
        self.account.restore(state["account"])
        self._mid = state["mid"].copy()
        self._on_their_way = {key: (index, quantity) for key, index, quantity in state["on_their_way"]}
        self._resting = {key: (index, quantity) for key, index, quantity in state["resting"]}
        self._order_keys.update(state["order_keys"])
        self._held = {
            index: (here.get(client_order_id) or self._again(index, quantity, key, client_order_id), key)
            for index, key, client_order_id, quantity in state["held"]
        }
        self._closed, self._decided_ns = list(state["closed"]), state["decided_ns"]
        self._event_ns, self._stray, self._fills = state["event_ns"], state["stray"], state["fills"]
        self._named, self.halted = state["named"], state["halted"]
        self.halts.restore(state.get("halts", {}))
        self._realised = list(state["realised"])
        self.funding.restore(state["funding"])
        if self.readings is not None:
            self.readings.restore(state["readings"])

    def go_on(self, log: OrderLog, logged: int) -> None:
        """Write to a log from now on, and hear again what it has behind the restored state.

        Parameters
        ----------
        logged
            Rows that the state knows of; the record of the session takes in those before too.
        """
        self._gone_on = True
        for number, kind, fields in log.rows():
            self.mandate.blotter.again(kind, fields)
            if kind == TRADE:
                self._remember(Traded(*fields).trade_id)
            if number >= logged:
                self._hear_again(kind, fields)
        self.keep(log)

    def keep(self, log: OrderLog) -> None:
        """Write to a log from now on."""
        self.order_log = log
        self.mandate.blotter.keep = log.write

    def _hear_again(self, kind: str, fields: Sequence[Any]) -> None:
        if kind == INTENT:
            meant = Intended(*fields)
            self._out(meant.instrument, meant.client_order_id, meant.order_key, meant.quantity, meant.kind == "MARKET")
            self._named, self._stray = max(self._named, meant.named), max(self._stray, meant.stray)
            self._hear_time(meant.ts_event)
            breaker = self.mandate.breaker
            if breaker is not None:
                name = self.mandate.instruments[meant.instrument].instrument_id
                breaker.hear_order(meant.ts_event, meant.order_key, name, meant.quantity, meant.price)
        elif kind == TRADE:
            self._count(Traded(*fields))
        elif kind == ORDER and fields[-1] not in OUT:
            self._forget(fields[0])

    def _out(self, index: int, client_order_id: str, order_key: str, quantity: float, at_once: bool) -> None:
        """Count an order that is about to leave."""
        self._order_keys[client_order_id] = order_key
        kept = self._on_their_way if at_once else self._resting
        kept[order_key] = (index, quantity)
        self.account.orders_today += 1

    def _forget(self, order_key: str) -> None:
        """Count an order no more."""
        self._on_their_way.pop(order_key, None)
        self._resting.pop(order_key, None)

    def _is_out(self, order_key: str, index: int) -> bool:
        """Tell whether an order of an instrument is out."""
        kept = self._on_their_way.get(order_key) or self._resting.get(order_key)
        return kept is not None and kept[0] == index

    def _remember(self, trade_id: str) -> bool:
        """Remember a trade; False where it was heard before."""
        if trade_id in self._trades:
            return False
        self._trades[trade_id] = None
        if len(self._trades) > KEPT_TRADES:
            del self._trades[next(iter(self._trades))]
        return True

    def _count(self, trade: Traded) -> None:
        """Take a trade into the account without the engine, which was not there when it was made."""
        index, account = trade.instrument, self.account
        account.hear_fill(abs(trade.quantity) * trade.price)
        self._fills += 1
        before = Holding(float(account.quantity[index]), float(account.entry_price[index]), self._realised[index])
        decimals = self.mandate.instruments[index].size_precision
        after, profit = filled(before, trade.quantity, trade.price, trade.fee, decimals)
        account.hear_position(index, after.quantity, after.entry_price)
        self._realised[index] = after.realised
        if profit is not None:
            self._closed.append(profit)
        if trade.order_key in self._resting:
            _, left = self._resting[trade.order_key]
            self._resting[trade.order_key] = (index, round(left - trade.quantity, decimals))

    def held_by_engine(self, index: int) -> float:
        """Return the position that the engine holds, signed, base units."""
        positions = self.cache.positions_open(instrument_id=self.instrument_ids[index])
        return float(sum(float(position.signed_qty) for position in positions))

    def take_over(self) -> None:
        """Begin with the positions that the venue reported before the start; a session that is gone on with knows its own."""
        for position in self.cache.positions_open(strategy_id=self.strategy_id):
            index = self._index.get(position.instrument_id)
            if index is None:
                continue
            if not self._gone_on:
                self.account.hear_position(index, float(position.signed_qty), float(position.avg_px_open))
            made: Any = position.realized_pnl
            self._carried[index] = self._realised[index] - (0.0 if made is None else float(made.as_decimal()))

    @property
    def orders_out(self) -> int:
        """Market orders that were sent and have not come back as filled, rejected or cancelled."""
        return len(self._on_their_way) - len(self._held)

    @property
    def orders_unanswered(self) -> bool:
        """Whether an order was sent of which the venue has not said yet that it has it."""
        for client_order_id, key in self._order_keys.items():
            if key in self._on_their_way or key in self._resting:
                order = self.cache.order(ClientOrderId(client_order_id))
                if order is None or order.status in (OrderStatus.INITIALIZED, OrderStatus.SUBMITTED):
                    return True
        return False

    @property
    def orders_open(self) -> bool:
        """Whether an order is held, on its way, or resting."""
        return bool(self._on_their_way or self._resting)

    def open_quantities(self) -> dict[str, float]:
        """Return order key to signed unfilled quantity of every order that is held, on its way, or resting, base units."""
        return {key: quantity for key, (_, quantity) in (*self._on_their_way.items(), *self._resting.items())}

    def order_times(self, client_order_id: str) -> tuple[int, int | None, int | None] | None:
        """Return when an order was made, handed to the venue, and accepted, engine clock, UTC ns; None where the engine has none such."""
        order: Any = self.cache.order(ClientOrderId(client_order_id))
        return None if order is None else (order.ts_init, order.ts_submitted, order.ts_accepted)

    def engine_quantities(self) -> list[float]:
        """Return what the engine holds of each instrument, signed, base units, in their order."""
        return [float(self.portfolio.net_position(instrument_id)) for instrument_id in self.instrument_ids]

    def _now_ns(self) -> int:
        """Event time: a component's clock has it in a back test; elsewhere it is that of the last quote or turn."""
        return self.clock.timestamp_ns() if self.mandate.mode == "backtest" else self._event_ns

    def _hear_time(self, ts_event: int) -> None:
        if ts_event > self._event_ns:
            self._event_ns = ts_event

    def _open(self, index: int) -> tuple[float, float]:
        buys = sells = 0.0
        for other, quantity in (*self._on_their_way.values(), *self._resting.values()):
            if other == index:
                buys, sells = buys + max(quantity, 0.0), sells + max(-quantity, 0.0)
        return buys, sells

    def _guard(self, index: int, ts_event: int) -> Guard | None:
        breaker = self.mandate.breaker
        if breaker is None:
            return None
        close = float(self.account.close[index])
        return Guard(breaker.standing(ts_event), breaker.settings, ts_event, self._bar_ns, close, self._deployed)

    def _view(self, index: int) -> Account:
        account = self.account
        after, close = account.quantity, account.close
        gross, open_buys, open_sells = account.gross_notional, 0.0, 0.0
        if self._on_their_way:
            after = after.copy()
            for other, quantity in self._on_their_way.values():
                after[other] += quantity
            gross = float((np.abs(after) * close).sum())
        if self._resting:
            opened = np.zeros((2, len(close)))
            for other, quantity in self._resting.values():
                opened[0 if quantity > 0 else 1, other] += abs(quantity)
            open_buys, open_sells = float(opened[0, index]), float(opened[1, index])
            gross = float((np.maximum(np.abs(after + opened[0]), np.abs(after - opened[1])) * close).sum())
        return Account(
            account.equity,
            account.peak_equity,
            account.day_equity,
            float(after[index]),
            gross,
            account.orders_today,
            open_buys,
            open_sells,
        )
