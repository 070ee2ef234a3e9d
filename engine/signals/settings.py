"""The sections [actors.regime], [actors.changepoint] and [actors.risk_budget]; a section that is absent switches its actor off."""

import datetime as dt
from typing import Annotated, Any, Literal

import msgspec

from engine.contract.config import Actors
from engine.contract.errors import ConfigError, broken
from engine.contract.section import Count, Fraction, Positive, Section, Share


class RegimeSettings(Section, frozen=True):
    """[actors.regime]: the filter of seven regimes; see `engine.regime`.

    Attributes
    ----------
    fit_start, fit_end
        Span of open times, UTC, start inclusive, end exclusive, that its parameters are fitted on; start None means the first bar there
        is. Decisions begin after its end.
    switch_odds
        The label changes when another regime is so many times as probable as the present one.
    """

    fit_end: dt.datetime
    fit_start: dt.datetime | None = None
    enabled: bool = True
    switch_odds: Annotated[float, msgspec.Meta(ge=1)] = 2.0


class ChangepointSettings(Section, frozen=True):
    """[actors.changepoint]: changes in standardised log returns; see `engine.changepoint`.

    Attributes
    ----------
    model
        `robust` (diffusion score matching) or `plain` (normal data).
    mean_run, recent_run
        Observations between changes expected beforehand; observations within which a change counts as recent.
    half_life
        Of the volatility that standardises returns, bars.
    acts
        Whether it acts on positions; else it only informs.
    reduce_above, exit_above
        Probability of a recent change above which an instrument is held to at most half of its budget, and to nothing.
    """

    enabled: bool = True
    model: Literal["robust", "plain"] = "robust"
    mean_run: Annotated[float, msgspec.Meta(gt=1)] = 250.0
    recent_run: Count = 24
    half_life: Positive = 100.0
    acts: bool = True
    reduce_above: Fraction = 0.70
    exit_above: Fraction = 0.90


class RiskBudgetSettings(Section, frozen=True):
    """[actors.risk_budget]: risk parity, once a UTC day; see `engine.risk.budget`.

    Attributes
    ----------
    target_volatility
        Annual volatility that the portfolio is sized to, a fraction of equity.
    correlation_cap
        Correlations beyond it count as the same bet.
    half_life
        Of the covariance, bars.
    shrink
        What the covariance is shrunk towards.
    least_observations
        Returns of every instrument before its first budget; until then nothing may be held.
    size_by_confidence
        Whether what a decision adds to a position is scaled by its confidence.
    """

    enabled: bool = True
    target_volatility: Positive = 0.20
    correlation_cap: Share = 0.60
    half_life: Positive = 720.0
    shrink: Literal["none", "diagonal", "identity"] = "diagonal"
    least_observations: Annotated[int, msgspec.Meta(ge=2)] = 100
    size_by_confidence: bool = False


class SignalSettings(msgspec.Struct, frozen=True):
    """The sections that are there and enabled; None for the others."""

    regime: RegimeSettings | None = None
    changepoint: ChangepointSettings | None = None
    risk_budget: RiskBudgetSettings | None = None

    def bounding(self) -> list[str]:
        """Names of the signals that bound what a decision may lead to, instead of only informing it."""
        acts = ["changepoint"] if self.changepoint is not None and self.changepoint.acts else []
        return acts + (["risk_budget"] if self.risk_budget is not None else [])


def parse(actors: Actors) -> SignalSettings:
    """Check the sections of the signals.

    Raises
    ------
    ConfigError
        A key is unknown, a value breaks its type or range, or two values contradict each other.
    """
    found = {}
    kinds: dict[str, Any] = {
        "regime": RegimeSettings,
        "changepoint": ChangepointSettings,
        "risk_budget": RiskBudgetSettings,
    }
    for name, kind in kinds.items():
        section = getattr(actors, name)
        if section is None:
            continue
        try:
            settings = msgspec.convert(section, kind)
        except msgspec.ValidationError as error:
            known = ", ".join(kind.__struct_fields__)
            raise ConfigError(f"actors.{name}: {error}; its keys are: {known}") from error
        if settings.enabled:
            found[name] = settings
    settings = SignalSettings(**found)
    _cross_check(settings)
    return settings


def _cross_check(settings: SignalSettings) -> None:
    regime, changepoint = settings.regime, settings.changepoint
    if regime is not None and regime.fit_start is not None and regime.fit_start >= regime.fit_end:
        rule = f"be before actors.regime.fit_end {regime.fit_end:%Y-%m-%d %H:%M}"
        raise ConfigError(broken("actors.regime.fit_start", rule, f"{regime.fit_start:%Y-%m-%d %H:%M}"))
    if changepoint is not None and changepoint.reduce_above > changepoint.exit_above:
        rule = f"be at most actors.changepoint.exit_above {changepoint.exit_above:g}"
        raise ConfigError(broken("actors.changepoint.reduce_above", rule, changepoint.reduce_above))
