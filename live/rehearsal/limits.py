"""Limits of requests: weight a minute, orders in ten seconds, and what comes after too many."""

from collections import deque
from collections.abc import Callable

from live.rehearsal.refusals import Refused
from live.rehearsal.terms import Market

WEIGHTS: dict[Market, int] = {"spot": 6_000, "usdm": 2_400}
ORDERS: dict[Market, int] = {"spot": 100, "usdm": 300}
MINUTE = 60.0
TEN_SECS = 10.0
PATIENCE = 10
BAN_SECS = 120


class Meter:
    """A sum over a sliding window.

    Parameters
    ----------
    clock
        Seconds that only go forward.
    """

    def __init__(self, most: int, window_secs: float, clock: Callable[[], float]) -> None:
        self.most, self.window_secs, self._clock = most, window_secs, clock
        self._entries: deque[tuple[float, int]] = deque()
        self.used = 0

    def add(self, amount: int) -> float:
        """Add; return the seconds until there is room again, 0 where there is."""
        now = self._clock()
        while self._entries and now - self._entries[0][0] >= self.window_secs:
            self.used -= self._entries.popleft()[1]
        if self.used + amount > self.most:
            return self.window_secs - (now - self._entries[0][0]) if self._entries else self.window_secs
        self._entries.append((now, amount))
        self.used += amount
        return 0.0


class Limits:
    """What one market lets through: beyond a limit 429, and 418 for whoever goes on regardless."""

    def __init__(self, market: Market, weight: int | None, orders: int | None, clock: Callable[[], float]) -> None:
        self.weight = Meter(weight or WEIGHTS[market], MINUTE, clock)
        self.orders = Meter(orders or ORDERS[market], TEN_SECS, clock)
        self._clock = clock
        self._refused = 0
        self._banned_until = 0.0

    def admit(self, weight: int, is_order: bool) -> None:
        """Count a request; raises `Refused` with the seconds to wait."""
        now = self._clock()
        if now < self._banned_until:
            raise banned(int(self._banned_until - now) + 1)
        wait = self.weight.add(weight) or (self.orders.add(1) if is_order else 0.0)
        if not wait:
            self._refused = 0
            return
        self._refused += 1
        if self._refused > PATIENCE:
            self._banned_until = now + BAN_SECS
            raise banned(BAN_SECS)
        raise too_many(int(wait) + 1)


def too_many(retry_after_secs: int) -> Refused:
    """The answer beyond a limit."""
    return Refused(-1003, "Too many requests; please use the websocket for live updates.", 429, retry_after_secs)


def banned(retry_after_secs: int) -> Refused:
    """The answer to who was banned."""
    return Refused(-1003, "Way too many requests; IP banned.", 418, retry_after_secs)
