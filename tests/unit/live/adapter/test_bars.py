import pytest

from live.adapter.core.bars import BarCloser, Row, row_of, timeframe

M = 60_000


def row(minute: int, close: float = 1.0) -> Row:
    return Row(minute * M, 1.0, 2.0, 0.5, close, 3.0)


@pytest.fixture
def closer():
    made = BarCloser(M, patience_ms=10_000)
    made.start(10 * M + 5)
    return made


def test_bar_is_closed_by_the_first_row_of_the_next_one(closer):
    assert closer.hear([row(10)]) == []
    assert closer.hear([row(10, 1.5)]) == []
    assert closer.hear([row(11)]) == [row(10, 1.5)]


def test_last_row_of_a_bar_counts_when_it_comes_with_the_next_one(closer):
    closer.hear([row(10)])
    assert closer.hear([row(10, 1.7), row(11)]) == [row(10, 1.7)]


def test_bar_is_closed_once_by_flag_and_then_by_the_next_row(closer):
    closer.hear([row(10)])
    assert closer.close_to(10 * M) == [row(10)]
    assert closer.hear([row(10), row(11)]) == []


def test_bar_before_the_start_is_not_told(closer):
    assert closer.hear([row(9), row(10)]) == []


def test_silent_market_is_closed_by_time_over_rest(closer):
    closer.hear([row(10)])
    assert closer.overdue(11 * M + 1_999, 2_000) is None
    assert closer.overdue(11 * M + 2_000, 2_000) == 10 * M
    assert closer.settle([row(10, 1.2), row(11)], 11 * M + 2_000) == [row(10, 1.2)]
    assert closer.overdue(11 * M + 2_000, 2_000) is None


def test_bar_that_rest_does_not_know_yet_is_waited_for_and_then_left_out(closer):
    assert closer.settle([], 11 * M + 9_000) == []
    assert closer.last_ms == -1
    assert closer.settle([], 11 * M + 10_001) == []
    assert closer.last_ms == 10 * M


def test_missing_bar_holds_back_the_later_ones_until_rest_has_told_it(closer):
    closer.hear([row(10)])
    closer.hear([row(11)])
    assert closer.hear([row(13), row(14)]) == []
    assert closer.waits
    assert closer.settle([row(11, 1.1), row(12), row(13), row(14)], 14 * M + 10) == [row(11, 1.1), row(12), row(13)]
    assert not closer.waits


def test_row_from_before_a_gap_is_not_taken_for_the_whole_bar(closer):
    closer.hear([row(10, 1.0)])
    closer.doubt(10 * M + 30_000)
    assert closer.hear([row(11)]) == []
    assert closer.settle([row(10, 1.9), row(11)], 11 * M + 100) == [row(10, 1.9)]


def test_gap_inside_a_bar_that_rest_cannot_close_yet_stays_doubtful(closer):
    closer.hear([row(10)])
    closer.doubt(10 * M + 30_000)
    assert closer.settle([row(10)], 10 * M + 31_000) == []
    assert closer.hear([row(11)]) == []
    assert closer.waits


def test_row_is_copied_and_length_named_as_ccxt_does():
    values = [60_000, 1, 2, 0.5, 1, 3]
    copied = row_of(values)
    values[4] = 9
    assert copied.close == 1.0
    assert [timeframe(bar) for bar in ("1-MINUTE", "4-HOUR", "1-DAY", "30-SECOND")] == ["1m", "4h", "1d", "30s"]


def test_bar_that_rest_shows_without_a_later_one_is_not_believed_closed_by_the_clock_alone(closer):
    closer.hear([row(10)])
    assert closer.settle([row(10, 1.2)], 11 * M + 5_000) == []
    assert closer.settle([row(10, 1.3)], 11 * M + 10_001) == [row(10, 1.3)]


def test_bar_behind_a_gap_that_the_venue_declared_closed_needs_no_later_row_when_rest_knows_it(closer):
    closer.hear([row(10)])
    assert closer.close_to(10 * M) == [row(10)]
    closer.hear([row(12)])
    assert closer.close_to(12 * M) == []
    assert closer.waits
    assert closer.settle([row(10), row(12)], 13 * M + 1) == [row(12)]
    assert closer.last_ms == 12 * M
