"""What the screens show, computed from a record: headroom, drawdown, refusals, the heat map of actions, signals over time."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.contract.signals import COLUMNS
from live.dashboard.record import Floats, Record, Times
from live.dashboard.thinning import spread

HOUR_NS = 3_600_000_000_000
HOURS_SHOWN = 72
REGIMES = tuple(column.name for column in COLUMNS["regime"] if column.unit == "probability")
TIGHT, CLOSE = 1.0, 0.8
"""Shares of a limit from which it is full, and from which it is near."""


class Headroom(NamedTuple):
    """One limit and what is left of it.

    Attributes
    ----------
    used
        Value over bound, in [0, 1] as far as it is drawn; NaN where it is not known.
    state
        `ok`, `near` (80 % and more is used) or `full`.
    """

    name: str
    scope: str
    value: float
    bound: float
    left: float
    used: float
    state: str


def headroom(name: str, scope: str, value: float | None, bound: float, left: float | None) -> Headroom:
    """Judge one limit; a negative value uses nothing of it."""
    known = float("nan") if value is None else max(0.0, float(value))
    used = known / bound if bound > 0.0 else float(known > 0.0)
    state = "full" if used >= TIGHT - 1e-9 else "near" if used >= CLOSE else "ok"
    rest = bound - known if left is None else left
    return Headroom(name, scope, known, bound, rest, min(1.0, used) if used == used else used, state)


TWINS = {"drawdown": "max_drawdown_frac", "daily_loss": "daily_loss_frac"}
"""Controls of the breaker that repeat a limit of the gate."""


def once(rows: Sequence[Headroom]) -> list[Headroom]:
    """Leave out what the breaker holds exactly as the gate does."""
    bounds = {(one.name, one.scope): one.bound for one in rows}
    return [one for one in rows if bounds.get((TWINS.get(one.name, ""), one.scope)) != one.bound]


def drawdown(equity: Floats) -> Floats:
    """Return the loss from the peak so far, a non-negative fraction of it; float64 (n,)."""
    if not len(equity):
        return np.zeros(0)
    peak = np.maximum.accumulate(equity)
    return np.where(peak > 0.0, 1.0 - equity / np.where(peak > 0.0, peak, 1.0), 0.0)


class Refused(NamedTuple):
    """A reason for which the gate refused, how often, and the last time."""

    reason: str
    often: int
    last_ns: int
    example: str


def reason_of(gate: str) -> str:
    """Return the limit that a refusal names, or "" where it is none.

    >>> reason_of("refused: daily_loss 0.021 over 0.02 (halt account)"), reason_of("hold")
    ('daily_loss', '')
    """
    return gate.removeprefix("refused: ").split(" ", 1)[0] if gate.startswith("refused: ") else ""


def refusals(record: Record) -> list[Refused]:
    """Return the reasons, the most frequent first."""
    counts: dict[str, list[int]] = {}
    for row, gate in enumerate(record.gates):
        reason = reason_of(gate)
        if reason:
            found = counts.setdefault(reason, [0, row])
            found[0], found[1] = found[0] + 1, row
    times = record.decisions.times
    rows = [Refused(name, number, int(times[row]), record.gates[row]) for name, (number, row) in counts.items()]
    return sorted(rows, key=lambda one: (-one.often, one.reason))


class HeatMap(NamedTuple):
    """Mean target exposure by instrument and hour.

    Attributes
    ----------
    hours
        Labels of the columns.
    instruments
        Labels of the rows.
    values : float64 (rows, columns)
        NaN where nothing was decided.
    """

    hours: list[str]
    instruments: list[str]
    values: NDArray[np.float64]


def by_hour_of_day(record: Record) -> HeatMap:
    """Return the mean over all days, per hour of the UTC day."""
    hour = (record.decisions.times // HOUR_NS) % 24
    return HeatMap([f"{one:02d}" for one in range(24)], record.instruments, _means(record, hour, 24))


def by_last_hours(record: Record, hours: int = HOURS_SHOWN) -> HeatMap:
    """Return the last hours up to the last decision, one column each."""
    times = record.decisions.times
    if not len(times):
        return HeatMap([], record.instruments, np.zeros((len(record.instruments), 0)))
    last = int(times[-1]) // HOUR_NS
    hour = times // HOUR_NS - (last - hours + 1)
    labels = [str(np.datetime64((last - hours + 1 + one) * 3600, "s"))[5:13].replace("T", " ") for one in range(hours)]
    return HeatMap([f"{label}h" for label in labels], record.instruments, _means(record, hour, hours))


def _means(record: Record, column: Times, columns: int) -> NDArray[np.float64]:
    wanted, row = record.decisions["target_exposure"], record.decisions["instrument"].astype(np.intp)
    inside = (column >= 0) & (column < columns) & np.isfinite(wanted)
    cell = row[inside] * columns + column[inside].astype(np.intp)
    size = len(record.instruments) * columns
    number = np.bincount(cell, minlength=size)
    total = np.bincount(cell, weights=wanted[inside], minlength=size)
    with np.errstate(invalid="ignore"):
        return (total / np.where(number, number, np.nan)).reshape(len(record.instruments), columns)


class Beliefs(NamedTuple):
    """What the signals and the policy said of one instrument over time; NaN where nothing was said.

    Attributes
    ----------
    times : int64 (n,)
    regimes : float64 (n, 7), probabilities in the order of `REGIMES`
    recent : float64 (n,), probability of a change within the last bars
    confidence, action : float64 (n,)
    """

    times: Times
    regimes: NDArray[np.float64]
    recent: Floats
    confidence: Floats
    action: Floats


def beliefs(record: Record, instrument: int, points: int, last: int | None = None) -> Beliefs:
    """Read what was said at so many decisions on an instrument, evenly chosen; only these are decoded.

    Parameters
    ----------
    last
        Look only at so many last decisions; None: at all.
    """
    rows = record.of(instrument)
    rows = rows if last is None else rows[-last:]
    rows = rows[spread(len(rows), points)]
    regimes, recent = np.full((len(rows), len(REGIMES)), np.nan), np.full(len(rows), np.nan)
    for number, row in enumerate(rows.tolist()):
        said = record.said(row)
        if said.regime is not None and said.regime.get("available"):
            regimes[number] = [_float(said.regime.get(name)) for name in REGIMES]
        if said.changepoint is not None and said.changepoint.get("available"):
            recent[number] = _float(said.changepoint.get("recent"))
    columns = record.decisions
    return Beliefs(columns.times[rows], regimes, recent, columns["confidence"][rows], columns["action"][rows])


def _float(value: float | None) -> float:
    return float("nan") if value is None else value


def present_regime(probabilities: Sequence[float]) -> tuple[str, float] | None:
    """Name the likeliest regime with its probability; None where nothing was said."""
    values = np.asarray(probabilities, dtype=np.float64)
    if not len(values) or np.isnan(values).any():
        return None
    best = int(np.argmax(values))
    return REGIMES[best], float(values[best])


def stream_state(age_secs: float | None, patience_secs: float) -> str:
    """Judge how old a stream's data is: `ok`, `near` (over half of what is waited for), `full` (over it), `none` (nothing came).

    >>> stream_state(1.0, 90.0), stream_state(60.0, 90.0), stream_state(100.0, 90.0), stream_state(None, 90.0)
    ('ok', 'near', 'full', 'none')
    """
    if age_secs is None:
        return "none"
    return "full" if age_secs > patience_secs else "near" if age_secs > patience_secs / 2 else "ok"
