"""The page of a walk-forward: complete, self-contained, deterministic, and plain about what it does not show."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.contract.errors import DataError
from engine.evaluation.sharpe import estimate
from engine.evaluation.walk_charts import growth
from engine.evaluation.walk_notes import conclusions
from engine.evaluation.walk_page import write_page
from engine.evaluation.walk_sections import any_table
from engine.evaluation.walk_tables import Line, WalkTables, moment
from engine.journal.run import read_json, write_json
from tests.unit.engine.evaluation.walk_folder import HOUR, START, TEST, YEAR, write_walk

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    return write_walk(tmp_path_factory.mktemp("walk"))


@pytest.fixture(scope="module")
def page(whole: Path) -> str:
    return write_page(whole).read_text(encoding="utf-8")


def altered(whole: Path, folder: Path, **changes: Any) -> Path:
    for name in ("paths.parquet", "config.toml"):
        (folder / name).write_bytes((whole / name).read_bytes())
    write_json(folder / "result.json", {**read_json(whole / "result.json"), **changes})
    return folder


def said(folder: Path) -> str:
    return " ".join(conclusions(WalkTables(folder)))


def test_page_has_every_section_in_order(page):
    headings = (
        "Run", "Assumptions", "Data coverage", "What is known, and how well", "Resampled",
        "Beside its baselines, and every seed alone", "Equity out of sample", "Drawdown", "Folds", "Sharpe ratio by fold",
        "What was not tested",
    )  # fmt: skip
    places = [page.index(f"<h2>{heading}</h2>") for heading in headings]
    assert places == sorted(places)
    for name in (
        "chosen",
        "cash",
        "buy_and_hold",
        "volatility_target",
        "trend",
        "random",
        *(f"seed {k}" for k in range(1, 6)),
    ):
        assert page.count(f"<td>{name}</td>") == 1
    for absent in ("Grade", "Stress", "By regime", "Crises"):
        assert f"<h2>{absent}" not in page
    assert "120 bars at the end: no whole test window fits" in page
    assert page.count('"name":"seeds (5)"') == 5
    assert all(f'"name":"{phase}"' in page for phase in ("train", "validation", "test"))


def test_headline_has_the_figures_of_the_result(whole, page):
    document = read_json(whole / "result.json")
    assert f"<b>{document['sharpe']:.2f} ± {document['sharpe_error']:.2f}</b>" in page
    assert f"<b>{document['dsr']:.3f}</b><span>DSR, 5 trials</span>" in page
    assert "<b>&lt; 0.001</b><span>p, random timing</span>" in page
    assert f"<b>{document['pbo']:.0%}</b><span>PBO</span>" in page


def test_page_loads_nothing_from_a_network_and_repeats_its_bytes(whole, page):
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)\s*=", page)
    assert not re.search(r"@import|url\(\s*['\"]?http", page[: page.index("<script>")])
    assert page.count("plotly.js v") == 1
    assert write_page(whole).read_text(encoding="utf-8") == page


def test_error_of_a_fold_is_that_of_its_own_bars(whole):
    walk = WalkTables(whole)
    second = walk.chosen.returns[TEST : 2 * TEST]
    assert walk.fold_error(walk.folds[1]) == pytest.approx(estimate(second, YEAR).error_annualised)


def test_fold_without_bars_or_variance_has_no_error(whole):
    fold = {"test_start": "2030-01-01T00:00:00Z", "test_end": "2030-02-01T00:00:00Z"}
    walk = WalkTables(whole)
    assert walk.fold_error(fold) is None
    assert walk.error(np.zeros(100)) is None
    assert walk.error(np.array([0.1, np.nan] * 50)) is None


def test_growth_begins_at_one_before_the_first_return():
    line = Line(np.arange(2), np.array([110.0, 99.0]), np.array([0.1, -0.1]))
    assert growth(line).tolist() == pytest.approx([1.1, 0.99])


def test_time_without_a_zone_is_utc():
    assert moment("2021-01-01T01:00:00") == moment("2021-01-01T01:00:00Z") == START + HOUR


def test_text_from_every_file_is_shown_as_text(whole, tmp_path):
    document = read_json(whole / "result.json")
    folds = [{**document["folds"][0], "seed": SCRIPT, "number": SCRIPT}, *document["folds"][1:]]
    folder = altered(
        whole,
        tmp_path,
        folds=folds,
        dsr=None,
        reasons={"dsr": SCRIPT},
        untested=[SCRIPT],
        baselines={SCRIPT: document["baselines"]["cash"]},
        seeds=[{"seed": SCRIPT, "metrics": {}}],
        stress={SCRIPT: {SCRIPT: SCRIPT}},
        grade={"letter": SCRIPT, "reasons": [{"name": SCRIPT, "value": None, "text": SCRIPT, "passed": False}]},
    )
    config = (folder / "config.toml").read_text().replace("TRENDUSDT.SIM", SCRIPT).replace('"walk"', f'"{SCRIPT}"')
    (folder / "config.toml").write_text(config)
    table = pq.read_table(folder / "paths.parquet")
    names = [SCRIPT if name == "random" else name for name in table["path"].to_pylist()]
    pq.write_table(table.set_column(0, "path", pa.array(names)), folder / "paths.parquet")
    shown = write_page(folder).read_text(encoding="utf-8")
    assert "<script>alert(1)" not in shown
    assert "alert(1)</script>" not in shown
    assert shown.count("&lt;script&gt;alert(1)") > 10


def test_figures_that_are_absent_are_none_with_their_reason(whole, tmp_path):
    names = ("sharpe", "sharpe_error", "interval", "psr", "dsr", "pbo", "p_value", "break_even_bps", "intervals")
    folder = altered(whole, tmp_path, **dict.fromkeys(names), reasons={name: f"why {name}" for name in names})
    shown = write_page(folder).read_text(encoding="utf-8")
    for name in ("interval", "psr", "dsr", "pbo", "p_value", "break_even_bps", "intervals"):
        assert f"<td>none: why {name}</td>" in shown
    assert "<b>–</b><span>Sharpe ± standard error</span>" in shown
    assert "An edge is not shown. The deflated Sharpe ratio has no value: why dsr." in said(folder)


def test_smallest_document_has_a_page(whole, tmp_path):
    folder = altered(whole, tmp_path)
    (folder / "result.json").write_text(json.dumps({"folds": []}))
    shown = write_page(folder).read_text(encoding="utf-8")
    assert "<p>There are none.</p>" in shown
    assert "No baselines were run" in shown


def test_grade_stress_and_regimes_are_shown_when_there(whole, tmp_path):
    folder = altered(
        whole,
        tmp_path,
        grade={"letter": "D", "reasons": [{"name": "delay_retained", "value": None, "text": "was not measured", "passed": None}]},
        stress={"double cost": {"sharpe": -1.25, "total_return": -0.2}, "seed": 3},
        regimes=[{"regime": "calm", "bars": 900, "sharpe": 0.5}],
    )  # fmt: skip
    shown = write_page(folder).read_text(encoding="utf-8")
    assert "<b>D</b><span>grade</span>" in shown
    assert "<tr><td>delay retained</td><td>–</td><td>not measured</td><td>was not measured</td></tr>" in shown
    assert "<tr><td>double cost</td><td>-20.0%</td><td>-1.25</td></tr>" in shown
    assert "<tr><td>calm</td><td>0.50</td><td>900</td></tr>" in shown


def test_table_of_nothing_is_nothing():
    assert any_table("Stress", {}) == any_table("Stress", None) == ""


@pytest.mark.parametrize(
    ("dsr", "sentence"),
    [
        (0.949, "An edge is not shown: the deflated Sharpe ratio over 5 trials is 0.95, below 0.95."),
        (0.951, "The Sharpe ratio is hard to explain by choosing alone"),
    ],
)
def test_edge_is_shown_only_from_a_deflated_sharpe_of_095(whole, tmp_path, dsr, sentence):
    assert said(altered(whole, tmp_path, dsr=dsr)).startswith(sentence)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sharpe": 1.9, "sharpe_error": 1.0}, "The Sharpe ratio, 1.90 ± 1.00, is not distinguishable from zero."),
        ({"p_value": 0.06}, "does at least as well 6% of the time"),
        ({"pbo": 0.5}, "Choosing did not help: the best in sample comes out below the median 50% of the time"),
        ({"pbo": 0.11}, "The choice may be overfitted: the best in sample falls below the median 11% of the time"),
        ({"sharpe": 0.1}, "Baselines with at least this Sharpe ratio, and simpler: trend."),
        ({"metrics": {"total_return": 0.0}}, "Cash did at least as well"),
        ({"break_even_bps": 5.9}, "It breaks even at 5.9 bps of what is traded, 6 are charged: it does not earn its costs."),
        ({"break_even_bps": 11.9}, "twice the charged cost would take all of it"),
        ({"break_even_bps": -1.0}, "It lost before costs."),
        ({"seeds": [{"seed": k, "metrics": {"total_return": k - 2.5, "sharpe": k - 2.5}} for k in range(1, 6)]},
         "The seeds disagree: 3 of 5 earned something out of sample; their Sharpe ratios go from -1.50 to 2.50."),
        ({"seeds": [{"seed": 1, "metrics": {"total_return": 0.1, "sharpe": 1.0}}]}, "1 seed: too few"),
    ],
)  # fmt: skip
def test_what_speaks_against_it_is_said(whole, tmp_path, changes, sentence):
    assert sentence not in said(whole)
    assert sentence in said(altered(whole, tmp_path, **changes))


def test_folds_that_collapse_lose_or_make_it_all_are_named(whole, tmp_path):
    folds = read_json(whole / "result.json")["folds"]
    totals = (0.5, -0.1, -0.1, -0.1, 0.01, 0.01)
    changed = [{**fold, "total_return": total, "degenerate": fold["number"] == 3} for fold, total in zip(folds, totals)]
    found = said(altered(whole, tmp_path, folds=changed))
    assert "in folds 3 of 6" in found
    assert "3 of 6 folds lost money." in found
    assert "Without fold 1 nothing was earned" in found


def test_paths_without_the_chosen_one_are_refused(whole, tmp_path):
    folder = altered(whole, tmp_path)
    table = pq.read_table(folder / "paths.parquet")
    pq.write_table(table.slice(6 * TEST), folder / "paths.parquet")
    with pytest.raises(DataError, match="paths must hold chosen, was seed:1, seed:2"):
        write_page(folder)
