"""The back test's market: bars that decide, quotes that match, marks that value, funding that settles, in chunks of time."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from nautilus_trader.model import (
    Bar,
    BarType,
    FundingRateUpdate,
    InstrumentId,
    MarkPriceUpdate,
    Price,
    Quantity,
    QuoteTick,
)

from catalogs.arrays import Bars, Funding, read_bars, read_funding
from catalogs.columns import undoubled
from catalogs.manifest import read_manifest
from catalogs.storage import bar_type
from engine.contract.calendar import bar_ns, iso
from engine.contract.config import Config
from engine.contract.errors import DataError, broken
from engine.execution.costs import quote_prices

QUOTE_DELAY_NS = 1
"""A quote that matches decisions made at T comes this long after T."""

QUOTE_SIZE = 1e9
"""Size of every quote, base units: an order never fills in parts."""

CHUNK_BARS = 20_000
"""Bars per instrument in one chunk of a streamed run."""

VOLUME_PRECISION = 8


@dataclass(frozen=True)
class InstrumentMarket:
    """One instrument's part: bars from the warm-up to the end, and its funding rates (none for spot)."""

    bars: Bars
    funding: Funding


@dataclass(frozen=True)
class Market:
    """Everything that a run hears.

    Attributes
    ----------
    parts
        One per instrument, in configuration order.
    first_decision_ns
        Turns that close at or before this time only warm up.
    span_ns
        Start (inclusive) and end (exclusive) of the bars that are decided on, by open time.
    """

    parts: tuple[InstrumentMarket, ...]
    first_decision_ns: int
    span_ns: tuple[int, int]


def read_market(config: Config, warm_up_bars: int) -> Market:
    """Read the bars of the configured span and, where the catalog has them, `warm_up_bars` bars before it.

    Raises
    ------
    DataError
        The catalog or an instrument in it is missing, or the span holds no bar.
    """
    catalog, bar = Path(config.data.catalog), config.universe.bar
    start_ns, end_ns = config.span_ns
    step = bar_ns(bar)
    held = {dataset.instrument_id for dataset in read_manifest(catalog).datasets if dataset.kind == "funding"}
    parts = []
    for instrument in config.universe.instruments:
        inside = read_bars(catalog, instrument, bar, start_ns, end_ns)
        bars = inside if start_ns is None else _with_warm_up(catalog, inside, start_ns, end_ns, warm_up_bars)
        wants_funding = config.venue.funding and bars.instrument.kind == "perpetual"
        if wants_funding and instrument not in held:
            rule = "be in the catalog while venue.funding is true"
            raise DataError(
                broken(
                    f"funding of {instrument}", rule, "missing", str(catalog), "import it, or set venue.funding = false"
                )
            )
        funding = (
            read_funding(catalog, instrument, int(bars.ts_open[0]), int(bars.ts_close[-1]) + 1)
            if wants_funding
            else Funding(np.zeros(0, np.int64), np.zeros(0))
        )
        parts.append(InstrumentMarket(bars, funding))
    first = min(int(part.bars.ts_open[0]) for part in parts) if start_ns is None else start_ns
    last = max(int(part.bars.ts_close[-1]) for part in parts) if end_ns is None else end_ns
    return Market(tuple(parts), first if start_ns is None else start_ns, (first, max(last, first + step)))


def _with_warm_up(catalog: Path, inside: Bars, start_ns: int, end_ns: int | None, warm_up_bars: int) -> Bars:
    whole = read_bars(catalog, inside.instrument.instrument_id, inside.bar, None, end_ns)
    first = max(0, int(np.searchsorted(whole.ts_open, start_ns)) - warm_up_bars)
    columns = {name: getattr(whole, name)[first:] for name in COLUMNS}
    return Bars(instrument=whole.instrument, bar=whole.bar, **columns)


COLUMNS = ("ts_open", "ts_close", "open", "high", "low", "close", "volume")


