"""Drift: how unlike training each observation is, and the ceiling of the exposure that follows.

Above the bound of its false rate an instrument may hold at most bound / score of its budget, and never less than `floor` of it: what is
known to be strange is made smaller, not closed, since a strange market is not a losing one.
"""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.contract.config import Actors
from engine.contract.errors import ConfigError
from engine.contract.messages import Turn
from engine.contract.section import Fraction, Section
from engine.contract.signals import WATCHES
from engine.policy.window import BarWindow
from engine.risk.novelty import Reference, figures

Floats = NDArray[np.float64]
SCORE, BOUND, CEILING, ALARM, AVAILABLE = range(5)


class DriftSettings(Section, frozen=True):
    """[actors.drift]: off without the section.

    Attributes
    ----------
    false_rate
        Share of observations like those of training that raise an alarm.
    acts
        Whether it bounds positions; else it only informs.
    floor
        Least ceiling, fraction of the budget.
    reference
        A `reference.npz`; None: the one in the policy folder.
    """

    enabled: bool = True
    false_rate: Fraction = 0.01
    acts: bool = True
    floor: Fraction = 0.25
    reference: str | None = None


def parse(actors: Actors) -> DriftSettings | None:
    """Check [actors.drift]; None where it is absent or not enabled.

    Raises
    ------
    ConfigError
        A key is unknown, or a value breaks its type or range.
    """
    if actors.drift is None:
        return None
    try:
        settings = msgspec.convert(actors.drift, DriftSettings)
    except msgspec.ValidationError as error:
        known = ", ".join(DriftSettings.__struct_fields__)
        raise ConfigError(f"actors.drift: {error}; its keys are: {known}") from error
    return settings if settings.enabled else None


class Drift:
    """The score of every instrument, turn by turn.

    Parameters
    ----------
    instruments
        Number of instruments.
    reference
        Of the policy that trades.
    settings
        Its section.
    """

    name = "drift"

    def __init__(self, instruments: int, reference: Reference, settings: DriftSettings) -> None:
        self._reference, self._settings = reference, settings
        self._window = BarWindow(instruments, reference.window)
        self._bound = reference.bound(settings.false_rate)
        self._said = np.zeros((instruments, len(WATCHES[self.name])))
        self._said[:, CEILING] = 1.0
        self._said[:, BOUND] = self._bound

    @property
    def settings(self) -> dict[str, Any]:
        """Its section, and the bound that follows from it."""
        return msgspec.to_builtins(self._settings) | {"bound": self._bound}

    @property
    def acts(self) -> bool:
        """Whether its ceilings bound positions."""
        return self._settings.acts

    def hear(self, turn: Turn) -> Floats:
        """Take in a turn's bars; return float64 (instruments, columns). Known at: `turn.ts_event`."""
        self._window.push(turn.rows)
        present = [i for i, row in enumerate(turn.rows) if row is not None and self._window.full(i)]
        if present:
            windows = self._window.rows(present).astype(np.float64)
            for index, distance in zip(present, self._reference.distance(figures(windows)).tolist()):
                self._said[index] = self._judged(self._said[index], distance)
        return self._said.copy()

    def _judged(self, before: Floats, distance: float) -> tuple[float, ...]:
        weight = self._reference.decay if before[AVAILABLE] else 0.0
        score = weight * float(before[SCORE]) + (1.0 - weight) * distance
        alarm = score > self._bound
        ceiling = max(self._settings.floor, self._bound / score) if alarm else 1.0
        return score, self._bound, ceiling, float(alarm), 1.0

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs."""
        return {"window": self._window.state(), "said": self._said.copy()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self._window.restore(state["window"])
        self._said = np.array(state["said"], dtype=np.float64)


def ceilings(said: Floats) -> Floats:
    """Return the ceilings of what drift said, float64 (instruments, columns): infinite where it bounds nothing."""
    return np.where(said[:, ALARM] > 0.0, said[:, CEILING], np.inf)
