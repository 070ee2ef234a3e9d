"""What several tests share: the sample catalog, a small run on it, and the real data where it is."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "catalogs" / "sample"
SHARED = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real market data; tests that need it are skipped where it is not."""
    if not SHARED.is_dir():
        pytest.skip("real market data is not beside the project (../shared/data)")
    return SHARED


@pytest.fixture(scope="session")
def sample_document() -> dict:
    """A trend-rule configuration on two months of the sample catalog, as plain values."""
    import datetime as dt

    return {
        "run": {"name": "small", "seed": 3},
        "data": {"catalog": str(SAMPLE), "start": dt.date(2021, 1, 1), "end": dt.date(2021, 3, 1)},
        "universe": {"instruments": ["TRENDUSDT.SIM"]},
        "strategy": {"name": "trend", "lookback": 24},
        "limits": {"max_position_frac": 1.0},
    }


@pytest.fixture(scope="session")
def sample_run(tmp_path_factory, sample_document) -> Path:
    """A run folder with its baselines and report; the ledger of its trial lies beside the runs folder, as always."""
    from engine.contract.config import parse
    from strategies.running import execute

    folder, _ = execute(parse(sample_document), runs=tmp_path_factory.mktemp("sample") / "runs")
    return folder
