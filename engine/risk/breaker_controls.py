"""The control table: every breaker and every pre-trade control as a row of data, with its limit, scope, action and release.

One row says all that a reader, a drill or a page needs to know about a control. The state machine (`engine.risk.breaker`) and the gate
(`engine.risk.gate`) take their limits from `engine.risk.breaker_settings`, which starts from the defaults here.
"""

from typing import Literal, NamedTuple

Action = Literal["refuse", "reduce", "halt"]
Release = Literal["order", "recovery", "day", "person"]
Scope = Literal["order", "instrument", "account"]
Place = Literal["breaker", "gate", "venue"]

ACCOUNT = "account"
"""Scope of a trip that covers every instrument; any other scope is an instrument id."""

DRIFT = 1.25
"""A position may drift to so many times its limit before its breaker trips; the gate refuses to add to it from the limit on."""


class Control(NamedTuple):
    """One control.

    Attributes
    ----------
    name
        As in `Trip.control` and `Refusal.limit`.
    meaning
        What is measured, and when it is too much.
    unit
        Of value and limit.
    default
        The limit where the configuration says nothing; None means off.
    scope
        What a trip covers.
    action
        `refuse` this order, `reduce` (no new risk), or `halt` (no new risk, and the position is flattened in stages).
    release
        What ends it: the `order` itself, `recovery` (the measure was good for as many turns as it took to trip), the UTC `day`, or a
        `person`.
    confirm
        Consecutive turns at which the breach must be seen before it trips.
    unconfirmed
        Whether a breach that is not confirmed yet refuses new risk at its own turn.
    place
        Who looks: the `breaker` at every turn, the `gate` at every order, or something at the `venue` that this program has not built in.
    source
        What the control follows. RTS 6 is Commission Delegated Regulation (EU) 2017/589, SEC 15c3-5 is 17 CFR 240.15c3-5; neither names a
        figure, so the figures are our choice, and following a rule's idea is not compliance with it.
    """

    name: str
    meaning: str
    unit: str
    default: float | None
    scope: Scope
    action: Action
    release: Release
    confirm: int
    unconfirmed: bool
    place: Place
    source: str


# fmt: off
CONTROLS: tuple[Control, ...] = (
    Control("equity", "equity is not a positive number", "quote", 0.0,
            "account", "halt", "person", 2, True, "breaker", "our choice"),
    Control("drawdown", "loss from the peak of equity, unrealised included, at or over the limit", "fraction", 0.15,
            "account", "halt", "person", 2, True, "breaker", "RTS 6 art. 15(4): market risk limits"),
    Control("daily_loss", "loss since 00:00 UTC, unrealised included, at or over the limit", "fraction", 0.02,
            "account", "halt", "day", 2, True, "breaker", "RTS 6 art. 15(4): market risk limits"),
    Control("loss_streak", "closed trades in a row that lost, at or over the limit", "trades", 10.0,
            "account", "reduce", "day", 1, False, "breaker", "our choice"),
    Control("position", "position with open orders has drifted over the limit", "fraction of equity", None,
            "instrument", "reduce", "recovery", 2, True, "breaker", "RTS 6 art. 17(2): exposure; 1.25 x limits.max_position_frac"),
    Control("correlation", "mean correlation of pairs of positions, weighted by their values, at or over the limit", "correlation", 0.7,
            "account", "reduce", "recovery", 2, True, "breaker", "our choice"),
    Control("entropy", "entropy of the policy's answer below the limit: it answers the same whatever it sees", "nats", 0.1,
            "account", "reduce", "person", 64, False, "breaker", "our choice"),
    Control("stale_data", "age of an instrument's last bar or tick over the limit", "bars", 3.0,
            "instrument", "reduce", "recovery", 1, True, "breaker", "our choice; RTS 6 art. 14 names the loss of data"),
    Control("connectivity", "age of the last sign of life of a link over the limit", "seconds", 30.0,
            "account", "reduce", "recovery", 1, True, "breaker", "our choice; RTS 6 art. 14 names the loss of suppliers"),
    Control("spread", "spread over the mid over the limit", "basis points", 50.0,
            "instrument", "reduce", "recovery", 2, True, "breaker", "our choice"),
    Control("repeated_execution", "equal orders (instrument, quantity, price) within a minute at or over the limit", "orders", 5.0,
            "account", "halt", "person", 1, False, "breaker", "RTS 6 art. 15(3): repeated execution"),
    Control("manual", "a person says stop", "", None,
            "account", "halt", "person", 1, False, "breaker", "RTS 6 art. 12: kill"),
    Control("heartbeat", "age of the breaker's last word over the limit, or none at all", "bars", 1.0,
            "account", "refuse", "order", 1, False, "gate", "fail closed"),
    Control("deployment", "instrument is not among those deployed", "count", 0.0,
            "order", "refuse", "order", 1, False, "gate", "RTS 6 art. 8: controlled deployment"),
    Control("duplicate_order", "key of an order of the last minute, or equal to one of the same event time", "count", 0.0,
            "order", "refuse", "order", 1, False, "gate", "SEC 15c3-5(c)(1)(ii): duplicates"),
    Control("orders_per_second", "orders sent in the last second over the limit; cancels pass", "orders", 100.0,
            "order", "refuse", "order", 1, False, "gate", "RTS 6 art. 15(1)(d): messages"),
    Control("orders_per_minute", "orders sent in the last minute over the limit; cancels pass", "orders", 1000.0,
            "order", "refuse", "order", 1, False, "gate", "RTS 6 art. 15(1)(d): messages"),
    Control("daily_trades", "orders since 00:00 UTC over the limit", "orders", 100.0,
            "order", "refuse", "order", 1, False, "gate", "limits.daily_trades"),
    Control("price_collar", "distance of the order's price from the reference over the limit, or no reference", "fraction", 0.05,
            "order", "refuse", "order", 1, False, "gate", "RTS 6 art. 15(1)(a): price collar"),
    Control("confidence", "confidence of the decision below the limit", "probability", 0.6,
            "order", "refuse", "order", 1, False, "gate", "our choice"),
    Control("max_order_quantity", "quantity of one order over the limit of its instrument", "base units", None,
            "order", "refuse", "order", 1, False, "gate", "RTS 6 art. 15(1)(c): volume"),
    Control("max_order_notional", "value of one order over the limit", "quote", None,
            "order", "refuse", "order", 1, False, "gate", "RTS 6 art. 15(1)(b): value"),
    Control("max_position_frac", "position with open orders over the limit after the order", "fraction of equity", 0.1,
            "order", "refuse", "order", 1, False, "gate", "limits.max_position_frac"),
    Control("max_gross_frac", "sum of positions with open orders over the limit after the order", "fraction of equity", 1.0,
            "order", "refuse", "order", 1, False, "gate", "SEC 15c3-5(c)(1)(i): thresholds; limits.max_gross_frac"),
    Control("dead_man_switch", "the venue cancels when we fall silent", "", None,
            "account", "halt", "person", 1, False, "venue", "FIA"),
    Control("reconciliation", "positions at the venue differ from ours", "", None,
            "account", "halt", "person", 1, False, "venue", "RTS 6 art. 17(3): reconciliation"),
    Control("independent_kill", "a process beside the engine cancels everything", "", None,
            "account", "halt", "person", 1, False, "venue", "RTS 6 art. 12: kill"),
)
# fmt: on

BY_NAME: dict[str, Control] = {control.name: control for control in CONTROLS}
