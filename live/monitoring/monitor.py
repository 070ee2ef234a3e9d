"""The monitor: a process beside a session that looks at its run folder, tells people, and answers Prometheus.

It shares nothing with the session but the folder, so it also tells that the session died or hangs.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry

from engine.contract.alerts import LOG, Alerts
from engine.contract.config import Config, load
from engine.contract.errors import DataError, UsageError, broken
from engine.journal.run import CONFIG, RUNS, UNFINISHED, find_run, is_running, run_id_of, runs, unfinished
from live.monitoring.alert_files import acknowledgements, append_notices, read_state, write_state
from live.monitoring.alerting import AlertState, Notice, step
from live.monitoring.channels import Channels
from live.monitoring.findings import look
from live.monitoring.metrics import StatusCollector, Watched
from live.monitoring.status import Status, read_status

EVERY_SECS = 2.0
Say = Callable[[str], None]


class Monitor:
    """Watches one run.

    Parameters
    ----------
    folder
        Of the run.
    alerts
        Thresholds and channels.
    channels
        How notices are sent.
    say
        Called with a line for a person.

    Attributes
    ----------
    watched
        What was seen at the last look; None before the first, and while the folder cannot be read.
    """

    def __init__(self, folder: Path, alerts: Alerts, channels: Channels, say: Say = lambda _: None) -> None:
        self.folder, self._alerts, self._channels, self._say = folder, alerts, channels, say
        self.watched: Watched | None = None
        self._unreadable = ""

    @property
    def run_id(self) -> str:
        """Id of the run."""
        return run_id_of(self.folder)

    def look(self, now_ns: int | None = None) -> Status | None:
        """Look once: judge, write down, send; None while the run cannot be read.

        Parameters
        ----------
        now_ns
            Wall clock, UTC ns; None: as it is.
        """
        try:
            self._follow()
            status = read_status(self.folder)
            now_ns = time.time_ns() if now_ns is None else now_ns
            state = self._look(status, now_ns)
        except (DataError, FileNotFoundError) as error:
            if self._follow():
                return self.look(now_ns)
            if str(error) != self._unreadable:
                self._say(f"{self.run_id} cannot be read: {error}")
            self._unreadable, self.watched = str(error), None
            return None
        self._unreadable, self.watched = "", Watched(status, state)
        return status

    def _look(self, status: Status, now_ns: int) -> AlertState:
        before = read_state(self.folder)
        findings, recent = look(status, self._alerts, before.recent, now_ns)
        notices, after = step(findings, before, acknowledgements(self.folder), self._alerts, now_ns)
        after = msgspec.structs.replace(after, recent=recent)
        failed = self._channels.tend(self.run_id)
        append_notices(self.folder, [*notices, *failed])
        self._channels.put(self.run_id, notices)
        if after != before:
            write_state(self.folder, after)
        for notice in (*notices, *failed):
            if LOG not in notice.channels:
                self._say(line_of(notice))
        return after

    def _follow(self) -> bool:
        """A run that is finished has lost the ending of its folder's name; tell whether this one just has."""
        final = self.folder.with_name(run_id_of(self.folder))
        if self.folder.is_dir() or final == self.folder or not final.is_dir():
            return False
        self.folder = final
        return True

    def health(self) -> tuple[int, dict[str, Any]]:
        """Return 200 where the session runs or is finished, 503 where it is gone, hangs, or cannot be read; and why."""
        if self.watched is None:
            return 503, {"run": self.run_id, "seen": "unknown", "healthy": False, "reason": self._unreadable}
        status, alerts = self.watched
        standing = [key for key, one in alerts.alerts.items() if not one.cleared_ns]
        healthy = status.seen in ("running", "ended")
        document = {
            "run": status.run_id,
            "mode": status.mode,
            "seen": status.seen,
            "phase": status.phase,
            "healthy": healthy,
            "age_secs": round(status.age_secs, 3),
            "alerts": standing,
        }
        return (200 if healthy else 503), document

    def registry(self) -> CollectorRegistry:
        """Return the metrics of the last look."""
        registry = CollectorRegistry()
        registry.register(StatusCollector(lambda: self.watched))
        return registry


def line_of(notice: Notice) -> str:
    """Return a notice as a line."""
    whom = f" -> {', '.join(notice.channels)}" if notice.channels else ""
    by = f" by {notice.by}" if notice.by else ""
    return f"{notice.kind}{by} [{notice.severity}] {notice.key}: {notice.title}: {notice.text}{whom}"


def chosen(named: str, root: Path = RUNS) -> tuple[Path, Config]:
    """Find what is to be watched: a run, or the session that goes on, or the last one, of a configuration file.

    Raises
    ------
    UsageError
        There is no such run, or none of this configuration yet.
    """
    path = Path(named)
    if path.suffix != ".toml":
        folder = find_run(named, root, begun=True)
        return folder, load(folder / CONFIG)
    config = load(path)
    found = latest(config.run.name, root)
    if found is None:
        rule = f"have a run named {config.run.name}"
        raise UsageError(broken(named, rule, "none", str(root), "start the session first"))
    return found, config


def latest(name: str, root: Path = RUNS) -> Path | None:
    """Return the folder of the session of a name that goes on, else of the last one; None where there is none."""
    found = [one for one in (*runs(root), *unfinished(root)) if run_id_of(one).rpartition("-")[0] == name]
    going = [one for one in found if one.name.endswith(UNFINISHED) and is_running(one)]
    return max(going or found, key=run_id_of, default=None)
