"""One piece of arithmetic for NumPy arrays and for torch tensors alike."""

import sys
from types import ModuleType
from typing import Any

import numpy as np


def namespace(*values: Any) -> ModuleType:
    """Return `torch` when any value is a tensor, else `numpy`; torch is never imported here, only found."""
    torch = sys.modules.get("torch")
    if torch is not None and any(isinstance(value, torch.Tensor) for value in values):
        return torch
    return np
