"""Metrics of a run, from its equity curve and its fills; annualised on the market's own calendar.

A metric without a defined value (no variance, no trade, no equity left to earn on) is None, never infinity and never NaN.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.evaluation.drawdown import calmar, max_drawdown
from engine.evaluation.samples import NO_DEVIATION
from engine.evaluation.sharpe import LEAST, estimate

Floats = NDArray[np.float64]

FLAT_FRAC = 1e-9
"""Remainder of a position, as a fraction of its largest size, that rounding alone explains."""


@dataclass(frozen=True)
class EquityCurve:
    """Equity at every decision.

    Attributes
    ----------
    ts_ns : int64 (n,), UTC ns
    equity : float64 (n,), account currency
    gross_exposure : float64 (n,), sum of absolute positions over equity
    """

    ts_ns: NDArray[np.int64]
    equity: Floats
    gross_exposure: Floats


@dataclass(frozen=True)
class Fills:
    """Fills in the order in which they came.

    Attributes
    ----------
    ts_ns : int64 (k,), UTC ns
    instrument_id : list of k names
    side : int64 (k,), +1 bought, -1 sold
    quantity, price, fee, reference_price : float64 (k,)
        Base units; quote; account currency, positive is paid; the mid that the fill assumption names, quote.
    """

    ts_ns: NDArray[np.int64]
    instrument_id: list[str]
    side: NDArray[np.int64]
    quantity: Floats
    price: Floats
    fee: Floats
    reference_price: Floats


def compute_metrics(
    equity: EquityCurve, fills: Fills, funding: float, bars_per_year: float
) -> dict[str, float | int | None]:
    """Compute every metric of a run.

    Parameters
    ----------
    equity
        Equity at every decision; the first one is before the first fill.
    fills
        Fills of all instruments, in the order in which they came.
    funding
        Funding received over the run, account currency; negative where paid.
    bars_per_year
        Decisions in a year of the market's calendar: 8,760 for hourly bars of a market that never closes.

    Returns
    -------
    total_return
        Last equity over the first, less one.
    cagr
        Growth per year; None when equity ends at or below zero, or where a year of it exceeds what a float holds.
    sharpe, sortino
        Mean simple return per bar over its standard deviation (n - 1), or over the root mean square of its negative part (zero where
        positive, over all bars), times the square root of `bars_per_year`; the risk-free rate is zero.
    calmar
        cagr over max_drawdown.
    max_drawdown
        Largest fall from a peak, a non-negative fraction of the peak; above one where equity fell below zero.
    volatility
        Annualised standard deviation of simple returns; None with fewer than two of them.
    turnover
        Traded notional a year over mean equity; a round trip of the whole equity counts two.
    trades, win_rate, profit_factor
        Round trips (flat to flat, or to a flip) at average cost; the share that earned more than its fees; gains over losses, both
        net of fees. Funding and what is still open at the end are left out of the three.
    exposure
        Mean gross exposure.
    fees, funding, slippage
        Paid fees; funding received (negative: paid); what fills cost against their reference price, the sum of
        side * (price - reference) * quantity: the half-spread and any move of the book, positive is paid.

    Notes
    -----
    sharpe, sortino and volatility are None where equity reached zero or less before the end: there is no return on nothing.

    Examples
    --------
    >>> curve = EquityCurve(np.arange(3), np.array([100.0, 110.0, 99.0]), np.ones(3))
    >>> none = np.zeros(0)
    >>> metrics = compute_metrics(curve, Fills(none.astype(int), [], none.astype(int), none, none, none, none), 0.0, 2.0)
    >>> round(metrics["max_drawdown"], 6), round(metrics["total_return"], 6), metrics["trades"], metrics["win_rate"]
    (0.1, -0.01, 0, None)
    """
    curve = equity.equity
    returns = simple_returns(curve)
    years = (len(curve) - 1) / bars_per_year
    deviation = float(returns.std(ddof=1)) if len(returns) > 1 else None
    downside = float(np.sqrt(np.mean(np.minimum(returns, 0.0) ** 2))) if len(returns) else 0.0
    mean = float(returns.mean()) if len(returns) else 0.0
    scale = math.sqrt(bars_per_year)
    total = float(curve[-1] / curve[0] - 1.0) if len(curve) else 0.0
    growth = (
        (1.0 + total) ** (1.0 / years) - 1.0 if years > 0 and total > -1.0 and math.log1p(total) < years * 709 else None
    )
    drawdown = max_drawdown(curve)
    traded = float((fills.quantity * fills.price).sum())
    mean_equity = float(curve.mean()) if len(curve) else 0.0
    profits = round_trips(fills)
    gains, losses = float(profits[profits > 0].sum()), float(-profits[profits < 0].sum())
    return {
        "total_return": total,
        "cagr": growth,
        "sharpe": mean / deviation * scale if deviation is not None and deviation > NO_DEVIATION else None,
        "sortino": mean / downside * scale if downside > NO_DEVIATION else None,
        "calmar": calmar(growth, drawdown),
        "max_drawdown": drawdown,
        "volatility": None if deviation is None else deviation * scale,
        "turnover": traded / mean_equity / years if years > 0 and mean_equity > 0 else None,
        "trades": len(profits),
        "win_rate": float((profits > 0).mean()) if len(profits) else None,
        "profit_factor": gains / losses if losses > 0 else None,
        "exposure": float(equity.gross_exposure.mean()) if len(curve) else 0.0,
        "fees": float(fills.fee.sum()),
        "funding": float(funding),
        "slippage": float((fills.side * (fills.price - fills.reference_price) * fills.quantity).sum()),
    }


def simple_returns(equity: Floats) -> Floats:
    """Return equity over the one before, less one: float64 (n - 1,); empty where equity was ever zero or less before the end."""
    before = equity[:-1]
    return np.diff(equity) / before if len(before) and float(before.min()) > 0.0 else np.zeros(0)


def round_trips(fills: Fills) -> Floats:
    """Return the profit of every closed round trip, net of fees, in the order of their ends.

    A trip begins when an instrument leaves flat and ends when it comes back or flips; additions are averaged in. A fill that flips
    closes one trip and opens the next, its fee shared in proportion to quantity. What is still open at the end is not counted.
    """
    position: dict[str, float] = {}
    largest: dict[str, float] = {}
    average: dict[str, float] = {}
    profit: dict[str, float] = {}
    closed: list[float] = []
    rows = zip(
        fills.instrument_id, fills.side.tolist(), fills.quantity.tolist(), fills.price.tolist(), fills.fee.tolist()
    )
    for name, side, quantity, price, fee in rows:
        held = position.get(name, 0.0)
        flat = FLAT_FRAC * largest.get(name, 0.0)
        reducing = min(quantity, abs(held)) if held * side < 0 else 0.0
        opening = quantity - reducing
        if reducing > 0.0:
            sign = 1.0 if held > 0 else -1.0
            profit[name] += sign * (price - average[name]) * reducing - fee * reducing / quantity
            held -= sign * reducing
            if abs(held) <= flat:
                held = 0.0
                largest[name] = 0.0
                closed.append(profit.pop(name))
        if opening > flat:
            size = abs(held)
            average[name] = (average.get(name, 0.0) * size + price * opening) / (size + opening)
            profit[name] = profit.get(name, 0.0) - fee * opening / quantity
            held += side * opening
            largest[name] = max(largest.get(name, 0.0), abs(held))
        position[name] = held
    return np.array(closed)


def sharpe_standard_error(returns: Floats, bars_per_year: float) -> float | None:
    """Return the standard error of the annualised Sharpe ratio of independent returns that may be skewed and fat-tailed.

    Not robust to serial correlation, which widens or narrows the true error.

    Parameters
    ----------
    returns : float64 (n,), simple returns per bar
    bars_per_year
        Bars in a year of the market's calendar.

    Returns
    -------
    Same unit as the annualised Sharpe ratio; None with fewer than eight returns or where they do not vary.

    References
    ----------
    Mertens (2002), as `engine.evaluation.sharpe.estimate` with no lags has it.
    """
    if len(returns) < LEAST or float(returns.std(ddof=1)) <= NO_DEVIATION:
        return None
    return estimate(returns, bars_per_year, lags=0).error_annualised
