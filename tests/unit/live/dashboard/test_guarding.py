"""Tokens, tries and sessions."""

import pytest

from engine.contract.errors import UsageError
from live.dashboard.guarding import MOST_SESSIONS, SESSION_SECS, VARIABLE, Guard, TooMany, make_token

TOKEN = "the right token of this test"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_right_token_is_admitted_and_any_other_is_not() -> None:
    guard = Guard(TOKEN)
    assert guard.admits(TOKEN, "a")
    assert not any(guard.admits(wrong, str(number)) for number, wrong in enumerate(["", TOKEN[:-1], TOKEN + " ", "ß"]))


def test_sixth_try_within_a_minute_is_refused_even_with_the_right_token_and_only_for_its_address() -> None:
    clock = Clock()
    guard = Guard(TOKEN, clock)
    assert [guard.admits("wrong", "a") for _ in range(5)] == [False] * 5
    with pytest.raises(TooMany):
        guard.admits(TOKEN, "a")
    assert guard.admits(TOKEN, "b")
    clock.now = 61.0
    assert guard.admits(TOKEN, "a")


def test_right_token_forgives_the_wrong_ones_before() -> None:
    guard = Guard(TOKEN)
    for _ in range(3):
        assert [guard.admits("wrong", "a") for _ in range(4)] == [False] * 4
        assert guard.admits(TOKEN, "a")


def test_session_ends_after_half_a_day_or_when_it_is_closed() -> None:
    clock = Clock()
    guard = Guard(TOKEN, clock)
    first, second = guard.open_session(), guard.open_session()
    assert guard.knows(first)
    assert guard.knows(second)
    assert not guard.knows("")
    assert not guard.knows(TOKEN)
    guard.close_session(second)
    assert not guard.knows(second)
    clock.now = SESSION_SECS + 1.0
    assert not guard.knows(first)


def test_sessions_do_not_grow_without_end() -> None:
    guard = Guard(TOKEN)
    opened = [guard.open_session() for _ in range(MOST_SESSIONS + 10)]
    assert sum(map(guard.knows, opened)) == MOST_SESSIONS


def test_token_comes_from_the_environment_or_is_made_and_a_short_one_is_refused(monkeypatch) -> None:
    monkeypatch.setenv(VARIABLE, TOKEN)
    assert make_token() == (TOKEN, False)
    monkeypatch.delenv(VARIABLE)
    (one, made), (other, _) = make_token(), make_token()
    assert made
    assert one != other
    assert len(one) >= 32
    monkeypatch.setenv(VARIABLE, "short")
    with pytest.raises(UsageError, match="HURACAN_DASHBOARD_TOKEN must have at least 16 characters, was 5"):
        make_token()
