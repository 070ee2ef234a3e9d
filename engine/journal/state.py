"""States as text: plain values and arrays to canonical JSON and back, exactly, under a digest."""

import base64
import hashlib
import math
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np

from engine.contract.errors import DataError, broken

ARRAY, NUMBER = "$array", "$number"


class Component(Protocol):
    """Whoever remembers something from turn to turn."""

    def state(self) -> dict[str, Any]:
        """Return everything that `restore` needs, as values that `encode` allows."""

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state, as `decode` gives it."""


class Saved(NamedTuple):
    """A state as it was saved.

    Attributes
    ----------
    component
        Who saved it: `strategy`, `breaker`, an actor's name.
    ts_event
        Event time of the turn at whose end it was saved, UTC ns.
    version
        Of the state's layout, as its component counts it.
    """

    component: str
    ts_event: int
    version: int
    state: dict[str, Any]


def encode(state: dict[str, Any]) -> bytes:
    """Write a state as JSON with sorted keys.

    Allowed are None, booleans, integers, floats (NaN and infinities too), strings, lists, tuples (they come back as lists), dictionaries
    with string keys, and numeric arrays.

    Raises
    ------
    DataError
        The state holds anything else.
    """
    return msgspec.json.encode(_plain(state, "state"), order="sorted")


def decode(body: bytes) -> dict[str, Any]:
    """Read what `encode` wrote; arrays come back as new, writable arrays."""
    return _restored(msgspec.json.decode(body, type=dict[str, Any]))


def digest(component: str, ts_event: int, version: int, body: bytes) -> str:
    """SHA-256 over a saved state with all that names it."""
    made = hashlib.sha256(f"{component}\n{ts_event}\n{version}\n".encode())
    made.update(body)
    return made.hexdigest()


def _plain(value: Any, where: str) -> Any:
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {NUMBER: repr(float(value))}
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str) or key.startswith("$"):
                raise DataError(broken(f"key of {where}", "be a string without $ before it", repr(key)))
        return {key: _plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, where) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item(), where)
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        text = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
        return {ARRAY: [value.dtype.str, list(value.shape), text]}
    raise DataError(broken(where, "be a plain value or a numeric array", type(value).__name__))


def _restored(value: Any) -> Any:
    if isinstance(value, list):
        return [_restored(item) for item in value]
    if not isinstance(value, dict):
        return value
    if NUMBER in value:
        return float(value[NUMBER])
    if ARRAY in value:
        kind, shape, text = value[ARRAY]
        return np.frombuffer(base64.b64decode(text), dtype=np.dtype(kind)).reshape(shape).copy()
    return {key: _restored(item) for key, item in value.items()}
