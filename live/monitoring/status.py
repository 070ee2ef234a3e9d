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
from live.monitoring.parts import (
    BreakerStatus,
    CountStatus,
    DecisionStatus,
    DriftStatus,
    GapStatus,
    HaltStatus,
    LatchStatus,
    LatencyStatus,
    LimitStatus,
    MismatchStatus,
    OrderStatus,
    PositionStatus,
    StreamStatus,
)

STATUS, DRIFT = "status.json", "drift.json"
STALE_SECS = 10.0
"""A snapshot that is older, by the clock of this machine, counts as hung: twenty in a row were not written."""

Phase = Literal["starting", "trading", "ending", "ended"]
Seen = Literal["running", "hung", "gone", "ended"]


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
