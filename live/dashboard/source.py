"""One run as the pages see it: its status, its record, its alerts and controls, taken in anew when they change."""

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from engine.contract.config import Config, load
from engine.contract.errors import DataError, UsageError
from engine.evaluation.proven import Proof, proof_of
from engine.journal.run import CERTIFICATE, CONFIG, MANIFEST, METRICS, RUNS, UNFINISHED, find_run, read_json, run_id_of
from live.dashboard.finished import read_record
from live.dashboard.growing import Growing, Tail
from live.dashboard.record import Record
from live.monitoring.status import STATUS, Status, read_status
from live.steering import CONTROLS, Entry, read_controls

ALERTS = "alerts.jsonl"
MOST_ALERTS = 500
LOOK_SECS = 0.2
"""However many pages look at a run, its files are looked at no more often than this."""


@dataclass
class Source:
    """What is known of one run.

    Attributes
    ----------
    folder
        Of the run; it changes when a run that was going on is finished.
    status
        As `live.monitoring.status.read_status` tells it.
    proof
        What its certificate of parity proves; None before it has ended.
    alerts
        Notices, the newest first.
    version
        Counts looks that found something new.
    """

    folder: Path
    config: Config
    manifest: dict[str, Any]
    status: Status
    record: Record
    metrics: dict[str, Any] = field(default_factory=dict)
    proof: Proof | None = None
    alerts: list[dict[str, Any]] = field(default_factory=list)
    controls: list[Entry] = field(default_factory=list)
    version: int = 1

    @property
    def run_id(self) -> str:
        """Id of the run."""
        return run_id_of(self.folder)

    @property
    def running(self) -> bool:
        """Whether a process is at it, be it hung."""
        return self.status.seen in ("running", "hung")


class Watched:
    """A source that is looked at again and again.

    Parameters
    ----------
    folder
        Of the run.

    Raises
    ------
    DataError
        The folder cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._sizes: dict[str, int] = {}
        self.source = self._open(folder, 1)
        self._beside()

    def _open(self, folder: Path, version: int) -> Source:
        config, manifest, status = load(folder / CONFIG), read_json(folder / MANIFEST), read_status(folder)
        self._growing: Growing | None = None
        if folder.name.endswith(UNFINISHED):
            self._growing = Growing(folder, list(config.universe.instruments))
            self._growing.look()
            record = self._growing.record
        else:
            record = read_record(folder, list(config.universe.instruments))
        self._alerts = Tail(folder / ALERTS)
        return Source(folder, config, manifest, status, record, version=version)

    def _beside(self) -> bool:
        """Take in the small files beside the tables; tell whether one of them is new."""
        source, folder = self.source, self.source.folder
        lines = self._alerts.read()
        for line in lines:
            found = _object(line)
            if found is not None:
                source.alerts.insert(0, found)
        del source.alerts[MOST_ALERTS:]
        changed = bool(lines)
        if self._grew(folder / CONTROLS):
            source.controls, changed = read_controls(folder), True
        if not folder.name.endswith(UNFINISHED) and (self._grew(folder / CERTIFICATE) or source.proof is None):
            source.proof, changed = proof_of(folder, source.manifest), True
        if self._grew(folder / METRICS):
            source.metrics, changed = read_json(folder / METRICS), True
        return changed

    def _grew(self, path: Path) -> bool:
        try:
            found = path.stat()
        except OSError:
            return False
        mark = found.st_mtime_ns ^ found.st_size
        if self._sizes.get(str(path)) == mark:
            return False
        self._sizes[str(path)] = mark
        return True

    def look(self) -> None:
        """Take in what is new.

        Raises
        ------
        DataError
            The folder cannot be read any more.
        """
        source = self.source
        if self._growing is None:
            source.version += self._beside()
            return
        finished = source.folder.with_name(source.run_id)
        if not source.folder.is_dir() and finished.is_dir():
            self.source = self._open(finished, source.version + 1)
            self._beside()
            return
        changed = self._growing.look() | self._beside()
        source.record = self._growing.record
        if self._grew(source.folder / STATUS) or source.status.seen != "running" or source.status.age_secs > 2.0:
            status = read_status(source.folder)
            changed, source.status = changed or status != source.status, status
        source.version += changed


class Hub:
    """The runs that pages look at; each is read by one, for all.

    Parameters
    ----------
    runs
        Folder of the runs.
    """

    def __init__(self, runs: Path = RUNS) -> None:
        self.runs = runs
        self._watched: dict[str, Watched] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._looked: dict[str, float] = {}

    def find(self, run_id: str) -> Path:
        """Find the folder of a run by its whole id.

        Raises
        ------
        UsageError
            There is none.
        """
        if "/" in run_id or run_id.startswith("."):
            raise UsageError(f"run must be named by its id, was {run_id}")
        folder = find_run(run_id, self.runs, begun=True)
        if run_id_of(folder) != run_id or folder.parent != self.runs:
            raise UsageError(f"run must be one of those in {self.runs}, was {run_id}")
        return folder

    async def fresh(self, run_id: str) -> Source:
        """Return a run as it is now, at most `LOOK_SECS` old; files are read beside the event loop.

        Raises
        ------
        UsageError
            There is no such run.
        DataError
            Its files cannot be read.
        """
        lock = self._locks.setdefault(run_id, asyncio.Lock())
        async with lock:
            watched = self._watched.get(run_id)
            if watched is None:
                watched = self._watched[run_id] = await asyncio.to_thread(lambda: Watched(self.find(run_id)))
            elif time.monotonic() - self._looked[run_id] >= LOOK_SECS:
                try:
                    await asyncio.to_thread(watched.look)
                except (DataError, OSError):
                    del self._watched[run_id]
                    raise
            else:
                return watched.source
            self._looked[run_id] = time.monotonic()
            return watched.source


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        return None
