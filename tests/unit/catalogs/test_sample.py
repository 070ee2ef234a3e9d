"""The sample catalog in the tree is what its command makes."""

from pathlib import Path

from catalogs.manifest import read_manifest
from catalogs.quality import check
from catalogs.sample import ROOT, generate


def test_sample_is_what_its_command_makes(tmp_path: Path) -> None:
    made, held = generate(tmp_path / "sample"), read_manifest(ROOT)
    assert [dataset.sha256 for dataset in made.datasets] == [dataset.sha256 for dataset in held.datasets]
    assert made.instruments == held.instruments


def test_sample_has_a_market_with_an_edge_and_one_without() -> None:
    held = read_manifest(ROOT)
    assert [(one.instrument_id, one.bar, one.rows) for one in held.datasets] == [
        ("NULLUSDT.SIM", "1-HOUR", 17_520),
        ("TRENDUSDT.SIM", "1-HOUR", 17_520),
    ]
    assert check(ROOT).passed


def test_sample_takes_at_most_two_megabytes() -> None:
    assert sum(path.stat().st_size for path in ROOT.rglob("*") if path.is_file()) <= 2_000_000
