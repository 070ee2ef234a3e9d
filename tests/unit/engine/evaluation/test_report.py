"""The report: complete, self-contained, deterministic, honest about what it cannot tell."""

import html
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.evaluation.charts import (
    MOST_MARKERS,
    MOST_STRETCHES,
    exposure_chart,
    points_per_line,
    stretches,
    thin,
    trades_chart,
)
from engine.evaluation.report import monthly_returns, write_report
from engine.evaluation.report_known import probability
from engine.journal.run import read_json, write_json

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def copy(sample_run: Path, tmp_path: Path) -> Path:
    """Return a copy of the sample run that a test may alter."""
    return Path(shutil.copytree(sample_run, tmp_path / "copy"))


def altered(folder: Path, name: str, change: Callable[[dict], None]) -> None:
    document = read_json(folder / name)
    change(document)
    write_json(folder / name, document)


def page_of(folder: Path) -> str:
    return write_report(folder).read_text(encoding="utf-8")


def notes_of(page: str) -> str:
    found = re.search(r'<div class="notes">(.*?)</div>', page)
    return found.group(1) if found else ""


def test_monthly_returns_by_hand():
    times = np.array(
        ["2021-01-31T23", "2021-02-01T00", "2021-02-15T00", "2021-03-01T00", "2021-03-02T00"], dtype="datetime64[h]"
    )
    months = monthly_returns(
        times.astype("datetime64[ns]").astype(np.int64), np.array([100.0, 110.0, 120.0, 132.0, 66.0])
    )
    assert months == pytest.approx({(2021, 1): 0.1, (2021, 2): 0.2, (2021, 3): -0.5})


@pytest.mark.filterwarnings("error")
def test_months_after_equity_is_gone_have_no_return():
    times = np.array(["2021-01-01T01", "2021-02-01T00", "2021-03-01T00"], dtype="datetime64[h]")
    months = monthly_returns(times.astype("datetime64[ns]").astype(np.int64), np.array([100.0, 0.0, 0.0]))
    assert months == {(2021, 1): -1.0}


def test_thinned_line_keeps_its_ends_and_its_extremes():
    values = np.random.default_rng(1).normal(size=50_000)
    values[31_234], values[9] = 99.0, -99.0
    ts, kept = thin(np.arange(50_000), values, 1_000)
    assert len(kept) <= 1_002
    assert (ts[0], ts[-1]) == (0, 49_999)
    assert {99.0, -99.0} <= set(kept.tolist())
    assert np.array_equal(values[ts], kept)


def test_thinned_line_with_absent_values_keeps_the_extremes_of_the_others():
    values = np.sin(np.arange(10_000.0))
    values[::3] = np.nan
    values[5_000] = 7.0
    _, kept = thin(np.arange(10_000), values, 100)
    assert np.nanmax(kept) == 7.0


def test_points_of_a_line_shrink_as_lines_become_many():
    assert points_per_line(6, 1) == 8_000
    assert points_per_line(6, 10) == 120_000 // 38
    assert points_per_line(6, 1_000) == 1_000


def test_exposure_held_one_bar_in_forty_keeps_its_mean():
    held = np.zeros(100_000)
    held[::40] = 0.9
    first, mean, low, high = stretches(held)
    assert len(mean) == MOST_STRETCHES
    assert np.average(mean, weights=np.diff(np.append(first, 100_000))) == pytest.approx(0.9 / 40)
    assert mean.max() < 0.03
    assert (low.min(), high.max()) == (0.0, 0.9)


@pytest.mark.parametrize("count", [0, 1, MOST_STRETCHES])
def test_short_exposure_is_drawn_as_it_is(count):
    held = np.linspace(-1.0, 1.0, count)
    first, mean, low, high = stretches(held)
    assert first.tolist() == list(range(count))
    assert mean.tolist() == low.tolist() == high.tolist() == held.tolist()


@pytest.mark.parametrize(("count", "said"), [(MOST_STRETCHES, False), (MOST_STRETCHES + 1, True)])
def test_exposure_chart_that_averages_says_so(count, said):
    held = {"A": np.zeros(count), "B": np.zeros(count)}
    chart = exposure_chart(np.arange(count), held, held)
    assert ("held, mean of each stretch" in chart) is said
    assert ("range held" in chart) is said


