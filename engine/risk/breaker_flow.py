"""The flow of orders: how many left in the last second, the last minute and since 00:00 UTC, and which were equal."""

from typing import Any, NamedTuple

from engine.contract.calendar import NS_PER_SEC
from engine.risk.breaker_anchors import NS_PER_DAY

MINUTE_NS = 60 * NS_PER_SEC


class Counts(NamedTuple):
    """Orders sent, as `Standing` names them."""

    second: int
    minute: int
    today: int
    keys: frozenset[str]
    equals: frozenset[str]


NOTHING = Counts(0, 0, 0, frozenset(), frozenset())


class OrderFlow:
    """Remembers the orders of the last minute of event time; what is older is only a count of its day."""

    def __init__(self) -> None:
        self._sent: list[tuple[int, str, str]] = []
        self._day = -1
        self._today = 0

    def hear(self, ts_event: int, order_key: str, mark: str) -> int:
        """Count one order and return how many orders of the last minute, itself included, are equal to it.

        Parameters
        ----------
        ts_event
            Event time of the sending, UTC ns.
        mark
            Its `fingerprint`.
        """
        if ts_event // NS_PER_DAY != self._day:
            self._day, self._today = ts_event // NS_PER_DAY, 0
        self._today += 1
        self._forget(ts_event)
        self._sent.append((ts_event, order_key, mark))
        return sum(sent[2] == mark for sent in self._sent)

    def counts(self, ts_event: int) -> Counts:
        """Return what was sent up to an event time."""
        self._forget(ts_event)
        today = self._today if ts_event // NS_PER_DAY == self._day else 0
        if not self._sent:
            return NOTHING if today == 0 else NOTHING._replace(today=today)
        return Counts(
            sum(sent[0] > ts_event - NS_PER_SEC for sent in self._sent),
            len(self._sent),
            today,
            frozenset(sent[1] for sent in self._sent),
            frozenset(sent[2] for sent in self._sent if sent[0] == ts_event),
        )

    def clear(self) -> None:
        """Forget the last minute; the count of the day stays."""
        self._sent.clear()

    def _forget(self, ts_event: int) -> None:
        if self._sent and self._sent[0][0] <= ts_event - MINUTE_NS:
            self._sent = [sent for sent in self._sent if sent[0] > ts_event - MINUTE_NS]

    def state(self) -> dict[str, Any]:
        """Return everything that `restore` needs, as plain JSON values."""
        return {"sent": [list(one) for one in self._sent], "day": self._day, "today": self._today}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self._sent = [(ts_event, key, mark) for ts_event, key, mark in state["sent"]]
        self._day, self._today = state["day"], state["today"]
