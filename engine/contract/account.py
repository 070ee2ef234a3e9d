"""The position and portfolio columns of the observation: one arithmetic for the strategy (NumPy) and the training market (torch).

Everything is float64 until the columns are handed to the graph, and derives from equity, positions and fills alone.
"""

from typing import Any

from engine.contract.arrays import clip, namespace

STATISTICS_SPAN = 64
"""Decisions that the exponentially weighted statistics look back over: their weight is 2 / (span + 1)."""

RATIO_LIMIT = 3.0
"""Per-decision Sharpe and Sortino ratios are clipped to this size."""


def position_columns(
    quantity: Any, entry_price: Any, close: Any, bars_held: Any, budget: Any, equity: Any
) -> tuple[Any, ...]:
    """Compute the five position columns.

    Parameters
    ----------
    quantity : float64 (...), signed, base units
    entry_price : float64 (...), average price of the open position, quote; any positive number when flat
    close : float64 (...), last close, quote
    bars_held : float64 (...), decisions since the position was opened, 0 when flat
    budget : float64 (...), value that an exposure of 1 means, quote
    equity : float64 (...), account equity marked at the closes, quote

    Returns
    -------
    Five of float64 (...), in the order of `POSITION_COLUMNS`. Known at: the decision.
    """
    xp = namespace(quantity, close)
    flat = quantity == 0
    entry = xp.where(flat, close, entry_price)
    return (
        xp.log(entry / close),
        quantity * close / budget,
        quantity * (close - entry) / equity,
        xp.log1p(bars_held) / 5.0,
        xp.sign(quantity),
    )


def portfolio_columns(
    equity: Any,
    start_equity: Any,
    peak_equity: Any,
    gross_notional: Any,
    unrealised: Any,
    mean: Any,
    square: Any,
    downside: Any,
    turnover: Any,
) -> tuple[Any, ...]:
    """Compute the eight portfolio columns.

    Parameters
    ----------
    equity, start_equity, peak_equity, gross_notional, unrealised : float64 (...), quote
    mean, square, downside, turnover : float64 (...)
        Exponentially weighted return, squared return, squared negative return and traded fraction of equity; see `update_statistics`.

    Returns
    -------
    Eight of float64 (...), in the order of `PORTFOLIO_COLUMNS`. Known at: the decision.
    """
    xp = namespace(equity, mean)
    variance = square - mean * mean
    quiet = variance <= 1e-18
    sharpe = xp.where(quiet, 0.0 * mean, mean / xp.sqrt(xp.where(quiet, 1.0 + 0.0 * variance, variance)))
    no_loss = downside <= 1e-18
    sortino = xp.where(no_loss, 0.0 * mean, mean / xp.sqrt(xp.where(no_loss, 1.0 + 0.0 * downside, downside)))
    exposure = gross_notional / equity
    return (
        xp.log(equity / start_equity),
        exposure,
        clip(sharpe, -RATIO_LIMIT, RATIO_LIMIT),
        clip(sortino, -RATIO_LIMIT, RATIO_LIMIT),
        (equity - start_equity - unrealised) / start_equity,
        1.0 - equity / peak_equity,
        1.0 - exposure,
        turnover,
    )


def update_statistics(
    mean: Any, square: Any, downside: Any, turnover: Any, simple_return: Any, traded_frac: Any
) -> tuple[Any, Any, Any, Any]:
    """Advance the exponentially weighted statistics by one decision.

    Parameters
    ----------
    mean, square, downside, turnover : float64 (...), the statistics before
    simple_return : float64 (...), equity now over equity at the last decision, less one
    traded_frac : float64 (...), notional filled since the last decision over equity now
    """
    weight = 2.0 / (STATISTICS_SPAN + 1.0)
    loss = simple_return * (simple_return < 0)
    return (
        mean + weight * (simple_return - mean),
        square + weight * (simple_return * simple_return - square),
        downside + weight * (loss * loss - downside),
        turnover + weight * (traded_frac - turnover),
    )
