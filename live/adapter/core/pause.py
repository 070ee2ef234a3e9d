"""The pause that a venue orders: after 429 or 418 nobody sends anything until the stated time is over."""

import asyncio
import time
from collections.abc import Callable, Mapping

from live.adapter.core.notes import Notes

LIMITED = frozenset({418, 429})
UNSTATED_SECS = {418: 120.0, 429: 5.0}
"""Length of a pause that the venue ordered without saying how long."""


class Pause:
    """One for the whole account; orders, look-ups and history wait behind it alike.

    Parameters
    ----------
    notes
        Where each pause is written down.
    monotonic
        Seconds of a clock that only runs forwards.
    """

    def __init__(self, notes: Notes, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._notes = notes
        self._monotonic = monotonic
        self._until = 0.0

    @property
    def left_secs(self) -> float:
        """Seconds until something may be sent again; 0 when it may be sent now."""
        return max(0.0, self._until - self._monotonic())

    def hear(self, status: int, headers: Mapping[str, str]) -> None:
        """Take in the status and the headers of an answer; a shorter pause does not shorten one that stands."""
        if status not in LIMITED:
            return
        secs = _retry_after(headers)
        stated = secs is not None
        secs = UNSTATED_SECS[status] if secs is None else secs
        self._until = max(self._until, self._monotonic() + secs)
        self._notes.write("pause", "", f"status {status}, {secs:g} s {'stated' if stated else 'assumed'}")

    async def wait(self) -> None:
        """Return when something may be sent."""
        while (left := self.left_secs) > 0.0:
            await asyncio.sleep(left)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    for name, value in headers.items():
        if name.lower() == "retry-after":
            try:
                secs = float(value)
            except ValueError:
                return None
            return secs if 0.0 <= secs < float("inf") else None
    return None
