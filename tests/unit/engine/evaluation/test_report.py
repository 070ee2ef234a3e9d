"""The report: complete, self-contained, deterministic, honest about what it cannot tell."""

import re

import numpy as np
import pytest

from engine.evaluation.charts import thin
from engine.evaluation.report import monthly_returns
from strategies.baselines.random import matched

HOUR = 3_600 * 10**9


def test_monthly_returns_by_hand():
    times = np.array(
        ["2021-01-31T23", "2021-02-01T00", "2021-02-15T00", "2021-03-01T00", "2021-03-02T00"], dtype="datetime64[h]"
    )
    months = monthly_returns(
        times.astype("datetime64[ns]").astype(np.int64), np.array([100.0, 110.0, 120.0, 132.0, 66.0])
    )
    assert months == pytest.approx({(2021, 1): 0.1, (2021, 2): 0.2, (2021, 3): -0.5})


def test_thinned_line_keeps_its_ends_and_its_extremes():
    values = np.random.default_rng(1).normal(size=50_000)
    values[31_234], values[9] = 99.0, -99.0
    ts, kept = thin(np.arange(50_000), values, 1_000)
    assert len(kept) <= 1_002
    assert (ts[0], ts[-1]) == (0, 49_999)
    assert {99.0, -99.0} <= set(kept.tolist())
    assert np.array_equal(values[ts], kept)


def test_matched_random_has_the_time_in_the_market_and_the_entries_of_the_run():
    exposure = np.zeros((1_000, 1))
    exposure[100:350] = 0.8
    exposure[500:550] = -0.4
    parameters = matched(exposure, 4 / 1_000)
    assert parameters["leave"] == pytest.approx(2 / 300)
    assert parameters["enter"] == pytest.approx(2 / 700)
    assert parameters["exposure"] == pytest.approx((250 * 0.8 + 50 * 0.4) / 300)
    assert parameters["short"] == pytest.approx(50 / 300)


def test_random_matched_to_nothing_never_trades():
    assert matched(np.zeros((10, 1)), 0.0)["enter"] == 0.0


def test_page_source_loads_nothing_from_a_network(tmp_path, sample_run):
    page = (sample_run / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)\s*=", page)
    for heading in (
        "Run",
        "Assumptions",
        "Data coverage",
        "Beside its baselines",
        "Equity",
        "Drawdown",
        "Exposure",
        "Monthly returns",
        "Decisions",
    ):
        assert f"<h2>{heading}</h2>" in page
    assert "Trades on price: TRENDUSDT.SIM" in page
    for name in ("cash", "buy_and_hold", "volatility_target", "random"):
        assert f"<td>{name}</td>" in page
    assert "Decided at a bar&#x27;s close, filled at the next bar&#x27;s open" in page


def test_report_written_again_has_the_same_bytes(sample_run):
    from engine.evaluation.report import write_report

    before = (sample_run / "report.html").read_bytes()
    write_report(sample_run)
    assert (sample_run / "report.html").read_bytes() == before


def test_text_from_the_configuration_is_escaped(sample_run, tmp_path):
    import shutil

    from engine.evaluation.report import write_report

    folder = tmp_path / "copy"
    shutil.copytree(sample_run, folder)
    path = folder / "config.toml"
    path.write_text(path.read_text() + "\n[extra]\nx = '<script>alert(1)</script>'\n")
    page = write_report(folder).read_text(encoding="utf-8")
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_optimistic_fill_is_marked(sample_run, tmp_path):
    import shutil

    from engine.evaluation.report import write_report

    folder = tmp_path / "copy"
    shutil.copytree(sample_run, folder)
    path = folder / "config.toml"
    path.write_text(path.read_text().replace('fill = "next_open"', 'fill = "this_close"'))
    page = write_report(folder).read_text(encoding="utf-8")
    assert '<span class="flag">optimistic</span>' in page
    assert "The fill assumption is optimistic" in page
