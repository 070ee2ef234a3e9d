"""Halts by hand, and what a resume clears."""

import pytest

from engine.contract.config import Limits
from engine.contract.errors import UsageError
from engine.risk.breaker import Breaker
from engine.risk.breaker_settings import BreakerSettings
from strategies.steering import Halts, clear

A, B = "AAAUSDT.SIM", "BBBUSDT.SIM"
HOUR = 3_600_000_000_000


def tripped() -> Breaker:
    breaker = Breaker([A, B], BreakerSettings().resolved(Limits()), HOUR)
    breaker.stop(1, "ann", "drill")
    breaker.stop(1, "ann", "drill", A)
    return breaker


def test_halt_covers_its_scope_and_the_account_covers_all() -> None:
    halts = Halts((A, B))
    assert halts.put(A, "ann", "news", flatten=False) == (A,)
    assert halts.over(B) is None
    assert halts.over(A) == ("halted by ann: news", False)
    assert halts.put("account", "bob", "", flatten=True) == (A, B)
    assert halts.over(A) == halts.over(B) == ("halted by bob", True)


def test_halt_after_a_flattening_still_flattens() -> None:
    halts = Halts((A,))
    halts.put(A, "ann", "", flatten=True)
    halts.put(A, "ann", "", flatten=False)
    found = halts.over(A)
    assert found is not None
    assert found.flatten


@pytest.mark.parametrize(
    ("scope", "by", "told"), [("CCC.SIM", "ann", "be account or one of"), (A, " ", "be signed by a person")]
)
def test_halt_of_an_unknown_scope_or_by_nobody_is_refused(scope: str, by: str, told: str) -> None:
    halts = Halts((A, B))
    with pytest.raises(UsageError, match=told):
        halts.put(scope, by, "", flatten=False)
    assert not halts


def test_state_of_halts_comes_back() -> None:
    halts, other = Halts((A, B)), Halts((A, B))
    halts.put(A, "ann", "news", flatten=True)
    other.restore(halts.state())
    assert other.over(A) == halts.over(A)
    assert other.state() == halts.state() == {A: ["halted by ann: news", True]}


def test_resume_clears_what_it_names_and_says_so() -> None:
    halts, breaker = Halts((A, B)), tripped()
    halts.put("account", "ann", "", flatten=False)
    assert str(clear(halts, breaker, 2, "account", "halt", "bob", "done")) == "halt by hand (account)"
    assert len(breaker.standing(2).trips) == 2
    cleared = clear(halts, breaker, 2, A, "manual", "bob", "done")
    assert str(cleared) == f"manual ({A})"
    assert [(one.kind, one.by, one.reason) for one in cleared.changes] == [("reset", "bob", "done")]
    assert str(clear(halts, breaker, 3, "all", "", "bob", "done")) == "manual (account)"
    assert not breaker.standing(3).trips


def test_resume_of_all_clears_halts_and_breakers_together() -> None:
    halts, breaker = Halts((A, B)), tripped()
    halts.put(B, "ann", "", flatten=True)
    assert str(clear(halts, breaker, 2, "all", "", "bob", "")) == f"halt by hand ({B}), manual (account), manual ({A})"
    assert not halts


@pytest.mark.parametrize("control", ["", "halt", "drawdown"])
def test_resume_of_what_does_not_stand_is_refused(control: str) -> None:
    with pytest.raises(UsageError, match="must name what"):
        clear(Halts((A,)), None, 2, "account", control, "bob", "")
    fresh = Breaker([A], BreakerSettings().resolved(Limits()), HOUR)
    with pytest.raises(UsageError, match="must name what"):
        clear(Halts((A,)), fresh, 2, "account", control, "bob", "")
