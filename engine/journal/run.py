"""The run folder: numbered, written as a whole, and read again by its id."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from engine.contract.errors import EnvironmentFault, UsageError, broken

RUNS = Path("var/runs")
MANIFEST, METRICS, CONFIG, REPORT = "manifest.json", "metrics.json", "config.toml", "report.html"
JOURNAL, ORDERS, FILLS, EQUITY, BASELINES = (
    f"{name}.parquet" for name in ("journal", "orders", "fills", "equity", "baselines")
)
LOG = "log.txt"
BREAKER = "breaker.parquet"
STORE = "journal.sqlite"
"""Journal and states of a session that is still running, or that was killed."""


def write_json(path: Path, document: Any) -> None:
    """Write JSON with sorted keys, indented by two."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(document, order="sorted"), indent=2) + b"\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object."""
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])


def create_run(name: str, fill: Callable[[Path, str], None], root: Path = RUNS) -> Path:
    """Make the next numbered run folder of `name`; it appears under its id only when `fill` has written all of it.

    Parameters
    ----------
    fill
        Called with a temporary folder and the run id; what it raises leaves no folder behind.

    Returns
    -------
    `var/runs/NAME-NNNN`
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        number = 1 + max(
            (int(path.name.rpartition("-")[2]) for path in root.glob(f"{name}-[0-9]*") if _is_run(path, name)),
            default=0,
        )
        while True:
            staged = root / f".{name}-{number:04d}.partial"
            try:
                staged.mkdir()
                break
            except FileExistsError:
                number += 1
    except OSError as error:
        raise EnvironmentFault(broken("runs folder", "be writable", str(error), str(root))) from error
    run_id = f"{name}-{number:04d}"
    try:
        fill(staged, run_id)
        os.replace(staged, root / run_id)
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        raise
    return root / run_id


def _is_run(path: Path, name: str) -> bool:
    return path.name.removeprefix(f"{name}-").isdecimal()


def runs(root: Path = RUNS) -> list[Path]:
    """Return all run folders, sorted by id."""
    return sorted(path.parent for path in root.glob(f"*/{MANIFEST}") if not path.parent.name.startswith("."))


def find_run(run_id: str, root: Path = RUNS) -> Path:
    """Find a run by id, by folder, or the newest one whose id starts with the text.

    Raises
    ------
    UsageError
        There is none; the message lists the last runs.
    """
    for folder in (Path(run_id), root / run_id):
        if (folder / MANIFEST).is_file():
            return folder
    found = [path for path in runs(root) if path.name.startswith(run_id)]
    if found:
        return found[-1]
    last = ", ".join(path.name for path in runs(root)[-5:]) or "none"
    raise UsageError(broken("run", f"be one of {last}", run_id, remedy="huracan runs lists them"))
