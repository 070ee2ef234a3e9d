"""The status of a session: one snapshot that its process writes and every viewer reads.

`status.json` in the run folder is replaced as a whole, so a reader sees the one before or the new one, never a part. A run that has ended
has none: its status is made of the files that it left, by `live.monitoring.finished`, so that viewers have one way.
"""

import os
import time
from pathlib import Path
from typing import Literal

import msgspec

from engine.contract.errors import DataError, broken
from engine.journal.run import MANIFEST, UNFINISHED, run_id_of

STATUS, DRIFT = "status.json", "drift.json"
STALE_SECS = 10.0
"""A snapshot that is older, by the clock of this machine, counts as hung: twenty in a row were not written."""

Phase = Literal["starting", "trading", "ending", "ended"]
Seen = Literal["running", "hung", "gone", "ended"]
Values = dict[str, float | None]


class PositionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What is held of one instrument.

    Attributes
    ----------
    quantity
        Signed, base units; 0 where nothing is held.
    entry_price
        Average price of the open position, quote; None where nothing is held.
    mark
        Mid of the last quote, or the last close where no quote came after it, quote; None before the first.
    notional
        Signed value at the mark, quote.
    unrealised
        Profit at the mark, quote.
    exposure_frac
        `notional` over equity.
    bars_held
        Decisions since the position was opened.
    """

    instrument_id: str
    quantity: float
    entry_price: float | None
    mark: float | None
    notional: float
    unrealised: float
    exposure_frac: float | None
    bars_held: int


class OrderStatus(msgspec.Struct, frozen=True, kw_only=True):
    """An order that is held, on its way, or resting.

    Attributes
    ----------
    order_key, client_order_id
        As in `orders.parquet`; the first names the decision.
    quantity
        Signed, not filled yet, base units.
    price
        The close that it was sized on, quote.
    state
        `held` (waits for the next quote) or `submitted`.
    decided_ns
        Event time of its decision, UTC ns.
    """

    order_key: str
    client_order_id: str
    instrument_id: str
    quantity: float
    price: float
    state: str
    decided_ns: int


class DecisionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The last row of the journal of one instrument.

    Attributes
    ----------
    ts_event
        Event time of the turn, UTC ns.
    raw_action, action, confidence, target_exposure
        As in the journal: what was answered, what was made of it, and the signed fraction of the budget that is wanted.
    budget
        Value that an exposure of 1 means, quote.
    gate
        `approved`, `hold` or `refused: ...`.
    order_key
        Of the order that it made; "" where it made none.
    observation_sha
        Of the policy's inputs; "" for a rule.
    context
        What was said in the turn: signal (`regime`, `changepoint`, `risk_budget`, `breaker`) to column to value.
    missing
        Instruments whose bar did not come.
    """

    instrument_id: str
    ts_event: int
    raw_action: float | None
    action: float | None
    confidence: float | None
    target_exposure: float | None
    budget: float | None
    gate: str
    order_key: str
    observation_sha: str
    context: dict[str, Values]
    missing: list[str]


class LimitStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One limit that the gate holds orders to, at the equity of the last decided turn and the positions and open orders of now.

    Attributes
    ----------
    name
        As in [limits], or in the control table for those of the breaker.
    scope
        `account`, or an instrument id.
    value, bound, headroom
        What there is, what is allowed, and bound less value: fractions of equity, quote, or a count.
    """

    name: str
    scope: str
    value: float | None
    bound: float
    headroom: float | None


class BreakerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One control of the breaker, as of its last turn.

    Attributes
    ----------
    scope
        `account`, or an instrument id.
    state
        `armed`; `unconfirmed`: a breach was seen, no new risk passes; `reduce`, `halt`: it tripped.
    limit
        What is allowed; None for a stop by hand.
    value
        What was measured when it was breached; None while it is armed.
    since_ns
        Event time of the trip or of the breach, UTC ns; None while it is armed.
    meaning, unit, release
        Of the control table: what is measured, in which unit, and what ends a trip.
    """

    control: str
    scope: str
    state: Literal["armed", "unconfirmed", "reduce", "halt"]
    limit: float | None
    value: float | None
    since_ns: int | None
    meaning: str
    unit: str
    release: str


class LatchStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What stops the session for good.

    Attributes
    ----------
    by, reason
        Who, and why.
    ts_ns
        Wall clock, UTC ns; 0 where it is not known.
    """

    by: str
    reason: str
    ts_ns: int


class HaltStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A halt by hand that stands.

    Attributes
    ----------
    scope
        `account`, or an instrument id.
    reason
        Who said it, and why.
    flatten
        Whether what is held is closed too.
    """

    scope: str
    reason: str
    flatten: bool


class MismatchStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A position that strategy and engine hold differently, signed base units; seen twice in a row, half a second apart or more."""

    instrument_id: str
    ours: float
    engine: float


class DriftStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A measure of drift beyond its bound, as `drift.json` in the run folder lists them, where something measures it."""

    measure: str
    value: float
    bound: float


class StreamStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One stream of one instrument.

    Attributes
    ----------
    kind
        `bar`, `quote`, `mark` or `funding`.
    received
        Pieces since the start.
    age_secs
        Wall seconds since the last one, at the time of the snapshot; None where none came.
    ts_event
        Event time of the last one, UTC ns; None where none came.
    """

    kind: str
    instrument_id: str
    received: int
    age_secs: float | None
    ts_event: int | None


class GapStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Bars that should have come, counted since the start of this process.

    Attributes
    ----------
    missing_bars
        Bars that a decided turn went without.
    skipped_turns
        Turns that no bar at all came for, between two that were decided.
    repeated_bars
        Bars that came again and were dropped.
    last_ns
        Event time of the last missing bar or skipped turn, UTC ns; None where there was none.
    last_instruments
        Instruments that were missing there; empty for a skipped turn.
    """

    missing_bars: int = 0
    skipped_turns: int = 0
    repeated_bars: int = 0
    last_ns: int | None = None
    last_instruments: list[str] = []


class LatencyStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How long one step takes, over the last 512 of it; milliseconds of the wall clock.

    Attributes
    ----------
    name
        `bar received to decision`: from the arrival of a turn's last bar to its decision; `bar close to decision`: from the bar's close,
        on a real exchange only, whose time is ours; `decision to order`: until the order was handed to the venue, which in paper is the
        next quote; `order to answer`: until the venue accepted it.
    n
        How many were measured since the start.
    """

    name: str
    last_ms: float
    p50_ms: float
    p99_ms: float
    worst_ms: float
    n: int


class CountStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What happened since the run began, or since it was gone on with; a finished run counts all of it.

    Attributes
    ----------
    turns
        Decided turns.
    decisions
        Rows of the journal, those of a session before included.
    orders
        Orders that passed the gate.
    orders_today
        Those since 00:00 UTC of event time.
    refused
        Orders that the gate refused.
    rejected
        Orders that the engine denied or the venue rejected.
    fills
        Fills.
    """

    turns: int = 0
    decisions: int = 0
    orders: int = 0
    orders_today: int = 0
    refused: int = 0
    rejected: int = 0
    fills: int = 0


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """A session at one moment.

    Attributes
    ----------
    run_id, mode
        `mode` is `paper`, `live` or `backtest`.
    seen
        What the reader concludes: `running`; `hung`: the process is there and does not write; `gone`: it ended without an end of the
        run; `ended`: the run is finished.
    phase
        What the process says: it warms up, trades, or writes its report.
    pid, started_ticks
        Process id, and its start time in the kernel's ticks since boot, which tells it from a later process of the same id; 0 where
        nobody runs.
    wall_ns, started_ns
        Wall clock of the snapshot and of the start of the process, UTC ns.
    event_ns
        Latest event time that was received, UTC ns; 0 before the first.
    turn_ns
        Event time of the last decided turn, UTC ns; 0 before the first.
    exchange, market, rehearsal
        As in [live].
    strategy, policy, policy_digest, code_version
        Who decides; `policy` is NAME@VERSION, None for a rule.
    policy_until_ns
        End of the data that the policy was chosen on, UTC ns; None where it is not known.
    policy_expires_ns
        When it expires by `live.max_policy_age_days`, UTC ns; None: never.
    bar, instruments, currency
        Bar specification, instruments in the order of decisions, currency of all values.
    equity
        At the marks of now, account currency.
    cash
        Balance in the account currency, without unrealised profit.
    start_equity, peak_equity, day_equity
        At the first decision; at its highest; at the first decision of the UTC day.
    day_pnl
        `equity - day_equity`.
    drawdown_frac
        Loss from the peak, non-negative, a fraction.
    gross_frac, net_frac
        Sum of absolute, and of signed, positions at the marks, over equity.
    positions
        One per instrument, flat ones included, in their order.
    orders
        Those that are open.
    decisions
        The last one of each instrument that was decided on.
    limits, breakers, latch
        `latch` is None where nothing stops the session.
    breaker_state
        The strongest that stands: `armed`, `unconfirmed`, `reduce`, `halt`; `off` where no breaker is configured.
    halted
        Why only reducing orders pass, by a person's word; "" where they all may.
    halts
        Halts by hand that stand.
    mismatches
        Positions that strategy and engine hold differently.
    drifting
        Measures of the policy's drift beyond their bounds.
    streams, gaps, latencies, counts
        Data, missing data, times, numbers.
    memory_bytes
        Resident memory of the process.
    stopped
        Why a finished run ended; "" before.
    """

    run_id: str
    mode: str
    seen: Seen
    phase: Phase
    pid: int
    started_ticks: int
    wall_ns: int
    started_ns: int
    event_ns: int
    turn_ns: int
    exchange: str
    market: str
    rehearsal: bool
    strategy: str
    policy: str | None
    policy_digest: str | None
    policy_until_ns: int | None
    policy_expires_ns: int | None
    code_version: str
    bar: str
    instruments: list[str]
    currency: str
    equity: float | None
    cash: float | None
    start_equity: float
    peak_equity: float
    day_equity: float
    day_pnl: float | None
    drawdown_frac: float | None
    gross_frac: float | None
    net_frac: float | None
    positions: list[PositionStatus]
    orders: list[OrderStatus]
    decisions: list[DecisionStatus]
    limits: list[LimitStatus]
    breakers: list[BreakerStatus]
    breaker_state: Literal["off", "armed", "unconfirmed", "reduce", "halt"]
    latch: LatchStatus | None
    halted: str
    streams: list[StreamStatus]
    gaps: GapStatus
    latencies: list[LatencyStatus]
    counts: CountStatus
    memory_bytes: int
    halts: list[HaltStatus] = []
    mismatches: list[MismatchStatus] = []
    drifting: list[DriftStatus] = []
    stopped: str = ""

    @property
    def age_secs(self) -> float:
        """Seconds since the snapshot was written, by the clock of this machine."""
        return max(0.0, (time.time_ns() - self.wall_ns) / 1e9)


ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Status)


