"""The runs of a folder with their key figures: those that are going on first, then the newest."""

from pathlib import Path
from typing import Any, NamedTuple

from engine.contract.errors import HuracanError
from engine.journal.run import MANIFEST, METRICS, read_json, run_id_of, runs, unfinished
from live.monitoring.status import read_status


class Listed(NamedTuple):
    """One run in the list.

    Attributes
    ----------
    seen
        `running`, `hung`, `gone` or `ended`, as `live.monitoring.status` has them.
    decides
        Policy or strategy.
    began_ns
        Time by which the list is ordered: wall clock, UTC ns.
    span
        First and last day that a finished run covers; "" otherwise.
    equity, day_pnl, drawdown
        Of a run that is going on.
    total_return, sharpe, max_drawdown
        Of a finished one.
    standing
        What stops it; "" where nothing does.
    """

    run_id: str
    mode: str
    seen: str
    decides: str
    began_ns: int
    span: str = ""
    decisions: int = 0
    age_secs: float | None = None
    equity: float | None = None
    day_pnl: float | None = None
    drawdown: float | None = None
    total_return: float | None = None
    sharpe: float | None = None
    max_drawdown: float | None = None
    standing: str = ""
    currency: str = ""


class Lister:
    """Lists the runs of a folder; finished ones are read once.

    Parameters
    ----------
    root
        Folder of the runs.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._ended: dict[Path, tuple[int, Listed]] = {}

    def going(self) -> list[Listed]:
        """Return the runs that are not finished; one whose files cannot be read now is left out."""
        found = []
        for folder in unfinished(self._root):
            try:
                found.append(_going(folder))
            except (HuracanError, OSError, KeyError):
                continue
        return sorted(found, key=lambda one: (one.seen == "gone", -one.began_ns))

    def ended(self) -> list[Listed]:
        """Return the finished runs, the newest first."""
        found = []
        for folder in runs(self._root):
            try:
                written = (folder / MANIFEST).stat().st_mtime_ns
                known = self._ended.get(folder)
                if known is None or known[0] != written:
                    known = self._ended[folder] = (written, _ended(folder, written))
                found.append(known[1])
            except (OSError, ValueError, KeyError):
                continue
        return sorted(found, key=lambda one: -one.began_ns)


def _going(folder: Path) -> Listed:
    manifest = read_json(folder / MANIFEST)
    began = (folder / MANIFEST).stat().st_mtime_ns
    if manifest["mode"] == "backtest":
        from engine.journal.run import is_running

        seen = "running" if is_running(folder) else "gone"
        return Listed(run_id_of(folder), "backtest", seen, _decides(manifest), began)
    status = read_status(folder)
    standing = status.halted or (status.breaker_state if status.breaker_state in ("reduce", "halt") else "")
    return Listed(
        run_id=status.run_id,
        mode=status.mode,
        seen=status.seen,
        decides=status.policy or status.strategy,
        began_ns=status.started_ns or began,
        decisions=status.counts.decisions,
        age_secs=status.age_secs,
        equity=status.equity,
        day_pnl=status.day_pnl,
        drawdown=status.drawdown_frac,
        standing=str(status.latch.reason) if status.latch is not None else standing,
        currency=status.currency,
    )


def _ended(folder: Path, written: int) -> Listed:
    manifest = read_json(folder / MANIFEST)
    path = folder / METRICS
    metrics: dict[str, Any] = read_json(path).get("metrics", {}) if path.is_file() else {}
    span = " – ".join(str(manifest.get(key, ""))[:10] for key in ("start", "end"))
    return Listed(
        run_id=folder.name,
        mode=str(manifest["mode"]),
        seen="ended",
        decides=_decides(manifest),
        began_ns=written,
        span=span if span.strip(" –") else "",
        decisions=int(manifest.get("decisions") or 0),
        total_return=metrics.get("total_return"),
        sharpe=metrics.get("sharpe"),
        max_drawdown=metrics.get("max_drawdown"),
    )


def _decides(manifest: dict[str, Any]) -> str:
    return str(manifest.get("policy") or manifest.get("strategy") or "")
