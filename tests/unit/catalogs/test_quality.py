"""Findings: each oddity planted in a catalog and found, with what a run does about it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalogs.columns import Rows, encode
from catalogs.importing import import_file
from catalogs.instruments import infer_spec
from catalogs.manifest import Source, locked, read_manifest
from catalogs.quality import Finding, check, deviations
from catalogs.storage import Entry, commit

START = 1_640_995_200_000_000_000
HOUR = 3_600_000_000_000
ID = "BTCUSDT.BINANCE"
Hourly = Callable[..., pd.DataFrame]


def planted(catalog: Path, bars: pd.DataFrame) -> list[Finding]:
    """Findings in bars that are written past the rules of importing."""
    names = ("open", "high", "low", "close", "volume")
    columns = {name: encode(bars[name].to_numpy(dtype=np.float64), 4) for name in names}
    rows = Rows("bars", "1-HOUR", bars["ts"].to_numpy(dtype=np.int64), columns)
    with locked(catalog):
        commit(catalog, [Entry(infer_spec(ID, np.array([100.0001])), rows, [Source("x", "y")])])
    return check(catalog).findings


def seen(findings: list[Finding]) -> list[tuple[str, str, str, int]]:
    """What a test compares."""
    return [(one.check, one.severity, one.start, one.length) for one in findings]


def quiet(count: int) -> pd.DataFrame:
    """Bars whose close alternates by a thousandth, so that a deviation is 0.148 %."""
    close = 100.0 * 1.001 ** (np.arange(count) % 2)
    opening = np.append(close[0], close[:-1])
    columns = {"open": opening, "high": np.maximum(opening, close), "low": np.minimum(opening, close), "close": close}
    return pd.DataFrame({"ts": START + HOUR * np.arange(count), **columns, "volume": 1.0})


def test_sound_bars_have_no_findings(catalog: Path, bars: pd.DataFrame) -> None:
    assert planted(catalog, bars) == []


def test_gaps_are_warnings_with_start_and_length(catalog: Path, bars: pd.DataFrame) -> None:
    found = planted(catalog, bars.drop(index=[1, 2]))
    assert seen(found) == [("gap", "warning", "2022-01-01T01:00:00Z", 2)]
    assert "no bar is invented" in found[0].effect


def test_impossible_bars_make_a_run_refuse(catalog: Path, bars: pd.DataFrame) -> None:
    bars.loc[3, "high"] = 50.0
    assert seen(planted(catalog, bars)) == [("impossible", "refuse", "2022-01-01T03:00:00Z", 1)]
    assert not check(catalog).passed


def test_duplicates_and_backward_times_make_a_run_refuse(catalog: Path, bars: pd.DataFrame) -> None:
    found = seen(planted(catalog, bars.iloc[[0, 1, 1, 2, 4, 3]]))
    assert ("duplicates", "refuse", "2022-01-01T01:00:00Z", 2) in found
    assert ("non_monotone", "refuse", "2022-01-01T03:00:00Z", 1) in found


def test_runs_without_volume_or_movement_are_notes(catalog: Path, bars: pd.DataFrame, hourly: Hourly) -> None:
    bars = hourly(12)
    bars.loc[4:7, ["open", "high", "low", "close"]] = bars.loc[3, "close"]
    bars.loc[4:6, "volume"] = 0.0
    assert sorted(seen(planted(catalog, bars))) == [
        ("flat", "note", "2022-01-01T04:00:00Z", 4),
        ("zero_volume", "note", "2022-01-01T04:00:00Z", 3),
    ]


def test_a_jump_is_an_outlier_and_one_that_reverts_a_bad_tick(catalog: Path) -> None:
    bars = quiet(700)
    bars.loc[600:, ["open", "high", "low", "close"]] *= 1.05
    bars.loc[650, ["high", "close"]] = 130.0
    bars.loc[651, ["open", "high"]] = 130.0
    found = planted(catalog, bars)
    assert [(one.check, one.start[8:13]) for one in found] == [("bad_tick", "28T02"), ("outlier", "26T00")]
    assert "taken back in the next bar" in found[0].detail


def test_deviations_do_not_see_the_bar_they_judge_nor_later_ones() -> None:
    size = np.full(20, 0.01)
    size[10] = 5.0
    changed = size.copy()
    changed[15:] = 9.0
    assert (deviations(size, 5)[:16] == deviations(changed, 5)[:16]).all()
    assert deviations(size, 5)[10] == pytest.approx(0.014826)
    assert np.isinf(deviations(size, 5)[:5]).all()


def test_absent_funding_times_are_warnings(catalog: Path, bars: pd.DataFrame, tmp_path: Path) -> None:
    bars.to_parquet(tmp_path / "a.parquet")
    rates = pd.DataFrame({"ts": START + 8 * HOUR * np.array([0, 1, 2, 5]), "rate": 0.0001})
    rates.to_parquet(tmp_path / "f.parquet")
    import_file(catalog, tmp_path / "a.parquet", ID, "1-HOUR")
    import_file(catalog, tmp_path / "f.parquet", ID)
    assert seen(check(catalog).findings) == [("funding_missing", "warning", "2022-01-02T00:00:00Z", 2)]


def test_altered_missing_and_foreign_files_make_a_run_refuse(catalog: Path, bars: pd.DataFrame) -> None:
    planted(catalog, bars)
    path = catalog / read_manifest(catalog).datasets[0].files[0]
    content = path.read_bytes()
    path.with_name("2021-01-01T01-00-00-000000000Z_2021-01-01T02-00-00-000000000Z.parquet").write_bytes(content)
    assert [one.check for one in check(catalog).findings] == ["unlisted"]
    path.write_bytes(content[:-100] + bytes(100))
    assert [one.check for one in check(catalog).findings] == ["altered"]
    path.unlink()
    assert [(one.check, one.severity) for one in check(catalog).findings] == [("altered", "refuse")]


def test_a_catalog_without_the_instrument_file_makes_a_run_refuse(catalog: Path, bars: pd.DataFrame) -> None:
    planted(catalog, bars)
    next((catalog / "data" / "currency_pair").rglob("*.parquet")).unlink()
    assert [one.check for one in check(catalog).findings] == ["instrument"]


def test_real_hours_of_bitcoin_pass_with_27_gaps(catalog: Path, real: Callable[[str], Path]) -> None:
    import_file(catalog, real("BINANCE.BTCUSDT.1h.parquet"), ID, "1-HOUR")
    quality = check(catalog)
    gaps = [one for one in quality.findings if one.check == "gap"]
    assert (len(gaps), sum(one.length for one in gaps), max(one.length for one in gaps)) == (27, 122, 33)
    assert quality.passed
    assert sum(one.length for one in quality.findings if one.check == "zero_volume") == 3


def test_files_of_another_shape_make_a_run_refuse(catalog: Path, bars: pd.DataFrame) -> None:
    planted(catalog, bars)
    path = catalog / read_manifest(catalog).datasets[0].files[0]
    table = pq.read_table(path)
    altered = [table.slice(0, 0), table.drop_columns(["close"]), table.set_column(3, "close", pa.array([1.0] * 5))]
    for one in altered:
        pq.write_table(one, path)
        assert [(found.check, found.severity) for found in check(catalog).findings] == [("altered", "refuse")]
