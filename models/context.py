"""What signals said of a history: the context that a policy learns to see, and the bounds that it learns to live with."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalogs.arrays import Bars, Funding
from engine.contract.config import Config
from engine.contract.errors import ConfigError, broken
from engine.execution.allowance import Allowance, allowance
from engine.signals.history import BarHistory, replay
from engine.signals.settings import parse
from engine.signals.signal import Signal
from strategies.signals import signals_of

Histories = Sequence[tuple[Bars, Funding | None]]
"""Bars, and funding rates or None, of each instrument in configuration order."""

Look = Callable[[int, Sequence[Signal]], None]


@dataclass(frozen=True)
class Heard:
    """What signals said of a history.

    Attributes
    ----------
    context : float32 (G, K, C)
        As the policy sees it.
    allowance
        float64 (G, K) each; see `engine.execution.allowance`.
    bounded
        Whether the allowance says anything.
    """

    context: NDArray[np.float32]
    allowance: Allowance
    bounded: bool

    @classmethod
    def nothing(cls, shape: tuple[int, int]) -> "Heard":
        """Nothing was said: no context, no bounds, (G, K)."""
        return cls(np.zeros((*shape, 0), np.float32), Allowance(np.ones(shape), np.full(shape, np.inf)), False)


def hear(
    config: Config,
    histories: Histories,
    context: Sequence[str],
    look: Look | None = None,
) -> Heard:
    """Replay the configured signals over histories: the very cores that the actors run.

    Parameters
    ----------
    context
        Signals that the policy sees, in order; they must be configured.
    look
        Called before each turn with its number and the signals.

    Raises
    ------
    ConfigError
        A signal of the context is not configured.
    """
    signals, settings = signals_of(config), parse(config.actors)
    ts_turn = turn_times(histories)
    shape = len(ts_turn), len(histories)
    if missing := sorted(set(context) - {signal.name for signal in signals}):
        rule = f"name actors that are enabled; write [actors.{missing[0]}]"
        raise ConfigError(broken("training.context", rule, list(context), "[training]"))
    if not signals:
        return Heard.nothing(shape)
    told = None if look is None else functools.partial(_tell, look, signals)
    said = replay(signals, [_history(bars) for bars, _ in histories], ts_turn, told)
    shown = [said[name] for name in context] or [np.zeros((*shape, 0))]
    return Heard(
        np.concatenate(shown, -1).astype(np.float32),
        allowance(said, settings, config.limits, shape),
        bool(settings.bounding()),
    )


def _tell(look: Look, signals: Sequence[Signal], turn: int) -> None:
    look(turn, signals)


def _history(bars: Bars) -> BarHistory:
    return BarHistory(bars.ts_close, np.stack([bars.open, bars.high, bars.low, bars.close, bars.volume], -1))


def turn_times(histories: Histories) -> NDArray[np.int64]:
    """Return every close of any instrument up to the end of the first history that ends, int64 (G,), UTC ns."""
    end = min(int(bars.ts_close[-1]) for bars, _ in histories)
    found: NDArray[np.int64] = np.unique(np.concatenate([bars.ts_close for bars, _ in histories]))
    return found[found <= end]
