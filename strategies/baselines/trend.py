"""Trend: the sign of the return over a look-back, scaled to a volatility target."""

from collections import deque
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.contract.calendar import bars_per_year
from engine.contract.messages import Turn
from strategies.base import Choice, GatedStrategy
from strategies.baselines.volatility_target import ExponentialVolatility
from strategies.mandate import Mandate
from strategies.parameters import checked


class TrendParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Time-series momentum.

    Attributes
    ----------
    lookback
        Bars of the return whose sign is followed.
    annual_volatility, span, band
        As in the volatility target.
    short
        Whether a falling market is sold; otherwise flat. Cash accounts never sell short.

    References
    ----------
    Moskowitz, Ooi & Pedersen (2012), Time series momentum, equation 5.
    """

    lookback: Annotated[int, msgspec.Meta(ge=1)] = 168
    annual_volatility: Annotated[float, msgspec.Meta(gt=0)] = 0.40
    span: Annotated[int, msgspec.Meta(ge=2)] = 48
    band: Annotated[float, msgspec.Meta(ge=0)] = 0.10
    short: bool = True


class Trend(GatedStrategy):
    """Flat until the look-back is full."""

    policy_name = "trend"

    def __init__(self, mandate: Mandate, parameters: dict[str, Any]) -> None:
        super().__init__(mandate, parameters)
        self._own = checked(TrendParameters, parameters, "trend")
        self._short = self._own.short and mandate.venue.account == "margin"
        self._per_bar = self._own.annual_volatility / bars_per_year(mandate.bar) ** 0.5
        self._volatility = ExponentialVolatility(len(mandate.instruments), self._own.span)
        self._closes = [deque[float](maxlen=self._own.lookback + 1) for _ in mandate.instruments]

    def state(self) -> dict[str, Any]:  # type: ignore[override]
        """Return everything that `restore` needs: volatility and look-back too."""
        closes = [list(one) for one in self._closes]
        return {**super().state(), "volatility": self._volatility.state(), "closes": closes}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        super().restore(state)
        self._volatility.restore(state["volatility"])
        for held, closes in zip(self._closes, state["closes"]):
            held.clear()
            held.extend(closes)

    def warm_up(self, turn: Turn) -> None:
        """Follow volatility and the look-back."""
        for index, row in enumerate(turn.rows):
            if row is not None:
                self._volatility.update(index, row[3])
                self._closes[index].append(row[3])

    def decide(self, turn: Turn, present: Sequence[int], exposure: NDArray[np.float64]) -> list[Choice]:
        """Wish for the sign of the return, scaled to the volatility target."""
        choices = []
        for index in present:
            closes, volatility, now = self._closes[index], self._volatility[index], float(exposure[index])
            wish = 0.0
            if len(closes) == closes.maxlen and volatility == volatility:
                side = float(np.sign(closes[-1] - closes[0]))
                side = side if self._short else max(side, 0.0)
                wish = side * min(1.0, self._per_bar / volatility)
            target = wish if abs(wish - now) > self._own.band else now
            choices.append(Choice(index, target, wish, target))
        return choices
