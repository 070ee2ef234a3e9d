"""What signals say while the training market is held against the engine: the same history behind them in both."""

from collections.abc import Sequence
from typing import Any

from engine.actors.signal import SignalActor
from engine.contract.config import Limits
from engine.contract.messages import Turn
from engine.signals.signal import Floats, Signal
from models.context import Heard, Histories, hear
from models.equivalence_settings import Setting

States = dict[int, list[dict[str, Any]]]
"""Turn to the states of the signals just before it."""


def listen(
    planned: Sequence[Setting], histories: Histories, context: Sequence[str]
) -> dict[Limits, tuple[Heard, States]]:
    """Replay the signals once for each set of limits, and keep their states before the first turn of every account."""
    found: dict[Limits, tuple[Heard, States]] = {}
    for limits in dict.fromkeys(setting.config.limits for setting in planned):
        alike = [setting for setting in planned if setting.config.limits == limits]
        starts = {start for setting in alike for start in setting.starts}
        states: States = {}

        def look(turn: int, signals: Sequence[Signal], starts: set[int] = starts, states: States = states) -> None:
            if turn in starts:
                states[turn] = [signal.state() for signal in signals]

        found[limits] = hear(alike[0].config, histories, context, look), states
    return found


class Resumed:
    """A signal that says nothing before a turn, and from there on goes on from a state.

    Parameters
    ----------
    ts_first
        Event time of that turn, UTC ns.
    """

    def __init__(self, signal: Signal, state: dict[str, Any], ts_first: int) -> None:
        self.name, self.settings = signal.name, signal.settings
        self._signal, self._state, self._ts_first = signal, state, ts_first

    def hear(self, turn: Turn) -> Floats:
        """Hear a turn from the first one on."""
        if turn.ts_event == self._ts_first:
            self._signal.restore(self._state)
        return self._signal.hear(turn)

    def state(self) -> dict[str, Any]:
        """That of the signal."""
        return self._signal.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Restore the signal."""
        self._signal.restore(state)


def resume(actors: Sequence[Any], states: Sequence[dict[str, Any]], ts_first: int) -> None:
    """Let the signals among the actors go on from states, in their order, at the turn of `ts_first`, UTC ns."""
    for actor, state in zip([one for one in actors if isinstance(one, SignalActor)], states):
        actor.signal = Resumed(actor.signal, state, ts_first)
