"""The account of a run's breaker: every trip replayed without it, and the whole run without the breaker."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from engine.contract.calendar import iso
from engine.contract.config import load as load_config
from engine.contract.errors import CheckFailed, UsageError, broken
from engine.evaluation.drawdown import drawdowns
from engine.evaluation.trips import Compared, Curve, Episode, chosen, compare, episodes, instead
from engine.journal.run import CONFIG, MANIFEST, read_json
from engine.policy.session import PolicySession
from engine.risk.breaker_controls import ACCOUNT, BY_NAME
from engine.risk.breaker_disregard import EVERYTHING, GATE_TWINS, Disregarded
from strategies.assembly import Assembly
from strategies.backtest import Outcome, load, run

MOST = 10
"""Episodes that are replayed where the caller names no number."""

Advance = Callable[..., None]


class Trip(msgspec.Struct, frozen=True):
    """One episode of trips, with what it saved.

    Attributes
    ----------
    tripped, released
        ISO time; None where it still stood at the end of the run.
    trips
        How many trips of that control and scope on that UTC day; they are disregarded together, from the first to the last release.
    equity, gross_frac
        At the first trip: account currency, and sum of absolute positions over it.
    refused
        Decisions that were refused in the name of the control, or of the gate's limit that repeats it, while it stood.
    horizon, equity_with, equity_without, saved, saved_frac, false
        As in `engine.evaluation.trips.Compared`, at the end of the run; None where it was not replayed.
    horizons
        All of them.
    instead
        Controls that tripped in the replay while it stood, and not in the run.
    """

    control: str
    scope: str
    action: str
    tripped: str
    released: str | None
    trips: int
    limit: float
    value: float
    equity: float
    gross_frac: float
    refused: int
    replayed: bool
    horizon: str | None = None
    equity_with: float | None = None
    equity_without: float | None = None
    saved: float | None = None
    saved_frac: float | None = None
    false: bool | None = None
    horizons: tuple[Compared, ...] = ()
    instead: tuple[str, ...] = ()


class Totals(msgspec.Struct, frozen=True):
    """All trips of a run, and the run without its breaker; money in the account's currency, at the end of the run.

    Attributes
    ----------
    trips, episodes, not_replayed
        Counts; what was not replayed is in no sum.
    false, false_cost
        Episodes whose feared loss did not come, and what they cost together (negative: they gained all the same).
    costly, cost
        Episodes that saved less than nothing, and what they cost together.
    equity_with, equity_without, saved, saved_frac
        With the breaker, and with all of it disregarded; the fraction is of the equity at the first decision. This is no sum of the trips:
        where one is disregarded, another control often trips in its place.
    max_drawdown_with, max_drawdown_without
        Largest fall from a peak, fraction.
    """

    trips: int
    episodes: int
    not_replayed: int
    false: int
    false_cost: float
    costly: int
    cost: float
    equity_with: float
    equity_without: float
    saved: float
    saved_frac: float
    max_drawdown_with: float
    max_drawdown_without: float


class Account(msgspec.Struct, frozen=True):
    """What the breaker did to a run."""

    trips: tuple[Trip, ...]
    totals: Totals


def account_run(folder: Path, most: int = MOST, advance: Advance | None = None) -> Account:
    """Account for the breaker of a finished back test.

    Parameters
    ----------
    folder
        Its run folder; its catalog and policy must still be where its configuration says.
    most
        Episodes that are replayed at most, a run each.
    advance
        Called with (1, text) after each replay.

    Raises
    ------
    UsageError
        The run is no back test, or has no breaker.
    CheckFailed
        The unchanged replay makes other decisions than the run: data, policy or code are not what they were.
    """
    manifest = read_json(folder / MANIFEST)
    if manifest["mode"] != "backtest":
        raise UsageError(
            broken(f"run {folder.name}", "be a back test", manifest["mode"], remedy="others cannot be run again")
        )
    config = load_config(folder / CONFIG)
    if config.actors.breaker is None:
        remedy = "write [actors.breaker] and run it again"
        raise UsageError(broken(f"run {folder.name}", "have a breaker", "without one", str(folder / CONFIG), remedy))
    market, session = load(config)
    outcome = run(config, market, session)
    found, written = outcome.journal.decisions_sha256, manifest["decisions_sha256"]
    if found != written:
        remedy = "data, policy or code have changed since: run it again"
        raise CheckFailed(
            broken(f"decisions of {folder.name}", f"replay to {written[:12]}", found[:12], str(folder), remedy)
        )
    if advance is not None:
        advance(1, "as it was")
    return account(outcome, session, most, advance)


def account(
    outcome: Outcome, session: PolicySession | None, most: int = MOST, advance: Advance | None = None
) -> Account:
    """Account for the breaker of a back test that has just run; see `account_run`."""
    changes, own = outcome.blotter.changes, curve(outcome)
    found = episodes(changes)
    replays = set(chosen(found, most))
    trips = []
    for one in found:
        if one not in replays:
            trips.append(_trip(outcome, one))
            continue
        other = replay(outcome, session, one.disregarded())
        trips.append(_trip(outcome, one, compare(one, own, curve(other)), instead(one, changes, other.blotter.changes)))
        if advance is not None:
            advance(1, f"without {one.control}")
    off = own if untouched(outcome) else curve(replay(outcome, session, EVERYTHING))
    if advance is not None:
        advance(1, "without the breaker")
    return Account(tuple(trips), _totals(trips, own, off))


def replay(outcome: Outcome, session: PolicySession | None, *disregarded: Disregarded) -> Outcome:
    """Run a back test again, disregarding some controls of its breaker."""

    def prepare(assembly: Assembly) -> None:
        breaker = assembly.strategy.mandate.breaker
        if breaker is not None:
            breaker.disregard(*disregarded)

    return run(outcome.config, outcome.market, session, prepare=prepare)


def curve(outcome: Outcome) -> Curve:
    """Return the equity of a run."""
    table = outcome.blotter.equity_table()
    return Curve(table["ts_event"].to_numpy(), table["equity"].to_numpy())


def untouched(outcome: Outcome) -> bool:
    """Tell whether the breaker neither tripped nor refused anything: then the run without it is the same run."""
    names = {name for name, control in BY_NAME.items() if control.place == "breaker"} | set(GATE_TWINS)
    return not outcome.blotter.changes and not any(_refused_by(entry.gate, names) for entry in outcome.journal.entries)


def _refused_by(gate: str, names: set[str]) -> bool:
    return gate.startswith("refused: ") and gate.removeprefix("refused: ").split(" ")[0] in names


def _trip(outcome: Outcome, episode: Episode, compared: Sequence[Compared] = (), in_place: Sequence[str] = ()) -> Trip:
    table = outcome.blotter.equity_table()
    at = max(0, int(np.searchsorted(table["ts_event"].to_numpy(), episode.tripped_ns, side="right")) - 1)
    names = {episode.control} | {limit for limit, control in GATE_TWINS.items() if control == episode.control}
    until = episode.released_ns
    refused = sum(
        _refused_by(entry.gate, names)
        for entry in outcome.journal.entries
        if entry.ts_event >= episode.tripped_ns
        and (until is None or entry.ts_event < until)
        and episode.scope in (ACCOUNT, entry.instrument_id)
    )
    end: dict[str, Any] = {}
    if compared:
        last = compared[-1]
        end = {
            name: getattr(last, name)
            for name in ("horizon", "equity_with", "equity_without", "saved", "saved_frac", "false")
        }
    return Trip(
        episode.control,
        episode.scope,
        episode.action,
        iso(episode.tripped_ns),
        None if until is None else iso(until),
        episode.trips,
        episode.limit,
        episode.value,
        float(table["equity"][at].as_py()),
        float(table["gross_frac"][at].as_py()),
        refused,
        bool(compared),
        horizons=tuple(compared),
        instead=tuple(in_place),
        **end,
    )


def _totals(trips: Sequence[Trip], own: Curve, off: Curve) -> Totals:
    saved = [(trip.saved, trip.false) for trip in trips if trip.saved is not None]
    false = [-amount for amount, is_false in saved if is_false]
    costly = [-amount for amount, _ in saved if amount < 0.0]
    kept, lost, start = float(own.equity[-1]), float(off.equity[-1]), float(own.equity[0])
    return Totals(
        trips=sum(trip.trips for trip in trips),
        episodes=len(trips),
        not_replayed=sum(not trip.replayed for trip in trips),
        false=len(false),
        false_cost=sum(false, 0.0),
        costly=len(costly),
        cost=sum(costly, 0.0),
        equity_with=kept,
        equity_without=lost,
        saved=kept - lost,
        saved_frac=(kept - lost) / start,
        max_drawdown_with=float(drawdowns(own.equity).max()),
        max_drawdown_without=float(drawdowns(off.equity).max()),
    )
