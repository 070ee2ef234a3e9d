"""Proofs by running: a changed future changes no past decision, and a cold start sees what a warm one saw."""

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from catalogs.altering import altered_bars, altered_funding, write_copy
from engine.contract.calendar import bar_ns, iso
from engine.contract.config import Config
from engine.contract.errors import ConfigError, broken
from engine.journal.journal import Entry
from engine.policy.session import PolicySession
from engine.risk.breaker_rehearsal import drill_all
from engine.risk.breaker_settings import parse
from strategies import signals
from strategies.assembly import Assembly
from strategies.backtest import Outcome, load, run
from strategies.feed import InstrumentMarket, Market, truncated_before
from strategies.policy.strategy import PolicyStrategy


class Verdict(msgspec.Struct, frozen=True):
    """What a verification found.

    Attributes
    ----------
    checked
        Comparisons made.
    differences
        How many of them differed.
    first_difference
        Where the first was, and both values; None where there is none.
    not_exercised
        What this run gave no occasion to check.
    """

    passed: bool
    checked: int
    differences: int
    first_difference: dict[str, Any] | None
    not_exercised: list[str]


def lookahead(config: Config, times: int = 5, advance: Any = None) -> Verdict:
    """Alter every bar after a time t, run again, and compare every decision up to and at t; for several t.

    The altered market is a catalog of its own, so that a component that reads history from the catalog is caught as well.

    Parameters
    ----------
    times
        How many times t, spread evenly over the decisions.
    """
    with tempfile.TemporaryDirectory(prefix="lookahead-") as folder:
        market, session = load(config)
        base = _run_copy(config, market, session, Path(folder) / "base")
        decided = sorted({entry.ts_event for entry in base.journal.entries})
        if len(decided) < 2:
            raise ConfigError(broken("span", "hold at least 2 decisions", len(decided), "[data]", "widen it"))
        picks = np.unique(np.linspace(0, len(decided) - 2, times).astype(int))
        checked, differences, first = 0, 0, None
        for number, pick in enumerate(picks):
            t = decided[pick]
            parts = tuple(
                InstrumentMarket(altered_bars(part.bars, t, config.run.seed + number), altered_funding(part.funding, t))
                for part in market.parts
            )
            changed = Market(parts, market.first_decision_ns, market.span_ns)
            other = _run_copy(config, changed, session, Path(folder) / str(number))
            before, after = ([e for e in run_.journal.entries if e.ts_event <= t] for run_ in (base, other))
            checked += max(len(before), len(after))
            found = compare(before, after)
            differences += len(found)
            if first is None and found:
                first = {"altered_after": iso(t), **found[0]}
            if advance is not None:
                advance(1)
    return Verdict(differences == 0, checked, differences, first, _unexercised(base, session))


def compare(before: list[Entry], after: list[Entry]) -> list[dict[str, Any]]:
    """Return the differing decisions of two journals, each with its first differing field and both values."""
    found: list[dict[str, Any]] = []
    for left, right in zip(before, after):
        if left != right:
            field = next(name for name in Entry._fields if getattr(left, name) != getattr(right, name))
            found.append(
                {
                    "ts_event": iso(left.ts_event),
                    "instrument_id": left.instrument_id,
                    "field": field,
                    "was": getattr(left, field),
                    "became": getattr(right, field),
                }
            )
    for extra in range(abs(len(before) - len(after))):
        longer = before if len(before) > len(after) else after
        entry = longer[min(len(before), len(after)) + extra]
        found.append(
            {
                "ts_event": iso(entry.ts_event),
                "instrument_id": entry.instrument_id,
                "field": "decision",
                "was": "present" if longer is before else "absent",
                "became": "absent" if longer is before else "present",
            }
        )
    return found


def _run_copy(config: Config, market: Market, session: PolicySession | None, folder: Path) -> Outcome:
    write_copy(folder, [(part.bars, part.funding) for part in market.parts])
    data = msgspec.structs.replace(config.data, catalog=str(folder))
    return run(msgspec.structs.replace(config, data=data), market, session)


def _unexercised(base: Outcome, session: PolicySession | None) -> list[str]:
    missing = []
    if not base.blotter.fills:
        missing.append("orders: none was filled")
    if session is None:
        missing.append("a policy's features: the strategy is a rule")
    if not any(len(part.funding.ts) for part in base.market.parts):
        missing.append("funding: none in the span")
    if len(base.market.parts) == 1:
        missing.append("several instruments: there is one")
    return missing


CONTEXT_TOLERANCE = 0.05
"""Largest difference of a context column between a cold start and a run that heard everything."""


