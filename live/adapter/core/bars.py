"""When a bar is closed, told from a stream of rows that never says so.

ccxt's rows carry the open of a bar and are repeated while it grows. A bar is closed by the first row of a later one, by the venue's own
flag where the session heard one, or, in a silent market, by the time: then REST is asked for it.
"""

from collections.abc import Sequence
from typing import NamedTuple

MS = 1_000_000
UNITS = {"SECOND": "s", "MINUTE": "m", "HOUR": "h", "DAY": "d"}


class Row(NamedTuple):
    """One bar: open time in ms, open, high, low, close, volume."""

    open_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float


def timeframe(bar: str) -> str:
    """Return ccxt's name of a bar length.

    >>> timeframe("15-MINUTE")
    '15m'
    """
    count, _, unit = bar.partition("-")
    return f"{count}{UNITS[unit]}"


def row_of(values: Sequence[float]) -> Row:
    """Copy a row of ccxt's, which it goes on changing."""
    return Row(int(values[0]), *(float(value) for value in values[1:6]))


class BarCloser:
    """Follows one instrument's bars of one length.

    Parameters
    ----------
    bar_ms
        Length of a bar, milliseconds.
    patience_ms
        Time after its close that a bar waits for REST to show it with a later one behind it; after that it is closed as it stands, or,
        without a row, had no trade that the venue tells of. Longer than clocks are wrong.
    """

    def __init__(self, bar_ms: int, patience_ms: int = 75_000) -> None:
        self._bar_ms = bar_ms
        self._patience_ms = patience_ms
        self._rows: dict[int, Row] = {}
        self._closed_ms = -1
        self._since_ms = -1
        self._doubtful_ms = self._declared_ms = -1
        self._held = False

    @property
    def last_ms(self) -> int:
        """Open of the last bar that was closed, ms; -1 before the first."""
        return self._closed_ms

    @property
    def waits(self) -> bool:
        """Whether closed bars are held back until REST has said what they were."""
        return self._held

    def start(self, now_ms: int) -> None:
        """Take bars from the one that is open at this time."""
        self._since_ms = max(self._since_ms, now_ms - now_ms % self._bar_ms)

    def doubt(self, now_ms: int) -> None:
        """Take in that rows up to this time may have been lost: REST has the last word on the bars up to the one that is open now."""
        self._doubtful_ms = now_ms - now_ms % self._bar_ms

    def hear(self, rows: Sequence[Row]) -> list[Row]:
        """Take in rows in the order of their opens, and return the bars that they close; the last of them stays open."""
        self._keep(rows)
        return self._take(max(self._rows, default=-1) - 1)

    def close_to(self, open_ms: int) -> list[Row]:
        """Return the open bars up to one that the venue declared closed, that one included."""
        self._declared_ms = max(self._declared_ms, open_ms)
        return self._take(open_ms)

    def overdue(self, now_ms: int, grace_ms: int) -> int | None:
        """Return the open, in ms, of the first bar that should be closed by this time and is not; None where none is."""
        first = self._next_ms
        return first if first >= 0 and now_ms >= first + self._bar_ms + grace_ms else None

    def settle(self, rows: Sequence[Row], now_ms: int) -> list[Row]:
        """Take in rows that REST gave, which count more than streamed ones; close those that a later row, the venue or time has closed.

        A bar without a row is left out when its time is over: nothing is invented.
        """
        self._keep(rows)
        past = now_ms - now_ms % self._bar_ms - self._bar_ms
        latest = max((row.open_ms for row in rows), default=-1)
        sure = max(latest - 1, self._declared_ms)
        known = max((row.open_ms for row in rows if row.open_ms <= past and row.open_ms <= sure), default=-1)
        newest = past if now_ms - past - self._bar_ms > self._patience_ms else known
        if newest < self._next_ms:
            return []
        self._doubtful_ms, self._held = -1 if newest >= self._doubtful_ms else self._doubtful_ms, False
        closed = self._pop(newest)
        self._closed_ms = max(self._closed_ms, newest)
        return closed

    def _keep(self, rows: Sequence[Row]) -> None:
        for row in rows:
            if row.open_ms > self._closed_ms and row.open_ms >= self._since_ms:
                self._rows[row.open_ms] = row

    @property
    def _next_ms(self) -> int:
        return self._since_ms if self._closed_ms < 0 else self._closed_ms + self._bar_ms

    def _take(self, newest: int) -> list[Row]:
        """Close streamed bars; where one is missing among them, or doubtful, REST has the last word on all of them."""
        ready = sorted(open_ms for open_ms in self._rows if open_ms <= newest)
        if not ready:
            return []
        first = ready[0] if self._next_ms < 0 else self._next_ms
        if ready[0] <= self._doubtful_ms or ready != list(range(first, ready[-1] + 1, self._bar_ms)):
            self._doubtful_ms, self._held = max(self._doubtful_ms, ready[-1]), True
            return []
        return self._pop(ready[-1])

    def _pop(self, newest: int) -> list[Row]:
        ready = sorted(open_ms for open_ms in self._rows if open_ms <= newest)
        out = [self._rows.pop(open_ms) for open_ms in ready]
        if ready:
            self._closed_ms = max(self._closed_ms, ready[-1])
        return out
