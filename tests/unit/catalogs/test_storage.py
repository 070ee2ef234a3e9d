"""Writing: verified, all or nothing, and in the library's own layout."""

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import catalogs.storage as storage
from catalogs.arrays import read_bars
from catalogs.importing import import_file
from catalogs.manifest import read_manifest
from engine.contract.errors import DataError, EnvironmentFault

ID = "BTCUSDT.BINANCE"


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, with its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def two_pieces(bars: pd.DataFrame, tmp_path: Path) -> tuple[Path, Path]:
    """Files with the first three and the last two bars."""
    bars.iloc[:3].to_parquet(tmp_path / "one.parquet")
    bars.iloc[3:].to_parquet(tmp_path / "two.parquet")
    return tmp_path / "one.parquet", tmp_path / "two.parquet"


def test_bars_are_stored_as_the_library_would_store_them(
    catalog: Path, two_pieces: tuple[Path, Path], tmp_path: Path
) -> None:
    from nautilus_trader.model import Bar, BarType, Price, Quantity
    from nautilus_trader.persistence import ParquetDataCatalog

    import_file(catalog, two_pieces[0], ID, "1-HOUR")
    ours = next((catalog / "data" / "bars").rglob("*.parquet"))
    bars = read_bars(catalog, ID, "1-HOUR")
    kind = BarType.from_str(f"{ID}-1-HOUR-LAST-EXTERNAL")
    objects = []
    for i in range(len(bars)):
        prices = [Price(column[i], 1) for column in (bars.open, bars.high, bars.low, bars.close)]
        objects.append(Bar(kind, *prices, Quantity(bars.volume[i], 8), int(bars.ts_close[i]), int(bars.ts_close[i])))
    (tmp_path / "library").mkdir()
    written = ParquetDataCatalog(str(tmp_path / "library")).write_bars(objects)
    theirs = tmp_path / "library" / written
    assert ours.relative_to(catalog) == theirs.relative_to(tmp_path / "library")
    mine, library = pq.read_table(ours), pq.read_table(theirs)
    assert mine.equals(library)
    assert mine.schema.metadata == library.schema.metadata


def test_what_reads_back_differently_is_not_kept(
    catalog: Path, two_pieces: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import_file(catalog, two_pieces[0], ID, "1-HOUR")
    before = contents(catalog)

    def losing(path: Path, table: object) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table.slice(1), path)  # type: ignore[attr-defined]

    monkeypatch.setattr(storage, "write_parquet", losing)
    with pytest.raises(DataError, match=r"rows read back must be 5, was 4 .* the catalog is unchanged"):
        import_file(catalog, two_pieces[1], ID, "1-HOUR")
    assert contents(catalog) == before


def test_a_full_disk_leaves_the_catalog_as_it_was(
    catalog: Path, two_pieces: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import_file(catalog, two_pieces[0], ID, "1-HOUR")
    before = contents(catalog)

    def full(path: Path, table: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage, "write_parquet", full)
    with pytest.raises(EnvironmentFault, match="catalog must be writable, was No space left on device"):
        import_file(catalog, two_pieces[1], ID, "1-HOUR")
    assert contents(catalog) == before


def test_a_kill_at_any_rename_leaves_the_old_or_the_new_catalog(
    catalog: Path, two_pieces: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_file(catalog, two_pieces[0], ID, "1-HOUR")
    old = contents(catalog)
    shutil.copytree(catalog, tmp_path / "done")
    import_file(tmp_path / "done", two_pieces[1], ID, "1-HOUR")
    new = contents(tmp_path / "done")
    replace, seen = os.replace, []
    for survived in range(10):
        trial = tmp_path / f"trial{survived}"
        shutil.copytree(catalog, trial)
        calls = iter(range(100))

        def killed(source: object, target: object, calls: object = calls, survived: int = survived) -> None:
            if next(calls) >= survived:  # type: ignore[call-overload]
                raise KeyboardInterrupt
            replace(source, target)  # type: ignore[arg-type]

        monkeypatch.setattr(os, "replace", killed)
        try:
            import_file(trial, two_pieces[1], ID, "1-HOUR")
            finished = True
        except KeyboardInterrupt:
            finished = False
        monkeypatch.setattr(os, "replace", replace)
        rows = read_manifest(trial).datasets[0].rows
        assert len(read_bars(trial, ID, "1-HOUR")) == rows
        after = {name: content for name, content in contents(trial).items() if not name.startswith(".")}
        assert after == (new if rows == 5 else old)
        seen.append(rows)
        if finished:
            break
    assert seen[0] == 3
    assert seen[-1] == 5
    assert seen == sorted(seen)


def test_file_names_are_those_of_the_library() -> None:
    assert storage.stamp(1_704_067_260_000_000_001) == "2024-01-01T00-01-00-000000001Z"


def test_manifest_of_another_format_is_refused(catalog: Path, two_pieces: tuple[Path, Path]) -> None:
    import_file(catalog, two_pieces[0], ID, "1-HOUR")
    path = catalog / "manifest.json"
    path.write_text(path.read_text().replace('"format": 1', '"format": 9'))
    with pytest.raises(DataError, match="manifest format must be 1, was 9"):
        read_manifest(catalog)
    path.write_text("{")
    with pytest.raises(DataError, match="manifest must follow its format"):
        read_manifest(catalog)


def test_equal_tables_make_equal_files(tmp_path: Path, bars: pd.DataFrame) -> None:
    import pyarrow as pa

    table = pa.table({"ts": np.arange(5), "x": bars["open"].to_numpy()})
    storage.write_parquet(tmp_path / "a.parquet", table)
    storage.write_parquet(tmp_path / "b.parquet", table)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