class MarketPart(NamedTuple):
    """What an observation holds of the market: bars float32 (W, 5), context float32 (C,)."""

    bars: NDArray[np.float32]
    context: NDArray[np.float32]


Seen = dict[tuple[int, int], MarketPart]


def warmup(config: Config, starts: int = 5, compared: int = 50, advance: Any = None) -> Verdict:
    """Start cold at several bars, with no more history than a run hears before its span, and compare the market part of the observation.

    Windows must be equal. What signals say fades and never ends: it must be equal within `CONTEXT_TOLERANCE`.

    Parameters
    ----------
    starts
        How many bars to start at, spread evenly over the decisions.
    compared
        Observations compared after each start.

    Raises
    ------
    ConfigError
        The strategy has no observation: it is a rule.
    """
    market, session = load(config)
    if session is None:
        raise ConfigError(
            broken("strategy.name", "be policy", config.strategy_name, "verify warmup", "rules have no observation")
        )
    warm = _observations(config, market, session)
    times = sorted({ts for ts, _ in warm})
    if not times:
        raise ConfigError(broken("span", f"hold more than {session.contract.window} bars", "no full window", "[data]"))
    checked, differences, first, largest = 0, 0, None, 0.0
    heard = max(session.contract.window, signals.WARM_UP_BARS if session.contract.context_signals else 0)
    for pick in np.unique(np.linspace(0, len(times) - 1, starts).astype(int)):
        begin = _window_start(market, times[pick], heard)
        cold = _observations(config, truncated_before(market, begin), session)
        shared = sorted(set(cold) & set(warm))[: compared * len(market.parts)]
        checked += len(shared)
        for key in shared:
            largest = max(largest, float(np.abs(cold[key].context - warm[key].context).max(initial=0.0)))
            for name, tolerance in (("bars", 0.0), ("context", CONTEXT_TOLERANCE)):
                left, right = getattr(warm[key], name), getattr(cold[key], name)
                differs = ~(np.abs(right - left) <= tolerance)
                if differs.any():
                    differences += 1
                    at = tuple(int(i) for i in np.argwhere(differs)[0])
                    first = first or {
                        "ts_event": iso(key[0]),
                        "instrument_id": market.parts[key[1]].bars.instrument.instrument_id,
                        "field": f"{name}[{', '.join(map(str, at))}]",
                        "was": float(left[at]),
                        "became": float(right[at]),
                    }
        if not shared:
            differences += 1
            first = first or {
                "ts_event": iso(times[pick]),
                "field": "observation",
                "was": "present",
                "became": "absent",
            }
        if advance is not None:
            advance(1)
    unexercised = ["position and portfolio columns: they come from the account, not from history"]
    if session.contract.context_signals:
        unexercised.append(
            f"context to the last bit: it is within {largest:.2g}, the memory of signals fades and never ends"
        )
    return Verdict(differences == 0, checked, differences, first, unexercised)


def _observations(config: Config, market: Market, session: PolicySession) -> Seen:
    seen: Seen = {}

    def look(assembly: Assembly) -> None:
        def note(ts_event: int, index: int, inputs: dict[str, NDArray[np.float32]]) -> None:
            context = inputs.get("context", np.zeros(0, np.float32))
            seen[(ts_event, index)] = MarketPart(inputs["bars"].copy(), context.copy())

        if isinstance(assembly.strategy, PolicyStrategy):
            assembly.strategy.observer = note

    run(config, market, session, prepare=look)
    return seen


def breakers(config: Config) -> Verdict:
    """Drill every breaker and every control of the gate with the limits of a configuration.

    Returns
    -------
    A verdict whose difference is the first control that failed its drill; controls that are off or live at the venue are not exercised.
    """
    settings = parse(config.actors.breaker or {})
    drilled = drill_all(tuple(config.universe.instruments), settings, config.limits, bar_ns(config.universe.bar))
    failed = [one for one in drilled if one.passed is False]
    first = {"control": failed[0].control, "was": failed[0].detail} if failed else None
    left = [f"{one.control}: {one.detail}" for one in drilled if one.passed is None]
    checked = len(drilled) - len(left)
    if config.actors.breaker is None:
        left.insert(0, "in this configuration no breaker runs: write [actors.breaker]; drilled with its defaults")
    return Verdict(not failed, checked, len(failed), first, left)


def _window_start(market: Market, ts_close: int, window: int) -> int:
    opens = []
    for part in market.parts:
        last = int(np.searchsorted(part.bars.ts_close, ts_close, side="right"))
        opens.append(int(part.bars.ts_open[max(0, last - window)]))
    return min(opens)
