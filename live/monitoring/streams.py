"""How old the data of each stream is: when the last piece came, and which time it is of."""

import time
from typing import Any

from nautilus_trader.model import Bar, FundingRateUpdate, MarkPriceUpdate, QuoteTick

from live.monitoring.parts import StreamStatus
from live.recording.rows import Received

KINDS: dict[type, str] = {Bar: "bar", QuoteTick: "quote", MarkPriceUpdate: "mark", FundingRateUpdate: "funding"}


class Streams:
    """Notes what arrives; a few dictionary accesses a piece.

    Parameters
    ----------
    instruments
        Whose bars and quotes are expected: they are listed before the first one comes.

    Attributes
    ----------
    event_ns
        Latest event time, UTC ns; 0 before the first.
    last_bar
        `time.perf_counter` at the arrival of the last bar; None before the first.
    """

    def __init__(self, instruments: list[str]) -> None:
        self.event_ns = 0
        self.last_bar: float | None = None
        self._last: dict[tuple[type, Any], tuple[float, Any, int]] = {}
        self._expected = [(kind, name) for name in instruments for kind in ("bar", "quote")]

    def hear(self, item: Received) -> None:
        """Note one piece; those that are no market data are left out."""
        key: tuple[type, Any]
        if isinstance(item, Bar):
            key = (Bar, item.bar_type)
            self.last_bar = time.perf_counter()
        elif isinstance(item, QuoteTick | MarkPriceUpdate | FundingRateUpdate):
            key = (type(item), item.instrument_id)
        else:
            return
        before = self._last.get(key)
        self._last[key] = (time.monotonic(), item, 1 if before is None else before[2] + 1)
        self.event_ns = max(self.event_ns, item.ts_event)

    def mids(self, since_ns: int = 0) -> dict[str, float]:
        """Return instrument to the mid of its last quote, quote currency, where that is not older than an event time, UTC ns."""
        latest = [last[1] for key, last in self._last.items() if key[0] is QuoteTick]
        quotes = {str(one.instrument_id): one for one in latest if one.ts_event >= since_ns}
        return {name: 0.5 * (float(one.bid_price) + float(one.ask_price)) for name, one in quotes.items()}

    def status(self) -> list[StreamStatus]:
        """Return one row per stream, expected ones even before their first piece."""
        now = time.monotonic()
        found: dict[tuple[str, str], StreamStatus] = {}
        for (of, source), (at, item, received) in self._last.items():
            kind, name = KINDS[of], str(source.instrument_id) if of is Bar else str(source)
            found[kind, name] = StreamStatus(
                kind=kind, instrument_id=name, received=received, age_secs=now - at, ts_event=item.ts_event
            )
        for kind, name in self._expected:
            if (kind, name) not in found:
                never = StreamStatus(kind=kind, instrument_id=name, received=0, age_secs=None, ts_event=None)
                found[kind, name] = never
        return sorted(found.values(), key=lambda row: (row.instrument_id, row.kind))
