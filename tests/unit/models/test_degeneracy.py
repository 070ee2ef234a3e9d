"""The rules that a policy must keep to be exported."""

import math

from models.degeneracy import RULES, breaches

SOUND = {
    "commonest_action_share": 0.60,
    "trades_per_1000": 20.0,
    "action_entropy": 0.10,
    "turnover": 0.1,
    "distance_to_cash": 0.02,
    "distance_to_hold": 0.02,
    "agreement": 0.30,
}


def test_policy_on_every_bound_is_sound():
    assert breaches(SOUND) == []
    assert {rule.figure for rule in RULES} == set(SOUND)


def test_each_figure_beyond_its_bound_is_one_breach_that_names_both():
    for figure, value in SOUND.items():
        worse = value + 0.001 if figure == "commonest_action_share" else value - 0.001
        (found,) = breaches(SOUND | {figure: worse})
        assert (found.figure, found.value, found.bound) == (figure, worse, value)
        assert str(found).startswith(f"{figure} {worse:.4g} {'over' if worse > value else 'under'} {value:g} (")


def test_figure_that_is_not_a_number_is_a_breach():
    assert [found.figure for found in breaches(SOUND | {"turnover": math.nan})] == ["turnover"]
