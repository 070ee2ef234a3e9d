"""Which halts by hand stand, by the journal of controls."""

from live.dashboard.standing import by_hand
from live.steering import Answered, Asked, Entry

A = "AAAUSDT.SIM"


def entry(verb: str, scope: str, control: str = "", done: bool | None = True, reason: str = "") -> Entry:
    asked = Asked("x", verb, scope, "ann", reason, 1_640_995_200_000_000_000, control)  # type: ignore[arg-type]
    return Entry(asked, None if done is None else Answered("x", done, "", 1))


def scopes(*entries: Entry) -> list[tuple[str, bool]]:
    return [(one.scope, one.strong) for one in by_hand(list(entries))]


def test_halt_stands_until_its_scope_is_resumed() -> None:
    halted = entry("halt", "account")
    assert scopes(halted) == [("account", False)]
    assert scopes(halted, entry("resume", "account")) == []
    assert scopes(halted, entry("resume", "account", "halt")) == []
    assert scopes(halted, entry("resume", A)) == [("account", False)]
    assert scopes(halted, entry("halt", A), entry("resume", "all")) == []


def test_resume_of_a_breaker_leaves_a_halt_by_hand() -> None:
    assert scopes(entry("halt", "account"), entry("resume", "account", "drawdown")) == [("account", False)]


def test_flattening_is_not_unsaid_by_a_halt() -> None:
    assert scopes(entry("flatten", A), entry("halt", A)) == [(A, True)]


def test_what_was_refused_or_not_answered_stands_not() -> None:
    assert scopes(entry("halt", "account", done=False), entry("flatten", A, done=None)) == []


def test_halt_tells_who_when_and_why() -> None:
    (one,) = by_hand([entry("halt", "account", reason="news")])
    assert one.detail == "Whole account: no new risk, positions are kept; by ann, 2022-01-01 00:00 UTC: news"
