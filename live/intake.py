"""What is heard of what is received: an exchange's stream in the order and the form of a back test's market.

- A bar brings its mark price before it: the close, a nanosecond earlier, at which the account is valued in every mode. Marks that the
  exchange sends value nothing: equity at a decision would depend on which of two streams was faster.
- A funding rate that the exchange expects is kept, and is heard with its instrument's bar that closes at its time, or before whatever is
  later: a nanosecond before its time, at the mark of then.
- A bar that is not later than the last one of its instrument is a repetition, and is dropped.
- A quote that is received after a bar is later than it, whatever its stamp says: exchanges stamp to the millisecond, some not at all.
  Its event time is then a nanosecond after the bar's.

Nothing here looks at a clock: the same rows give the same stream.
"""

from decimal import Decimal
from typing import Any

from nautilus_trader.model import Bar, FundingRateUpdate, MarkPriceUpdate, QuoteTick

from live.recording.rows import Received


class Intake:
    """Turns one received item into what the node hears of it.

    Attributes
    ----------
    dropped
        Bars that were repetitions.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._closed: dict[str, int] = {}
        self._last_close = -1
        self._expected: dict[tuple[int, Any], Decimal] = {}

    def take(self, item: Received) -> list[Any]:
        """Return what is heard, in order; nothing for a repetition."""
        if isinstance(item, Bar):
            return self._bar(item)
        if isinstance(item, QuoteTick):
            return [self._later(item)]
        if isinstance(item, FundingRateUpdate) and (item.next_funding_ns or 0) > self._last_close:
            self._expected[item.next_funding_ns or 0, item.instrument_id] = item.rate
        return []

    def _bar(self, bar: Bar) -> list[Any]:
        name = str(bar.bar_type)
        if bar.ts_event <= self._closed.get(name, -1):
            self.dropped += 1
            return []
        self._closed[name] = bar.ts_event
        self._last_close = max(self._last_close, bar.ts_event)
        mark = MarkPriceUpdate(bar.bar_type.instrument_id, bar.close, bar.ts_event - 1, bar.ts_init)
        own = bar.bar_type.instrument_id
        return [*self.due(bar.ts_event - 1), mark, *self.due(bar.ts_event, own), bar]

    def _later(self, quote: QuoteTick) -> QuoteTick:
        if quote.ts_event > self._last_close:
            return quote
        sides = (quote.bid_price, quote.ask_price, quote.bid_size, quote.ask_size)
        return QuoteTick(quote.instrument_id, *sides, self._last_close + 1, quote.ts_init)

    def due(self, ts_event: int, of: Any = None) -> list[FundingRateUpdate]:
        """Return the rates whose time has come, of one instrument or of all; each once."""
        due = sorted(
            (key for key in self._expected if key[0] <= ts_event and of in (None, key[1])), key=lambda key: key[0]
        )
        return [
            FundingRateUpdate(name, self._expected.pop((ns, name)), ns - 1, ns - 1, next_funding_ns=ns)
            for ns, name in due
        ]
