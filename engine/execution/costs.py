"""Where an order meets the market: the quotes that each fill assumption makes from bars.

`next_open`   decided at the close, filled at the next bar's open, a half-spread away (the default).
`next_close`  filled at the next bar's close, a half-spread away.
`this_close`  filled at the close it was decided on, a half-spread away: optimistic, and marked as such.
"""

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

FillAssumption = Literal["next_open", "next_close", "this_close"]
FILL_ASSUMPTIONS: tuple[str, ...] = get_args(FillAssumption)

FILL_MEANING = {
    "next_open": "Decided at a bar's close, filled at the next bar's open, a half-spread away.",
    "next_close": "Decided at a bar's close, filled at the next bar's close, a half-spread away.",
    "this_close": "Filled at the close it was decided on, a half-spread away. Optimistic: that price is already past.",
}


def reference_prices(
    fill: FillAssumption, open_: NDArray[np.float64], close: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the mid price at which an order decided at the close of bar i fills.

    Parameters
    ----------
    open_, close : float64 (n_bars,), quote

    Returns
    -------
    float64 (n_bars,); NaN for the last bar where the fill lies beyond the data. Known at: the fill, not the decision.
    """
    if fill == "this_close":
        return close.copy()
    following = open_ if fill == "next_open" else close
    return np.append(following[1:], np.nan)


def quote_prices(
    mid: NDArray[np.float64], half_spread_bps: float, price_precision: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return bid and ask: `mid` a half-spread down and up, rounded to the tick.

    Parameters
    ----------
    mid : float64 (n,), quote
    half_spread_bps
        Distance of bid and ask from `mid`, in 1/10,000 of `mid`.
    price_precision
        Decimals of a price.
    """
    half = half_spread_bps / 1e4
    return np.round(mid * (1.0 - half), price_precision), np.round(mid * (1.0 + half), price_precision)
