"""Feeding: the one way into a node, for a catalog, a recorded session, and an exchange, so that all three are heard alike."""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any

from nautilus_trader.model import Bar, QuoteTick

from engine.contract.errors import UsageError, broken
from engine.policy.assignment import from_document
from live.intake import Intake
from live.node import check_components
from live.recording.rows import Assigned, Control, Deadline, DecideAfter, Halt, Past, Received
from live.recording.tape import Tape
from strategies.assembly import Assembly
from strategies.backtest import RunFailure

PATIENCE_SECS = 30.0


class Feeder:
    """Sends data to a node at the pace of its decisions.

    Behind a bar it waits until the bar was decided on; behind a quote, while an order is held or on its way, until none is. So an order
    meets the quote that released it, and a decision the position that the quote before left, however fast the machine is and however
    much is waiting: a session and its replay are the same.

    Parameters
    ----------
    assembly
        Of the node; its hooks `wake` are taken.
    send
        Hands one piece of data to the node.

    Attributes
    ----------
    tape
        Where everything received is written before it is heard; None keeps nothing.
    heard
        Called with every bar that is heard, and whether it is of the past.
    steered
        Called with every control, whether it was done, and what came of it.
    """

    def __init__(self, assembly: Assembly, send: Callable[[Any], None]) -> None:
        self.events = 0
        self.heard: Callable[[Bar, bool], None] = lambda bar, past: None
        self.steered: Callable[[Control, bool, str], None] = lambda control, done, result: None
        self.intake = Intake()
        self.tape: Tape | None = None
        self._assembly, self._send = assembly, send
        self._conductor, self._strategy = assembly.conductor, assembly.strategy
        self._bars, self._quotes = self._conductor.heard, self._strategy.quotes_heard
        self._wake = asyncio.Event()
        self._conductor.wake = self._strategy.wake = self._wake.set

    async def replay(self, items: Iterable[Any]) -> None:
        """Feed a back test's market, in order of time; a turn closes before the first item of a later time."""
        for item in items:
            open_ns = self._conductor.open_ns
            if open_ns is not None and item.ts_init > open_ns:
                self._conductor.close_open()
            await self.hear(item)
        self._conductor.close_open()

    async def take(self, item: Received) -> None:
        """Write down what was received, and let the node hear what it means."""
        if self.tape is not None:
            self.tape.write(item)
        if isinstance(item, Deadline):
            for rate in self.intake.due(item.ts_event):
                await self.hear(rate)
            self._conductor.close_open()
        elif isinstance(item, DecideAfter):
            self._conductor.decide_after(item.ts_event)
        elif isinstance(item, Assigned):
            self._strategy.assign(from_document(item.assignment), item.by, item.why)
        elif isinstance(item, Halt):
            await self._caught_up(item)
            self._strategy.halt(item.reason)
            if item.flatten:
                self._strategy.market_exit()
        elif isinstance(item, Control):
            await self._caught_up(item)
            self._steer(item)
        else:
            past = isinstance(item, Past)
            for heard in self.intake.take(item.bar if isinstance(item, Past) else item):
                if isinstance(heard, Bar):
                    self.heard(heard, past)
                await self.hear(heard)

    async def _caught_up(self, item: Any) -> None:
        """Wait until the strategy has heard every quote that was sent before: an order of a person's word meets the next one."""
        await self._until(lambda: self._strategy.quotes_heard >= self._quotes, item)

    def _steer(self, item: Control) -> None:
        try:
            result = self._strategy.steer(item.verb, item.scope, item.control, item.by, item.reason)
        except UsageError as error:
            self.steered(item, False, str(error))
        else:
            self.steered(item, True, result)

    async def hear(self, item: Any) -> None:
        """Send one piece of data, and wait until nothing follows from it any more.

        Raises
        ------
        RunFailure
            A component raised, or nothing came of it in time.
        """
        self.events += 1
        self._send(item)
        if isinstance(item, Bar):
            self._bars += 1
            await self._until(lambda: self._conductor.heard >= self._bars, item)
        elif isinstance(item, QuoteTick):
            self._quotes += 1
            if self._strategy.orders_open:
                await self._until(lambda: self._strategy.quotes_heard >= self._quotes and self._settled(), item)

    def _settled(self) -> bool:
        return not self._strategy.orders_out

    async def _until(self, done: Callable[[], bool], item: Any) -> None:
        while not done():
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), PATIENCE_SECS)
            except TimeoutError:
                check_components(self._assembly)
                rule = f"be heard, and its orders settled, within {PATIENCE_SECS:g} s"
                raise RunFailure(broken(type(item).__name__, rule, "not", str(item), "read log.txt")) from None
        check_components(self._assembly)


class Line:
    """The queue between an exchange's streams and the feeder.

    Parameters
    ----------
    feeder
        Who takes from it.
    patience_secs
        How long a turn waits for its missing bars.
    """

    def __init__(self, feeder: Feeder, patience_secs: float) -> None:
        self._feeder, self._patience_secs = feeder, patience_secs
        self._queue: asyncio.Queue[Received | None] = asyncio.Queue()
        self._opened: tuple[int, float] | None = None
        self._last = time.monotonic()
        self._busy = False

    def put(self, item: Received) -> None:
        """Add what was received."""
        self._last = time.monotonic()
        self._queue.put_nowait(item)

    def end(self) -> None:
        """Let `run` return when everything before is fed."""
        self._queue.put_nowait(None)

    @property
    def idle(self) -> bool:
        """Whether everything that was received has been fed."""
        return not self._busy and self._queue.empty()

    @property
    def silent_secs(self) -> float:
        """Seconds since something was received."""
        return time.monotonic() - self._last

    async def run(self, conductor: Any) -> None:
        """Feed what comes until `end`; close turns whose patience is over."""
        while True:
            try:
                item = await asyncio.wait_for(self._queue.get(), self._left(conductor.open_ns))
            except TimeoutError:
                await self._feeder.take(Deadline(time.time_ns(), conductor.open_ns))
                self._opened = None
                continue
            if item is None:
                return
            self._busy = True
            try:
                await self._feeder.take(item)
            finally:
                self._busy = False

    def _left(self, open_ns: int | None) -> float | None:
        if open_ns is None:
            self._opened = None
            return None
        if self._opened is None or self._opened[0] != open_ns:
            self._opened = (open_ns, time.monotonic() + self._patience_secs)
        return max(0.001, self._opened[1] - time.monotonic())
