"""Following the folder of a run that is going on."""

from pathlib import Path

import numpy as np

from engine.journal.blotter import Blotter, Fill
from engine.journal.journal import Entry
from engine.journal.run import STORE
from engine.journal.store import Store
from engine.risk.breaker_values import Change, Trip
from live.dashboard.growing import Growing, Tail
from live.recording.series import SERIES, Series

A, B = "AAAUSDT.SIM", "BBBUSDT.SIM"


def entry(seq: int, instrument_id: str = A, gate: str = "hold") -> Entry:
    return Entry(seq * 10, instrument_id, seq, "p", "1", "", "{}", 0.1, 0.2, 0.9, 0.5, 1e3, "{}", gate, "", "")


def turn(blotter: Blotter, ts_event: int, equity: float) -> None:
    values = np.array([1.0, 2.0])
    blotter.equity(ts_event, equity, equity, 0.1, values, values, values, values)


def test_lines_come_once_and_one_without_its_end_is_left_for_the_next_look(tmp_path: Path) -> None:
    path = tmp_path / "a"
    tail = Tail(path)
    assert tail.read() == []
    path.write_bytes(b"one\ntw")
    assert tail.read() == [b"one"]
    path.write_bytes(b"one\ntwo\nthree\n")
    assert tail.read() == [b"two", b"three"]
    path.write_bytes(b"new\n")
    assert (tail.read(), tail.restarted) == ([b"new"], True)


def test_what_a_session_appends_is_taken_in_and_nothing_twice(tmp_path: Path) -> None:
    blotter, growing = Blotter([A, B]), Growing(tmp_path, [A, B])
    assert not growing.look()
    series = Series(tmp_path, blotter)
    with Store(tmp_path / STORE, every_row=True) as store:
        turn(blotter, 10, 100.0)
        store.append(entry(1))
        assert series.write() == 1
        assert growing.look()
        assert not growing.look()
        turn(blotter, 20, 90.0)
        blotter.fills.append(Fill("2:BBBUSDT.SIM", 21, B, -1, 0.5, 10.0, 0.01, 10.5, "next_open"))
        blotter.change(Change("tripped", Trip("drawdown", 0.05, 0.1, "account", 20, "halt"), 20))
        store.append(entry(2, B, "refused: drawdown 0.1 over 0.05"))
        assert series.write() == 3
        assert growing.look()
    record = growing.record
    assert record.turns["equity"].tolist() == [100.0, 90.0]
    assert record.turns[f"close:{B}"].tolist() == [2.0, 2.0]
    assert (record.decisions.times.tolist(), record.decisions["instrument"].tolist()) == ([10, 20], [0.0, 1.0])
    assert record.gates == ["hold", "refused: drawdown 0.1 over 0.05"]
    assert (record.fills["side"].tolist(), record.fill_keys) == ([-1.0], ["2:BBBUSDT.SIM"])
    assert [(one.control, one.kind) for one in record.changes] == [("drawdown", "tripped")]


def test_session_that_goes_on_after_a_kill_is_read_from_its_start(tmp_path: Path) -> None:
    blotter, growing = Blotter([A, B]), Growing(tmp_path, [A, B])
    series = Series(tmp_path, blotter)
    for number in range(3):
        turn(blotter, number, 100.0)
    series.write()
    growing.look()
    again = Blotter([A, B])
    turn(again, 0, 77.0)
    Series(tmp_path, again).write()
    assert growing.look()
    assert growing.record.turns["equity"].tolist() == [77.0]


def test_line_that_is_torn_or_foreign_is_left_out(tmp_path: Path) -> None:
    growing = Growing(tmp_path, [A])
    (tmp_path / SERIES).write_bytes(b'{"a":1}\n["turn"\n["turn",5,1.0,null,0.0,1,1,1,1]\n')
    assert growing.look()
    assert growing.record.turns.times.tolist() == [5]
    assert np.isnan(growing.record.turns["balance"][0])
