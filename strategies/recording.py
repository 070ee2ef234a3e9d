"""What a back test did, bar by bar, as the statistics take it: weights that were held, what they earned, traded and cost."""

import numpy as np
from numpy.typing import NDArray

from catalogs.arrays import Bars
from engine.contract.calendar import bars_per_year
from engine.evaluation.appraisal import Record
from strategies.backtest import Outcome
from strategies.feed import Market

Floats = NDArray[np.float64]
Times = NDArray[np.int64]


def record_of(outcome: Outcome, look_back: int) -> Record:
    """Return the record of a back test.

    A weight is what was held after a trade, at the price of the trade; until the next one it stays, so that what the market makes of a
    position is no trade. What the gate refused was never held.

    Parameters
    ----------
    outcome
        Of the run.
    look_back
        Bars that a decision sees.
    """
    config, table = outcome.config, outcome.blotter.equity_table()
    ts, equity = table["ts_event"].to_numpy(), table["equity"].to_numpy()
    names = config.universe.instruments
    quantity = np.stack([table[f"quantity:{name}"].to_numpy() for name in names], 1)
    price = fill_prices(outcome.market, ts, config.venue.fill)
    with np.errstate(divide="ignore", invalid="ignore"):
        taken = quantity[1:] * price[:-1] / equity[:-1, None]
        earned = price[1:] / price[:-1] - 1.0
    turnover, cost = _traded(outcome, ts, equity)
    return Record(
        ts_ns=ts,
        equity=equity,
        weight=_carried(np.nan_to_num(taken, posinf=0.0, neginf=0.0), np.diff(quantity, axis=0) != 0.0),
        bar_returns=earned,
        turnover=turnover,
        cost=cost,
        bars_per_year=bars_per_year(config.universe.bar),
        cost_bps=config.venue.taker_bps + config.venue.half_spread_bps,
        look_back=look_back,
        seed=config.run.seed,
    )


def fill_prices(market: Market, ts_ns: Times, fill: str) -> Floats:
    """Return the price, before the half-spread, at which a decision at each time is filled in each instrument.

    Parameters
    ----------
    ts_ns : int64 (n,), decision times, UTC ns
    fill
        `venue.fill`.

    Returns
    -------
    float64 (n, K); the last close where no later bar comes. Known at: the fill, after the decision but for `this_close`.
    """
    return np.stack([_prices(part.bars, ts_ns, fill) for part in market.parts], 1)


def _prices(bars: Bars, ts_ns: Times, fill: str) -> Floats:
    closed = np.clip(np.searchsorted(bars.ts_close, ts_ns, side="right") - 1, 0, None)
    if fill == "this_close":
        return bars.close[closed]
    coming = np.searchsorted(bars.ts_open, ts_ns, side="left")
    there = np.minimum(coming, len(bars) - 1)
    column = bars.open if fill == "next_open" else bars.close
    return np.where(coming < len(bars), column[there], bars.close[-1])


def _carried(values: Floats, traded: NDArray[np.bool_]) -> Floats:
    """Return each column with the value of its last trade; zero before the first."""
    index = np.where(traded, np.arange(len(values))[:, None], -1)
    last = np.maximum.accumulate(index, axis=0) if len(index) else index
    return np.where(last >= 0, np.take_along_axis(values, np.maximum(last, 0), axis=0), 0.0)


def _traded(outcome: Outcome, ts_ns: Times, equity: Floats) -> tuple[Floats, Floats]:
    fills = outcome.blotter.fills_table()
    quantity, price, side = (fills[name].to_numpy() for name in ("quantity", "price", "side"))
    paid = fills["fee"].to_numpy() + side * (price - fills["reference_price"].to_numpy()) * quantity
    bars = max(0, len(ts_ns) - 1)
    bar = np.searchsorted(ts_ns, fills["ts_event"].to_numpy(), side="left") - 1
    inside = (bar >= 0) & (bar < bars)
    sums = [np.bincount(bar[inside], one[inside], minlength=bars) for one in (quantity * price, paid)]
    before = np.where(equity[:-1] > 0.0, equity[:-1], np.inf)
    return sums[0] / before, sums[1] / before
