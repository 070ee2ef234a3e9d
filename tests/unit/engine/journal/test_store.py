"""The store keeps every turn that was committed, whole, whenever the process dies, and refuses a file that is not its own."""

import math
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from engine.contract.errors import DataError
from engine.journal.journal import GENESIS, Entry, Journal, read
from engine.journal.store import Store, StoredJournal, held

ENTRY = Entry(5, "A.X", 0, "p", "1", "ab", "{}", 1.0, 1.0, 0.5, 0.25, 100.0, "{}", "approved", "0:A.X", "")
ROOT = Path(__file__).parents[4]

SESSION = """
import os, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from engine.journal.journal import Entry
from engine.journal.store import Store
every_row = sys.argv[3] == "row"
store = Store(Path(sys.argv[2]), every_row=every_row)
seq = len(store) // 3
while True:
    for name in ("A.X", "B.X", "C.X"):
        store.append(Entry(seq, name, seq, "p", "1", "ab", "{}" * 50, 1.0, 1.0, 0.5, 0.25, 1e5, "{}", "approved", "", ""))
        if every_row:
            os.write(1, f"{len(store)}\\n".encode())
    store.save("strategy", seq, {"rows": len(store), "ballast": list(range(200))})
    store.commit()
    if not every_row:
        os.write(1, f"{len(store)}\\n".encode())
    seq += 1
"""


def kill_sometime(path, mode, chance):
    """Run a session, kill it at a random instant, and return the last number of rows that it said was there."""
    session = subprocess.Popen([sys.executable, "-c", SESSION, str(ROOT), str(path), mode], stdout=subprocess.PIPE)
    first = session.stdout.read(1)
    time.sleep(chance.uniform(0.0, 0.05))
    os.kill(session.pid, signal.SIGKILL)
    said = (first + session.stdout.read()).decode()
    session.wait()
    session.stdout.close()
    whole = said[: said.rfind("\n")].split() if "\n" in said else ["0"]
    return int(whole[-1])


def survives(path, mode, kills):
    chance, before = random.Random(20_240), 0
    for _ in range(kills):
        said = kill_sometime(path, mode, chance)
        with Store(path) as store:
            entries, saved, rows = list(store.entries()), store.load("strategy"), len(store)
        assert rows == len(entries) >= said > before
        assert [entry.seq for entry in entries] == [number // 3 for number in range(len(entries))]
        if mode == "turn":
            assert rows % 3 == 0
            assert saved.state["rows"] == rows
            assert saved.ts_event == entries[-1].ts_event
        else:
            assert saved is None or rows - 3 <= saved.state["rows"] <= rows
            drop_open_turn(path, rows)
        before = said - 3


def drop_open_turn(path, rows):
    database = sqlite3.connect(path)
    with database:
        database.execute("DELETE FROM decisions WHERE number >= ?", (rows - rows % 3,))
    database.close()


@pytest.mark.parametrize("mode", ["turn", "row"])
def test_session_killed_at_any_instant_has_lost_nothing_that_it_said_was_there(tmp_path, mode):
    survives(tmp_path / "session.sqlite", mode, 4)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["turn", "row"])
def test_session_killed_many_times_has_lost_nothing_that_it_said_was_there(tmp_path, mode):
    survives(tmp_path / "session.sqlite", mode, 40)


@pytest.fixture
def store(tmp_path):
    """Make stores in the test's folder, and close what it left open."""
    made = []

    def make(name="s.sqlite", count=0, **options):
        made.append(Store(tmp_path / name, **options))
        for seq in range(count):
            made[-1].append(ENTRY._replace(seq=seq))
            made[-1].save("strategy", seq, {"seq": seq})
            made[-1].commit()
        return made[-1]

    yield make
    for one in made:
        one._database.close()


def test_stored_rows_have_the_chain_of_the_journal_in_memory_and_read_back_from_parquet(store, tmp_path):
    memory, stored = Journal(), StoredJournal(store())
    for journal in (memory, stored):
        for seq in range(3):
            journal.append(ENTRY._replace(seq=seq, confidence=0.1 * seq, gate="refused: x"))
    assert stored.decisions_sha256 == memory.decisions_sha256
    assert (stored.entries, len(stored)) == (memory.entries, 3)
    stored.write(tmp_path / "journal.parquet")
    assert read(tmp_path / "journal.parquet") == memory.entries


