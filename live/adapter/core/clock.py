"""The venue's clock, as an offset from the local one."""

import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

NS_PER_MS = 1_000_000


class Sample(NamedTuple):
    """One question for the time: local ns when asked and when answered, and the venue's ns in between."""

    asked_ns: int
    answered_ns: int
    venue_ns: int

    @property
    def offset_ns(self) -> int:
        """Venue minus local; the answer is taken to be from the middle of the round trip."""
        return self.venue_ns - (self.asked_ns + self.answered_ns) // 2


class VenueClock:
    """Knows how far the venue's clock is from ours; the sample with the shortest round trip counts.

    Parameters
    ----------
    local
        Local wall clock, UTC ns.
    follows
        True for a venue whose time is that of what it replays: its clock stands between the times that it tells.
    """

    def __init__(self, local: Callable[[], int] = time.time_ns, follows: bool = False) -> None:
        self._local = local
        self._follows = follows
        self._told_ns = 0
        self.offset_ns = 0
        self.round_trip_ns = 0
        self.synchronised = False

    def now_ns(self) -> int:
        """Return the venue's time, UTC ns; the local one before the first `synchronise`."""
        return self._told_ns if self._follows and self._told_ns else self._local() + self.offset_ns

    def hear(self, ts_ns: int) -> None:
        """Take in a time that the venue put on something; only a clock that follows moves by it."""
        self._told_ns = max(self._told_ns, ts_ns)

    async def synchronise(self, fetch_time_ms: Callable[[], Awaitable[int]], samples: int = 3) -> int:
        """Ask the venue for its time and return the new offset, nanoseconds."""
        best: Sample | None = None
        for _ in range(samples):
            asked = self._local()
            venue_ms = await fetch_time_ms()
            sample = Sample(asked, self._local(), int(venue_ms) * NS_PER_MS)
            if best is None or sample.answered_ns - sample.asked_ns < best.answered_ns - best.asked_ns:
                best = sample
        assert best is not None
        self.offset_ns, self.round_trip_ns = best.offset_ns, best.answered_ns - best.asked_ns
        self.synchronised = True
        self.hear(best.venue_ns)
        return self.offset_ns
