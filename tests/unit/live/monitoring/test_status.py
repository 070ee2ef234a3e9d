"""Snapshots: written whole, read back, and what a reader concludes of the process behind them."""

import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from engine.contract.errors import DataError
from engine.journal.run import EQUITY, FILLS
from live.monitoring.finished import status_of_finished
from live.monitoring.latencies import Latencies
from live.monitoring.status import DRIFT, STATUS, judge_seen, process_runs, read_status, ticks_of_start
from tests.unit.live.monitoring.statuses import COIN, HEALTHY, NOW_NS, SEC_NS, changed, put

ME = {"pid": os.getpid(), "started_ticks": ticks_of_start(os.getpid())}


def test_snapshot_is_read_as_it_was_written(tmp_path: Path) -> None:
    status = changed(wall_ns=time.time_ns(), **ME)
    assert read_status(put(tmp_path / ".paper-0001.partial", status)) == status
    assert not (tmp_path / ".paper-0001.partial" / f"{STATUS}.new").exists()


def test_snapshot_without_a_number_is_read_with_none(tmp_path: Path) -> None:
    status = changed(wall_ns=time.time_ns(), equity=float("nan"), **ME)
    assert read_status(put(tmp_path / ".paper-0001.partial", status)).equity is None


@pytest.mark.parametrize(
    ("fields", "seen"),
    [
        ({}, "running"),
        ({"wall_ns": NOW_NS - 11 * SEC_NS}, "hung"),
        ({"wall_ns": NOW_NS - 11 * SEC_NS, "phase": "ending"}, "running"),
        ({"started_ticks": 1}, "gone"),
        ({"wall_ns": NOW_NS + 60 * SEC_NS}, "running"),
    ],
)
def test_reader_concludes_from_process_and_age(fields: dict, seen: str) -> None:
    assert judge_seen(changed(**{**ME, **fields}), NOW_NS) == seen


def test_process_that_ended_is_gone_though_its_snapshot_is_fresh(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    ticks = ticks_of_start(process.pid)
    folder = put(tmp_path / ".p-0001.partial", changed(pid=process.pid, started_ticks=ticks, wall_ns=time.time_ns()))
    while process_runs(process.pid, ticks):
        time.sleep(0.005)
    assert read_status(folder).seen == "gone", "a dead process that nobody waited for"
    process.wait()
    assert read_status(folder).seen == "gone"


def test_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"run must be a folder with manifest.json, was .*nothing"):
        read_status(tmp_path / "nothing")


def test_snapshot_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    folder = put(tmp_path / ".p-0001.partial", HEALTHY)
    (folder / STATUS).write_bytes((folder / STATUS).read_bytes()[:100])
    with pytest.raises(DataError, match="status must be a whole snapshot"):
        read_status(folder)


def test_drift_beside_the_snapshot_is_told_with_it(tmp_path: Path) -> None:
    folder = put(tmp_path / ".p-0001.partial", changed(wall_ns=time.time_ns(), **ME))
    (folder / DRIFT).write_text('[{"measure": "ks", "value": 0.3, "bound": 0.2}]')
    assert [(one.measure, one.value, one.bound) for one in read_status(folder).drifting] == [("ks", 0.3, 0.2)]


def test_finished_run_has_the_status_of_its_last_turn(sample_run: Path) -> None:
    import pyarrow.parquet as pq

    status = read_status(sample_run)
    table = pq.read_table(sample_run / EQUITY).to_pylist()
    last = table[-1]
    assert (status.seen, status.phase, status.mode, status.pid) == ("ended", "ended", "backtest", 0)
    assert (status.run_id, status.turn_ns) == (sample_run.name, last["ts_event"])
    assert (status.equity, status.cash) == (last["equity"], last["balance"])
    assert status.peak_equity == max(row["equity"] for row in table)
    assert status.counts.decisions == len(table)
    assert status.counts.fills == pq.read_table(sample_run / FILLS).num_rows > 0
    assert status.positions[0].unrealised == pytest.approx(last["equity"] - last["balance"], abs=0.05)
    assert [one.name for one in status.limits] == ["max_position_frac", "max_gross_frac"]
    assert msgspec.json.decode(msgspec.json.encode(status), type=type(status)) == status


def test_unfinished_folder_is_followed_when_the_run_is_finished(sample_run: Path) -> None:
    assert read_status(sample_run.with_name(f".{sample_run.name}.partial")) == status_of_finished(sample_run)


def test_percentiles_of_a_hundred_times_are_the_fiftieth_and_the_ninety_ninth() -> None:
    times = Latencies()
    for ms in range(100, 0, -1):
        times.add("step", float(ms))
    (row,) = times.status()
    assert (row.last_ms, row.p50_ms, row.p99_ms, row.worst_ms, row.n) == (1.0, 50.0, 99.0, 100.0, 100)


def test_one_time_is_every_percentile() -> None:
    times = Latencies()
    times.add("step", 3.0)
    (row,) = times.status()
    assert (row.p50_ms, row.p99_ms, row.n) == (3.0, 3.0, 1)


def test_streams_tell_the_age_of_each_and_those_that_never_came() -> None:
    from nautilus_trader.model import InstrumentId, Price, Quantity, QuoteTick

    from live.monitoring.streams import Streams

    streams = Streams([COIN])
    sides = (Price.from_str("99.0"), Price.from_str("101.0"), Quantity.from_str("1"), Quantity.from_str("1"))
    streams.hear(QuoteTick(InstrumentId.from_str(COIN), *sides, 7, 7))
    streams.hear(QuoteTick(InstrumentId.from_str(COIN), *sides, 5, 5))
    rows = [(one.kind, one.received, one.age_secs is None, one.ts_event) for one in streams.status()]
    assert rows == [("bar", 0, True, None), ("quote", 2, False, 5)]
    assert (streams.event_ns, streams.mids(), streams.last_bar) == (7, {COIN: 100.0}, None)
