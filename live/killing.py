"""The kill: latch, cancel, close, look again; by the venue alone, whatever state the trading process is in.

The latch comes first, so that a process that wakes up, or is started again, sends nothing new. Then open orders are cancelled, positions
are closed by orders that can only reduce, and orders are cancelled once more: one may have left while the first were being cancelled.
"""

import asyncio
import time
from pathlib import Path
from typing import Any

import msgspec

from live.account import Account
from live.adapter.core.session import ANSWER_ERRORS
from live.control import Control, set_latch
from live.venue import RealVenue, RunningRehearsal, Venue

PREFIX = "H-kill"
MOST_SECS = 20.0
"""How long it goes on looking, and doing what is still to be done."""
SETTLE_SECS = 0.15
"""After orders were sent, before it looks at what became of them."""


class Killed(msgspec.Struct, frozen=True):
    """What a kill did.

    Attributes
    ----------
    cancelled
        Orders that were cancelled.
    closed
        Instrument to what was held, signed, base units.
    left
        What is still there: orders by count, positions by instrument; both empty when it is done.
    dust
        Base units that a spot account keeps because no order can sell them, by instrument.
    seconds
        From the command to the last look.
    failed
        What the venue answered instead, in the order of the attempts.
    """

    run_id: str
    mode: str
    cancelled: int
    closed: dict[str, float]
    left_orders: int
    left_positions: dict[str, float]
    seconds: float
    failed: list[str]
    dust: dict[str, float] = {}

    @property
    def done(self) -> bool:
        """Whether nothing is left."""
        return not self.left_orders and not self.left_positions


def kill(control: Control, by: str, reason: str, flatten: bool = True) -> Killed:
    """Stop one session.

    Parameters
    ----------
    control
        Of the session, or made for an account without one.
    by, reason
        Who, and why; both stand in the latch.
    flatten
        Whether positions are closed too.

    Raises
    ------
    EnvironmentFault
        The keys are not in the environment; the latch is set all the same.
    """
    began = time.perf_counter()
    set_latch(Path(control.latch), by, reason, flatten)
    if control.mode == "paper":
        return Killed(control.run_id, control.mode, 0, {}, 0, {}, time.perf_counter() - began, [])
    return asyncio.run(_at_the_venue(control, flatten, began))


def venue_of_control(control: Control) -> Venue:
    """Return how the exchange of a session is reached."""
    return RunningRehearsal(control.venue, True) if control.rehearsal else RealVenue(True)


async def _at_the_venue(control: Control, flatten: bool, began: float) -> Killed:
    cancelled, failed = 0, []
    closed: dict[str, float] = {}
    instruments, venue = control.instruments, venue_of_control(control)
    async with Account(control.exchange, control.market, instruments, venue, control.rehearsal) as account:
        left: tuple[int, dict[str, Any]] = (0, {})
        while time.perf_counter() - began < MOST_SECS:
            try:
                cancelled += await account.cancel_all()
                if flatten:
                    for name, quantity in (await account.close_all(PREFIX)).items():
                        closed.setdefault(name, float(quantity))
                await asyncio.sleep(SETTLE_SECS)
                left = (len(await account.open_orders()), await account.closable() if flatten else {})
            except ANSWER_ERRORS as error:
                failed.append(f"{type(error).__name__}: {str(error)[:200]}")
                left = (-1, {})
                continue
            if not left[0] and not left[1]:
                break
        dust = await _dust(account) if flatten else {}
        left_positions = {name: float(quantity) for name, quantity in left[1].items()}
    seconds = time.perf_counter() - began
    return Killed(control.run_id, control.mode, cancelled, closed, left[0], left_positions, seconds, failed, dust)


async def _dust(account: Account) -> dict[str, float]:
    try:
        return {name: float(quantity) for name, quantity in (await account.dust()).items()}
    except ANSWER_ERRORS:
        return {}
