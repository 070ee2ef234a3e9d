"""The breaker over real crises: the configured strategy and baselines, with and without it, at several budgets."""

import datetime as dt
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from catalogs.manifest import read_manifest
from engine.contract.calendar import bar_ns, iso, to_ns
from engine.contract.config import Config, dump, parse
from engine.contract.errors import DataError, broken
from engine.evaluation.crises import CRISES, Crisis, inside
from engine.evaluation.trips import NS_PER_DAY
from engine.policy.session import PolicySession
from strategies.assembly import load_session, warm_up_bars
from strategies.backtest import run
from strategies.feed import Market, read_market
from strategies.trips import Account, Totals, account, curve

MOST = 3
"""Episodes of one case that are replayed where the caller names no number."""


LEVERAGE_ROOM = 1.1
"""Leverage over the gross budget, at least: an order for all of what the leverage allows is denied for its fee."""


class Case(msgspec.Struct, frozen=True):
    """One crisis, strategy and budget.

    Attributes
    ----------
    start, end
        Of the window, ISO dates, end exclusive.
    budget
        limits.max_position_frac of the case.
    decisions
        In the window.
    return_with, return_without
        Over the window, with the breaker and with all of it disregarded.
    tripped
        Controls that tripped, and in how many episodes.
    first
        Control and ISO time of the first trip; None where nothing tripped.
    totals
        Of the account of its trips.
    """

    crisis: str
    start: str
    end: str
    strategy: str
    budget: float
    decisions: int
    return_with: float
    return_without: float
    tripped: dict[str, int]
    first: tuple[str, str] | None
    totals: Totals


def strategies(config: Config) -> dict[str, dict[str, Any]]:
    """Return the [strategy] sections that are run: the configured one, and baselines whose look-backs are a day of its bars."""
    day = max(2, NS_PER_DAY // bar_ns(config.universe.bar))
    beside: dict[str, dict[str, Any]] = {
        "buy_and_hold": {"name": "buy_and_hold"},
        "trend": {"name": "trend", "lookback": day, "span": day},
        "volatility_target": {"name": "volatility_target", "span": day},
    }
    return beside | {config.strategy_name: config.strategy}


def crises_of(config: Config) -> list[Crisis]:
    """Return the crises that the catalog holds for every configured instrument.

    Raises
    ------
    DataError
        There is none.
    """
    datasets = [
        one
        for one in read_manifest(Path(config.data.catalog)).datasets
        if one.instrument_id in config.universe.instruments and one.bar == config.universe.bar
    ]
    if len(datasets) == len(config.universe.instruments):
        starts, ends = (
            [to_ns(dt.datetime.fromisoformat(getattr(one, edge))) for one in datasets] for edge in ("start", "end")
        )
        found = inside(max(starts), min(ends))
        if found:
            return found
    known = ", ".join(f"{one.name} ({one.start} to {one.end})" for one in CRISES)
    rule = f"hold {config.universe.bar} bars of a crisis: {known}"
    raise DataError(broken("catalog", rule, "none of them", config.data.catalog, "import bars that cover one"))


def rehearse(
    config: Config, budgets: Sequence[float] = (), most: int = MOST, advance: Callable[..., None] | None = None
) -> list[Case]:
    """Run every strategy at every budget through every crisis that the catalog holds, and account for the breaker's trips.

    Parameters
    ----------
    config
        Its breaker and [limits] are what is rehearsed; a configuration without [actors.breaker] gets the defaults.
    budgets
        Values for limits.max_position_frac; max_gross_frac and the leverage are raised to allow them. Empty: as configured.
    most
        Episodes of each case that are replayed at most.
    advance
        Called with (1, text) after each case.
    """
    session = load_session(config)
    cases = []
    for crisis in crises_of(config):
        markets: dict[int, Market] = {}
        for budget in budgets or (config.limits.max_position_frac,):
            for name, section in strategies(config).items():
                chosen = _configured(config, crisis, budget, section)
                own = session if name == "policy" else None
                warm_up = warm_up_bars(own)
                if warm_up not in markets:
                    markets[warm_up] = read_market(chosen, warm_up)
                cases.append(_case(chosen, crisis, markets[warm_up], own, most))
                if advance is not None:
                    advance(1, f"{crisis.name}, {name}, {budget:g}")
    return cases


def _case(config: Config, crisis: Crisis, market: Market, session: PolicySession | None, most: int) -> Case:
    outcome = run(config, market, session)
    found: Account = account(outcome, session, most)
    tripped: dict[str, int] = {}
    for trip in found.trips:
        tripped[trip.control] = tripped.get(trip.control, 0) + 1
    first = (found.trips[0].control, found.trips[0].tripped) if found.trips else None
    start_equity = float(curve(outcome).equity[0])
    start, end = crisis.span_ns
    return Case(
        crisis.name,
        iso(start)[:10],
        iso(end)[:10],
        config.strategy_name,
        config.limits.max_position_frac,
        len(outcome.journal),
        found.totals.equity_with / start_equity - 1.0,
        found.totals.equity_without / start_equity - 1.0,
        tripped,
        first,
        found.totals,
    )


def _configured(config: Config, crisis: Crisis, budget: float, section: dict[str, Any]) -> Config:
    reach = budget * len(config.universe.instruments)
    gross = max(config.limits.max_gross_frac, reach) if budget != config.limits.max_position_frac else None
    limits, venue = config.limits, config.venue
    if gross is not None:
        limits = msgspec.structs.replace(limits, max_position_frac=budget, max_gross_frac=gross)
        venue = msgspec.structs.replace(venue, leverage=max(venue.leverage, LEVERAGE_ROOM * gross))
    midnights = [dt.datetime.combine(day, dt.time(), dt.UTC) for day in (crisis.start, crisis.end)]
    changed = msgspec.structs.replace(
        config,
        data=msgspec.structs.replace(config.data, start=midnights[0], end=midnights[1]),
        strategy=section,
        limits=limits,
        venue=venue,
        actors=msgspec.structs.replace(config.actors, breaker=config.actors.breaker or {}),
    )
    return parse(tomllib.loads(dump(changed)), f"{crisis.name}, budget {budget:g}")
