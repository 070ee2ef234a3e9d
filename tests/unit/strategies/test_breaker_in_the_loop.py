"""The breaker hears every turn before the decision; what it trips refuses new risk, flattens in stages, and stands in the journal."""

import numpy as np
import pytest

from engine.contract.errors import ConfigError
from engine.journal.explain import describe
from strategies import verification
from strategies.backtest import run, with_strategy
from tests.unit.strategies.conftest import Planned, bars, market

CRASH = np.array([[100, 100, 100, 100]] * 3 + [[70, 70, 70, 70]] * 6, dtype=float)
BREAKER = {"daily_loss": 1.0, "confidence": None, "price_collar": None, "position": 5.0}


def crashed(configuration, plan, table=CRASH, **breaker):
    config = configuration(plan, actors={"breaker": {**BREAKER, **breaker}})
    return run(config, market(bars(table=table)), None)


def test_drawdown_halts_at_the_second_turn_flattens_in_stages_and_refuses_new_risk(configuration):
    outcome = crashed(configuration, {0: 1.0, 7: 1.0})
    (change,) = outcome.blotter.changes
    assert (change.kind, change.control, change.action) == ("tripped", "drawdown", "halt")
    table = outcome.blotter.equity_table()
    quantity = np.array(table["quantity:BTCUSDT.SIM"])
    held = quantity[2]
    assert held > 0
    assert (quantity[4:] / held).round(3).tolist()[1:4] == [0.5, 0.25, 0.0]
    gates = {entry.seq: entry.gate for entry in outcome.journal.entries}
    assert gates[4] == "approved"
    entry = next(entry for entry in outcome.journal.entries if entry.seq == 4)
    lines = describe(entry, changes=outcome.blotter.changes)
    assert any(line.startswith("  breaker: halt (drawdown 0.") for line in lines)


def test_new_risk_after_a_halt_is_refused_with_the_breakers_limit(configuration):
    outcome = crashed(configuration, {0: 1.0, 7: 1.0}, stages=[1.0])
    gates = {entry.seq: entry.gate for entry in outcome.journal.entries}
    assert gates[7].startswith("refused: drawdown 0.")
    assert gates[7].endswith("over 0.15 (halt account)")


def test_one_bad_bar_costs_one_turn_of_new_risk_and_trips_nothing(configuration):
    table = CRASH.copy()
    table[4:] = 100.0
    outcome = crashed(configuration, {0: 1.0}, table=table)
    assert outcome.blotter.changes == []


def test_breaker_that_is_off_leaves_the_run_as_it_was(configuration):
    plain = run(configuration({0: 1.0, 2: 0.2}), market(bars()), None)
    off = run(configuration({0: 1.0, 2: 0.2}, actors={"breaker": {"enabled": False}}), market(bars()), None)
    assert plain.journal.decisions_sha256 == off.journal.decisions_sha256


class Doubtful(Planned):
    """Plans, and is half sure of it."""

    def decide(self, turn, present, exposure):
        return [choice._replace(confidence=0.5) for choice in super().decide(turn, present, exposure)]


@pytest.mark.parametrize(("floor", "gate"), [(0.5, "approved"), (0.6, "refused: confidence 0.5 under 0.6")])
def test_answer_less_sure_than_the_floor_is_refused(configuration, floor, gate):
    config = configuration({0: 1.0}, actors={"breaker": {**BREAKER, "confidence": floor}})
    config = with_strategy(config, f"{__name__}:Doubtful", plan=config.strategy["plan"])
    outcome = run(config, market(bars(table=CRASH)), None)
    assert outcome.journal.entries[0].gate.startswith(gate)


def test_unknown_key_of_the_section_is_refused(configuration):
    with pytest.raises(ConfigError, match="mood"):
        crashed(configuration, {}, mood=1.0)


def test_drill_of_a_configuration_passes_and_names_what_it_did_not_exercise(configuration):
    verdict = verification.breakers(configuration({}, actors={"breaker": {}}))
    assert verdict.passed
    assert verdict.checked > 20
    assert any(one.startswith("dead_man_switch") for one in verdict.not_exercised)
