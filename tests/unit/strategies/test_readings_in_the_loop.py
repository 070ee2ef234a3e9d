"""The strategy tells the breaker the correlation of what it holds, and the spread only of quotes that were measured."""

import numpy as np
import pytest

from strategies.backtest import run
from tests.unit.strategies.conftest import TABLE, bars, market

BREAKER = {"daily_loss": 1.0, "drawdown": 1.0, "confidence": None, "price_collar": None, "position": 5.0}
NAMES = ("BTCUSDT.SIM", "ETHUSDT.SIM")


def controls(outcome):
    return [(change.kind, change.control, change.scope) for change in outcome.blotter.changes]


def run_pair(configuration, second, observations=2, **breaker):
    section = {**BREAKER, "correlation_observations": observations, **breaker}
    plan = {0: {0: 0.4, 1: 0.4}}
    config = configuration(plan, NAMES, actors={"breaker": section}, limits={"max_gross_frac": 2.0})
    return run(config, market(bars(), bars("ETHUSDT.SIM", second)), None)


def test_two_positions_that_move_as_one_trip_at_the_second_turn(configuration):
    (change,) = run_pair(configuration, TABLE * 2.0).blotter.changes
    assert (change.control, change.scope, change.action) == ("correlation", "account", "reduce")
    assert change.value == pytest.approx(1.0, abs=1e-4)


def test_positions_that_hedge_one_another_trip_nothing(configuration):
    assert controls(run_pair(configuration, 10_000.0 / TABLE[:, [0, 2, 1, 3]])) == []


def test_correlation_before_enough_bars_trips_nothing(configuration):
    assert controls(run_pair(configuration, TABLE * 2.0, observations=100)) == []


def test_bars_before_the_span_count(configuration):
    config = configuration(
        {4: {0: 0.4, 1: 0.4}},
        NAMES,
        actors={"breaker": {**BREAKER, "correlation_observations": 4}},
        limits={"max_gross_frac": 2.0},
    )
    whole = market(bars(), bars("ETHUSDT.SIM", TABLE * 2.0))
    warm = type(whole)(whole.parts, whole.first_decision_ns + 3 * 3_600 * 10**9, whole.span_ns)
    seen = []
    run(config, warm, None, prepare=lambda assembly: seen.append(assembly.strategy.readings))
    assert seen[0]._covariance.estimate().observations.tolist() == [5, 5]


@pytest.mark.parametrize(("measured", "tripped"), [(False, []), (True, [("tripped", "spread", "BTCUSDT.SIM")])])
def test_spread_of_assumed_quotes_is_no_measurement(configuration, measured, tripped):
    config = configuration({}, actors={"breaker": {**BREAKER, "spread": 30.0}})

    def prepare(assembly):
        assembly.strategy.quotes_measured = measured

    flat = np.full((6, 4), 100.0)
    assert controls(run(config, market(bars(table=flat)), None, prepare=prepare)) == tripped


def test_strategy_without_a_breaker_measures_nothing(configuration):
    seen = []
    run(configuration({}), market(bars()), None, prepare=lambda assembly: seen.append(assembly.strategy.readings))
    assert seen == [None]