def chunks(market: Market, fill: str, half_spread_bps: float) -> Iterator[list[list[Any]]]:
    """Yield lists of NautilusTrader data, a list per kind and instrument, one chunk of time after the other.

    Per bar with open time O and close time T: a mark price of the close at T - 1 ns, the bar at T, and one quote, placed by the fill
    assumption: `next_open` the open at O + 1 ns; `this_close` the close at T + 1 ns; `next_close` the close at T - 1 ns. A funding rate
    applied at t settles at t - 1 ns, on the position that was held up to t.

    Known at: the event times above; no event carries a price from after its time.
    """
    step = bar_ns(market.parts[0].bars.bar)
    ends = sorted(
        {int(part.bars.ts_close[k]) for part in market.parts for k in range(CHUNK_BARS - 1, len(part.bars), CHUNK_BARS)}
    )
    bounds = [0, *(end + step // 2 for end in ends), 2**62]
    streams = [_streams(part, fill, half_spread_bps) for part in market.parts]
    for low, high in pairwise(bounds):
        yield [build(*np.searchsorted(times, (low, high))) for parts in streams for times, build in parts]


def _streams(part: InstrumentMarket, fill: str, half_spread_bps: float) -> list[tuple[Any, Any]]:
    bars, spec = part.bars, part.bars.instrument
    instrument_id, decimals = InstrumentId.from_str(spec.instrument_id), spec.price_precision
    kind = BarType.from_str(bar_type(spec.instrument_id, bars.bar))
    size = Quantity(QUOTE_SIZE, spec.size_precision)
    volume = undoubled(bars.volume)

    def price(value: float) -> Price:
        return Price(value, decimals)

    def make_bars(low: int, high: int) -> list[Bar]:
        prices = (getattr(bars, name)[low:high].tolist() for name in ("open", "high", "low", "close"))
        rows = zip(*prices, volume[low:high].tolist(), bars.ts_close[low:high].tolist())
        return [
            Bar(kind, price(o), price(h), price(lo), price(c), Quantity(v, VOLUME_PRECISION), ts, ts)
            for o, h, lo, c, v, ts in rows
        ]

    def make_marks(low: int, high: int) -> list[MarkPriceUpdate]:
        rows = zip(bars.close[low:high].tolist(), (bars.ts_close[low:high] - 1).tolist())
        return [MarkPriceUpdate(instrument_id, price(c), ts, ts) for c, ts in rows]

    mid, quoted_ns = {
        "next_open": (bars.open, bars.ts_open + QUOTE_DELAY_NS),
        "this_close": (bars.close, bars.ts_close + QUOTE_DELAY_NS),
        "next_close": (bars.close, bars.ts_close - 1),
    }[fill]
    bid, ask = quote_prices(mid, half_spread_bps, decimals)

    def make_quotes(low: int, high: int) -> list[QuoteTick]:
        rows = zip(bid[low:high].tolist(), ask[low:high].tolist(), quoted_ns[low:high].tolist())
        return [QuoteTick(instrument_id, price(b), price(a), size, size, ts, ts) for b, a, ts in rows]

    settled_ns = part.funding.ts - 1

    def make_funding(low: int, high: int) -> list[FundingRateUpdate]:
        rows = zip(part.funding.rate[low:high].tolist(), settled_ns[low:high].tolist())
        return [FundingRateUpdate(instrument_id, Decimal(repr(r)), ts, ts, next_funding_ns=ts) for r, ts in rows]

    return [
        (bars.ts_close - 1, make_marks),
        (settled_ns, make_funding),
        (bars.ts_close, make_bars),
        (quoted_ns, make_quotes),
    ]


@dataclass(frozen=True)
class Coverage:
    """What of a span the catalog holds.

    Attributes
    ----------
    expected, present
        Bars that the span would have without a gap, and that it has.
    gaps
        (start ISO, missing bars), longest first.
    warm_up
        Bars before the span that filled the windows.
    """

    instrument_id: str
    expected: int
    present: int
    gaps: tuple[tuple[str, int], ...]
    warm_up: int


def coverage(market: Market) -> list[Coverage]:
    """Count the bars of the decided span, per instrument."""
    start, end = market.span_ns
    return [_coverage(part.bars, start, end) for part in market.parts]


def coverage_rows(market: Market) -> list[dict[str, Any]]:
    """Return the coverage as a document has it."""
    rows: list[dict[str, Any]] = [asdict(one) for one in coverage(market)]
    return [one | {"gaps": [list(gap) for gap in one["gaps"]]} for one in rows]


def _coverage(bars: Bars, start: int, end: int) -> Coverage:
    step = bar_ns(bars.bar)
    inside = bars.ts_open[(bars.ts_open >= start) & (bars.ts_open < end)]
    edges = np.concatenate([[start - step], inside, [start + (end - start + step - 1) // step * step]])
    missing = np.diff(edges) // step - 1
    order = np.argsort(-missing, kind="stable")
    gaps = tuple((iso(int(edges[k]) + step), int(missing[k])) for k in order if missing[k] > 0)
    return Coverage(
        bars.instrument.instrument_id,
        int(missing.sum()) + len(inside),
        len(inside),
        gaps,
        int((bars.ts_open < start).sum()),
    )


def truncated_before(market: Market, ts: int) -> Market:
    """Drop every bar that opens before `ts`, and decide from the first bar on."""
    parts = []
    for part in market.parts:
        keep = part.bars.ts_open >= ts
        columns = {name: getattr(part.bars, name)[keep] for name in COLUMNS}
        parts.append(
            InstrumentMarket(Bars(instrument=part.bars.instrument, bar=part.bars.bar, **columns), part.funding)
        )
    return Market(tuple(parts), ts, (ts, market.span_ns[1]))
