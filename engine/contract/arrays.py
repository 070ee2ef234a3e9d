"""One piece of arithmetic for NumPy arrays, for torch tensors, and for plain floats."""

import sys
from types import ModuleType
from typing import Any

import numpy as np

from engine.contract import scalars

FEW = 7
"""Up to so many instruments are computed one by one as floats: there each call of NumPy costs more than the whole formula."""

PLAIN = frozenset({float, int, bool})


def clip(value: Any, low: float, high: float) -> Any:
    """Bound values from both sides; on a NumPy scalar a tenth of the time of `numpy.clip`, with the same bits."""
    xp = namespace(value)
    if xp is np or xp is scalars:
        return xp.minimum(xp.maximum(value, low), high)
    return value.clamp(low, high)


def namespace(*values: Any) -> ModuleType:
    """Return `torch` when any value is a tensor, `scalars` when all are plain numbers, else `numpy`.

    Torch is never imported here, only found.
    """
    if PLAIN.issuperset(map(type, values)):
        return scalars
    torch = sys.modules.get("torch")
    if torch is not None and any(isinstance(value, torch.Tensor) for value in values):
        return torch
    return np
