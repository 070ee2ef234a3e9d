"""The file by which a running session is controlled."""

import stat
from pathlib import Path

import pytest

from engine.contract.errors import UsageError
from live.recording.rows import Control, from_row, to_row
from live.steering import CONTROLS, Inbox, answer, ask, read_controls, record


def test_request_is_taken_once_and_its_answer_stands_beside_it(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    assert inbox.new() == []
    asked = ask(tmp_path, "halt", "account", " ann ", "news ")
    assert (asked.by, asked.reason) == ("ann", "news")
    assert inbox.new() == [asked]
    assert inbox.new() == []
    answer(tmp_path, asked.id, True, "no new risk on account")
    (entry,) = read_controls(tmp_path)
    assert entry.asked == asked
    assert entry.answered is not None
    assert (entry.answered.done, entry.answered.result) == (True, "no new risk on account")
    assert inbox.new() == []


def test_journal_is_of_its_user_alone(tmp_path: Path) -> None:
    ask(tmp_path, "halt", "account", "ann", "")
    assert stat.S_IMODE((tmp_path / CONTROLS).stat().st_mode) == 0o600


def test_request_that_nobody_signs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="halt must be signed by a person"):
        ask(tmp_path, "halt", "account", "  ", "")
    assert not (tmp_path / CONTROLS).exists()


def test_halt_that_was_asked_for_while_nobody_ran_is_done_and_a_resume_refused(tmp_path: Path) -> None:
    halted, resumed = ask(tmp_path, "halt", "account", "ann", ""), ask(tmp_path, "resume", "all", "ann", "")
    assert Inbox(tmp_path).new() == [halted]
    answers = {one.asked.id: one.answered for one in read_controls(tmp_path)}
    refused = answers[resumed.id]
    assert refused is not None
    assert (refused.done, refused.result) == (False, "refused: asked while the session was not running")


def test_control_that_is_on_the_tape_already_is_answered_and_not_done_again(tmp_path: Path) -> None:
    asked = ask(tmp_path, "flatten", "account", "ann", "")
    assert Inbox(tmp_path, {asked.id}).new() == []
    (entry,) = read_controls(tmp_path)
    assert entry.answered is not None
    assert entry.answered.done


def test_line_that_is_torn_or_foreign_is_left_out(tmp_path: Path) -> None:
    asked = ask(tmp_path, "halt", "account", "ann", "")
    with (tmp_path / CONTROLS).open("ab") as file:
        file.write(b'{"kind":"asked"}\n{"kind":"answered","id":"unknown","done":true,"result":"","ts_ns":1}\n{"kin')
    assert [one.asked for one in read_controls(tmp_path)] == [asked]


def test_cleared_latch_is_written_down_with_its_result(tmp_path: Path) -> None:
    record(tmp_path, "clear_latch", "account", "ann", "checked", "the account may trade again")
    (entry,) = read_controls(tmp_path)
    assert (entry.asked.verb, entry.asked.by) == ("clear_latch", "ann")
    assert entry.answered is not None
    assert Inbox(tmp_path).new() == []


def test_control_comes_back_from_its_row() -> None:
    control = Control(5, 5, "a1", "resume", "account", "drawdown", "ann", "checked")
    assert from_row(to_row(control)) == control
