"""What a trip of the breaker saved or cost: equity with it beside equity of a replay that disregards it, at named horizons."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.contract.calendar import NS_PER_SEC, iso
from engine.journal.blotter import BreakerChange
from engine.risk.breaker_disregard import Disregarded

NS_PER_DAY = 86_400 * NS_PER_SEC
Horizon = Literal["release", "1d", "7d", "end"]
HORIZONS: tuple[Horizon, ...] = ("release", "1d", "7d", "end")
"""When equities are compared: at the release of the trip, one and seven days after the trip, and at the end of the run."""

Times = NDArray[np.int64]
Floats = NDArray[np.float64]


class Curve(NamedTuple):
    """Equity at every decision of a run.

    Attributes
    ----------
    ts_ns : int64 (n,), UTC ns, rising
    equity : float64 (n,), account currency
    """

    ts_ns: Times
    equity: Floats

    def at(self, ts_ns: int) -> float | None:
        """Return the equity of the last decision at or before a time; None where there is none."""
        index = int(np.searchsorted(self.ts_ns, ts_ns, side="right")) - 1
        return float(self.equity[index]) if index >= 0 else None


class Episode(NamedTuple):
    """All trips of one control in one scope on one UTC day.

    Attributes
    ----------
    tripped_ns, released_ns
        Of the first trip, and of the last release, UTC ns; None where the last trip still stood at the end of the run.
    limit, value
        Of the first trip.
    trips
        How many it holds.
    """

    control: str
    scope: str
    action: str
    tripped_ns: int
    released_ns: int | None
    limit: float
    value: float
    trips: int

    def disregarded(self) -> Disregarded:
        """Return what a replay must disregard to go without it."""
        return Disregarded(self.control, self.scope, self.tripped_ns, self.released_ns)


class Compared(msgspec.Struct, frozen=True):
    """One trip at one horizon.

    Attributes
    ----------
    saved, saved_frac
        Equity with the trip less equity without it, account currency, and as a fraction of the equity at the trip; negative is a cost.
    false
        Whether the loss that the trip feared did not come: without it, equity at the horizon is at or above that at the trip.
    """

    horizon: Horizon
    ts_event: str
    equity_with: float
    equity_without: float
    saved: float
    saved_frac: float
    false: bool


def episodes(changes: Sequence[BreakerChange]) -> list[Episode]:
    """Group the trips of a run, in the order of their first trips.

    A control that trips and recovers many times a day, as `stale_data` and `spread` do, is one episode of that day, so that the replays
    of a run are bounded by its days and controls.
    """
    found: dict[tuple[str, str, int], Episode] = {}
    standing: dict[tuple[str, str], tuple[str, str, int]] = {}
    for change in changes:
        where = (change.control, change.scope)
        if change.kind == "tripped":
            key = (*where, change.ts_event // NS_PER_DAY)
            standing[where] = key
            before = found.get(key)
            found[key] = (
                Episode(*where, change.action, change.ts_event, None, change.limit, change.value, 1)
                if before is None
                else before._replace(released_ns=None, trips=before.trips + 1)
            )
        elif where in standing:
            key = standing.pop(where)
            found[key] = found[key]._replace(released_ns=change.ts_event)
    return sorted(found.values(), key=lambda one: one.tripped_ns)


def chosen(found: Sequence[Episode], most: int) -> list[Episode]:
    """Choose at most so many episodes to replay: halts before the rest, then the earliest; in the order of their trips."""
    ranked = sorted(found, key=lambda one: (one.action != "halt", one.tripped_ns))
    return sorted(ranked[:most], key=lambda one: one.tripped_ns)


def compare(episode: Episode, with_trip: Curve, without: Curve) -> list[Compared]:
    """Compare two equity curves at every horizon that the run reached; the last one is always its end.

    Parameters
    ----------
    with_trip, without
        Of the run, and of the replay that disregards the episode; equal up to the trip.
    """
    last = int(with_trip.ts_ns[-1])
    moments: dict[Horizon, int | None] = {
        "release": episode.released_ns,
        "1d": episode.tripped_ns + NS_PER_DAY,
        "7d": episode.tripped_ns + 7 * NS_PER_DAY,
        "end": last,
    }
    start = with_trip.at(episode.tripped_ns)
    rows = []
    for horizon, ts_ns in moments.items():
        if ts_ns is None or ts_ns > last or start is None:
            continue
        kept, lost = with_trip.at(ts_ns), without.at(ts_ns)
        assert kept is not None
        assert lost is not None
        saved = kept - lost
        frac = saved / start if start > 0.0 else 0.0
        rows.append(Compared(horizon, iso(ts_ns), kept, lost, saved, frac, lost >= start))
    return rows


def instead(episode: Episode, original: Sequence[BreakerChange], replayed: Sequence[BreakerChange]) -> list[str]:
    """Name the controls that tripped in the replay while the episode stood, and did not in the run: they stood in for it."""

    def tripped(changes: Sequence[BreakerChange]) -> set[str]:
        until = episode.released_ns
        return {
            change.control
            for change in changes
            if change.kind == "tripped"
            and change.ts_event >= episode.tripped_ns
            and (until is None or change.ts_event < until)
        }

    return sorted(tripped(replayed) - tripped(original))
