"""Kill points: every distinguishable step of a session, counted by its kind; at a chosen one the process kills itself.

Nothing of this is in a session that trades: the steps are wrapped around its methods by `install`, in the process of a drill alone.
"""

import functools
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.journal.run import STORE
from engine.journal.store import Store
from live import running
from live.adapter.core.session import ExchangeSession
from live.adapter.execution import CcxtExecutionClient
from live.recording.tape import Tape
from live.venue import OwnRehearsal, RunningRehearsal

ORDERS = ("create_order", "cancel_order", "edit_order")


class KillPoints:
    """Counts steps.

    Parameters
    ----------
    kind, nth
        The process is killed at the n-th step of this kind, from 1; 0: never. "" counts steps of every kind.
    record
        File that is told the step at which it was killed.
    every
        Whether each step is written down, not only the last.
    """

    def __init__(self, kind: str, nth: int, record: Path, every: bool = False) -> None:
        self.count = 0
        self._kind, self._nth, self._every = kind, nth, every
        self._file = record.open("ab", buffering=0)

    def reach(self, name: str) -> None:
        """Count one step, and end here where it is the chosen one."""
        self.count += self._kind in ("", name)
        here = self.count == self._nth and self._kind in ("", name)
        if self._every or here:
            self._file.write(f"{self.count} {name}\n".encode())
        if here:
            os.kill(os.getpid(), signal.SIGKILL)


def install(points: KillPoints) -> None:
    """Wrap the steps: tape rows, commits, orders and cancels with their answers, events of orders, moves of a stepped exchange, the end."""
    _wrap(Tape, "write", lambda *_: "a row of the tape", points)
    _wrap(Store, "commit", lambda store, *_: "a commit" if store.open_turn else "", points)
    _wrap(CcxtExecutionClient, "_tell", lambda _client, event: f"{type(event).__name__.lower()}", points)
    for venue in (OwnRehearsal, RunningRehearsal):
        _wrap_async(venue, "step", lambda *_: "a move of the exchange", points)
    _wrap(Tape, "close", lambda _tape, pack=False: "the packing of the tape" if pack else "", points)
    _wrap(running, "_finish", lambda *_: "the files of the run", points)
    _wrap(Path, "unlink", lambda path, *_: "the removal of the store" if path.name == STORE else "", points)
    _wrap_async(ExchangeSession, "call", lambda _session, method, *_: method if method in ORDERS else "", points)


def _wrap(owner: Any, name: str, told: Callable[..., str], points: KillPoints) -> None:
    plain = getattr(owner, name)

    @functools.wraps(plain)
    def stepped(*arguments: Any, **named: Any) -> Any:
        step = told(*arguments, **{key: named[key] for key in named if key == "pack"})
        if not step:
            return plain(*arguments, **named)
        points.reach(f"before {step}")
        answer = plain(*arguments, **named)
        points.reach(f"after {step}")
        return answer

    setattr(owner, name, stepped)


def _wrap_async(owner: Any, name: str, told: Callable[..., str], points: KillPoints) -> None:
    plain = getattr(owner, name)

    @functools.wraps(plain)
    async def stepped(*arguments: Any, **named: Any) -> Any:
        step = told(*arguments)
        if not step:
            return await plain(*arguments, **named)
        points.reach(f"before {step}")
        answer = await plain(*arguments, **named)
        points.reach(f"after {step}")
        return answer

    setattr(owner, name, stepped)
