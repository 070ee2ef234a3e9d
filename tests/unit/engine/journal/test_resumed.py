"""A replay is held to the store row by row and state by state; then the journal goes on."""

import math

import pytest

from engine.contract.errors import DataError
from engine.journal.journal import Entry
from engine.journal.resumed import ReplayDiffers, ResumedJournal
from engine.journal.store import Store

ENTRY = Entry(5, "A.X", 0, "p", "1", "ab", "{}", 1.0, 1.0, 0.5, 0.25, 100.0, "{}", "approved", "0:A.X", "")


class Counter:
    """Counts, and says how often it was restored."""

    def __init__(self, count=0):
        self.count, self.restored = count, 0

    def state(self):
        return {"count": self.count, "deep": {"list": [math.nan, self.count]}}

    def restore(self, state):
        self.count, self.restored = state["count"], self.restored + 1


def entry(seq, **fields):
    return ENTRY._replace(seq=seq, ts_event=100 + seq, **fields)


@pytest.fixture
def store(tmp_path):
    """A store that was left with turns 0 to 3, the states of turn 2, and half of turn 4."""
    with Store(tmp_path / "s.sqlite") as left:
        for seq in range(4):
            left.append(entry(seq))
            if seq == 2:
                left.save("counter", 102, Counter(2).state())
            left.commit()
        left.append(entry(4))
    with Store(tmp_path / "s.sqlite") as again:
        yield again


def test_replay_is_checked_restored_and_then_gone_on_with(store):
    journal, counter = ResumedJournal(store), Counter()
    for seq in range(7):
        counter.count = seq
        assert journal.replaying is (seq < 5)
        journal.append(entry(seq))
        journal.end_turn(100 + seq, {"counter": counter})
        assert counter.restored == (seq >= 2)
    journal.end()
    assert [one.seq for one in journal.entries] == list(range(7))
    assert store.load("counter").state["count"] == 6


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("gate", "hold", r"gate of decision 1 of the replay must be 'approved', as stored, was 'hold' \(1970.* A.X\)"),
        ("confidence", math.nan, "confidence of decision 1 of the replay must be 0.5, as stored, was nan"),
        ("raw_action", -1.0, "raw_action of decision 1 of the replay must be 1.0, as stored, was -1.0"),
    ],
)
def test_first_differing_row_and_field_are_named_and_nothing_is_written(store, field, value, message):
    journal = ResumedJournal(store)
    journal.append(entry(0))
    with pytest.raises(ReplayDiffers, match=message):
        journal.append(entry(1, **{field: value}))
    assert [one.seq for one in store.entries()] == [0, 1, 2, 3, 4]


def test_state_that_differs_is_named_and_not_restored(store):
    journal, counter = ResumedJournal(store), Counter(7)
    for seq in range(3):
        journal.append(entry(seq))
    with pytest.raises(ReplayDiffers, match="count of the state of counter must be 2, as stored, was 7"):
        journal.end_turn(102, {"counter": counter})
    assert (counter.count, counter.restored) == (7, 0)


def test_component_that_is_missing_or_new_is_named(store):
    with pytest.raises(ReplayDiffers, match="components must be counter, as stored, was breaker, counter"):
        ResumedJournal(store).end_turn(102, {"counter": Counter(2), "breaker": Counter()})


def test_turn_decision_or_end_that_does_not_come_is_named(store):
    with pytest.raises(ReplayDiffers, match="turn must come again at 1970-01-01T00:00:00"):
        ResumedJournal(store).end_turn(103, {"counter": Counter(2)})
    journal = ResumedJournal(store)
    journal.append(entry(0))
    with pytest.raises(
        ReplayDiffers, match=r"decision 1 of the replay must come .* was absent .4 stored ones are left"
    ):
        journal.end()


def test_decision_that_was_not_there_before_the_stored_states_is_named(tmp_path):
    with Store(tmp_path / "s.sqlite") as left:
        left.append(entry(0))
        left.save("counter", 102, Counter(2).state())
    with Store(tmp_path / "s.sqlite") as again:
        journal = ResumedJournal(again)
        journal.append(entry(0))
        with pytest.raises(ReplayDiffers, match="decision 1 of the replay must be absent, as stored, was made"):
            journal.append(entry(1))
        with pytest.raises(ReplayDiffers, match="turn must come again"):
            journal.end()


def test_states_of_different_turns_are_refused(tmp_path):
    with Store(tmp_path / "s.sqlite") as left:
        left.save("one", 5, {})
        left.save("other", 6, {})
    with Store(tmp_path / "s.sqlite") as again, pytest.raises(DataError, match="states must be of one turn"):
        ResumedJournal(again)
