"""The circuit breaker: a pure state machine over readings, from armed to tripped, latched, and released or reset.

States of one control in one scope:

    armed -> unconfirmed    the limit is broken at this turn; new risk is refused where the control table says so, nothing latches
    unconfirmed -> armed    the next turn is good: one bad price trips nothing
    unconfirmed -> tripped  the limit was broken at `confirm` consecutive turns
    tripped -> latched      the measure is good again; what was tripped stays so
    latched -> armed        as its `release` says: after `confirm` good turns, at 00:00 UTC, or when a person resets its scope

A halt flattens in stages: at the turn of the trip, the next, and so on, no more than a falling fraction of the position that was held at
the trip may be kept. Time is the event time of the readings; there is no clock. A measure that is not a number counts as broken; one that
is not known at a turn counts neither way. Equity that is not a number is a breach of `equity`, and says nothing about losses.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.contract.calendar import NS_PER_SEC, iso
from engine.contract.errors import ConfigError, DataError, UsageError, broken
from engine.risk.breaker_anchors import NS_PER_DAY, EquityAnchors, Losses
from engine.risk.breaker_controls import ACCOUNT, CONTROLS
from engine.risk.breaker_disregard import Disregarded, twins
from engine.risk.breaker_flow import OrderFlow
from engine.risk.breaker_settings import BreakerSettings
from engine.risk.breaker_values import Change, Reading, Standing, Trip, fingerprint

STATE_VERSION = 2
ALL = "all"
"""Reset scope that means every scope."""


@dataclass(slots=True)
class _Watch:
    """One control in one scope, from its first breach until it is armed again."""

    first_ns: int
    value: float
    bad: int = 0
    good: int = 0
    trip: Trip | None = None
    held: dict[str, float] | None = None
    stage: int = 0


class Breaker:
    """Watches one account.

    Parameters
    ----------
    instruments
        Instrument ids, in the order of the readings.
    settings
        Resolved against [limits]; see `BreakerSettings.resolved`.
    bar_ns
        Length of a bar, nanoseconds: the unit of data age.
    """

    def __init__(self, instruments: Sequence[str], settings: BreakerSettings, bar_ns: int) -> None:
        for name in ("drawdown", "daily_loss", "position"):
            if getattr(settings, name) is None:
                raise ConfigError(
                    broken(f"actors.breaker.{name}", "be resolved", None, remedy="settings.resolved(limits)")
                )
        self.instruments = tuple(instruments)
        self.settings = settings
        self._bar_ns = bar_ns
        own = [control.name for control in CONTROLS if control.place == "breaker"]
        self._rows = {name: settings.control(name) for name in own}
        self._limits = {name: settings.limit(name) for name in own}
        self._ts = -1
        self._anchors = EquityAnchors()
        self._losses = Losses(0.0, 0.0)
        self._watches: dict[tuple[str, str], _Watch] = {}
        self._quantity = dict.fromkeys(self.instruments, 0.0)
        self._streak = 0
        self._flow = OrderFlow()
        self._disregarded: tuple[Disregarded, ...] = ()
        self._stands: tuple[tuple[Trip, ...], tuple[Trip, ...], dict[str, float]] | None = None
        self._said: tuple[int, Standing] | None = None

    def disregard(self, *disregarded: Disregarded) -> None:
        """Do not look at some controls for some time: what a replay asks for, to see a run without a trip.

        While a control is disregarded it neither trips nor refuses new risk, its streak counts nothing, and the gate's limit that repeats
        it is not held. It is no part of the settings nor of the state: nothing that trades can be configured or restored to it.
        """
        self._disregarded, self._stands = disregarded, None

    def hear(self, reading: Reading) -> tuple[Change, ...]:
        """Take in one turn and return what tripped and what was released.

        Raises
        ------
        DataError
            The turn is not later than the one before, or a sequence has not one value per instrument.
        """
        self._check(reading)
        ts_event, settings = reading.ts_event, self.settings
        changes: list[Change] = []
        new_day = self._ts >= 0 and ts_event // NS_PER_DAY != self._ts // NS_PER_DAY
        self._ts, self._stands = ts_event, None
        self._quantity = dict(zip(self.instruments, reading.quantity))
        for watch in self._watches.values():
            if watch.trip is not None:
                watch.stage += 1
        if new_day:
            self._release_day(changes)
        equity = reading.equity
        self._losses = losses = self._anchors.hear(ts_event, equity)
        self._judge("equity", ACCOUNT, equity, not 0.0 < equity < math.inf, changes)
        if equity == equity:
            self._at_least("drawdown", losses.drawdown, settings.drawdown, changes)
            self._at_least("daily_loss", losses.daily_loss, settings.daily_loss, changes)
        for profit in reading.closed:
            self._streak = self._streak + 1 if profit < 0.0 else 0 if profit > 0.0 else self._streak
        if self._disregarded and self._ignores("loss_streak", ACCOUNT, ts_event):
            self._streak = 0
        self._at_least("loss_streak", float(self._streak), settings.loss_streak, changes)
        if reading.correlation is not None:
            self._at_least("correlation", reading.correlation, settings.correlation, changes)
        if reading.entropy is not None and settings.entropy is not None:
            self._judge("entropy", ACCOUNT, reading.entropy, not reading.entropy >= settings.entropy, changes)
        if reading.links and settings.connectivity is not None:
            silent = (ts_event - min(reading.links.values())) / NS_PER_SEC
            self._judge("connectivity", ACCOUNT, silent, not silent <= settings.connectivity, changes)
        self._judge_instruments(reading, changes)
        return tuple(changes)

    def _check(self, reading: Reading) -> None:
        if reading.ts_event <= self._ts:
            raise DataError(broken("breaker reading", f"be later than {iso(self._ts)}", iso(reading.ts_event)))
        count = len(self.instruments)
        if count == len(reading.quantity) == len(reading.worst_quantity) == len(reading.price) == len(reading.heard_ns):
            return
        for name in ("quantity", "worst_quantity", "price", "heard_ns"):
            if len(getattr(reading, name)) != count:
                raise DataError(broken(f"breaker reading {name}", f"have {count} values", len(getattr(reading, name))))

    def _judge_instruments(self, reading: Reading, changes: list[Change]) -> None:
        position, stale, spread = self.settings.position, self.settings.stale_data, self.settings.spread
        for index, instrument_id in enumerate(self.instruments):
            worst = reading.worst_quantity[index]
            if position is not None and reading.equity > 0.0:
                share = 0.0 if worst == 0.0 else worst * reading.price[index] / reading.equity
                self._judge("position", instrument_id, share, not share <= position, changes)
            if stale is not None:
                age = (reading.ts_event - reading.heard_ns[index]) / self._bar_ns
                self._judge("stale_data", instrument_id, age, not age <= stale, changes)
            if spread is not None and reading.spread_bps is not None:
                wide = reading.spread_bps[index]
                if wide == wide:
                    self._judge("spread", instrument_id, wide, not wide <= spread, changes)

    def _at_least(self, name: str, value: float, limit: float | None, changes: list[Change]) -> None:
        if limit is not None and (self._watches or not value < limit):
            self._judge(name, ACCOUNT, value, not value < limit, changes)

    def _judge(self, name: str, scope: str, value: float, breached: bool, changes: list[Change]) -> None:
        key = (name, scope)
        watch = self._watches.get(key)
        if watch is None and not breached:
            return
        if self._disregarded and self._ignores(name, scope, self._ts) and (watch is None or watch.trip is None):
            self._watches.pop(key, None)
            return
        if watch is None:
            watch = self._watches[key] = _Watch(self._ts, value)
        row = self._rows[name]
        if breached:
            watch.bad, watch.good, watch.value = watch.bad + 1, 0, value
            if watch.trip is None and watch.bad >= row.confirm:
                changes.append(self._trip(key, watch, self._ts))
            return
        watch.bad, watch.good = 0, watch.good + 1
        if watch.trip is None:
            del self._watches[key]
        elif row.release == "recovery" and watch.good >= row.confirm:
            self._release(key, changes)

    def _ignores(self, name: str, scope: str, ts_event: int) -> bool:
        return any(one.covers(name, scope, ts_event) for one in self._disregarded)

    def _trip(self, key: tuple[str, str], watch: _Watch, ts_event: int, by: str = "", reason: str = "") -> Change:
        name, scope = key
        row = self._rows[name]
        assert row.action != "refuse"
        watch.trip = Trip(name, self._limits[name] or 0.0, watch.value, scope, ts_event, row.action)
        if row.action == "halt":
            covered = self.instruments if scope == ACCOUNT else (scope,)
            watch.held = {one: abs(self._quantity.get(one, 0.0)) for one in covered}
        self._stands = None
        return Change("tripped", watch.trip, ts_event, by, reason)

    def _release(self, key: tuple[str, str], changes: list[Change]) -> None:
        watch = self._watches.pop(key)
        if key[0] == "loss_streak":
            self._streak = 0
        if watch.trip is not None:
            changes.append(Change("released", watch.trip, self._ts))

    def _release_day(self, changes: list[Change]) -> None:
        for key, watch in list(self._watches.items()):
            if watch.trip is not None and self._rows[key[0]].release == "day":
                self._release(key, changes)

    def hear_order(
        self, ts_event: int, order_key: str, instrument_id: str, quantity: float, price: float
    ) -> tuple[Change, ...]:
        """Count an order that was sent; too many equal ones within a minute trip at once.

        Parameters
        ----------
        ts_event
            Event time of the sending, UTC ns; not before that of the order heard last.
        """
        self._said = None
        equal = self._flow.hear(ts_event, order_key, fingerprint(instrument_id, quantity, price))
        limit = self.settings.repeated_execution
        key = ("repeated_execution", ACCOUNT)
        if limit is None or equal < limit or key in self._watches or self._ignores(*key, ts_event):
            return ()
        self._watches[key] = watch = _Watch(ts_event, float(equal), bad=1)
        return (self._trip(key, watch, ts_event),)

    def stop(self, ts_event: int, by: str, reason: str, scope: str = ACCOUNT) -> Change:
        """Trip by hand: halt a scope until a person resets it; a second stop leaves the first, and its flattening, as they are.

        Raises
        ------
        UsageError
            Nobody signs, or the scope is neither `account` nor an instrument of this breaker.
        """
        self._signed(by)
        if scope != ACCOUNT and scope not in self.instruments:
            raise UsageError(broken("stop scope", f"be account or one of {', '.join(self.instruments)}", scope))
        standing = self._watches.get(("manual", scope))
        if standing is not None and standing.trip is not None:
            return Change("tripped", standing.trip, ts_event, by, reason)
        watch = self._watches["manual", scope] = _Watch(ts_event, 1.0, bad=1)
        return self._trip(("manual", scope), watch, ts_event, by, reason)

    def reset(self, ts_event: int, scope: str, by: str, reason: str, control: str | None = None) -> tuple[Change, ...]:
        """Arm again what is tripped in a scope; losses are measured from the present equity on, streaks from 0.

        Parameters
        ----------
        scope
            `account` (the trips that cover the whole account, no instrument's own), an instrument id, or `all`.
        by, reason
            The person, and why; they stand in the journal.
        control
            Only this control; None means every one in the scope.

        Raises
        ------
        UsageError
            Nobody signs, or nothing is tripped there.
        """
        self._signed(by)
        chosen = [
            (key, watch.trip)
            for key, watch in self._watches.items()
            if watch.trip is not None and scope in (ALL, key[1]) and control in (None, key[0])
        ]
        if not chosen:
            standing = (
                ", ".join(f"{name} ({where})" for (name, where), w in self._watches.items() if w.trip) or "nothing"
            )
            raise UsageError(broken("reset", f"name what is tripped: {standing}", f"{control or ALL} ({scope})"))
        for (name, where), _ in chosen:
            del self._watches[name, where]
            self._anchors.rebase(peak=name == "drawdown", day=name == "daily_loss")
            if name == "loss_streak":
                self._streak = 0
            if name == "repeated_execution":
                self._flow.clear()
        self._stands = None
        return tuple(Change("reset", trip, ts_event, by, reason) for _, trip in chosen)

    @staticmethod
    def _signed(by: str) -> None:
        if not by.strip():
            raise UsageError(broken("reset or stop", "be signed by a person", repr(by), remedy="say who you are"))

    def standing(self, ts_event: int) -> Standing:
        """Return what stands at an event time, for the gate.

        Parameters
        ----------
        ts_event
            Event time of the order to be judged, UTC ns.
        """
        if self._stands is not None and self._said is not None and self._said[0] == ts_event:
            return self._said[1]
        if self._stands is None:
            trips = tuple(watch.trip for watch in self._watches.values() if watch.trip is not None)
            unconfirmed = tuple(
                Trip(name, self._limits[name] or 0.0, watch.value, scope, watch.first_ns, "reduce")
                for (name, scope), watch in self._watches.items()
                if watch.trip is None and self._rows[name].unconfirmed
            )
            self._stands = (trips, unconfirmed, self._ceilings())
        trips, unconfirmed, ceilings = self._stands
        sent = self._flow.counts(ts_event)
        standing = Standing(
            self._ts,
            trips,
            unconfirmed,
            ceilings,
            sent.second,
            sent.minute,
            sent.today,
            sent.keys,
            sent.equals,
            self._losses.drawdown,
            self._losses.daily_loss,
            twins(self._disregarded, ACCOUNT, ts_event) if self._disregarded else frozenset(),
        )
        self._said = (ts_event, standing)
        return standing

    def _ceilings(self) -> dict[str, float]:
        stages = self.settings.stages
        ceilings: dict[str, float] = {}
        for watch in self._watches.values():
            if watch.held is None:
                continue
            kept = 1.0 - stages[min(watch.stage, len(stages) - 1)]
            for instrument_id, quantity in watch.held.items():
                ceilings[instrument_id] = min(ceilings.get(instrument_id, float("inf")), kept * quantity)
        return ceilings

    def state(self) -> dict[str, Any]:
        """Return everything that `restore` needs, as plain JSON values."""
        return {
            "version": STATE_VERSION,
            "ts_event": self._ts,
            "anchors": self._anchors.state(),
            "losses": [repr(float(value)) for value in self._losses],
            "watches": [
                {
                    "control": name,
                    "scope": scope,
                    "first_ns": watch.first_ns,
                    "value": repr(float(watch.value)),
                    "bad": watch.bad,
                    "good": watch.good,
                    "trip": None
                    if watch.trip is None
                    else [watch.trip.limit, repr(float(watch.trip.value)), watch.trip.ts_event, watch.trip.action],
                    "held": watch.held,
                    "stage": watch.stage,
                }
                for (name, scope), watch in self._watches.items()
            ],
            "quantity": dict(self._quantity),
            "streak": self._streak,
            "flow": self._flow.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state: what was tripped is tripped, and stays so until it is released or reset.

        Raises
        ------
        DataError
            The state is of another version, or names a control that does not exist.
        """
        if state.get("version") != STATE_VERSION:
            raise DataError(broken("breaker state version", f"be {STATE_VERSION}", state.get("version")))
        watches: dict[tuple[str, str], _Watch] = {}
        for one in state["watches"]:
            name, scope = one["control"], one["scope"]
            if name not in self._rows:
                raise DataError(broken("breaker state", "name controls of the control table", name))
            watch = _Watch(
                one["first_ns"], float(one["value"]), one["bad"], one["good"], None, one["held"], one["stage"]
            )
            if one["trip"] is not None:
                limit, value, ts_event, action = one["trip"]
                watch.trip = Trip(name, limit, float(value), scope, ts_event, action)
            watches[name, scope] = watch
        self._watches, self._stands = watches, None
        self._anchors.restore(state["anchors"])
        self._losses = Losses(*map(float, state["losses"]))
        self._ts, self._streak = state["ts_event"], state["streak"]
        self._quantity = dict(state["quantity"])
        self._flow.restore(state["flow"])
