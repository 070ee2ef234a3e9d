"""The gate: (intent, account, limits) to an approved order, or a refusal that names the limit and both values.

Pure: no framework, no clock. What only reduces a position always passes.
"""

from typing import NamedTuple

from engine.contract.config import Limits

TOLERANCE = 1e-9
"""Relative slack on a limit, so that a position sized to the limit is not refused for its last bit."""


class Intent(NamedTuple):
    """A wish to trade.

    Attributes
    ----------
    instrument_id
        What to trade.
    quantity
        Signed quantity of the order, base units.
    price
        Price at the decision, quote.
    """

    instrument_id: str
    quantity: float
    price: float


class Account(NamedTuple):
    """The account as the gate sees it.

    Attributes
    ----------
    equity, peak_equity, day_equity
        Now, at its highest, and at the first decision of the UTC day; quote.
    position
        Signed quantity of the instrument, orders on their way included; base units.
    gross_notional
        Sum of absolute positions of all instruments, orders on their way included; quote.
    orders_today
        Orders sent since 00:00 UTC.
    """

    equity: float
    peak_equity: float
    day_equity: float
    position: float
    gross_notional: float
    orders_today: int


class Approved(NamedTuple):
    """The intent may be sent as it is."""

    intent: Intent


class Refusal(NamedTuple):
    """The intent may not be sent.

    Attributes
    ----------
    limit
        Name of the limit in [limits], or `price`, `equity`.
    value, bound
        What the order would bring, and what is allowed.
    """

    limit: str
    value: float
    bound: float

    def __str__(self) -> str:
        return f"refused: {self.limit} {self.value:.6g} over {self.bound:.6g}"


def reduces(intent: Intent, position: float) -> bool:
    """Tell whether the order brings the position nearer to zero without crossing it."""
    return position * intent.quantity < 0 and abs(intent.quantity) <= abs(position) * (1.0 + TOLERANCE)


def judge(intent: Intent, account: Account, limits: Limits) -> Approved | Refusal:
    """Hold one intent to every limit, in the order in which they stand here.

    Returns
    -------
    Approved, or the first Refusal. An intent whose price or equity is not a positive number is refused unless it reduces the position.
    """
    if reduces(intent, account.position):
        return Approved(intent)
    if not intent.price > 0:
        return Refusal("price", intent.price, 0.0)
    if not account.equity > 0:
        return Refusal("equity", account.equity, 0.0)
    notional = abs(intent.quantity) * intent.price
    position_after = abs(account.position + intent.quantity) * intent.price
    gross_after = account.gross_notional - abs(account.position) * intent.price + position_after
    bounds = (
        ("max_order_notional", notional, limits.max_order_notional),
        ("max_position_frac", position_after / account.equity, limits.max_position_frac),
        ("max_gross_frac", gross_after / account.equity, limits.max_gross_frac),
        ("daily_trades", float(account.orders_today + 1), limits.daily_trades),
    )
    for name, value, bound in bounds:
        if bound is not None and not value <= bound * (1.0 + TOLERANCE):
            return Refusal(name, value, float(bound))
    losses = (
        ("max_drawdown_frac", 1.0 - account.equity / account.peak_equity, limits.max_drawdown_frac),
        ("daily_loss_frac", 1.0 - account.equity / account.day_equity, limits.daily_loss_frac),
    )
    for name, value, bound in losses:
        if bound is not None and not value < bound:
            return Refusal(name, value, bound)
    return Approved(intent)


def headroom(account: Account, price: float, limits: Limits) -> dict[str, float]:
    """Return what is left of every limit that is set, before an order: fractions of equity, quote, or a count."""
    equity = account.equity
    left = {
        "max_position_frac": limits.max_position_frac - abs(account.position) * price / equity,
        "max_gross_frac": limits.max_gross_frac - account.gross_notional / equity,
    }
    if limits.max_order_notional is not None:
        left["max_order_notional"] = limits.max_order_notional
    if limits.daily_trades is not None:
        left["daily_trades"] = float(limits.daily_trades - account.orders_today)
    if limits.max_drawdown_frac is not None:
        left["max_drawdown_frac"] = limits.max_drawdown_frac - (1.0 - equity / account.peak_equity)
    if limits.daily_loss_frac is not None:
        left["daily_loss_frac"] = limits.daily_loss_frac - (1.0 - equity / account.day_equity)
    return left
