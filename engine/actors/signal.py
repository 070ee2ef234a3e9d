"""The actor of a signal: hears each turn in its place, and writes what its core says of every instrument."""

from typing import Any

from nautilus_trader.common import DataActor, DataActorConfig
from nautilus_trader.model import ActorId

from engine.actors.guard import guarded
from engine.contract.messages import DRIFT_PRIORITY, SIGNAL_PRIORITIES, TURN_TOPIC, Turn
from engine.signals.signal import Signal


class SignalActor(DataActor):
    """Thin shell of a signal.

    Parameters
    ----------
    signal
        The core; it hears warm-up turns as well.
    """

    def __init__(self, signal: Signal) -> None:
        super().__init__(self._nautilus_config(signal))
        self.failure: Exception | None = None
        self.signal = signal

    def __new__(cls, signal: Signal) -> "SignalActor":
        """Hand the base class its configuration only."""
        return super().__new__(cls, cls._nautilus_config(signal))  # type: ignore[call-arg]

    @staticmethod
    def _nautilus_config(signal: Signal) -> DataActorConfig:
        return DataActorConfig(actor_id=ActorId(f"{signal.name.upper().replace('_', '-')}-001"))

    @property
    def name(self) -> str:
        """That of the signal."""
        return self.signal.name

    def state(self) -> dict[str, Any]:  # type: ignore[override]
        """Return the signal's state."""
        return self.signal.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state of the signal."""
        self.signal.restore(state)

    def on_start(self) -> None:
        """Listen to turns."""
        priority = SIGNAL_PRIORITIES.get(self.signal.name, DRIFT_PRIORITY)
        self.subscribe_topic(TURN_TOPIC, self.on_turn, priority)  # type: ignore[arg-type]

    @guarded
    def on_turn(self, turn: Turn) -> None:
        """Write the signal's rows into the turn."""
        turn.signals[self.signal.name] = self.signal.hear(turn)