def test_chart_of_more_fills_than_it_draws_says_so():
    count = 4 * MOST_MARKERS
    fills = {
        "ts_event": np.arange(count),
        "side": np.tile([1, -1], count // 2),
        "price": np.random.default_rng(0).normal(100, 1, count),
        "quantity": np.ones(count),
    }
    chart = trades_chart(0, "A", np.arange(count), np.full(count, 100.0), fills)
    drawn, bought = re.search(r"bought \(([\d,]+) of ([\d,]+) drawn\)", chart).groups()
    assert bought == f"{count // 2:,}"
    assert int(drawn.replace(",", "")) <= MOST_MARKERS + 2


def test_page_has_every_section(sample_run):
    page = (sample_run / "report.html").read_text(encoding="utf-8")
    headings = (
        "Run", "Assumptions", "Data coverage", "Beside its baselines", "How well it is known",
        "Equity", "Drawdown", "Exposure, fraction of the budget",
        "Trades on price: TRENDUSDT.SIM", "Monthly returns", "Costs, USDT", "Decisions and orders",
    )  # fmt: skip
    places = [page.index(f"<h2>{heading}</h2>") for heading in headings]
    assert places == sorted(places)
    for name in ("cash", "buy_and_hold", "volatility_target", "random"):
        assert page.count(f"<td>{name}</td>") == 2
    manifest = read_json(sample_run / "manifest.json")
    for fact in (manifest["decisions_sha256"], manifest["code_version"], "small-0001"):
        assert fact in page
    assert "Decided at a bar&#x27;s close, filled at the next bar&#x27;s open" in page
    assert '"name":"target' in page
    assert '"name":"held' in page
    assert "<details><summary>Configuration</summary>" in page


def test_page_source_loads_nothing_from_a_network(sample_run):
    page = (sample_run / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)\s*=", page)
    assert not re.search(r"@import|url\(\s*['\"]?http", page[: page.index("<script>")])
    assert page.count("plotly.js v") == 1


def test_report_written_again_has_the_same_bytes(copy):
    before = (copy / "report.html").read_bytes()
    write_report(copy)
    assert (copy / "report.html").read_bytes() == before


def test_text_from_the_configuration_is_escaped(copy):
    path = copy / "config.toml"
    path.write_text(path.read_text() + f"\n[extra]\nx = '{SCRIPT}'\n")
    page = page_of(copy)
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_names_in_tables_and_charts_are_escaped(copy):
    altered(copy, "manifest.json", lambda manifest: manifest.update(policy=SCRIPT, refusals={SCRIPT: 3}))
    page = page_of(copy)
    assert "<script>alert(1)" not in page
    assert "alert(1)</script>" not in page
    assert "<h1>&lt;script&gt;alert(1)&lt;/script&gt; on TRENDUSDT.SIM</h1>" in page


def test_optimistic_fill_is_marked(copy):
    path = copy / "config.toml"
    path.write_text(path.read_text().replace('fill = "next_open"', 'fill = "this_close"'))
    page = page_of(copy)
    assert '<span class="flag">optimistic</span>' in page
    assert "The fill assumption is optimistic" in notes_of(page)


def test_default_fill_is_not_marked(sample_run):
    page = (sample_run / "report.html").read_text(encoding="utf-8")
    assert '<span class="flag">' not in page
    assert "optimistic" not in notes_of(page)


@pytest.mark.parametrize(("present", "said"), [(990, False), (989, True)])
def test_missing_bars_above_one_percent_are_noted(copy, present, said):
    one = {"instrument_id": "TRENDUSDT.SIM", "expected": 1_000, "present": present, "warm_up": 24}
    one["gaps"] = [[f"2021-01-{day:02d}T00:00:00Z", 1] for day in range(1, 11)]
    altered(copy, "manifest.json", lambda manifest: manifest.update(coverage=[one]))
    page = page_of(copy)
    assert (f"{1_000 - present} of 1,000 bars are missing." in notes_of(page)) is said
    assert "and 2 more" in page


@pytest.mark.parametrize(("errors", "said"), [(1.9, True), (-1.9, True), (2.1, False), (-2.1, False)])
def test_sharpe_within_two_standard_errors_is_called_not_distinguishable_from_zero(copy, errors, said):
    from engine.evaluation.run_tables import RunTables

    error = RunTables(copy).standard_error("trend")
    altered(copy, "metrics.json", lambda document: document["metrics"].update(sharpe=errors * error))
    page = page_of(copy)
    assert ("is not distinguishable from zero" in notes_of(page)) is said
    assert f"{errors * error:.2f} ± {error:.2f}" in page


@pytest.mark.parametrize(
    ("trades", "said"),
    [(29, "Only 29 round trips"), (1, "Only 1 round trip:"), (0, "no finished round trip"), (30, "")],
)
def test_few_round_trips_are_noted(copy, trades, said):
    altered(copy, "metrics.json", lambda document: document["metrics"].update(trades=trades))
    noted = notes_of(page_of(copy))
    assert said in noted
    assert ("round trip" in noted) is bool(said)


def test_run_that_never_traded_has_a_page(copy):
    for name in ("fills", "orders"):
        path = copy / f"{name}.parquet"
        pq.write_table(pq.read_table(path).slice(0, 0), path)
    nothing = {"trades": 0, "win_rate": None, "profit_factor": None, "sharpe": None, "turnover": 0.0, "fees": 0.0}
    altered(copy, "metrics.json", lambda document: document["metrics"].update(nothing))
    page = page_of(copy)
    assert "It never traded." in notes_of(page)
    assert "bought (0)" in page


def test_run_without_baselines_has_a_page_that_says_so(copy):
    path = copy / "baselines.parquet"
    pq.write_table(pq.read_table(path).slice(0, 0), path)
    altered(copy, "metrics.json", lambda document: document.update(baselines={}))
    assert "No baselines were run" in notes_of(page_of(copy))


def test_policy_that_gives_one_answer_and_a_gate_that_refuses_are_visible(copy):
    gates = pa.array(["refused: min_notional 5 < 10"] * 20 + ["hold"] * 80)
    actions = pa.array([4.0] * 97 + [1.0] * 3)
    pq.write_table(pa.table({"action": actions, "gate": gates}), copy / "journal.parquet")
    altered(copy, "manifest.json", lambda manifest: manifest.update(policy="p@1", action="discrete7"))
    page = page_of(copy)
    assert "The gate refused 20.0% of all decisions: min_notional 20." in notes_of(page)
    assert "One answer makes 97% of all decisions: sell half." in notes_of(page)
    assert "<td>sell half</td><td>97</td>" in page
    assert "<td>sell all</td><td>0</td>" in page


def test_costs_are_fees_and_slippage_less_funding(copy):
    costs = {"fees": 300.0, "slippage": 60.0, "funding": -40.0}
    altered(copy, "metrics.json", lambda document: document["metrics"].update(costs))
    assert "<td>trend</td><td>300</td><td>60</td><td>-40</td><td>400</td><td>0.40%</td>" in page_of(copy)


def test_orders_are_counted_by_status(copy):
    path = copy / "orders.parquet"
    table = pq.read_table(path).slice(0, 3)
    at = table.column_names.index("status")
    table = table.set_column(at, "status", pa.array(["filled", "denied: margin", "denied: rate"]))
    pq.write_table(table, path)
    page = page_of(copy)
    assert "<td>filled</td><td>1</td>" in page
    assert "<td>denied</td><td>2</td>" in page


def test_page_says_how_well_the_result_is_known(sample_run):
    page = (sample_run / "report.html").read_text(encoding="utf-8")
    known = read_json(sample_run / "metrics.json")
    assert known["trials"] == 1
    for figure, label in ((known["dsr"], "DSR, 1 trial"), (known["p_value"], "p, random timing")):
        assert f"<b>{html.escape(probability(figure))}</b><span>{label}</span>" in page
    low, high = known["interval"]
    assert f"{low:.2f} to {high:.2f}; error with {known['sharpe_lags']} autocovariances" in page
    assert f"<h3>Deepest of {known['drawdowns']['falls']} falls</h3>" in page
    assert page.count(known["drawdowns"]["deepest"][0]["trough"][:16].replace("T", " ")) == 1


def test_figure_without_a_value_says_why(copy):
    reason = f"returns must vary {SCRIPT}"
    altered(copy, "metrics.json", lambda known: known.update(p_value=None, chance=None, reasons={"p_value": reason}))
    page = page_of(copy)
    assert "<b>–</b><span>p, random timing</span>" in page
    assert "No value for p value: returns must vary &lt;script&gt;alert(1)&lt;/script&gt;." in page


def test_folder_without_the_figures_has_a_page(copy):
    def older(document: dict) -> None:
        for name in set(document) - {"metrics", "baselines"}:
            del document[name]

    altered(copy, "metrics.json", older)
    page = page_of(copy)
    assert "<h2>How well it is known</h2>" not in page
    assert "<b>–</b><span>deflated Sharpe (DSR)</span>" in page


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dsr": 0.94, "trials": 12}, "An edge is not shown: the deflated Sharpe ratio over 12 trials of this family is 0.94, below 0.95."),
        ({"p_value": 0.07}, "does at least as well 7% of the time"),
        ({"break_even_bps": 3.0, "paid_bps": 6.0}, "It does not earn its costs: it breaks even at 3.0 bps and paid 6.0."),
        ({"break_even_bps": -3.0, "paid_bps": 6.0}, "It does not earn its costs: it lost before costs."),
    ],
)  # fmt: skip
def test_what_speaks_against_an_edge_is_noted(copy, changes, said):
    good = {"dsr": 0.96, "trials": 12, "p_value": 0.01, "break_even_bps": 7.0, "paid_bps": 6.0}
    altered(copy, "metrics.json", lambda document: document.update(good))
    assert said not in notes_of(page_of(copy))
    altered(copy, "metrics.json", lambda document: document.update(changes))
    assert said in notes_of(page_of(copy))
