"""A changed future changes no past decision; an indicator computed beforehand over the whole data set is caught."""

import pytest

from engine.contract.config import parse
from strategies.verification import lookahead, warmup


def config(document, **strategy):
    return parse({**document, "strategy": strategy or document["strategy"]})


@pytest.mark.parametrize("strategy", ["trend", "volatility_target", "random", "buy_and_hold"])
def test_rule_that_looks_back_only_passes(sample_document, strategy):
    verdict = lookahead(config(sample_document, name=strategy), times=2)
    assert verdict.passed
    assert verdict.checked > 1_000


def test_indicator_computed_over_the_whole_data_set_is_caught(sample_document):
    verdict = lookahead(config(sample_document, name="tests.causality.leaking:Leaking"), times=6)
    assert not verdict.passed
    first = verdict.first_difference
    assert first["ts_event"] == first["altered_after"]
    assert first["field"] == "raw_action"


def test_released_policy_passes_and_says_what_was_not_exercised(sample_document):
    document = {**sample_document, "policy": {"path": "models/released/trend/2"}}
    verdict = lookahead(config(document, name="policy"), times=3)
    assert verdict.passed
    assert "several instruments: there is one" in verdict.not_exercised


def test_cold_start_at_any_bar_sees_what_a_warm_run_saw(sample_document):
    document = {**sample_document, "policy": {"path": "models/released/trend/2"}}
    verdict = warmup(config(document, name="policy"), starts=6, compared=20)
    assert verdict.passed
    assert verdict.checked > 80
