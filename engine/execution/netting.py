"""A net position and what it earned, from fill to fill: one lot of arithmetic for whoever has fills and no engine."""

from typing import NamedTuple


class Holding(NamedTuple):
    """What is held of an instrument.

    Attributes
    ----------
    quantity
        Signed, base units.
    entry_price
        Mean price at which it was opened, quote; that of the last position where nothing is held.
    realised
        Profit of the open position so far, quote: of what was closed of it, less the fees of all its fills; 0 where nothing is held.
    """

    quantity: float
    entry_price: float
    realised: float = 0.0


def filled(held: Holding, signed: float, price: float, fee: float, decimals: int) -> tuple[Holding, float | None]:
    """Return what is held after a fill, and the profit of the position that it closed, quote; None where it closed none.

    Parameters
    ----------
    signed
        Quantity of the fill, positive bought, base units.
    fee
        Paid for it, quote.
    decimals
        Of sizes: what is held is rounded to them.

    Notes
    -----
    A fill through zero closes one position and opens another; the fee is shared by size.
    """
    before, after = held.quantity, round(held.quantity + signed, decimals)
    if before * signed >= 0.0:
        cost = held.entry_price * abs(before) if before else 0.0
        entry = (cost + price * abs(signed)) / (abs(before) + abs(signed))
        return Holding(after, entry, held.realised - fee), None
    closed = min(abs(before), abs(signed))
    share = fee * closed / abs(signed)
    gained = (price - held.entry_price) * (closed if before > 0.0 else -closed)
    realised = held.realised + gained - share
    if after == 0.0:
        return Holding(0.0, held.entry_price), realised
    if after * before > 0.0:
        return Holding(after, held.entry_price, realised), None
    return Holding(after, price, share - fee), realised
