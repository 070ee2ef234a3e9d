"""How long the steps of a session take: the last times of each, by percentile."""

from collections import deque

from live.monitoring.parts import LatencyStatus

KEPT = 512


class Latencies:
    """Keeps the last times of each step."""

    def __init__(self) -> None:
        self._times: dict[str, deque[float]] = {}
        self._counts: dict[str, int] = {}

    def add(self, name: str, ms: float) -> None:
        """Add one time, milliseconds."""
        self._times.setdefault(name, deque(maxlen=KEPT)).append(ms)
        self._counts[name] = self._counts.get(name, 0) + 1

    def status(self) -> list[LatencyStatus]:
        """Return one row per step, in the order in which they were first measured.

        A percentile is the smallest time that so many of the kept ones do not exceed.
        """
        rows = []
        for name, times in self._times.items():
            ordered, n = sorted(times), self._counts[name]
            p50, p99 = (ordered[-(-len(ordered) * part // 100) - 1] for part in (50, 99))
            rows.append(LatencyStatus(name=name, last_ms=times[-1], p50_ms=p50, p99_ms=p99, worst_ms=ordered[-1], n=n))
        return rows
