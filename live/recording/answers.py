"""The answers of a venue on a session's tape: what becomes of orders, what the account is worth, and what it held at the start.

The simulated venue of a paper session answers a replay as it answered the session. A real one answers once: what it said is kept here.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from live.recording.rows import Answer, Taken, Worth
from live.recording.tape import Tape
from strategies.assembly import Assembly

OWN = ("OrderInitialized", "OrderPendingUpdate", "OrderPendingCancel", "OrderEmulated", "OrderReleased")
"""Events that the engine makes of the strategy's own commands, in a replay as well."""


def record_answers(assembly: Assembly, tape: Tape) -> None:
    """Have everything that a live session's venue answers written on its tape.

    Parameters
    ----------
    assembly
        Of the session, before its node runs; the strategy's hooks `answered` and `worth` are taken.
    """
    strategy, conductor = assembly.strategy, assembly.conductor

    def answered(event: Any) -> None:
        name = type(event).__name__
        if name not in OWN:
            counts = (conductor.heard, strategy.quotes_heard)
            tape.write(Answer(time.time_ns(), event.ts_event, *counts, name, event.to_dict()))

    def worth(ts_event: int, value: Callable[[], float]) -> float:
        equity = value()
        tape.write(Worth(time.time_ns(), ts_event, equity))
        return equity

    strategy.answered, strategy.worth = answered, worth


def record_positions(assembly: Assembly, tape: Tape) -> None:
    """Write down the positions that a session took over from the venue."""
    strategy = assembly.strategy
    for index in np.flatnonzero(strategy.account.quantity).tolist():
        now = time.time_ns()
        tape.write(Taken(now, now, str(strategy.instrument_ids[index]), float(strategy.account.quantity[index])))
