"""The few functions of NumPy that the contract's arithmetic needs, on plain Python floats, with the same bits.

A turn of few instruments is decided on a handful of numbers; on arrays of one or two, each NumPy call costs more than the whole formula.
"""

import math

import numpy as np

sqrt = math.sqrt


def where(condition: bool, yes: float, no: float) -> float:
    """Choose."""
    return yes if condition else no


def log(value: float) -> float:
    """Natural logarithm, NumPy's own: another library's may differ in the last bit."""
    return float(np.log(value))


def log1p(value: float) -> float:
    """Natural logarithm of 1 + value, NumPy's own."""
    return float(np.log1p(value))


def floor(value: float) -> float:
    """Round down."""
    return float(math.floor(value)) if math.isfinite(value) else value


def sign(value: float) -> float:
    """Return -1, 0 or 1; NaN for NaN."""
    return 1.0 if value > 0.0 else -1.0 if value < 0.0 else 0.0 * value


def clip(value: float, low: float, high: float) -> float:
    """Bound from both sides."""
    return minimum(maximum(value, low), high)


def minimum(value: float, other: float) -> float:
    """Return the smaller; NaN where either is."""
    return value if value <= other or value != value else other


def maximum(value: float, other: float) -> float:
    """Return the larger; NaN where either is."""
    return value if value >= other or value != value else other
