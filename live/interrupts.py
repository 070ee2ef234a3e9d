"""Signals that end a session in order."""

import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any


class Interrupts:
    """SIGINT and SIGTERM end a session in order while this is entered; a second one interrupts at once.

    Parameters
    ----------
    stop
        Called with the reason.
    """

    def __init__(self, stop: Callable[[str], None]) -> None:
        self._stop = stop
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Interrupts":
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(ValueError):
                self._before[number] = signal.signal(number, self._hear)
        return self

    def _hear(self, number: int, _frame: object) -> None:
        signal.signal(number, signal.default_int_handler)
        self._stop(f"signal {signal.Signals(number).name}")

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
