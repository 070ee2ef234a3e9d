"""What a session says of itself to other processes, and the latch by which they stop it; no secrets in either.

A latch is a file. It stays when the session ends and when the machine restarts: the next session on that account does not start until
a person has taken it away. It is per account (exchange and market) for live sessions, per run for paper.
"""

import os
import time
from pathlib import Path

import msgspec

from engine.contract.config import Live
from engine.contract.errors import CheckFailed, UsageError, broken
from engine.journal.run import RUNS, is_running, unfinished, write_json

CONTROL, HALT = "control.json", "halt.json"
HALTS = "halts"


class Control(msgspec.Struct, frozen=True):
    """A session that is going on.

    Attributes
    ----------
    pid
        Of its process.
    mode
        `paper` or `live`.
    exchange, market, rehearsal
        As in [live].
    venue
        Where the rehearsal exchange answers, as it said itself; empty for a real one.
    latch
        File that stops the session.
    """

    run_id: str
    pid: int
    mode: str
    exchange: str
    market: str
    rehearsal: bool
    instruments: list[str]
    latch: str
    venue: dict[str, str] = {}


class Halted(msgspec.Struct, frozen=True):
    """Who stopped what, why, and when (wall clock, UTC ns)."""

    by: str
    reason: str
    ts_ns: int
    flatten: bool = True

    def __str__(self) -> str:
        return f"stopped by {self.by}: {self.reason}"


def latch_of(live: Live, runs: Path = RUNS) -> Path:
    """Return the latch of the account that a live session trades."""
    rehearsal = "-rehearsal" if live.rehearsal else ""
    return runs.parent / HALTS / f"{live.exchange}-{live.market}{rehearsal}.json"


def read_latch(path: Path) -> Halted | None:
    """Return what is latched; None where nothing is. A file that cannot be read is latched all the same."""
    try:
        body = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        return msgspec.json.decode(body, type=Halted)
    except msgspec.DecodeError:
        return Halted("unknown", f"{path} cannot be read", 0)


def set_latch(path: Path, by: str, reason: str, flatten: bool = True) -> Halted:
    """Latch; the first one stays when there is one."""
    standing = read_latch(path)
    if standing is not None:
        return standing
    path.parent.mkdir(parents=True, exist_ok=True)
    halted = Halted(by, reason, time.time_ns(), flatten)
    write_json(path, msgspec.to_builtins(halted))
    return halted


def clear_latch(path: Path, by: str) -> Halted:
    """Take a latch away, by a person's word.

    Raises
    ------
    UsageError
        Nobody signs, or nothing is latched.
    """
    if not by.strip():
        raise UsageError(broken("reset", "be signed by a person", repr(by), remedy="say who you are with --by"))
    standing = read_latch(path)
    if standing is None:
        raise UsageError(broken("reset", "name what is halted", "nothing", str(path)))
    path.unlink()
    return standing


def refuse_latched(path: Path) -> None:
    """Refuse to start on a latched account.

    Raises
    ------
    CheckFailed
        It is latched.
    """
    standing = read_latch(path)
    if standing is not None:
        remedy = "find out why, then huracan kill --reset --by NAME"
        raise CheckFailed(broken("account", "not be halted", str(standing), str(path), remedy))


def write_control(folder: Path, control: Control) -> None:
    """Say in the run folder that this session is going on."""
    write_json(folder / CONTROL, msgspec.to_builtins(control))
    os.chmod(folder / CONTROL, 0o600)


def sessions(runs: Path = RUNS) -> list[Control]:
    """Return the sessions that are going on, stopped and hung ones included, sorted by run id."""
    found = []
    for folder in unfinished(runs):
        path = folder / CONTROL
        if path.is_file() and is_running(folder):
            found.append(msgspec.json.decode(path.read_bytes(), type=Control))
    return found
