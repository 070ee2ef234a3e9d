"""The risk budget: how much of each instrument the day may hold, or the reason why no new answer was found."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.contract.errors import ConfigError, DataError, broken
from engine.risk.covariance import CovarianceEstimate
from engine.risk.parity import factorise, risk_parity
from engine.risk.shares import diversification, inverse_volatility, risk_shares

Floats = npt.NDArray[np.float64]
Bound = Literal["volatility", "kelly", "gross"]
Fallback = Literal["previous", "inverse_volatility", "zero"]

NS_PER_DAY = 86_400 * 1_000_000_000
INDEFINITE = 1e-8
"""A correlation matrix whose smallest eigenvalue is below minus this is not one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetConfig:
    """What the budget aims at.

    Attributes
    ----------
    periods_per_year : float
        Returns a year, to annualise: 8,760 for hourly bars.
    target_volatility : float
        Annual volatility that the portfolio is sized to, a fraction of equity.
    correlation_cap : float
        Correlations beyond it, either sign, count as the same bet: c, from 0 to 1; 1 turns the cap off.
    kelly_frac : float
        Share of the growth-optimal size that is not exceeded where an edge is given.
    most_gross : float
        Largest sum of weights, a fraction of equity.
    least_observations : int
        Returns of every active instrument before the first budget.
    fresh_days : int
        For so many UTC days a previous budget may stand in for one that cannot be made.
    """

    periods_per_year: float
    target_volatility: float = 0.20
    correlation_cap: float = 0.60
    kelly_frac: float = 0.25
    most_gross: float = 1.0
    least_observations: int = 100
    fresh_days: int = 3

    def __post_init__(self) -> None:
        for name in ("periods_per_year", "target_volatility", "kelly_frac", "most_gross"):
            if not 0.0 < getattr(self, name) < np.inf:
                raise ConfigError(broken(name, "be more than 0 and finite", getattr(self, name), "risk budget"))
        if not 0.0 <= self.correlation_cap <= 1.0:
            raise ConfigError(broken("correlation_cap", "be from 0 to 1", self.correlation_cap, "risk budget"))
        if self.least_observations < 2:
            raise ConfigError(broken("least_observations", "be 2 or more", self.least_observations, "risk budget"))
        if self.fresh_days < 0:
            raise ConfigError(broken("fresh_days", "be 0 or more", self.fresh_days, "risk budget"))


class Budget(NamedTuple):
    """Largest position of each instrument; its sign is for others to choose.

    Known at: `ts_event`.

    Attributes
    ----------
    ts_event : int
        When it was made, UTC ns.
    weights : float64 of shape (N,)
        Non-negative fractions of equity; 0 where an instrument is not active.
    contributions : float64 of shape (N,)
        Shares of the portfolio's variance if all is held long; of sum 1.
    volatility : float
        Annual volatility of the weights, all held long, a fraction.
    mean_correlation : float
        Mean absolute correlation of the active, weighted by their shares of risk; 0 for one instrument.
    bound_by
        What set the size: the volatility target, the Kelly share, or the largest gross.
    """

    ts_event: int
    weights: Floats
    contributions: Floats
    volatility: float
    mean_correlation: float
    bound_by: Bound


class BudgetRefusal(NamedTuple):
    """No budget could be made; what holds instead.

    Attributes
    ----------
    ts_event : int
        When, UTC ns.
    reason : str
        What was wrong with the input, with its value.
    fallback
        Where the weights come from: the previous budget while it is fresh, else inverse volatility, else nothing is allowed.
    weights : float64 of shape (N,)
        Non-negative fractions of equity.
    """

    ts_event: int
    reason: str
    fallback: Fallback
    weights: Floats

    def __str__(self) -> str:
        return f"no risk budget: {self.reason}; {self.fallback.replace('_', ' ')} holds"


