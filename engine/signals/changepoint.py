"""Recent changes in the returns of each instrument as a signal."""

from typing import Any

import msgspec
import numpy as np

from engine.changepoint.bocd import Bocd
from engine.changepoint.detector import Detector
from engine.changepoint.kernels import tell
from engine.changepoint.robust import RobustBocd
from engine.changepoint.run_lengths import RunLengthConfig
from engine.changepoint.standardise import CausalStandardiser
from engine.contract.messages import Turn
from engine.contract.signals import names
from engine.signals.settings import ChangepointSettings
from engine.signals.signal import Floats, LogReturns

LENGTH_SCALE = 5.0
"""log1p of a run length is divided by it: a run of 147 bars is 1."""


class ChangepointSignal:
    """Belief about the present run of standardised log returns; available once a return was observed and `recent_run` of them went by.

    Parameters
    ----------
    instruments
        Number of instruments N.
    settings
        Its section.
    """

    name = "changepoint"

    def __init__(self, instruments: int, settings: ChangepointSettings) -> None:
        config = RunLengthConfig(mean_run=settings.mean_run, recent_run=settings.recent_run)
        self._settings = settings
        self._returns = LogReturns(instruments)
        self._standardiser = CausalStandardiser(instruments, half_life=settings.half_life)
        self._detector: Detector = (
            RobustBocd(instruments, config=config) if settings.model == "robust" else Bocd(instruments, config=config)
        )
        self._observed = np.zeros(instruments, dtype=np.int64)
        self._columns = len(names(self.name))

    @property
    def settings(self) -> dict[str, Any]:
        """Its section."""
        return {name: value for name, value in msgspec.to_builtins(self._settings).items() if name != "enabled"}

    def hear(self, turn: Turn) -> Floats:
        """Take in a turn's returns; an instrument without a bar keeps its belief."""
        summary, observed = self._detector.learn(self._standardiser.update(self._returns.hear(turn)))
        said = np.empty((len(observed), self._columns))
        tell(observed, self._observed, summary, self._settings.recent_run, LENGTH_SCALE, said)
        return said

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs."""
        return {
            "returns": self._returns.state(),
            "standardiser": self._standardiser.state(),
            "detector": self._detector.state(),
            "observed": self._observed.copy(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self._returns.restore(state["returns"])
        self._standardiser.restore(state["standardiser"])
        self._detector.restore(state["detector"])
        self._observed = np.array(state["observed"], dtype=np.int64)
