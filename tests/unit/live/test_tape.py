"""The tape of a session: rows keep every digit, a kill loses no whole row."""

from decimal import Decimal
from pathlib import Path

import pytest
from nautilus_trader.model import FundingRateUpdate, InstrumentId, MarkPriceUpdate, Price

from engine.contract.errors import DataError
from live.recording.rows import Deadline, DecideAfter, Halt, Past, Received, from_row, to_row
from live.recording.tape import PACKED, TAPE, Tape, begun_ns, read_tape
from tests.unit.live.test_intake import A, bar, quote, rate

ITEMS: list[Received] = [
    Past(bar(1)),
    DecideAfter(5, 6),
    bar(2, close="101.10"),
    quote(7),
    rate(8, 9, "0.00010000"),
    rate(8, None),
    MarkPriceUpdate(InstrumentId.from_str(A), Price.from_str("99.50"), 10, 11),
    Deadline(12, 13),
    Halt(14, 15, "stopped by me: drill", True),
]


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: type(item).__name__)
def test_row_read_again_is_the_row_that_was_written(item: Received) -> None:
    assert to_row(from_row(to_row(item))) == to_row(item)


def test_prices_and_rates_keep_their_zeros() -> None:
    assert to_row(bar(2, close="101.10"))[7] == "101.10"
    read = from_row(to_row(rate(8, 9, "0.00010000")))
    assert isinstance(read, FundingRateUpdate)
    assert read.rate == Decimal("0.00010000")


def test_tape_packed_or_not_reads_the_same(tmp_path: Path) -> None:
    tape = Tape(tmp_path)
    for item in ITEMS:
        tape.write(item)
    plain = [to_row(item) for item in read_tape(tmp_path)]
    tape.close(pack=True)
    assert (plain, [to_row(item) for item in read_tape(tmp_path)]) == ([to_row(item) for item in ITEMS],) * 2
    assert ((tmp_path / PACKED).is_file(), (tmp_path / TAPE).exists()) == (True, False)


def test_row_that_was_cut_off_is_left_out_and_gone_on_behind(tmp_path: Path) -> None:
    tape = Tape(tmp_path)
    tape.write(bar(1))
    tape.write(bar(2))
    tape.close()
    path = tmp_path / TAPE
    path.write_bytes(path.read_bytes()[:-9])
    assert len(list(read_tape(tmp_path))) == 1
    again = Tape(tmp_path)
    again.write(bar(3))
    again.close()
    assert [item.ts_event for item in read_tape(tmp_path)] == [bar(1).ts_event, bar(3).ts_event]  # type: ignore[union-attr]


def test_run_without_a_tape_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"run must hold {PACKED}"):
        list(read_tape(tmp_path))


def test_row_of_no_known_kind_is_refused() -> None:
    with pytest.raises(DataError, match="recorded row must be of a known kind, was gossip"):
        from_row(["gossip", 1, 2])


def test_row_with_a_wrong_field_is_refused() -> None:
    with pytest.raises(DataError, match="recorded row must follow its format"):
        from_row([*to_row(bar(1))[:4], "x", "y", "z", "w", "v"])


def test_tape_that_was_packed_before_a_kill_is_gone_on_with(tmp_path: Path) -> None:
    tape = Tape(tmp_path)
    tape.write(DecideAfter(1, 2))
    tape.close(pack=True)
    again = Tape(tmp_path)
    again.write(DecideAfter(3, 4))
    again.close(pack=True)
    assert list(read_tape(tmp_path)) == [DecideAfter(1, 2), DecideAfter(3, 4)]
    assert [path.name for path in tmp_path.iterdir()] == ["received.jsonl.gz"]


def test_end_of_the_first_warm_up_is_told_and_none_without_a_tape(tmp_path: Path) -> None:
    assert begun_ns(tmp_path) == -1
    tape = Tape(tmp_path)
    assert begun_ns(tmp_path) == -1
    tape.write(DecideAfter(1, 7))
    tape.write(DecideAfter(2, 9))
    tape.close()
    assert begun_ns(tmp_path) == 7
