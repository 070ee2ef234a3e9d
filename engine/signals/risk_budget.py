"""The risk budget of the day as a signal: how much of each instrument may be held."""

from typing import Any

import msgspec
import numpy as np

from engine.contract.calendar import bars_per_year
from engine.contract.config import Limits
from engine.contract.messages import Turn
from engine.contract.signals import names
from engine.risk.budget import NS_PER_DAY, Budget, BudgetConfig, BudgetRefusal, RiskBudget
from engine.risk.covariance import OnlineCovariance
from engine.signals.settings import RiskBudgetSettings
from engine.signals.signal import Floats, LogReturns


class RiskBudgetSignal:
    """Weights of risk parity on the covariance of log returns, made at the first turn of each UTC day; available once a budget was made.

    No expected return is known here, so the Kelly share of `engine.risk.budget` bounds nothing.

    Parameters
    ----------
    instruments
        Number of instruments N.
    settings
        Its section.
    limits
        `max_gross_frac` bounds the sum of the weights.
    bar
        Bar specification, to annualise.
    """

    name = "risk_budget"

    def __init__(self, instruments: int, settings: RiskBudgetSettings, limits: Limits, bar: str) -> None:
        self._settings, self._most_gross = settings, limits.max_gross_frac
        self._returns = LogReturns(instruments)
        self._covariance = OnlineCovariance(instruments, settings.half_life, settings.shrink)
        config = BudgetConfig(
            periods_per_year=bars_per_year(bar),
            target_volatility=settings.target_volatility,
            correlation_cap=settings.correlation_cap,
            most_gross=limits.max_gross_frac,
            least_observations=settings.least_observations,
        )
        self._budget = RiskBudget(instruments, config)
        self._periods_per_year = config.periods_per_year
        self._said = np.zeros((instruments, len(names(self.name))))
        self._day = -1
        self.answer: Budget | BudgetRefusal | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """Its section, and the bound of the gross."""
        plain = msgspec.to_builtins(self._settings)
        return {name: value for name, value in plain.items() if name != "enabled"} | {"most_gross": self._most_gross}

    def hear(self, turn: Turn) -> Floats:
        """Learn from a turn's returns; at the first turn of a day, make its budget."""
        self._covariance.update(self._returns.hear(turn))
        day = turn.ts_event // NS_PER_DAY
        if day == self._day:
            self._said[:, 3] = 0.0
            return self._said.copy()
        self._day = day
        estimate = self._covariance.estimate()
        self.answer = answer = self._budget.rebalance(turn.ts_event, estimate)
        said = self._said
        made = isinstance(answer, Budget)
        variance = np.diagonal(estimate.matrix)
        said[:, 0] = answer.weights
        said[:, 1] = np.sqrt(np.nan_to_num(variance, nan=0.0) * self._periods_per_year)
        said[:, 2] = answer.mean_correlation if isinstance(answer, Budget) else 0.0
        said[:, 3] = 1.0
        said[:, 4] = made or answer.weights > 0.0
        said[said[:, 4] == 0.0] = 0.0
        return said.copy()

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs."""
        return {
            "returns": self._returns.state(),
            "covariance": self._covariance.state(),
            "budget": self._budget.state(),
            "said": self._said.copy(),
            "day": self._day,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self._returns.restore(state["returns"])
        self._covariance.restore(state["covariance"])
        self._budget.restore(state["budget"])
        self._said = np.array(state["said"], dtype=np.float64)
        self._day = int(state["day"])
