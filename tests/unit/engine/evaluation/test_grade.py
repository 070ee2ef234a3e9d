"""The grade, from evidence by hand."""

import math

import pytest

from engine.contract.errors import DataError
from engine.evaluation.grade import THRESHOLDS, Evidence, grade

GOOD = {
    "deflated_sharpe": 0.97,
    "chance_p_value": 0.004,
    "overfitting_probability": 0.05,
    "cost_multiple": 3.0,
    "delay_retained": 0.8,
    "baseline_p_value": 0.01,
    "seeds_positive": 1.0,
    "null_sharpe_errors": 0.4,
}
WEAK = {
    "deflated_sharpe": 0.7,
    "chance_p_value": 0.03,
    "overfitting_probability": 0.3,
    "cost_multiple": 1.5,
    "delay_retained": 0.2,
    "baseline_p_value": 0.2,
    "seeds_positive": 0.6,
}
BAD = {
    "deflated_sharpe": 0.3,
    "chance_p_value": 0.4,
    "overfitting_probability": 0.6,
    "cost_multiple": 0.9,
    "delay_retained": -0.1,
    "baseline_p_value": 0.7,
    "seeds_positive": 0.4,
}


def changed(**values: float | None) -> str:
    return grade(Evidence(**{**GOOD, **values})).letter


def test_all_good_is_an_a_and_its_reasons_say_so():
    made = grade(Evidence(**GOOD))
    assert made.letter == "A"
    assert {reason.name for reason in made.reasons} == set(THRESHOLDS)
    assert all(reason.verdict == "good" for reason in made.reasons)


@pytest.mark.parametrize("name", sorted(WEAK))
def test_each_weak_answer_makes_a_b_and_each_bad_one_a_d(name):
    assert changed(**{name: WEAK[name]}) == "B"
    assert changed(**{name: BAD[name]}) == "D"
    first = grade(Evidence(**{**GOOD, name: BAD[name]})).reasons[0]
    assert (first.name, first.verdict) == (name, "bad")
    assert THRESHOLDS[name].title in first.text


def test_three_weak_answers_or_one_missing_make_a_c():
    names = sorted(WEAK)[:3]
    assert changed(**{name: WEAK[name] for name in names[:2]}) == "B"
    assert changed(**{name: WEAK[name] for name in names}) == "C"
    assert changed(overfitting_probability=None) == "C"
    assert grade(Evidence()).letter == "C"
    assert grade(Evidence()).reasons[0].text == "deflated Sharpe ratio was not measured"


def test_three_bad_answers_fail():
    names = sorted(BAD)[:3]
    assert changed(**{name: BAD[name] for name in names[:2]}) == "D"
    assert changed(**{name: BAD[name] for name in names}) == "F"


def test_profit_where_there_can_be_none_fails_whatever_else_is_good():
    made = grade(Evidence(**{**GOOD, "null_sharpe_errors": 2.4}))
    assert made.letter == "F"
    assert made.reasons[0].text.startswith("Sharpe ratio where there is no edge, in standard errors 2.4 is a leak")


def test_value_that_is_not_a_number_is_refused():
    with pytest.raises(DataError, match="delay_retained must be a number, or None where it was not measured, was nan"):
        grade(Evidence(delay_retained=math.nan))
