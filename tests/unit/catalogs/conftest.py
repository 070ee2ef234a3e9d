"""Bars made by hand for the catalog's tests, and the real files where they lie beside the repository."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

REAL = Path(__file__).parents[4] / "shared" / "data"
HOUR = 3_600_000_000_000
START = 1_640_995_200_000_000_000


def make_hourly(count: int = 5, start: int = START, step: int = HOUR) -> pd.DataFrame:
    """Bars in the project's own layout: open 100, 101, ...; close one higher; a range of 2 around them."""
    opening = 100.0 + np.arange(count)
    return pd.DataFrame(
        {
            "ts": start + step * np.arange(count),
            "open": opening,
            "high": opening + 1.5,
            "low": opening - 0.5,
            "close": opening + 1.0,
            "volume": 10.0 + np.arange(count),
        }
    )


@pytest.fixture
def hourly() -> Callable[..., pd.DataFrame]:
    """`make_hourly`, for tests that want other lengths or starts."""
    return make_hourly


@pytest.fixture
def bars() -> pd.DataFrame:
    """Five hours of bars from 2022-01-01."""
    return make_hourly()


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """Folder of a catalog that does not exist yet."""
    return tmp_path / "catalog"


@pytest.fixture
def real() -> Callable[[str], Path]:
    """Path of a real data file; the test is skipped where it is absent."""

    def find(name: str) -> Path:
        path = REAL / name
        if not path.is_file():
            pytest.skip(f"needs ../shared/data/{name}")
        return path

    return find
