"""In a market without a direction there is nothing to earn: who earns there knows the future."""

import datetime as dt

import msgspec
import numpy as np
import pytest

from engine.contract.config import parse
from engine.contract.errors import UsageError
from strategies.assembly import load_session
from strategies.stress.nulls import directionless
from strategies.stress.suite import stress
from strategies.stress.terms import delayed
from strategies.stress.track import prepared, traded

LEAKING = "tests.causality.leaking:Leaking"


def spans(sample_document, end=dt.date(2021, 1, 15), **strategy):
    document = {**sample_document, "strategy": strategy, "data": {**sample_document["data"], "end": end}}
    config = parse({**document, "policy": {"path": "models/released/trend/2"}})
    return [(config, load_session(config))]


def test_strategy_that_peeks_through_the_catalog_is_exposed_and_a_bar_of_delay_takes_all_it_earned(sample_document):
    ready = prepared(spans(sample_document, name=LEAKING))
    found, paths = directionless(ready, [1])
    assert found.leak
    assert min(one.errors for one in found.markets.values()) > 5.0
    assert set(paths) == {"random_signs 1", "shuffled 1"}
    assert traded(ready).returns.sum() > 0.4
    assert delayed(ready).returns.sum() < 0.1


def test_released_policy_earns_on_its_trend_and_not_without_one(sample_document):
    ready = prepared(spans(sample_document, name="policy"))
    found, paths = directionless(ready, [1])
    assert not found.leak
    assert found.p_value > 0.05
    assert not np.array_equal(paths["random_signs 1"].market, paths["shuffled 1"].market)


@pytest.mark.parametrize("strategy", [{"name": "trend", "lookback": 24}, {"name": "buy_and_hold"}])
def test_rule_that_looks_back_is_not_called_a_leak(sample_document, strategy):
    found, _ = directionless(prepared(spans(sample_document, **strategy)), [1, 2])
    assert not found.leak


@pytest.mark.slow
def test_processes_draw_what_this_one_draws(sample_document):
    ready = prepared(spans(sample_document, dt.date(2021, 1, 8), name="policy"))
    here, there = (directionless(ready, [1, 2], workers=workers) for workers in (0, 2))
    assert here[0] == there[0]
    assert all(np.array_equal(path.returns, there[1][name].returns) for name, path in here[1].items())


def test_no_seed_is_refused(sample_document):
    with pytest.raises(UsageError, match="seeds must be 1 or more, was 0"):
        directionless(prepared(spans(sample_document, name="trend")), [])


def test_all_stresses_are_plain_values_and_come_again(sample_document):
    config, session = spans(sample_document, dt.date(2021, 1, 8), name="trend", lookback=24)[0]
    steps = []
    one = stress([(config, session)], [1], lambda count, name: steps.append((count, name)))
    two = stress([(config, session)], [1])
    assert msgspec.json.encode(one.stresses.document()) == msgspec.json.encode(two.stresses.document())
    assert set(one.paths) == {
        *("unstressed", "costs 0", "costs 2", "costs 4", "delay"),
        *("random_signs 1", "shuffled 1"),
    }
    assert len(steps) == 5 + 2
    assert one.stresses.crises == []


@pytest.mark.slow
def test_released_policy_is_no_leak_over_a_month_and_three_seeds(sample_document):
    found = stress(spans(sample_document, dt.date(2021, 2, 1), name="policy"), (1, 2, 3)).stresses
    assert not found.directionless.leak
    assert found.unstressed.sharpe is not None
    assert found.unstressed.sharpe > 3.0
    assert found.costs.cost_multiple is not None
    assert found.costs.cost_multiple > 4.0
