"""The report shows what the breaker tripped: as rows, as marks, and as a word where a halt stood to the end."""

import re
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from engine.evaluation.report import write_report
from engine.evaluation.report_trips import MOST_ROWS
from engine.journal.blotter import Blotter
from engine.journal.run import BREAKER, EQUITY
from engine.risk.breaker_values import Change, Trip

DAY = 86_400 * 10**9


@pytest.fixture
def copy(sample_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sample_run, tmp_path / "copy"))


def page_of(folder: Path) -> str:
    return write_report(folder).read_text(encoding="utf-8")


def tripped(folder: Path, count: int, released: bool, control: str = "drawdown", action: str = "halt") -> int:
    start = int(pq.read_table(folder / EQUITY)["ts_event"][30].as_py())
    blotter = Blotter([])
    for number in range(count):
        trip = Trip(control, 0.15, 0.1625, "account", start + number * DAY // 2, action)
        blotter.change(Change("tripped", trip, trip.ts_event))
        if released:
            blotter.change(Change("released", trip, trip.ts_event + 3_600 * 10**9))
    pq.write_table(blotter.changes_table(), folder / BREAKER)
    return start


def rows(page: str) -> list[list[str]]:
    table = re.search(r'<table class="trips">(.*?)</table>', page)
    assert table is not None
    return [re.findall(r"<td>(.*?)</td>", row) for row in table.group(1).split("<tr>")[2:]]


def test_run_without_trips_has_no_such_part(sample_run):
    page = page_of(sample_run)
    assert "Trips of the breaker" not in page
    assert "tripped" not in re.sub(r"<script>.*?</script>", "", page, flags=re.S)


def test_trip_is_a_row_a_mark_and_where_it_stands_a_note(copy):
    tripped(copy, 1, released=False)
    page = page_of(copy)
    assert rows(page) == [
        ["2021-01-02 07:00", "drawdown", "0.1625", "0.15 fraction", "account", "halt", "the end of the run", "1"]
    ]
    assert '"name":"halt tripped (1)"' in page
    assert "drawdown 0.1625 against 0.15: halt account, until the end" in page
    assert "The breaker&#x27;s drawdown halt of account stood from 2021-01-02 07:00 to the end" in page


def test_trip_that_was_released_has_its_end_and_no_note(copy):
    tripped(copy, 2, released=True, control="loss_streak", action="reduce")
    page = page_of(copy)
    assert [row[6:] for row in rows(page)] == [["2021-01-02 20:00", "2"]]
    assert "stood from" not in page
    assert '"name":"reduce tripped (1)"' in page


def test_more_rows_than_fit_are_counted(copy):
    tripped(copy, 2 * (MOST_ROWS + 5), released=True)
    page = page_of(copy)
    assert len(rows(page)) == MOST_ROWS
    assert re.search(rf"The first {MOST_ROWS} of 3[56] rows", page)
