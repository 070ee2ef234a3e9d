"""History as tensors: the bars of one or several instruments laid end to end, and the turns at which they are decided on."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from catalogs.arrays import Bars, Funding, read_bars, read_funding
from engine.contract.calendar import bar_ns
from engine.contract.config import Config, Venue
from engine.contract.errors import DataError, broken
from engine.contract.instrument import InstrumentSpec
from engine.execution.costs import quote_prices, reference_prices
from models.context import Heard, Histories, turn_times
from models.features import SPAN, Features, Recipe, window

QUIET = 1e-5
"""Volatility of one bar is never taken as less than this: a tenth of a basis point."""

NS_PER_DAY = 86_400 * 1_000_000_000

TURN_COLUMNS = (
    "close",
    "next_close",
    "bid",
    "ask",
    "quoted",
    "funding_before",
    "funding_after",
    "volatility",
    "decides",
    "new_day",
    "row",
    "budget",
    "ceiling",
)
(
    CLOSE,
    NEXT_CLOSE,
    BID,
    ASK,
    QUOTED,
    FUNDING_BEFORE,
    FUNDING_AFTER,
    VOLATILITY,
    DECIDES,
    NEW_DAY,
    ROW,
    BUDGET,
    CEILING,
) = range(len(TURN_COLUMNS))


@dataclass(frozen=True)
class Segment:
    """Where an instrument lies on the tape: rows [first, last), of which those from `ready` on have a full window behind them."""

    instrument: InstrumentSpec
    first: int
    last: int
    ready: int


@dataclass(frozen=True)
class Tape:
    """Bars and features, one row per bar of an instrument; turns, one per close that any instrument has.

    Attributes
    ----------
    segments
        One per instrument, in configuration order; K of them.
    first_turn
        First turn at which every instrument has a full window behind it.
    ts_close : int64 (T,)
        UTC nanoseconds; a row is known then.
    bars : float32 (T, 5)
        As the graph sees them.
    close : float64 (T,)
        Last price, quote.
    volatility : float64 (T,)
        Root mean square of the last 72 log returns, known at the close.
    features : float32 (T, F)
        Rows before a segment's first full lookback are 0 and never seen.
    ts_turn : int64 (G,)
        UTC nanoseconds of the turns. With one instrument a turn is a row.
    turns : float64 (G, K, C)
        What an account meets between a turn and the next one, one column per `TURN_COLUMNS`; the last turn has no next one and its
        quotes are NaN.
        `close, volatility` are the instrument's last ones, `next_close` that of the next turn; `bid, ask` are the quotes that come in
        between or, where `quoted` is 0, came last; `funding_before, funding_after` are paid per unit held before and after fills at
        those quotes; `decides` is 1 where the instrument has a bar at this turn, `new_day` where it is the first turn of a UTC day;
        `row` is where its window ends on the tape; `budget` is the value of an exposure of 1, fraction of equity, and `ceiling` the
        largest exposure that a decision may lead to; see `engine.execution.allowance`.
    context : float32 (G, K, C)
        What the policy sees of the signals; C is 0 where it sees none.
    bounded
        Whether `budget` and `ceiling` say anything: they are not read otherwise.
    """

    segments: tuple[Segment, ...]
    first_turn: int
    ts_close: Tensor
    bars: Tensor
    close: Tensor
    volatility: Tensor
    features: Tensor
    ts_turn: Tensor
    turns: Tensor
    context: Tensor
    bounded: bool = False

    def to(self, device: torch.device) -> "Tape":
        """Return the tape on another device."""
        kept = {field.name: getattr(self, field.name) for field in fields(self)}
        moved: dict[str, Any] = {name: value.to(device) for name, value in kept.items() if isinstance(value, Tensor)}
        return replace(self, **moved)

    def turn_of(self, ts: int) -> int:
        """Return the first turn at or after a time."""
        return int(torch.searchsorted(self.ts_turn, ts))


def read_histories(config: Config, start: int | None, end: int | None) -> list[tuple[Bars, Funding | None]]:
    """Read the bars of the configured instruments and, for perpetuals that pay funding, their rates.

    Parameters
    ----------
    start, end
        UTC nanoseconds, of open times; start inclusive, end exclusive; None means the first or the last bar there is.
    """
    catalog, found = config.data.catalog, []
    for instrument_id in config.universe.instruments:
        bars = read_bars(catalog, instrument_id, config.universe.bar, start, end)
        charged = config.venue.funding and bars.instrument.kind == "perpetual"
        found.append((bars, read_funding(catalog, instrument_id, start, None) if charged else None))
    return found


def make_tape(
    histories: Histories,
    venue: Venue,
    recipe: Recipe,
    device: torch.device | None = None,
    heard: Heard | None = None,
) -> Tape:
    """Lay histories end to end, compute features, and join the instruments turn by turn.

    Parameters
    ----------
    heard
        What signals said of these histories, from `hear`; None where no actor runs.

    Raises
    ------
    DataError
        An instrument has too few bars for one window and one step, or the histories have no time in common.
    """
    parts: dict[str, list[Tensor]] = {name: [] for name in ("ts_close", "bars", "close", "volatility", "features")}
    segments, first = [], 0
    features = Features(recipe).eval()
    for bars, _ in histories:
        spec = bars.instrument
        needed = window(recipe) + 1
        if len(bars) < needed:
            raise DataError(
                broken(f"history of {spec.instrument_id}", f"have at least {needed} bars", len(bars), "[training]")
            )
        raw = np.stack([bars.open, bars.high, bars.low, bars.close, bars.volume], -1).astype(np.float32)
        with torch.no_grad():
            rows = features(torch.from_numpy(raw))
        parts["ts_close"].append(torch.from_numpy(np.array(bars.ts_close)))
        parts["bars"].append(torch.from_numpy(raw))
        parts["close"].append(torch.from_numpy(np.array(bars.close)))
        parts["volatility"].append(torch.from_numpy(_volatility(bars.close)))
        parts["features"].append(torch.cat([rows.new_zeros(len(bars) - len(rows), rows.shape[1]), rows]))
        segments.append(Segment(spec, first, first + len(bars), first + window(recipe) - 1))
        first += len(bars)
    joined: dict[str, Any] = {name: torch.cat(values) for name, values in parts.items()}
    ts_turn, first_turn = _common_turns(histories, segments)
    turns = [
        _turns(bars, funding, venue, ts_turn, segment, volatility.numpy())
        for (bars, funding), segment, volatility in zip(histories, segments, parts["volatility"])
    ]
    tape = Tape(
        segments=tuple(segments),
        first_turn=first_turn,
        ts_turn=torch.from_numpy(ts_turn),
        turns=torch.from_numpy(np.stack(turns, 1)),
        context=torch.zeros(len(ts_turn), len(segments), 0),
        **joined,
    )
    tape = tape if heard is None else with_signals(tape, heard)
    return tape if device is None else tape.to(device)


def with_signals(tape: Tape, heard: Heard) -> Tape:
    """Return a tape with what signals said of its histories: context, budgets and ceilings."""
    turns = tape.turns.clone()
    turns[..., BUDGET], turns[..., CEILING] = (torch.from_numpy(one) for one in heard.allowance)
    return replace(tape, turns=turns, context=torch.from_numpy(heard.context), bounded=heard.bounded)


def _common_turns(histories: Histories, segments: Sequence[Segment]) -> tuple[NDArray[np.int64], int]:
    """The turns, and the first one at which all are ready."""
    end = min(int(bars.ts_close[-1]) for bars, _ in histories)
    ready = max(int(bars.ts_close[part.ready - part.first]) for (bars, _), part in zip(histories, segments))
    ts_turn = turn_times(histories)
    if ready >= end:
        names = ", ".join(part.instrument.instrument_id for part in segments)
        rule = "have a full window and one more bar each while all of them trade"
        raise DataError(broken(f"histories of {names}", rule, "no such time", "[training]", "choose a longer span"))
    return ts_turn, int(np.searchsorted(ts_turn, ready))


def _turns(
    bars: Bars,
    funding: Funding | None,
    venue: Venue,
    ts_turn: NDArray[np.int64],
    segment: Segment,
    volatility: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Columns of one instrument, float64 (G, C)."""
    spec, count = bars.instrument, len(ts_turn)
    row = np.searchsorted(bars.ts_close, ts_turn, side="right") - 1
    decides = (row >= 0) & (bars.ts_close[row] == ts_turn)
    row = np.maximum(row, 0)
    mid = reference_prices(venue.fill, bars.open, bars.close)
    bid, ask = quote_prices(mid, venue.half_spread_bps, spec.price_precision)
    quoted = decides if venue.fill == "this_close" else np.append(decides[1:], False)
    shown = row if venue.fill == "this_close" else np.where(quoted, row, np.maximum(row - 1, 0))
    columns: dict[str, NDArray[Any]] = {
        "close": bars.close[row],
        "next_close": np.append(bars.close[row[1:]], bars.close[row[-1]]),
        "bid": bid[shown],
        "ask": ask[shown],
        "quoted": quoted,
        "volatility": volatility[row],
        "decides": decides,
        "new_day": np.append(True, np.diff(ts_turn // NS_PER_DAY) > 0),
        "row": segment.first + row,
        "budget": np.ones(count),
        "ceiling": np.full(count, np.inf),
    }
    charged = funding if venue.funding and spec.kind == "perpetual" else None
    opened_ns = ts_turn - bar_ns(bars.bar)
    columns["funding_before"], columns["funding_after"] = _funding(charged, venue.fill, ts_turn, opened_ns, columns)
    for name in ("bid", "ask"):
        columns[name][-1] = np.nan
    return np.stack([columns[name].astype(np.float64) for name in TURN_COLUMNS], -1).reshape(count, -1)


def _funding(
    funding: Funding | None,
    fill: str,
    ts_turn: NDArray[np.int64],
    opened_ns: NDArray[np.int64],
    columns: dict[str, NDArray[Any]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Quote paid per unit between each turn and the next: on what was held before the fill, and on what is held after it.

    A rate at t is settled 1 ns before t, at the last mark: the next close where t is the next turn, the last close otherwise. Fills of
    `next_open` come 1 ns after the next bar's open, those of `this_close` 1 ns after the turn, those of `next_close` 1 ns before the
    next turn and before what is settled there.
    """
    before, after = np.zeros(len(ts_turn)), np.zeros(len(ts_turn))
    if funding is None:
        return before, after
    turn = np.searchsorted(ts_turn, funding.ts, side="left") - 1
    inside = (turn >= 0) & (turn < len(ts_turn) - 1)
    turn, ts, rate = turn[inside], funding.ts[inside], funding.rate[inside]
    on_turn = ts == ts_turn[turn + 1]
    paid = rate * np.where(on_turn, columns["next_close"][turn], columns["close"][turn])
    if fill == "next_open":
        early = ts <= opened_ns[turn + 1]
    else:
        early = np.zeros(len(ts), bool) if fill == "this_close" else ~on_turn
    np.add.at(before, turn[early], paid[early])
    np.add.at(after, turn[~early], paid[~early])
    return before, after


def _volatility(close: NDArray[np.float64]) -> NDArray[np.float64]:
    """Root mean square of the last SPAN log returns, floored; before there are as many, of those there are."""
    squares = np.append(0.0, np.diff(np.log(close)) ** 2)
    total = np.cumsum(squares)
    count = np.minimum(np.arange(len(close)), SPAN)
    total = total - np.append(np.zeros(SPAN), total[:-SPAN])[: len(total)]
    mean = total / np.maximum(count, 1)
    root = np.sqrt(np.maximum(mean, 0.0))
    return np.maximum(root, QUIET)
