"""From figures to evidence: what was not measured is None, and what has no value too."""

import pytest

from strategies.stress.evidence import evidence, graded
from strategies.stress.nulls import Directionless
from strategies.stress.suite import Stresses
from strategies.stress.terms import Costs
from strategies.stress.track import Figures


def stresses(sharpe: float | None, late: float | None, errors: float = 0.5) -> Stresses:
    def made(ratio):
        return Figures(100, 0.1, ratio, 0.5, 0.1, 0.2, 10.0, 0.5)

    priced = Costs({"1": made(sharpe)}, 6.0, 15.0, 2.5)
    return Stresses(made(sharpe), priced, made(late), Directionless({}, errors, 0.3, False), None, [])


def test_everything_measured_and_good_is_an_a():
    found = evidence(
        stresses(2.0, 1.5),
        deflated_sharpe=0.97,
        chance_p_value=0.005,
        overfitting_probability=0.05,
        baseline_p_value=0.03,
        seed_sharpes=[1.0, 0.5, 0.2, 0.1, 0.4],
    )
    assert found.delay_retained == 0.75
    assert found.cost_multiple == 2.5
    assert found.seeds_positive == 1.0
    assert graded(found).letter == "A"


@pytest.mark.parametrize(
    ("sharpe", "late", "retained"), [(2.0, -1.0, -0.5), (-1.0, 1.0, None), (None, None, None), (2.0, None, 0.0)]
)
def test_delay_leaves_a_share_only_where_there_is_something_to_leave(sharpe, late, retained):
    assert evidence(stresses(sharpe, late)).delay_retained == retained


def test_fewer_than_five_seeds_are_no_evidence_and_a_seed_that_traded_nothing_did_not_earn():
    assert evidence(seed_sharpes=[1.0] * 4).seeds_positive is None
    assert evidence(seed_sharpes=[1.0, 1.0, 1.0, None, -1.0]).seeds_positive == 0.6


def test_profit_without_a_direction_is_an_f():
    made = graded(evidence(stresses(3.0, 2.0, errors=2.6)))
    assert made.letter == "F"
    assert made.reasons[0].name == "null_sharpe_errors"
