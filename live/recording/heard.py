"""The bars that a session heard, as a market for its statistics and its report."""

import numpy as np
from nautilus_trader.model import Bar

from catalogs.arrays import Bars, Funding
from engine.contract.calendar import bar_ns
from engine.contract.instrument import InstrumentSpec
from live.recording.rows import Past
from strategies.feed import InstrumentMarket, Market


class Heard:
    """The bars of a session, those of its warm-up counted apart."""

    def __init__(self) -> None:
        self._bars: dict[str, list[Bar]] = {}
        self._past: dict[str, int] = {}

    def add(self, bar: Bar, past: bool) -> None:
        """Add one bar that was heard; `past` tells whether it only warmed up."""
        name = str(bar.bar_type.instrument_id)
        self._bars.setdefault(name, []).append(bar)
        if past and len(self._bars[name]) == self._past.get(name, 0) + 1:
            self._past[name] = self._past.get(name, 0) + 1

    def add_again(self, item: Bar | Past) -> None:
        """Add what a tape has of a session that goes on; a bar that it holds twice counts once."""
        bar, past = (item.bar, True) if isinstance(item, Past) else (item, False)
        before = self._bars.get(str(bar.bar_type.instrument_id))
        if not before or before[-1].ts_event < bar.ts_event:
            self.add(bar, past)

    def market(self, specs: tuple[InstrumentSpec, ...], bar: str) -> Market:
        """Return them as a back test's market, whose span begins with the first bar that was lived through."""
        parts = tuple(
            InstrumentMarket(self._arrays(spec, bar), Funding(np.zeros(0, np.int64), np.zeros(0))) for spec in specs
        )
        step = bar_ns(bar)
        decided = [one.ts_event for bars in self._bars.values() for one in bars]
        lived = [one.ts_event for name, bars in self._bars.items() for one in bars[self._past.get(name, 0) :]]
        first = (min(lived) if lived else max(decided, default=step)) - step
        return Market(parts, first, (first, max(max(decided, default=step), first + step)))

    def _arrays(self, spec: InstrumentSpec, bar: str) -> Bars:
        bars = self._bars.get(spec.instrument_id, [])
        closes = np.array([one.ts_event for one in bars], dtype=np.int64)
        columns = {
            name: np.array([float(getattr(one, name)) for one in bars])
            for name in ("open", "high", "low", "close", "volume")
        }
        return Bars(instrument=spec, bar=bar, ts_open=closes - bar_ns(bar), ts_close=closes, **columns)