class RiskBudget:
    """Make one budget a UTC day, at the first event of the day; in between the answer of the day holds.

    Parameters
    ----------
    instruments
        Number of instruments N.
    config
        What the budget aims at.
    """

    def __init__(self, instruments: int, config: BudgetConfig) -> None:
        self.config = config
        self._instruments = instruments
        self._answer: Budget | BudgetRefusal | None = None
        self._made: Budget | None = None
        self._ts_event = -1

    def rebalance(
        self,
        ts_event: int,
        estimate: CovarianceEstimate,
        edge: Floats | None = None,
        active: npt.NDArray[np.bool_] | None = None,
    ) -> Budget | BudgetRefusal:
        """Return the answer of the day of `ts_event`; the other arguments count at the first call of a day.

        Parameters
        ----------
        ts_event
            Event time, UTC ns; not before the one given last.
        estimate
            Covariance per return, of all instruments.
        edge : float64 of shape (N,), optional
            Expected excess return per period, of holding long; absent means that Kelly bounds nothing.
        active : bool of shape (N,), optional
            Who may be held; all where absent. The rest get 0 and are not looked at.

        Raises
        ------
        DataError
            Time runs backwards, or a shape is another.
        """
        if ts_event < self._ts_event:
            raise DataError(broken("ts_event", f"not be before {self._ts_event}", ts_event, "risk budget"))
        fresh_day = self._answer is None or ts_event // NS_PER_DAY > self._answer.ts_event // NS_PER_DAY
        self._ts_event = ts_event
        if self._answer is not None and not fresh_day:
            return self._answer
        active = np.ones(self._instruments, dtype=np.bool_) if active is None else np.asarray(active, dtype=np.bool_)
        shapes = [estimate.matrix.shape[:1], estimate.observations.shape, active.shape]
        shapes += [] if edge is None else [np.shape(edge)]
        if any(shape != (self._instruments,) for shape in shapes):
            raise DataError(broken("risk budget", f"get {self._instruments} instruments", shapes))
        answer = allocate(ts_event, estimate, self.config, active, edge)
        if isinstance(answer, Budget):
            self._made = answer
        else:
            answer = self._fall_back(answer, estimate, active)
        self._answer = answer
        return answer

    def _fall_back(
        self, refusal: BudgetRefusal, estimate: CovarianceEstimate, active: npt.NDArray[np.bool_]
    ) -> BudgetRefusal:
        """Choose what holds instead: the previous budget while fresh, else inverse volatility, else nothing."""
        if self._made is not None:
            age = refusal.ts_event // NS_PER_DAY - self._made.ts_event // NS_PER_DAY
            if age <= self.config.fresh_days:
                return refusal._replace(fallback="previous", weights=np.where(active, self._made.weights, 0.0))
        variance = np.diagonal(estimate.matrix)[active]
        enough = estimate.observations[active] >= self.config.least_observations
        if len(variance) and enough.all() and np.isfinite(variance).all() and (variance > 0.0).all():
            volatility = np.sqrt(variance * self.config.periods_per_year)
            weights = np.zeros(len(active))
            weights[active] = inverse_volatility(volatility, self.config.target_volatility, self.config.most_gross)
            return refusal._replace(fallback="inverse_volatility", weights=weights)
        return refusal

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs: numbers, names and arrays."""
        return {"ts_event": self._ts_event, "answer": _plain(self._answer), "made": _plain(self._made)}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        answer, made = state["answer"], state["made"]
        self._ts_event = int(state["ts_event"])
        self._made = None if made is None else Budget(**made)
        self._answer = None if answer is None else (BudgetRefusal if "reason" in answer else Budget)(**answer)


def _plain(answer: Budget | BudgetRefusal | None) -> dict[str, Any] | None:
    """Return the fields of an answer by name, arrays copied."""
    if answer is None:
        return None
    fields = answer._asdict()
    return {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in fields.items()}


def allocate(
    ts_event: int,
    estimate: CovarianceEstimate,
    config: BudgetConfig,
    active: npt.NDArray[np.bool_],
    edge: Floats | None = None,
) -> Budget | BudgetRefusal:
    """Make a budget of one covariance: shares of risk, risk parity, size.

    Returns
    -------
    Budget, or a BudgetRefusal that allows nothing and says why.
    """
    weights = np.zeros(len(active))
    covariance = np.asarray(estimate.matrix, dtype=np.float64)[np.ix_(active, active)]
    expected = np.zeros(len(covariance)) if edge is None else np.asarray(edge, dtype=np.float64)[active]
    reason = fault(covariance, estimate.observations[active], expected, config)
    if reason:
        return BudgetRefusal(ts_event, reason, "zero", weights)
    sd = np.sqrt(np.diagonal(covariance))
    correlation = covariance / np.outer(sd, sd)
    shares = risk_shares(correlation, config.correlation_cap)
    parity = risk_parity(covariance, shares)
    if not parity.error < 1e-6:
        reason = f"risk parity came no nearer than {parity.error:.3g} in {parity.steps} steps"
        return BudgetRefusal(ts_event, reason, "zero", weights)
    mean_correlation, restraint = diversification(correlation, shares, config.correlation_cap)
    unit = parity.weights
    variance = float(unit @ covariance @ unit)
    volatility = np.sqrt(max(variance, 0.0) * config.periods_per_year)
    sizes: dict[Bound, float] = {
        "gross": config.most_gross,
        "volatility": restraint * config.target_volatility / max(volatility, 1e-300),
    }
    if edge is not None:
        sizes["kelly"] = max(config.kelly_frac * float(unit @ expected) / max(variance, 1e-300), 0.0)
    bound = min(sizes, key=lambda name: sizes[name])
    size = sizes[bound]
    weights[active] = size * unit
    contributions = np.zeros(len(active))
    contributions[active] = parity.contributions
    return Budget(ts_event, weights, contributions, size * volatility, mean_correlation, bound)


def fault(
    covariance: Floats, observations: npt.NDArray[np.int64], expected: Floats, config: BudgetConfig
) -> str | None:
    """Say what makes a covariance or an edge unfit for a budget; None where nothing does."""
    if not len(covariance):
        return "no instrument is active"
    if observations.min() < config.least_observations:
        return f"{observations.min()} returns of instrument {observations.argmin()} of the active, {config.least_observations} are needed"
    if not np.isfinite(covariance).all():
        return f"{int((~np.isfinite(covariance)).sum())} covariances are not finite"
    if not np.isfinite(expected).all():
        return f"{int((~np.isfinite(expected)).sum())} edges are not finite"
    variance = np.diagonal(covariance)
    if not variance.min() > 0.0:
        return f"variance of instrument {variance.argmin()} of the active is {variance.min():.3g}"
    sd = np.sqrt(variance)
    correlation = covariance / np.outer(sd, sd)
    if np.abs(correlation - correlation.T).max() > INDEFINITE:
        return "the covariance is not symmetric"
    if not factorise(correlation + INDEFINITE * np.eye(len(sd))):
        return "the covariance is not positive semi-definite"
    return None
