"""Every control is drilled, and a breaker that lacks something fails its drill."""

import pytest

from engine.contract.config import Limits
from engine.risk import breaker_questions
from engine.risk.breaker import Breaker
from engine.risk.breaker_controls import CONTROLS
from engine.risk.breaker_rehearsal import drill_all
from engine.risk.breaker_settings import BreakerSettings
from engine.risk.gate import Refusal

LIMITS = Limits(max_order_notional=1_000.0)
EVERYTHING = BreakerSettings(max_order_quantity={"A.X": 5.0})


def drilled(bar_secs=3_600, settings=EVERYTHING, limits=LIMITS):
    found = drill_all(("A.X", "B.X"), settings, limits, bar_secs * 10**9)
    return {one.control: one for one in found}


@pytest.mark.parametrize("bar_secs", [60, 3_600, 86_400])
def test_every_control_passes_and_only_the_venue_is_not_exercised(bar_secs):
    found = drilled(bar_secs)
    assert [one for one in found.values() if one.passed is False] == []
    assert list(found) == [control.name for control in CONTROLS]
    left = {name for name, one in found.items() if one.passed is None}
    assert left == {"dead_man_switch", "reconciliation", "independent_kill"}
    assert (found["drawdown"].turns, found["entropy"].turns, found["stale_data"].turns) == (2, 64, 1)


def test_other_actions_releases_and_confirmations_pass_too():
    settings = BreakerSettings(
        confirm={"drawdown": 1, "spread": 5},
        action={"drawdown": "reduce", "spread": "halt"},
        release={"daily_loss": "person"},
        stages=(1.0,),
    )
    found = drilled(settings=settings)
    assert [one for one in found.values() if one.passed is False] == []
    assert (found["drawdown"].turns, found["spread"].turns) == (1, 5)


def test_control_that_is_off_is_named_as_not_exercised():
    found = drilled(settings=BreakerSettings(spread=None), limits=Limits())
    for name in ("spread", "max_order_quantity", "max_order_notional"):
        assert (found[name].passed, found[name].detail) == (None, "off in the configuration")


def test_breaker_that_forgets_over_a_restart_fails(monkeypatch):
    monkeypatch.setattr(Breaker, "restore", lambda self, state: None)
    assert drilled()["drawdown"].detail == "was armed again by a restart"


def test_breaker_that_trips_on_one_bad_turn_fails(monkeypatch):
    original = Breaker._judge

    def hasty(self, name, scope, value, breached, changes):
        if breached and name == "drawdown":
            self._rows[name] = self._rows[name]._replace(confirm=1)
        original(self, name, scope, value, breached, changes)

    monkeypatch.setattr(Breaker, "_judge", hasty)
    assert drilled()["drawdown"].detail.startswith("tripped on what is allowed")


def test_breaker_that_never_trips_fails(monkeypatch):
    monkeypatch.setattr(Breaker, "_judge", lambda *_: None)
    assert drilled()["spread"].detail == "did not trip to reduce"


def test_gate_that_refuses_what_reduces_fails(monkeypatch):
    real = breaker_questions.judge

    def strict(intent, *rest):
        return Refusal("mood", 1.0, 0.0) if intent.quantity < 0 else real(intent, *rest)

    monkeypatch.setattr(breaker_questions, "judge", strict)
    assert drilled()["price_collar"].detail.startswith("a risk-reducing order was refused")
