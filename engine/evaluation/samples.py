"""What a statistic accepts: finite numbers, and enough of them."""

import numpy as np
import numpy.typing as npt

from engine.contract.errors import ConfigError, DataError, broken

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

NO_DEVIATION = 1e-15
"""Standard deviation of returns that rounding alone explains."""


def series(values: npt.ArrayLike, least: int, name: str = "returns") -> Floats:
    """Return `values` as float64 (T,).

    Parameters
    ----------
    values
        Numbers, one per period.
    least
        Observations that the statistic needs.
    name
        What the values are, for the message.

    Raises
    ------
    DataError
        They are not one-dimensional, fewer than `least`, or not all finite; the message names the first that is not.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise DataError(broken(name, "have one dimension", f"shape {array.shape}"))
    _check(array, least, name)
    return array


def panel(values: npt.ArrayLike, least: int, least_columns: int = 1, name: str = "returns") -> Floats:
    """Return `values` as float64 (T, N): a row per period, a column per strategy; (T,) becomes (T, 1).

    Raises
    ------
    DataError
        There are fewer rows than `least`, fewer columns than `least_columns`, or not all are finite.
    """
    array = np.asarray(values, dtype=np.float64)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2:
        raise DataError(broken(name, "have two dimensions", f"shape {array.shape}"))
    _check(array, least, name)
    if array.shape[1] < least_columns:
        raise DataError(broken(name, f"have {least_columns} columns or more", array.shape[1]))
    return array


def varying(values: Floats, name: str = "returns") -> Floats:
    """Return the standard deviation (n - 1) of each column, float64 () or (N,).

    Raises
    ------
    DataError
        A column does not vary: what is divided by its deviation has no value.
    """
    deviation = np.asarray(values.std(axis=0, ddof=1))
    if (deviation <= NO_DEVIATION).any():
        column = f"column {int(np.argmin(deviation))}" if deviation.ndim else ""
        raise DataError(broken(name, "vary", f"the same {values.flat[0]:g} throughout", column))
    return deviation


def share(value: float, name: str) -> float:
    """Return `value`, which must lie between 0 and 1, both excluded.

    Raises
    ------
    ConfigError
        It does not.
    """
    if not 0.0 < value < 1.0:
        raise ConfigError(broken(name, "lie between 0 and 1", value))
    return value


def positive(value: float, name: str) -> float:
    """Return `value`, which must be more than 0 and finite.

    Raises
    ------
    ConfigError
        It is not.
    """
    if not 0.0 < value < np.inf:
        raise ConfigError(broken(name, "be more than 0 and finite", value))
    return value


def _check(array: Floats, least: int, name: str) -> None:
    if len(array) < least:
        raise DataError(broken(name, f"have {least} observations or more", len(array)))
    bad = ~np.isfinite(array)
    if bad.any():
        first = tuple(int(index) for index in np.argwhere(bad)[0])
        where = str(first[0] if len(first) == 1 else first)
        raise DataError(broken(name, "be finite", array[first], f"observation {where}", "leave out what is missing"))
