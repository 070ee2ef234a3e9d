"""Volatility target: hold long with an exposure that keeps the position's expected volatility constant."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.contract.calendar import bars_per_year
from engine.contract.messages import Turn
from strategies.base import Choice, GatedStrategy
from strategies.mandate import Mandate
from strategies.parameters import checked


class VolatilityTargetParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the exposure follows volatility.

    Attributes
    ----------
    annual_volatility
        Of the position, as a fraction of its budget.
    span
        Bars of the exponentially weighted variance: its weight is 2 / (span + 1).
    band
        The exposure is changed only when it is off by more than this fraction of the budget.
    """

    annual_volatility: Annotated[float, msgspec.Meta(gt=0)] = 0.40
    span: Annotated[int, msgspec.Meta(ge=2)] = 48
    band: Annotated[float, msgspec.Meta(ge=0)] = 0.10


class ExponentialVolatility:
    """Exponentially weighted volatility of log returns, one per instrument.

    Parameters
    ----------
    instruments
        Number of instruments.
    span
        Bars; the weight of the newest squared return is 2 / (span + 1). A value is given after `span` returns.
    """

    def __init__(self, instruments: int, span: int) -> None:
        self._weight, self._span = 2.0 / (span + 1.0), span
        self._close = np.full(instruments, np.nan)
        self._variance = np.zeros(instruments)
        self._count = np.zeros(instruments, dtype=np.int64)

    def update(self, index: int, close: float) -> None:
        """Take in one close."""
        previous, self._close[index] = self._close[index], close
        if previous == previous:
            squared = float(np.log(close / previous)) ** 2
            first = self._count[index] == 0
            self._variance[index] += (1.0 if first else self._weight) * (squared - self._variance[index])
            self._count[index] += 1

    def state(self) -> dict[str, Any]:
        """Return everything that `restore` needs."""
        return {"close": self._close.copy(), "variance": self._variance.copy(), "count": self._count.copy()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self._close, self._variance = state["close"].copy(), state["variance"].copy()
        self._count = state["count"].copy()

    def __getitem__(self, index: int) -> float:
        """Volatility per bar; NaN before `span` returns, or where it is zero."""
        ready = self._count[index] >= self._span and self._variance[index] > 0
        return float(np.sqrt(self._variance[index])) if ready else float("nan")


class VolatilityTarget(GatedStrategy):
    """Long only; flat until the volatility is known."""

    policy_name = "volatility_target"

    def __init__(self, mandate: Mandate, parameters: dict[str, Any]) -> None:
        super().__init__(mandate, parameters)
        self._own = checked(VolatilityTargetParameters, parameters, "volatility_target")
        self._per_bar = self._own.annual_volatility / bars_per_year(mandate.bar) ** 0.5
        self._volatility = ExponentialVolatility(len(mandate.instruments), self._own.span)

    def state(self) -> dict[str, Any]:  # type: ignore[override]
        """Return everything that `restore` needs: volatility too."""
        return {**super().state(), "volatility": self._volatility.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        super().restore(state)
        self._volatility.restore(state["volatility"])

    def warm_up(self, turn: Turn) -> None:
        """Follow volatility."""
        for index, row in enumerate(turn.rows):
            if row is not None:
                self._volatility.update(index, row[3])

    def decide(self, turn: Turn, present: Sequence[int], exposure: NDArray[np.float64]) -> list[Choice]:
        """Wish for target volatility over volatility, at most 1."""
        choices = []
        for index in present:
            volatility, now = self._volatility[index], float(exposure[index])
            wish = min(1.0, self._per_bar / volatility) if volatility == volatility else 0.0
            target = wish if abs(wish - now) > self._own.band else now
            choices.append(Choice(index, target, wish, target))
        return choices
