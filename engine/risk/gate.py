"""The gate: (intent, account, limits, guard) to an approved order, or a refusal that names the limit and both values.

Pure: no framework, no clock. Every order leaves through it: submitted, in a list, modified, closing, or leaving the market. Three rules:

- What only reduces a position always passes, also when halted, stale, or without a price. So does making an open order smaller.
- Open orders count: an order is judged by where it and the open ones of its side lead, a modification by what it would leave.
- Without a fresh word from the breaker, where there is one to be had, no new risk passes.

Cancels need no judgement.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from engine.contract.config import Limits
from engine.risk.breaker_measures import worst_quantity
from engine.risk.breaker_settings import BreakerSettings
from engine.risk.breaker_values import UNDER, Standing, fingerprint

TOLERANCE = 1e-9
"""Relative slack on a limit, so that a position sized to the limit is not refused for its last bit."""


class OpenOrder(NamedTuple):
    """An order that a modification replaces: its signed unfilled quantity, and its price."""

    quantity: float
    price: float


class Intent(NamedTuple):
    """A wish to trade.

    Attributes
    ----------
    instrument_id
        What to trade.
    quantity
        Signed quantity of the order, base units; of a modification, all that would be unfilled after it.
    price
        Price at the decision, or of the limit order, quote.
    order_key
        Names the order; "" has no name, and is never a duplicate by name.
    confidence
        Of the decision behind it, in [0, 1].
    reduce_only
        The venue itself keeps the order from opening anything.
    replaces
        The open order that this one modifies; it must be counted in the account's open orders.
    """

    instrument_id: str
    quantity: float
    price: float
    order_key: str = ""
    confidence: float = 1.0
    reduce_only: bool = False
    replaces: OpenOrder | None = None


class Account(NamedTuple):
    """The account as the gate sees it.

    Attributes
    ----------
    equity, peak_equity, day_equity
        Now, at its highest, and at the first decision of the UTC day; quote.
    position
        Signed quantity of the instrument, base units; orders on their way that will certainly fill may be included.
    gross_notional
        Sum over all instruments of the worst positions that open orders can lead to, quote.
    orders_today
        Orders sent since 00:00 UTC.
    open_buys, open_sells
        Unfilled quantities of the instrument's open orders that are not included in `position`, non-negative, base units.
    """

    equity: float
    peak_equity: float
    day_equity: float
    position: float
    gross_notional: float
    orders_today: int
    open_buys: float = 0.0
    open_sells: float = 0.0


class Guard(NamedTuple):
    """What the breaker and the market say at the time of an order.

    Attributes
    ----------
    standing
        The breaker's word; None where it has not spoken: then no new risk passes.
    settings
        Resolved against [limits].
    ts_event
        Event time of the order, UTC ns.
    bar_ns
        Length of a bar, nanoseconds.
    reference
        Last price of the instrument that the collar is laid around, quote; NaN where there is none.
    deployed
        Instruments that may be traded; None means all.
    """

    standing: Standing | None
    settings: BreakerSettings
    ts_event: int
    bar_ns: int
    reference: float = math.nan
    deployed: frozenset[str] | None = None


class Approved(NamedTuple):
    """The intent may be sent as it is; `reducing` says that it passed for what it takes away."""

    intent: Intent
    reducing: bool = False


class Refusal(NamedTuple):
    """The intent may not be sent.

    Attributes
    ----------
    limit
        Name of the limit in [limits] or in the control table, or `price`, `equity`.
    value, bound
        What the order would bring or what was measured, and what is allowed.
    note
        Action, scope and time of the trip behind it, or the place in a list.
    """

    limit: str
    value: float
    bound: float
    note: str = ""

    def __str__(self) -> str:
        side = "under" if self.limit in UNDER and self.limit != "equity" else "over"
        text = f"refused: {self.limit} {self.value:.6g} {side} {self.bound:.6g}"
        return f"{text} ({self.note})" if self.note else text


def reduces(intent: Intent, position: float) -> bool:
    """Tell whether the order brings the position nearer to zero without crossing it."""
    return position * intent.quantity < 0 and abs(intent.quantity) <= abs(position) * (1.0 + TOLERANCE)


def judge(intent: Intent, account: Account, limits: Limits, guard: Guard | None = None) -> Approved | Refusal:
    """Hold one intent to every limit: the breaker first, then the order, the account, the losses.

    Parameters
    ----------
    guard
        None means that no breaker is configured; a guard without a standing means that there is one and it is silent.

    Returns
    -------
    Approved, or the first Refusal. An intent whose price or equity is not a positive number is refused unless it reduces the position.
    """
    others = _without(intent.replaces, account)
    if _only_reduces(intent, others):
        return Approved(intent, reducing=True)
    if guard is not None:
        stopped = _stopped(intent, guard)
        if stopped is not None:
            return stopped
    if not intent.price > 0:
        return Refusal("price", intent.price, 0.0)
    if not account.equity > 0:
        return Refusal("equity", account.equity, 0.0)
    if guard is not None:
        disallowed = _disallowed(intent, guard, account.orders_today)
        if disallowed is not None:
            return disallowed
    price = intent.price if guard is None or not guard.reference > intent.price else guard.reference
    after = _reach(intent, others)
    before = worst_quantity(account.position, account.open_buys, account.open_sells)
    gross_after = account.gross_notional + (after - before) * price
    bounds = (
        ("max_order_notional", abs(intent.quantity) * price, limits.max_order_notional),
        ("max_position_frac", after * price / account.equity, limits.max_position_frac),
        ("max_gross_frac", gross_after / account.equity, limits.max_gross_frac),
        ("daily_trades", float(account.orders_today + 1), limits.daily_trades),
    )
    for name, value, bound in bounds:
        if bound is not None and not value <= bound * (1.0 + TOLERANCE):
            return Refusal(name, value, float(bound))
    drawdown, daily_loss = _losses(account, guard)
    losses = (
        ("max_drawdown_frac", drawdown, limits.max_drawdown_frac),
        ("daily_loss_frac", daily_loss, limits.daily_loss_frac),
    )
    not_held = guard.standing.not_held if guard is not None and guard.standing is not None else frozenset()
    for name, value, bound in losses:
        if bound is not None and name not in not_held and not value < bound:
            return Refusal(name, value, bound)
    return Approved(intent)


def _losses(account: Account, guard: Guard | None) -> tuple[float, float]:
    """Drawdown and loss of the day; those that a breaker watches are the breaker's, which a person's reset measures anew."""
    drawdown, daily_loss = 1.0 - account.equity / account.peak_equity, 1.0 - account.equity / account.day_equity
    if guard is not None and guard.standing is not None:
        standing, settings = guard.standing, guard.settings
        drawdown = drawdown if settings.drawdown is None else standing.drawdown
        daily_loss = daily_loss if settings.daily_loss is None else standing.daily_loss
    return drawdown, daily_loss


def judge_list(
    intents: Sequence[Intent],
    accounts: Mapping[str, Account],
    limits: Limits,
    guard: Guard | None = None,
    references: Mapping[str, float] | None = None,
) -> tuple[Approved, ...] | Refusal:
    """Hold a list of orders to every limit, each as if those before it were open; one refusal refuses them all.

    Parameters
    ----------
    accounts
        Instrument id to the account as it is before the list; all share one equity, gross notional and count.
    references
        Instrument id to reference price, for a list over several instruments; None means that of the guard for all.
    """
    held = dict(accounts)
    approved: list[Approved] = []
    for number, intent in enumerate(intents, start=1):
        if guard is not None and references is not None:
            guard = guard._replace(reference=references.get(intent.instrument_id, math.nan))
        answer = judge(intent, held[intent.instrument_id], limits, guard)
        if isinstance(answer, Refusal):
            place = f"order {number} of {len(intents)}"
            return answer._replace(note=f"{answer.note}; {place}" if answer.note else place)
        approved.append(answer)
        held = _with_open(intent, held)
        guard = guard if guard is None else _heard(intent, guard)
    return tuple(approved)


def headroom(account: Account, price: float, limits: Limits, guard: Guard | None = None) -> dict[str, float]:
    """Return what is left of every limit that is set, before an order: fractions of equity, quote, or a count."""
    equity = account.equity
    worst = worst_quantity(account.position, account.open_buys, account.open_sells)
    left = {
        "max_position_frac": limits.max_position_frac - worst * price / equity,
        "max_gross_frac": limits.max_gross_frac - account.gross_notional / equity,
    }
    if limits.max_order_notional is not None:
        left["max_order_notional"] = limits.max_order_notional
    if limits.daily_trades is not None:
        left["daily_trades"] = float(limits.daily_trades - account.orders_today)
    drawdown, daily_loss = _losses(account, guard)
    if limits.max_drawdown_frac is not None:
        left["max_drawdown_frac"] = limits.max_drawdown_frac - drawdown
    if limits.daily_loss_frac is not None:
        left["daily_loss_frac"] = limits.daily_loss_frac - daily_loss
    if guard is not None and guard.standing is not None:
        standing, settings = guard.standing, guard.settings
        for name, limit, value in (
            ("drawdown", settings.drawdown, standing.drawdown),
            ("daily_loss", settings.daily_loss, standing.daily_loss),
            ("daily_trades", settings.daily_trades, float(max(account.orders_today, standing.sent_today))),
        ):
            if limit is not None:
                left[name] = limit - value
    return left


def _without(replaced: OpenOrder | None, account: Account) -> Account:
    if replaced is None:
        return account
    if replaced.quantity > 0:
        return account._replace(open_buys=max(0.0, account.open_buys - replaced.quantity))
    return account._replace(open_sells=max(0.0, account.open_sells + replaced.quantity))


def _only_reduces(intent: Intent, account: Account) -> bool:
    quantity, replaced = intent.quantity, intent.replaces
    if intent.reduce_only and math.isfinite(quantity):
        return True
    if replaced is not None and intent.price == replaced.price:
        smaller = quantity * replaced.quantity >= 0 and abs(quantity) <= abs(replaced.quantity)
        if smaller:
            return True
    closing = account.open_sells if quantity < 0 else account.open_buys
    left = abs(account.position) - closing
    return left > 0 and reduces(intent, math.copysign(left, account.position))


def _reach(intent: Intent, others: Account) -> float:
    """Return the position, unsigned, that the order and all open ones of its side lead to: what the other side may do is not its doing."""
    same_side = -others.open_sells if intent.quantity < 0 else others.open_buys
    return abs(others.position + same_side + intent.quantity)


def _stopped(intent: Intent, guard: Guard) -> Refusal | None:
    standing = guard.standing
    if standing is None or standing.ts_event < 0:
        return Refusal("heartbeat", math.inf, guard.settings.heartbeat, "the breaker has not spoken")
    age = (guard.ts_event - standing.ts_event) / guard.bar_ns
    if not 0.0 <= age <= guard.settings.heartbeat:
        return Refusal("heartbeat", age, guard.settings.heartbeat, "the breaker's last word is not fresh")
    for trip in standing.trips:
        if trip.covers(intent.instrument_id):
            return Refusal(trip.control, trip.value, trip.limit, f"{trip.action} {trip.scope}")
    for trip in standing.unconfirmed:
        if trip.covers(intent.instrument_id):
            return Refusal(trip.control, trip.value, trip.limit, f"unconfirmed, {trip.scope}")
    return None


def _disallowed(intent: Intent, guard: Guard, orders_today: int) -> Refusal | None:
    settings, standing = guard.settings, guard.standing
    assert standing is not None
    if guard.deployed is not None and intent.instrument_id not in guard.deployed:
        return Refusal("deployment", 1.0, 0.0)
    if intent.replaces is None:
        mark = fingerprint(intent.instrument_id, intent.quantity, intent.price)
        if (intent.order_key and intent.order_key in standing.keys) or mark in standing.equals:
            return Refusal("duplicate_order", 1.0, 0.0)
    if settings.price_collar is not None:
        away = abs(intent.price / guard.reference - 1.0) if guard.reference > 0 else math.nan
        if not away <= settings.price_collar * (1.0 + TOLERANCE):
            return Refusal("price_collar", away, settings.price_collar)
    if settings.confidence is not None and not intent.confidence >= settings.confidence:
        return Refusal("confidence", intent.confidence, settings.confidence)
    counts = (
        ("max_order_quantity", abs(intent.quantity), settings.max_order_quantity.get(intent.instrument_id)),
        ("orders_per_second", standing.sent_second + 1.0, settings.orders_per_second),
        ("orders_per_minute", standing.sent_minute + 1.0, settings.orders_per_minute),
        ("daily_trades", max(orders_today, standing.sent_today) + 1.0, settings.daily_trades),
    )
    for name, value, bound in counts:
        if bound is not None and not value <= bound * (1.0 + TOLERANCE):
            return Refusal(name, value, bound)
    return None


def _with_open(intent: Intent, accounts: dict[str, Account]) -> dict[str, Account]:
    account = accounts[intent.instrument_id]
    others = _without(intent.replaces, account)
    bought, sold = max(intent.quantity, 0.0), max(-intent.quantity, 0.0)
    own = others._replace(open_buys=others.open_buys + bought, open_sells=others.open_sells + sold)
    before = worst_quantity(account.position, account.open_buys, account.open_sells)
    after = worst_quantity(own.position, own.open_buys, own.open_sells)
    added = (after - before) * intent.price if intent.price > 0 else 0.0
    return {
        name: (own if name == intent.instrument_id else one)._replace(
            gross_notional=one.gross_notional + added, orders_today=one.orders_today + 1
        )
        for name, one in accounts.items()
    }


def _heard(intent: Intent, guard: Guard) -> Guard:
    standing = guard.standing
    if standing is None:
        return guard
    mark = fingerprint(intent.instrument_id, intent.quantity, intent.price)
    return guard._replace(
        standing=standing._replace(
            sent_second=standing.sent_second + 1,
            sent_minute=standing.sent_minute + 1,
            sent_today=standing.sent_today + 1,
            keys=standing.keys | {intent.order_key} if intent.order_key else standing.keys,
            equals=standing.equals | {mark},
        )
    )