def test_value_that_is_no_number_comes_back_and_so_does_infinity(store):
    stored = StoredJournal(store())
    stored.append(ENTRY._replace(raw_action=math.nan, confidence=math.inf))
    (entry,) = stored.entries
    assert math.isnan(entry.raw_action)
    assert entry.confidence == math.inf
    assert entry._replace(raw_action=1.0, confidence=0.5) == ENTRY


@pytest.mark.parametrize("turns_per_commit", [1, 8])
def test_zero_keeps_its_sign_and_the_chain_follows_when_the_store_is_opened_again(store, tmp_path, turns_per_commit):
    first = store(turns_per_commit=turns_per_commit)
    first.append(ENTRY._replace(raw_action=-0.0, target_exposure=0.0))
    first.close()
    (entry,) = store().entries()
    assert (math.copysign(1.0, entry.raw_action), math.copysign(1.0, entry.target_exposure)) == (-1.0, 1.0)


def test_joined_turns_are_read_before_they_are_committed_and_lost_when_abandoned(store, tmp_path):
    kept = store(turns_per_commit=2)
    ended = []
    for seq in range(3):
        kept.append(ENTRY._replace(seq=seq))
        ended.append(kept.end_turn(seq, lambda: {"strategy": {"turns": 2}}))
    assert ended == [False, True, False]
    assert [entry.seq for entry in kept.entries()] == [0, 1, 2]
    assert held(tmp_path / "s.sqlite") == (2, 5)
    kept.abandon()
    again = store()
    assert [entry.seq for entry in again.entries()] == [0, 1]
    assert (again.load("strategy").ts_event, again.load("strategy").state) == (1, {"turns": 2})


def test_store_whose_block_raises_keeps_whole_turns_only(tmp_path):
    def session():
        with Store(tmp_path / "s.sqlite") as kept:
            kept.append(ENTRY)
            kept.end_turn(5)
            kept.append(ENTRY._replace(seq=1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        session()
    assert held(tmp_path / "s.sqlite").decisions == 1


def test_look_into_what_is_no_store_is_refused_and_into_nothing_finds_nothing(tmp_path):
    assert held(tmp_path / "absent.sqlite") == (0, -1)
    assert not (tmp_path / "absent.sqlite").exists()
    (tmp_path / "s.sqlite").touch()
    assert held(tmp_path / "s.sqlite") == (0, -1)
    (tmp_path / "s.sqlite").write_bytes(b"no store" * 100)
    with pytest.raises(DataError, match="store must be a sound SQLite file"):
        held(tmp_path / "s.sqlite")


def test_empty_store_writes_an_empty_journal(store, tmp_path):
    kept = store()
    kept.export(tmp_path / "journal.parquet")
    assert (read(tmp_path / "journal.parquet"), kept.decisions_sha256) == ([], GENESIS)


def test_export_in_several_batches_reads_back_whole(store, tmp_path, monkeypatch):
    monkeypatch.setattr("engine.journal.store.EXPORT_ROWS", 2)
    kept = store(count=5)
    kept.export(tmp_path / "journal.parquet")
    assert [entry.seq for entry in read(tmp_path / "journal.parquet")] == [0, 1, 2, 3, 4]


def test_session_that_goes_on_has_the_chain_of_one_that_never_stopped(store):
    store("cut.sqlite", 2).close()
    again = store("cut.sqlite")
    again.append(ENTRY._replace(seq=2))
    assert again.decisions_sha256 == store("whole.sqlite", 3).decisions_sha256


def test_turns_that_are_joined_are_committed_together_and_their_states_only_then(store):
    kept = store(turns_per_commit=3)
    asked = []

    def states():
        asked.append(len(kept))
        return {"strategy": {"rows": len(kept)}}

    committed = []
    for seq in range(4):
        kept.append(ENTRY._replace(seq=seq))
        committed.append(kept.end_turn(seq, states))
    assert (committed, asked) == ([False, False, True, False], [3])
    other = store()
    assert (len(other), other.load("strategy").state) == (3, {"rows": 3})


def test_reader_sees_committed_turns_while_another_is_open(store):
    kept = store(count=2)
    kept.append(ENTRY._replace(seq=2))
    assert len(store()) == 2
    kept.commit()
    assert len(store()) == 3


def test_second_writer_is_refused(store):
    first, second = store(count=1), store()
    first.append(ENTRY)
    first.commit()
    with pytest.raises(DataError, match="row 1 of the journal must have one writer"):
        second.append(ENTRY)


def test_state_comes_back_exactly_with_arrays_and_what_is_no_number(store):
    kept = store()
    state = {
        "quantity": np.array([[0.1, -np.inf], [np.nan, 5e-324]]),
        "alive": np.array([True, False]),
        "deep": {"list": [1, 2.5, None, "x", {"peak": math.nan}], "tuple": (1, 2)},
        "count": np.int64(7),
        "third": 1.0 / 3.0,
    }
    kept.save("breaker", 9, state, version=2)
    saved = kept.load("breaker", version=2)
    assert (saved.component, saved.ts_event, saved.version) == ("breaker", 9, 2)
    found = saved.state
    assert found["quantity"].tobytes() == state["quantity"].tobytes()
    assert found["alive"].dtype == bool
    assert (found["count"], found["third"], found["deep"]["tuple"]) == (7, 1.0 / 3.0, [1, 2])
    assert math.isnan(found["deep"]["list"][4]["peak"])
    found["quantity"][0, 0] = 2.0


def test_state_that_was_never_saved_is_absent_and_the_last_one_counts(store):
    kept = store(count=3)
    assert kept.load("regime") is None
    assert (kept.load("strategy").ts_event, kept.load("strategy").state) == (2, {"seq": 2})
    assert kept.components() == ["strategy"]


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"x": {1, 2}}, "state.x must be a plain value or a numeric array, was set"),
        ({"x": {3: 1}}, "key of state.x must be a string without"),
        ({"x": np.array(["a"])}, "state.x must be a plain value or a numeric array, was ndarray"),
    ],
)
def test_state_that_json_cannot_hold_is_refused_by_name(store, state, message):
    with pytest.raises(DataError, match=message):
        store().save("strategy", 1, state)


