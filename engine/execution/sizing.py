"""From a target exposure to whole lots: one arithmetic for the strategy (NumPy) and the training market (torch)."""

from typing import Any

from engine.contract.arrays import namespace

LOT_SLACK = 1e-9
"""Lots are rounded down after adding this, so that a product such as 0.1 * 3 / 0.1 counts as three."""


def target_lots(target: Any, exposure: Any, position_lots: Any, budget: Any, price: Any, lot: Any) -> Any:
    """Round a target exposure towards zero to whole lots; a target equal to the exposure keeps the position as it is.

    Parameters
    ----------
    target, exposure : float64 (...), signed fractions of the budget
    position_lots : float64 (...), signed whole lots held
    budget : float64 (...), value of an exposure of 1, quote
    price : float64 (...), price at the decision, quote
    lot : float or float64 (...), base units per lot

    Returns
    -------
    float64 (...) of whole numbers
    """
    xp = namespace(target, position_lots)
    lots = xp.floor(abs(target) * budget / (price * lot) + LOT_SLACK)
    return xp.where(target == exposure, position_lots, xp.sign(target) * lots)


def order_lots(wanted_lots: Any, position_lots: Any, price: Any, lot: Any, min_notional: Any) -> tuple[Any, Any]:
    """Return the lots to trade, and whether a wish was too small to trade.

    A change below `min_notional` is not traded, except when it closes the position. A reduction that would leave less than
    `min_notional` closes the position: what is left could not be sold in parts any more.

    Returns
    -------
    lots : float64 (...), signed; 0 where nothing is traded
    too_small : bool (...), a change was wanted that is worth less than the minimum notional
    """
    xp = namespace(wanted_lots, position_lots)
    reduces = (wanted_lots * position_lots > 0) & (abs(wanted_lots) < abs(position_lots))
    dust = reduces & (abs(wanted_lots) * lot * price < min_notional)
    wanted_lots = xp.where(dust, 0.0 * wanted_lots, wanted_lots)
    change = wanted_lots - position_lots
    stays = (wanted_lots != 0) | (position_lots == 0)
    too_small = (change != 0) & stays & (abs(change) * lot * price < min_notional)
    return xp.where(too_small, 0.0 * change, change), too_small
