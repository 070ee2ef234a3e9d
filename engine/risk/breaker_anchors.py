"""The levels that losses are measured from, which one bad price cannot move.

The peak rises only to what two turns in a row have reached. The level of the day is the equity at 00:00 UTC (the last one heard at or
before it); at the turn after it, it is replaced by the median of itself and its two neighbours in time, so a single equity far off, up or
down, is not measured from. Where equity runs monotonously through midnight the median is the equity of midnight itself.
"""

import math
from typing import Any, NamedTuple

NS_PER_DAY = 86_400 * 1_000_000_000


class Losses(NamedTuple):
    """Fractions lost from the peak and since 00:00 UTC; NaN where equity is not a number."""

    drawdown: float
    daily_loss: float


class EquityAnchors:
    """Follows equity from turn to turn; turns come in rising event time."""

    def __init__(self) -> None:
        self._day = -1
        self._before: float | None = None
        self._last: float | None = None
        self._peak: float | None = None
        self._day_equity: float | None = None
        self._neighbour: float | None = None

    def hear(self, ts_event: int, equity: float) -> Losses:
        """Advance by one turn and measure the losses.

        A loss that is heard at 00:00 exactly is still measured from the day that ends there; the new day's level is that equity. On daily
        bars, every turn is such a turn. Equity that is not a positive finite number is measured, but never becomes a level.
        """
        usable = math.isfinite(equity) and equity > 0.0
        self._roll(ts_event, equity, usable)
        if usable and self._last is not None:
            reached = min(self._last, equity)
            self._peak = reached if self._peak is None else max(self._peak, reached)
        losses = Losses(_loss(equity, self._peak), _loss(equity, self._day_equity))
        if usable:
            if self._day_equity is None or self._at_midnight(ts_event):
                self._neighbour, self._day_equity = self._last, equity
            self._before, self._last = self._last, equity
        return losses

    def _at_midnight(self, ts_event: int) -> bool:
        return ts_event % NS_PER_DAY == 0

    def _roll(self, ts_event: int, equity: float, usable: bool) -> None:
        day = ts_event // NS_PER_DAY
        if day == self._day:
            if usable and self._neighbour is not None and self._day_equity is not None:
                self._day_equity = sorted((self._neighbour, self._day_equity, equity))[1]
            self._neighbour = None if usable else self._neighbour
            return
        self._day, self._neighbour = day, None
        if self._last is not None and not self._at_midnight(ts_event):
            known = (self._before, self._last, equity)
            self._day_equity = sorted(known)[1] if usable and self._before is not None else self._last  # type: ignore[type-var]

    def rebase(self, *, peak: bool = False, day: bool = False) -> None:
        """Measure from the last equity on: what a person does who resets a drawdown or the loss of a day."""
        self._peak = self._last if peak else self._peak
        if day:
            self._day_equity, self._neighbour = self._last, None

    def state(self) -> dict[str, Any]:
        """Return everything that `restore` needs, as plain JSON values."""
        return {name.removeprefix("_"): value for name, value in vars(self).items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        for name in vars(self):
            setattr(self, name, state[name.removeprefix("_")])


def _loss(equity: float, level: float | None) -> float:
    if level is None:
        return 0.0 if math.isfinite(equity) else math.nan
    loss = 1.0 - equity / level
    return loss if loss > 0.0 or loss != loss else 0.0
