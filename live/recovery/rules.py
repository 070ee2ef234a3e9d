"""The rules of recovery: what this side remembers and what the venue says, to one action each; pure, and a table.

An order that was written down before it left, against what the venue says of its id:

    venue says          remembered                  rule                        action
    open                as much filled              open order of ours          keep it
    open                less filled                 filled while down           adopt the trades, keep the order
    open                to be cancelled             cancel that never arrived   adopt the trades, cancel it again
    filled              whatever                    filled while down           adopt the trades
    ended               whatever                    ended while down            adopt the trades, the order is over
    does not know it    nothing filled, still due   intent that never arrived   send it, under its own id
    does not know it    too late, or cancelled      intent that never arrived   drop it
    does not know it    something filled            lost at the venue           block
    nothing certain     whatever                    no certain answer           block
    fewer trades than it is filled, or less filled than remembered              block

An open order of the venue that was not written down here:

    its id begins with  rule                        action
    this run's prefix   never written down here     block: whatever leaves is written down before
    anything else       foreign order               as [live] foreign_orders says: block, or cancel it

A position, once the trades are adopted:

    the same            position                    keep
    less, by no more than the fees taken in coins   fee in the coin             adopt the venue's
    anything else       unexplained position        block; with --adopt, take over the venue's
"""

from decimal import Decimal
from typing import Literal, NamedTuple

Standing = Literal["open", "filled", "ended", "absent", "uncertain"]
Action = Literal["keep", "adopt", "send", "drop", "cancel", "block", "show"]


class Remembered(NamedTuple):
    """An order that was written down and is not known to be over.

    Attributes
    ----------
    quantity
        Signed, base units.
    filled
        Sum of the trades that were written down, base units, non-negative.
    due
        Whether its bar is still the last one, and not too long ago.
    cancelled
        Whether it was written down that it is to be cancelled.
    """

    order_key: str
    client_order_id: str
    instrument_id: str
    quantity: Decimal
    filled: Decimal
    due: bool
    cancelled: bool = False


class Found(NamedTuple):
    """What the venue says of an order.

    Attributes
    ----------
    filled
        What it says is filled, base units.
    missed
        Sum of its trades that were not written down here, base units.
    """

    standing: Standing
    filled: Decimal = Decimal(0)
    missed: Decimal = Decimal(0)
    reason: str = ""


class Ruling(NamedTuple):
    """One line of a reconciliation: both sides, and what follows.

    Attributes
    ----------
    about
        Client order id, instrument, or currency.
    """

    rule: str
    action: Action
    about: str
    here: str
    there: str

    @property
    def blocks(self) -> bool:
        """Whether the session must not start."""
        return self.action == "block"

    def __str__(self) -> str:
        return f"{self.action:<6} {self.about}: {self.rule}; here {self.here}, at the venue {self.there}"


def order_ruling(here: Remembered, there: Found) -> Ruling:
    """Rule on one order of ours."""
    sides = f"{here.filled} of {here.quantity} filled", _said(there)

    def ruled(rule: str, action: Action) -> Ruling:
        return Ruling(rule, action, here.client_order_id, *sides)

    if there.standing == "uncertain":
        return ruled("no certain answer", "block")
    if there.standing == "absent":
        if here.filled:
            return ruled("lost at the venue", "block")
        return ruled("intent that never arrived", "send" if here.due and not here.cancelled else "drop")
    if there.filled < here.filled:
        return ruled("less filled than remembered", "block")
    if here.filled + there.missed != there.filled:
        return ruled("trades are missing", "block")
    match there.standing:
        case "open":
            if here.cancelled:
                return ruled("cancel that never arrived", "cancel")
            if there.missed:
                return ruled("filled while down", "adopt")
            return ruled("open order of ours", "keep")
        case "filled":
            return ruled("filled while down", "adopt")
        case "ended":
            return ruled("ended while down", "adopt")


def _said(there: Found) -> str:
    if there.standing in ("absent", "uncertain"):
        return f"{there.standing} ({there.reason})" if there.reason else there.standing
    return f"{there.standing}, {there.filled} filled"


def foreign_ruling(client_order_id: str, described: str, prefix: str, policy: Literal["block", "cancel"]) -> Ruling:
    """Rule on an open order that was not written down here.

    Parameters
    ----------
    prefix
        What the ids of this run's orders begin with.
    policy
        [live] foreign_orders.
    """
    if client_order_id.startswith(f"{prefix}-"):
        return Ruling("never written down here", "block", client_order_id, "unknown", described)
    return Ruling("foreign order", policy, client_order_id, "unknown", described)


def position_ruling(
    instrument_id: str, here: Decimal, there: Decimal, lot: Decimal, coin_fees: Decimal, adopt: bool = False
) -> Ruling:
    """Rule on one position.

    Parameters
    ----------
    here
        Remembered, with the adopted trades; signed, base units.
    coin_fees
        Fees that were taken in the coin, base units.
    adopt
        Whether a person said that the venue's word counts.
    """
    sides = str(here), str(there)
    if abs(here - there) * 2 < lot:
        return Ruling("position", "keep", instrument_id, *sides)
    if Decimal(0) < here - there < coin_fees + lot and coin_fees:
        return Ruling("fee in the coin", "adopt", instrument_id, *sides)
    return Ruling("unexplained position", "adopt" if adopt else "block", instrument_id, *sides)


def balance_ruling(currency: str, here: Decimal | None, there: Decimal) -> Ruling:
    """Show a balance: trades, fees and funding while nobody listened change it, and the venue's counts."""
    return Ruling(
        "balance of the venue counts", "show", currency, "unknown" if here is None else f"{here:.2f}", f"{there:.2f}"
    )
