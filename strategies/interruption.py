"""Ctrl-C during a run: heard at the end of a turn, since the engine swallows what a handler raises and would end as if all were well."""

import signal
import threading
from types import FrameType
from typing import Any


class Interruption:
    """Notes Ctrl-C while it is entered; a second one interrupts at once.

    Outside the main thread, which alone hears signals, and where they are ignored, it notes nothing.
    """

    def __init__(self) -> None:
        self.noted = False
        self._before: Any = None

    def __enter__(self) -> "Interruption":
        heard = signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
        if heard and threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.noted = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def check(self) -> None:
        """Raise where Ctrl-C was noted.

        Raises
        ------
        KeyboardInterrupt
            It was.
        """
        if self.noted:
            raise KeyboardInterrupt

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
