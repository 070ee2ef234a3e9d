"""The breaker actor: hears each turn before the strategy, and writes what stands into its context."""

from collections.abc import Callable
from typing import Any

from nautilus_trader.common import DataActor, DataActorConfig
from nautilus_trader.model import ActorId

from engine.actors.guard import guarded
from engine.contract.messages import BREAKER_PRIORITY, TURN_TOPIC, Turn
from engine.journal.blotter import Blotter
from engine.risk.breaker import Breaker
from engine.risk.breaker_values import Reading


class BreakerActor(DataActor):
    """Thin shell of a breaker: when it fails or is not there, the breaker falls silent and the gate refuses new risk.

    Parameters
    ----------
    read
        Turn to reading: the account belongs to the strategy, which hands out what it knows of it.
    """

    name = "breaker"

    def __init__(self, breaker: Breaker, blotter: Blotter, read: Callable[[Turn], Reading]) -> None:
        super().__init__(DataActorConfig(actor_id=ActorId("BREAKER-001")))
        self.failure: Exception | None = None
        self._breaker = breaker
        self._blotter = blotter
        self._read = read

    def __new__(cls, *_args: object, **_kwargs: object) -> "BreakerActor":
        """Hand the base class its configuration only."""
        return super().__new__(cls, DataActorConfig(actor_id=ActorId("BREAKER-001")))  # type: ignore[call-arg]

    def state(self) -> dict[str, Any]:  # type: ignore[override]
        """Return the breaker's state."""
        return self._breaker.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state of the breaker."""
        self._breaker.restore(state)

    def on_start(self) -> None:
        """Listen to turns."""
        self.subscribe_topic(TURN_TOPIC, self.on_turn, BREAKER_PRIORITY)  # type: ignore[arg-type]

    @guarded
    def on_turn(self, turn: Turn) -> None:
        """Judge the turn, and write down what changed and what stands."""
        if not turn.decides:
            return
        for change in self._breaker.hear(self._read(turn)):
            self._blotter.change(change)
        turn.context["breaker"] = self._breaker.standing(turn.ts_event).columns()