def damage(path, *statements):
    database = sqlite3.connect(path)
    with database:
        for statement in statements:
            database.execute(statement)
    database.close()


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE decisions SET target_exposure = 0.26 WHERE number = 1", "journal row 1 must have chain"),
        ("DELETE FROM decisions WHERE number = 1", "journal row 1 must have chain"),
        ("PRAGMA user_version = 7", "store format must be 1, was 7"),
        ("PRAGMA application_id = 99", "store must be of application 0x48555243, was 0x63"),
    ],
)
def test_altered_store_is_refused(store, tmp_path, statement, message):
    path = tmp_path / "s.sqlite"
    store(count=3).close()
    damage(path, statement)
    with pytest.raises(DataError, match=message):
        store()


def test_altered_state_or_one_of_another_version_is_refused(store, tmp_path):
    path = tmp_path / "s.sqlite"
    store(count=3).close()
    damage(path, "UPDATE states SET body = CAST('{\"seq\":3}' AS BLOB)")
    with pytest.raises(DataError, match="state of strategy must have digest"):
        store().load("strategy")
    with pytest.raises(DataError, match="state of strategy must have version 2, was 1"):
        store().load("strategy", version=2)


def test_file_that_is_no_database_is_refused(store, tmp_path):
    path = tmp_path / "s.sqlite"
    path.write_text("ts_event,instrument_id\n" * 100)
    with pytest.raises(DataError, match="store must be a sound SQLite file, was file is not a database"):
        store()


def test_store_with_overwritten_pages_is_refused(store, tmp_path):
    path = tmp_path / "s.sqlite"
    store(count=500).close()
    content = bytearray(path.read_bytes())
    content[8_192:40_960] = b"\xff" * 32_768
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"store must be a sound SQLite file|must have chain"):
        store()


def test_row_that_could_not_be_written_leaves_the_chain_where_it_was(store, tmp_path):
    kept = store(count=1)
    head = kept.decisions_sha256
    damage(tmp_path / "s.sqlite", "DROP TABLE decisions")
    with pytest.raises(DataError):
        kept.append(ENTRY)
    assert (kept.decisions_sha256, len(kept)) == (head, 1)
