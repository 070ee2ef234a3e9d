"""Bars made of trades, or of quotes, for a catalog that holds ticks and no bars."""

import numpy as np

from catalogs.arrays import Bars, Quotes, Trades
from catalogs.columns import Floats, Ints
from engine.contract.calendar import bar_ns
from engine.contract.instrument import InstrumentSpec


def bars_of_trades(trades: Trades, bar: str) -> Bars:
    """Aggregate trades; times without a trade have no bar.

    Known at: `ts_close` of each bar.
    """
    return _aggregate(trades.instrument, bar, trades.ts, trades.price, trades.size)


def bars_of_quotes(quotes: Quotes, bar: str) -> Bars:
    """Aggregate mid prices; volume is 0.

    Known at: `ts_close` of each bar.
    """
    return _aggregate(quotes.instrument, bar, quotes.ts, (quotes.bid + quotes.ask) / 2, np.zeros(len(quotes.ts)))


def _aggregate(spec: InstrumentSpec, bar: str, ts: Ints, price: Floats, size: Floats) -> Bars:
    step = bar_ns(bar)
    order = np.argsort(ts, kind="stable")
    ts, price, size = ts[order], price[order], size[order]
    opened = ts // step * step
    first = np.flatnonzero(np.diff(opened, prepend=opened[0] - step))
    last = np.append(first[1:], len(ts)) - 1
    return Bars(
        instrument=spec,
        bar=bar,
        ts_open=opened[first],
        ts_close=opened[first] + step,
        open=price[first],
        high=np.maximum.reduceat(price, first),
        low=np.minimum.reduceat(price, first),
        close=price[last],
        volume=np.add.reduceat(size, first),
    )
