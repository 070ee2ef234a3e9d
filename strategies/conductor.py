"""The conductor: the only component that hears market bars; it collects one event time and publishes one turn."""

from collections.abc import Callable, Sequence
from typing import Any

from nautilus_trader.common import DataActor, DataActorConfig, TimeEvent
from nautilus_trader.model import ActorId, Bar, BarType

from engine.actors.guard import guarded
from engine.contract.messages import TURN_TOPIC, BarRow, Turn

DEADLINE_ALERT = "turn"


class Conductor(DataActor):
    """Collects the bars of all instruments with one close and publishes them as a turn, in configuration order.

    A turn closes when every instrument's bar has come, or `deadline_ns` after its first bar came; who was missing is in the turn. In a
    back test the deadline is 0: the engine fires an alert at T after all data at T and before any later data. Live it is patience on the
    wall clock. A replay has no alert: whoever feeds it says when a turn was closed.

    Parameters
    ----------
    bar_types
        One per instrument, in configuration order.
    first_decision_ns
        Turns that close at or before this time only warm up windows.
    deadline_ns
        Time after a turn's first bar at which it is published without the bars that are missing; None: only `close_open` does that.

    Attributes
    ----------
    after
        Called with a turn when all have heard it.
    heard
        Bars that came, late ones included.
    wake
        Called behind every bar.
    """

    name = "conductor"

    def __init__(self, bar_types: Sequence[str], first_decision_ns: int, deadline_ns: int | None = 0) -> None:
        super().__init__(DataActorConfig(actor_id=ActorId("CONDUCTOR-001")))
        self.failure: Exception | None = None
        self.after: Callable[[Turn], None] | None = None
        self.heard = 0
        self.wake: Callable[[], None] | None = None
        self._bar_types = list(bar_types)
        self._columns = {bar_type: index for index, bar_type in enumerate(bar_types)}
        self._first_decision_ns = first_decision_ns
        self._deadline_ns = deadline_ns
        self._rows: list[BarRow | None] = [None] * len(bar_types)
        self._waiting = len(bar_types)
        self._open_ns: int | None = None
        self._due_ns = 0
        self._closed_ns = -1
        self._seq = 0

    def __new__(cls, *_args: object, **_kwargs: object) -> "Conductor":
        """Hand the base class its configuration only."""
        return super().__new__(cls, DataActorConfig(actor_id=ActorId("CONDUCTOR-001")))  # type: ignore[call-arg]

    @property
    def turns(self) -> int:
        """Turns published so far."""
        return self._seq

    @property
    def open_ns(self) -> int | None:
        """Event time of the turn that waits for bars, UTC ns; None where none does."""
        return self._open_ns

    def state(self) -> dict[str, Any]:  # type: ignore[override]
        """Return everything that `restore` needs at the end of a turn, when no other is open."""
        return {"seq": self._seq, "closed_ns": self._closed_ns}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on after the turn of a state; bars up to it are too late."""
        self._seq, self._closed_ns = state["seq"], state["closed_ns"]

    def on_start(self) -> None:
        """Subscribe to the bars."""
        for bar_type in self._bar_types:
            self.subscribe_bars(BarType.from_str(bar_type))

    @guarded
    def on_bar(self, bar: Bar) -> None:
        """Add a bar to the open turn, and publish the turn when it is complete; a bar behind its turn is too late and is dropped."""
        self.heard += 1
        try:
            self._collect(bar)
        finally:
            if self.wake is not None:
                self.wake()

    def _collect(self, bar: Bar) -> None:
        ts_event = bar.ts_event
        if ts_event <= self._closed_ns:
            self.log.warning(f"bar {bar.bar_type} of {ts_event} came after its turn and was dropped")
            return
        if self._open_ns is not None and ts_event > self._open_ns:
            self._close(self._open_ns)
        if self._open_ns is None:
            self._open_ns = ts_event
            if len(self._bar_types) > 1 and self._deadline_ns is not None:
                self._due_ns = self.clock.timestamp_ns() + self._deadline_ns
                self.clock.set_time_alert_ns(DEADLINE_ALERT, self._due_ns, self._on_deadline, True)
        self._rows[self._columns[str(bar.bar_type)]] = (
            float(bar.open),
            float(bar.high),
            float(bar.low),
            float(bar.close),
            float(bar.volume),
        )
        self._waiting -= 1
        if self._waiting == 0:
            self._close(self._open_ns)

    @guarded
    def _on_deadline(self, _event: TimeEvent) -> None:
        if self._open_ns is not None and self.clock.timestamp_ns() >= self._due_ns:
            self.close_open()

    def decide_after(self, ts_event: int) -> None:
        """Only warm up with turns that close at or before an event time, UTC ns."""
        self._first_decision_ns = ts_event

    def close_open(self) -> None:
        """Publish the open turn without the bars that are missing."""
        if self._open_ns is not None:
            self._close(self._open_ns)

    def _close(self, open_ns: int) -> None:
        if len(self._bar_types) > 1 and DEADLINE_ALERT in self.clock.timer_names():
            self.clock.cancel_timer(DEADLINE_ALERT)
        turn = Turn(open_ns, self._seq, tuple(self._rows), open_ns > self._first_decision_ns)
        self._seq += 1
        self._rows = [None] * len(self._bar_types)
        self._waiting = len(self._bar_types)
        self._open_ns, self._closed_ns = None, open_ns
        self.publish_message(TURN_TOPIC, turn)
        if self.after is not None:
            self.after(turn)
