"""The run folder: numbered, written as a whole, and read again by its id; one that was cut short is gone on with."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
CERTIFICATE = "parity.json"
"""Of a run that was proven: see `engine.journal.certificate`."""
STORE = "journal.sqlite"
"""Journal and states of a session that is still running, or that was killed."""
UNFINISHED = ".partial"
"""`.NAME-NNNN.partial` is the folder of a run until all of it is written."""

Fill = Callable[[Path, str], None]


class Interrupted(KeyboardInterrupt):
    """Somebody pressed Ctrl-C; the run of this id can be gone on with."""

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id)
        self.run_id = run_id


def write_json(path: Path, document: Any) -> None:
    """Write JSON with sorted keys, indented by two; a kill leaves the file that was there, or the whole new one."""
    written = path.with_name(f"{path.name}.new")
    written.write_bytes(msgspec.json.format(msgspec.json.encode(document, order="sorted"), indent=2) + b"\n")
    os.replace(written, path)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object."""
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])


def create_run(name: str, fill: Fill, root: Path = RUNS, keep: Callable[[Path], bool] = lambda _: False) -> Path:
    """Make the next numbered run folder of `name`; it appears under its id only when `fill` has written all of it.

    Parameters
    ----------
    fill
        Called with a temporary folder and the run id. What it raises leaves no folder behind; Ctrl-C leaves one that holds a store, as a
        kill does.
    keep
        Asked of the folder when `fill` has raised; True leaves it: what a session did cannot be run again.

    Returns
    -------
    `var/runs/NAME-NNNN`

    Raises
    ------
    Interrupted
        Ctrl-C, and the folder was left.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        number = 1 + max(
            (int(path.name.rpartition("-")[2]) for path in root.glob(f"{name}-[0-9]*") if _is_run(path, name)),
            default=0,
        )
        while True:
            staged = _staged(f"{name}-{number:04d}", root)
            try:
                staged.mkdir()
                break
            except FileExistsError:
                number += 1
    except OSError as error:
        raise EnvironmentFault(broken("runs folder", "be writable", str(error), str(root))) from error
    try:
        return finish_run(staged, fill)
    except BaseException as error:
        if not isinstance(error, Interrupted) and not keep(staged):
            shutil.rmtree(staged, ignore_errors=True)
        raise


def finish_run(staged: Path, fill: Fill) -> Path:
    """Fill the folder of an unfinished run and give it its id; whatever `fill` raises, the folder stays.

    Parameters
    ----------
    fill
        As in `create_run`.

    Returns
    -------
    `var/runs/NAME-NNNN`

    Raises
    ------
    UsageError
        Another process is at it.
    Interrupted
        Ctrl-C, and there is a store to go on from.
    """
    run_id = run_id_of(staged)
    with _claimed(staged):
        try:
            fill(staged, run_id)
        except KeyboardInterrupt as error:
            if (staged / STORE).is_file():
                raise Interrupted(run_id) from error
            raise
        os.replace(staged, staged.with_name(run_id))
    return staged.with_name(run_id)


@contextmanager
def _claimed(staged: Path) -> Iterator[None]:
    folder = os.open(staged, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise UsageError(broken(f"run {run_id_of(staged)}", "be left by its process", "still going on")) from error
    finally:
        os.close(folder)


def is_running(staged: Path) -> bool:
    """Tell whether a process is at an unfinished run."""
    try:
        with _claimed(staged):
            return False
    except UsageError:
        return True


def _staged(run_id: str, root: Path) -> Path:
    return root / f".{run_id}{UNFINISHED}"


def run_id_of(folder: Path) -> str:
    """Return the id of a run's folder, finished or not."""
    return folder.name.removeprefix(".").removesuffix(UNFINISHED)


def _is_run(path: Path, name: str) -> bool:
    return path.name.removeprefix(f"{name}-").isdecimal()


def runs(root: Path = RUNS) -> list[Path]:
    """Return all run folders, sorted by id."""
    return sorted(path.parent for path in root.glob(f"*/{MANIFEST}") if not path.parent.name.startswith("."))


def unfinished(root: Path = RUNS) -> list[Path]:
    """Return the folders of all runs that are going on or were cut short, sorted by id."""
    return sorted(path.parent for path in root.glob(f".*{UNFINISHED}/{MANIFEST}"))


def find_unfinished(run_id: str, root: Path = RUNS) -> Path:
    """Find an unfinished run by its id, or by its folder.

    Raises
    ------
    UsageError
        There is none of that id; the message lists the last ones.
    """
    for folder in (_staged(run_id, root), Path(run_id)):
        if folder.name.endswith(UNFINISHED) and (folder / MANIFEST).is_file():
            return folder
    if (root / run_id / MANIFEST).is_file():
        raise UsageError(broken(f"run {run_id}", "be unfinished", "finished", remedy=f"huracan report {run_id}"))
    last = ", ".join(run_id_of(path) for path in unfinished(root)[-5:]) or "none"
    raise UsageError(broken("unfinished run", f"be one of {last}", run_id, remedy="huracan runs lists them"))


def find_run(run_id: str, root: Path = RUNS, *, begun: bool = False) -> Path:
    """Find a run by id, by folder, or the newest one whose id starts with the text.

    Parameters
    ----------
    begun
        Whether the folder of an unfinished run, by its whole id, will do.

    Raises
    ------
    UsageError
        There is none; the message lists the last runs.
    """
    for folder in (Path(run_id), root / run_id, *([_staged(run_id, root)] if begun else ())):
        if (folder / MANIFEST).is_file():
            return folder
    found = [path for path in runs(root) if path.name.startswith(run_id)]
    if found:
        return found[-1]
    last = ", ".join(path.name for path in runs(root)[-5:]) or "none"
    raise UsageError(broken("run", f"be one of {last}", run_id, remedy="huracan runs lists them"))
