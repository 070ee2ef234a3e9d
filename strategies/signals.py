"""From the configuration to signals: their sections checked, the regime's parameters fitted on the catalog's past."""

from collections.abc import Sequence
from functools import lru_cache

from catalogs.arrays import read_bars
from catalogs.manifest import read_manifest
from engine.contract.calendar import iso, to_ns
from engine.contract.config import Config
from engine.contract.errors import ConfigError, broken
from engine.regime.fitting import fit
from engine.regime.parameters import RegimeParameters
from engine.signals.changepoint import ChangepointSignal
from engine.signals.regime import RegimeSignal
from engine.signals.risk_budget import RiskBudgetSignal
from engine.signals.settings import RegimeSettings, parse
from engine.signals.signal import Signal

WARM_UP_BARS = 2_000
"""Bars before the span that signals hear: by then a half-life of 100 bars has forgotten its start to the millionth part, one of 720
bars to a seventh."""


def signals_of(config: Config) -> list[Signal]:
    """Make the configured signals, fresh, in the order in which they speak.

    Raises
    ------
    ConfigError
        A section is wrong.
    DataError
        The catalog lacks the bars that the regime is fitted on.
    """
    settings, count = parse(config.actors), len(config.universe.instruments)
    found: list[Signal] = []
    if settings.regime is not None:
        found.append(RegimeSignal(_regimes(config, settings.regime)))
    if settings.changepoint is not None:
        found.append(ChangepointSignal(count, settings.changepoint))
    if settings.risk_budget is not None:
        found.append(RiskBudgetSignal(count, settings.risk_budget, config.limits, config.universe.bar))
    return found


def check_fit_precedes(config: Config, ts_first: int, what: str) -> None:
    """Refuse a regime that was fitted on bars that are to be judged.

    Parameters
    ----------
    ts_first
        Event time, UTC ns, of the first decision that counts.
    what
        Its name.

    Raises
    ------
    ConfigError
        The span of the fit ends after it.
    """
    regime = parse(config.actors).regime
    if regime is not None and to_ns(regime.fit_end) > ts_first:
        rule = f"be at or before {what}, {iso(ts_first)}"
        raise ConfigError(broken("actors.regime.fit_end", rule, f"{regime.fit_end:%Y-%m-%d %H:%M}", "[actors.regime]"))


def _regimes(config: Config, settings: RegimeSettings) -> list[RegimeParameters]:
    catalog, bar = config.data.catalog, config.universe.bar
    start = None if settings.fit_start is None else to_ns(settings.fit_start)
    span, odds, held = (start, to_ns(settings.fit_end)), settings.switch_odds, read_manifest(catalog)
    found = []
    for name in config.universe.instruments:
        dataset = held.dataset(name, "bars", bar)
        found.append(_fitted(catalog, name, bar, span, odds, dataset.sha256 if dataset else ""))
    return found


@lru_cache(maxsize=64)
def _fitted(
    catalog: str, instrument_id: str, bar: str, span: tuple[int | None, int], switch_odds: float, _sha256: str
) -> RegimeParameters:
    """Fit once for each data set and span: a report runs ten strategies over the same one."""
    return fit(read_bars(catalog, instrument_id, bar, *span).close, switch_odds=switch_odds)


def warm_up_bars(signals: Sequence[Signal]) -> int:
    """Bars before the span that signals should hear."""
    return WARM_UP_BARS if signals else 0
