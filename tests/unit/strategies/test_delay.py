"""Decisions that are carried out a turn late, by hand."""

import numpy as np
import pytest

from engine.contract.errors import UsageError
from strategies.backtest import run
from strategies.base import Choice
from strategies.delay import Delay
from tests.unit.strategies.conftest import bars, market


def late(config, turns=1, **kwargs):
    def look(assembly):
        assembly.strategy.delay = Delay(turns)

    return run(config, market(bars()), None, prepare=look, **kwargs)


@pytest.mark.parametrize(("turns", "price"), [(1, 400.80), (2, 501.00)])
def test_order_fills_as_many_opens_later(configuration, turns, price):
    """Decided at the close of bar 1: in time it would fill at the open of bar 2, 300 and a half-spread of 20 bps."""
    outcome = late(configuration({1: 0.01}), turns)
    assert [fill.price for fill in outcome.blotter.fills] == [price]


def test_journal_shows_the_decision_at_the_turn_at_which_it_was_carried_out(configuration):
    outcome = late(configuration({1: 0.01}))
    entries = list(outcome.journal)
    assert [(entry.seq, entry.gate) for entry in entries][:3] == [(1, "hold"), (2, "approved"), (3, "hold")]
    assert entries[1].target_exposure == 0.01
    assert outcome.blotter.fills[0].order_key.startswith("2:")


def test_hold_stays_a_hold_of_what_is_held_when_it_is_due():
    delay, exposure = Delay(1), np.array([0.5])
    assert delay([Choice(0, 0.5, 0.0, 0.0)], exposure) == []
    due = delay([Choice(0, 1.0, 0.7, 0.7)], np.array([0.61]))
    assert due == [Choice(0, 0.61, 0.0, 0.0)]
    assert delay([], np.array([0.6])) == []
    assert delay([Choice(0, 0.2, 0.1, 0.1)], np.array([0.6])) == [Choice(0, 1.0, 0.7, 0.7)]


def test_state_carries_what_waits():
    delay, other = Delay(1), Delay(1)
    delay([Choice(1, 0.3, 0.2, 0.1, 0.9, "abc")], np.array([0.0, 0.0]))
    other.restore(delay.state())
    assert other([Choice(1, 0.0, 0.0, 0.0)], np.zeros(2)) == [Choice(1, 0.3, 0.2, 0.1, 0.9, "abc")]


def test_delay_of_no_turn_is_refused():
    with pytest.raises(UsageError, match="delay must be at least 1 turn, was 0"):
        Delay(0)