def write_status(folder: Path, status: Status) -> None:
    """Replace the snapshot of a run folder."""
    written = folder / f"{STATUS}.new"
    written.write_bytes(ENCODER.encode(status))
    os.replace(written, folder / STATUS)


def read_status(run_folder: Path) -> Status:
    """Return the status of a run, whether it is going on, was cut short, or is finished.

    Parameters
    ----------
    run_folder
        Of a run; the folder of an unfinished one is followed when it gets its final name.

    Raises
    ------
    DataError
        There is no run, or its files cannot be read.
    """
    from live.monitoring.finished import status_of_finished

    if not (run_folder / MANIFEST).is_file() and run_folder.name.endswith(UNFINISHED):
        run_folder = run_folder.with_name(run_id_of(run_folder))
    if not (run_folder / MANIFEST).is_file():
        raise DataError(broken("run", f"be a folder with {MANIFEST}", run_folder, remedy="huracan runs lists them"))
    if not run_folder.name.endswith(UNFINISHED):
        return status_of_finished(run_folder)
    try:
        status = _DECODER.decode((run_folder / STATUS).read_bytes())
    except FileNotFoundError:
        return status_of_finished(run_folder)
    except msgspec.DecodeError as error:
        raise DataError(broken("status", "be a whole snapshot", error, str(run_folder / STATUS))) from error
    return msgspec.structs.replace(status, seen=judge_seen(status, time.time_ns()), drifting=_drifting(run_folder))


def _drifting(folder: Path) -> list[DriftStatus]:
    try:
        return msgspec.json.decode((folder / DRIFT).read_bytes(), type=list[DriftStatus])
    except FileNotFoundError:
        return []
    except msgspec.DecodeError as error:
        raise DataError(broken("drift", "be a list of measure, value, bound", error, str(folder / DRIFT))) from error


def judge_seen(status: Status, now_ns: int) -> Seen:
    """Conclude from a snapshot whether its process runs; one that is writing its report need not write snapshots."""
    if not process_runs(status.pid, status.started_ticks):
        return "gone"
    if status.phase != "ending" and now_ns - status.wall_ns > STALE_SECS * 1e9:
        return "hung"
    return "running"


def process_runs(pid: int, started_ticks: int) -> bool:
    """Tell whether the process of this id is there and is the one that began at this time; a dead one that nobody waited for is not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    found = _stat(pid)
    return found is None or (found[0] not in "ZX" and started_ticks in (0, found[1]))


def ticks_of_start(pid: int) -> int:
    """Return when a process began, in ticks since boot; 0 where the kernel does not say."""
    found = _stat(pid)
    return 0 if found is None else found[1]


def _stat(pid: int) -> tuple[str, int] | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return fields[0], int(fields[19])
