"""History as tensors: the bars of one or several instruments laid end to end, ready to be stepped through."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from catalogs.arrays import Bars, Funding
from engine.contract.config import Venue
from engine.contract.errors import DataError, broken
from engine.contract.instrument import InstrumentSpec
from engine.execution.costs import quote_prices, reference_prices
from models.features import SPAN, Features, Recipe, window

QUIET = 1e-5
"""Volatility of one bar is never taken as less than this: a tenth of a basis point."""


@dataclass(frozen=True)
class Segment:
    """Where an instrument lies on the tape: rows [first, last), of which those from `ready` on have a full window behind them."""

    instrument: InstrumentSpec
    first: int
    last: int
    ready: int


@dataclass(frozen=True)
class Tape:
    """Bars, quotes and features of all instruments, one row per bar; tensors of shape (T,) unless said otherwise.

    Attributes
    ----------
    segments
        One per instrument.
    ts_close : int64
        UTC nanoseconds; a row is known then.
    bars : float32 (T, 5)
        As the graph sees them.
    close : float64
        Last price, quote.
    bid, ask : float64
        Where an order decided at this row fills; NaN where that lies beyond the instrument's data.
    funding_between, funding_at : float64
        Sum of the rates that fall strictly between this row's close and the next one, and of those at the next close; 0 for spot.
    volatility : float64
        Root mean square of the last 72 log returns, known at the close.
    features : float32 (T, F)
        Rows before a segment's first full lookback are 0 and never seen.
    """

    segments: tuple[Segment, ...]
    ts_close: Tensor
    bars: Tensor
    close: Tensor
    bid: Tensor
    ask: Tensor
    funding_between: Tensor
    funding_at: Tensor
    volatility: Tensor
    features: Tensor

    def to(self, device: torch.device) -> "Tape":
        """Return the tape on another device."""
        moved = {field.name: getattr(self, field.name).to(device) for field in fields(self) if field.name != "segments"}
        return replace(self, **moved)


def make_tape(
    histories: Sequence[tuple[Bars, Funding | None]], venue: Venue, recipe: Recipe, device: torch.device | None = None
) -> Tape:
    """Lay histories end to end, with quotes, funding, volatility and features.

    Raises
    ------
    DataError
        An instrument has too few bars for one window and one step.
    """
    parts: dict[str, list[Tensor]] = {field.name: [] for field in fields(Tape) if field.name != "segments"}
    segments, first = [], 0
    features = Features(recipe).eval()
    for bars, funding in histories:
        spec = bars.instrument
        needed = window(recipe) + 1
        if len(bars) < needed:
            raise DataError(
                broken(f"history of {spec.instrument_id}", f"have at least {needed} bars", len(bars), "[training]")
            )
        mid = reference_prices(venue.fill, bars.open, bars.close)
        bid, ask = quote_prices(mid, venue.half_spread_bps, spec.price_precision)
        charged = funding if venue.funding and spec.kind == "perpetual" else None
        between, at = _funding(bars.ts_close, charged)
        raw = np.stack([bars.open, bars.high, bars.low, bars.close, bars.volume], -1).astype(np.float32)
        columns: dict[str, NDArray[np.generic]] = {
            "ts_close": bars.ts_close,
            "bars": raw,
            "close": bars.close,
            "bid": bid,
            "ask": ask,
            "funding_between": between,
            "funding_at": at,
            "volatility": _volatility(bars.close),
        }
        for name, values in columns.items():
            parts[name].append(torch.from_numpy(np.array(values)))
        with torch.no_grad():
            rows = features(torch.from_numpy(raw))
        parts["features"].append(torch.cat([rows.new_zeros(len(bars) - len(rows), rows.shape[1]), rows]))
        segments.append(Segment(spec, first, first + len(bars), first + window(recipe) - 1))
        first += len(bars)
    tape = Tape(tuple(segments), **{name: torch.cat(values) for name, values in parts.items()})
    return tape if device is None else tape.to(device)


def _funding(ts_close: NDArray[np.int64], funding: Funding | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums of rates strictly between each close and the next, and at the next close."""
    between, at = np.zeros(len(ts_close)), np.zeros(len(ts_close))
    if funding is None:
        return between, at
    row = np.searchsorted(ts_close, funding.ts, side="left") - 1
    inside = (row >= 0) & (row < len(ts_close) - 1)
    row, ts, rate = row[inside], funding.ts[inside], funding.rate[inside]
    on_close = ts == ts_close[row + 1]
    np.add.at(at, row[on_close], rate[on_close])
    np.add.at(between, row[~on_close], rate[~on_close])
    return between, at


def _volatility(close: NDArray[np.float64]) -> NDArray[np.float64]:
    """Root mean square of the last SPAN log returns, floored; before there are as many, of those there are."""
    squares = np.append(0.0, np.diff(np.log(close)) ** 2)
    total = np.cumsum(squares)
    count = np.minimum(np.arange(len(close)), SPAN)
    total = total - np.append(np.zeros(SPAN), total[:-SPAN])[: len(total)]
    mean = total / np.maximum(count, 1)
    root = np.sqrt(np.maximum(mean, 0.0))
    return np.maximum(root, QUIET)
