"""The files of alerts in a run folder: what was told, what was acknowledged, and the state between looks."""

import os
import time
from pathlib import Path

import msgspec

from engine.contract.errors import DataError, UsageError, broken
from live.monitoring.alerting import Acknowledgement, AlertState, Notice

ALERTS, ACKNOWLEDGED, STATE = "alerts.jsonl", "alerts-acknowledged.jsonl", "alerts-state.json"
_ENCODER = msgspec.json.Encoder()


def append_notices(folder: Path, notices: list[Notice]) -> None:
    """Add lines to `alerts.jsonl`, in one write."""
    if notices:
        _append(folder / ALERTS, b"".join(_ENCODER.encode(notice) + b"\n" for notice in notices))


def read_notices(folder: Path) -> list[Notice]:
    """Return everything that was told, in order; a last line that was cut off is left out."""
    return _lines(folder / ALERTS, Notice)


def acknowledge(folder: Path, key: str, by: str) -> Acknowledgement:
    """Say that an alert is being dealt with: it is told no more until it is gone.

    Raises
    ------
    UsageError
        Nobody signs, or no such alert stands.
    """
    if not by.strip():
        raise UsageError(broken("acknowledgement", "be signed by a person", repr(by), remedy="say who you are"))
    standing = [name for name, one in read_state(folder).alerts.items() if not one.cleared_ns]
    if key not in standing:
        raise UsageError(broken("alert", f"be one of {', '.join(standing) or 'none'}", key, str(folder)))
    said = Acknowledgement(key=key, by=by, ts_ns=time.time_ns())
    _append(folder / ACKNOWLEDGED, _ENCODER.encode(said) + b"\n")
    return said


def acknowledgements(folder: Path) -> dict[str, Acknowledgement]:
    """Return the last acknowledgement of each key."""
    return {one.key: one for one in _lines(folder / ACKNOWLEDGED, Acknowledgement)}


def read_state(folder: Path) -> AlertState:
    """Return the state after the last look; the empty one before the first."""
    path = folder / STATE
    try:
        return msgspec.json.decode(path.read_bytes(), type=AlertState)
    except FileNotFoundError:
        return AlertState()
    except msgspec.DecodeError as error:
        remedy = "remove it: every alert that stands is then told once more"
        raise DataError(broken("alert state", "be readable", error, str(path), remedy)) from error


def write_state(folder: Path, state: AlertState) -> None:
    """Replace the state."""
    written = folder / f"{STATE}.new"
    written.write_bytes(_ENCODER.encode(state))
    os.replace(written, folder / STATE)


def _append(path: Path, lines: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, lines)
    finally:
        os.close(file)


def _lines[Kind](path: Path, kind: type[Kind]) -> list[Kind]:
    try:
        whole = path.read_bytes()
    except FileNotFoundError:
        return []
    lines = whole[: whole.rfind(b"\n") + 1].splitlines()
    try:
        return [msgspec.json.decode(line, type=kind) for line in lines]
    except msgspec.DecodeError as error:
        raise DataError(broken("line", "be of its format", error, str(path))) from error
