"""The truth of the toys: what they pay, and to whom."""

import numpy as np
import pytest
import torch

from models.candidates import Judge
from models.learning_curves import best_growth, configure, lay, market_of
from models.toys import best_rules, solves, toy
from models.training import action_spec

torch.set_num_threads(1)


def test_same_seed_gives_the_same_toy_and_another_seed_another() -> None:
    one, two, three = (toy("sign", 300, seed).bars[0].close for seed in (1, 1, 2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, three)


def test_sign_of_a_return_is_that_of_the_one_before_five_times_in_six() -> None:
    sign = np.sign(np.diff(toy("sign", 20_000, 1).bars[0].close))
    assert float(np.mean(sign[1:] == sign[:-1])) == pytest.approx(5.0 / 6.0, abs=0.01)


def test_bandit_drifts_up_in_one_instrument_and_down_in_the_other() -> None:
    up, down = toy("bandit", 2_000, 1).bars
    assert np.log(up.close[-1] / up.close[0]) == pytest.approx(4.0, abs=0.3)
    assert np.log(down.close[-1] / down.close[0]) == pytest.approx(-4.0, abs=0.3)


@pytest.mark.parametrize("variant", ["ppo", "td3"])
def test_best_rule_of_sign_is_in_after_gains_alone(variant: str) -> None:
    market = market_of("sign", 1)
    config = configure(market, variant)
    tape, split = lay(market, config)
    judge = Judge(config, tape, action_spec(config), split.validation)
    found = judge.figures(best_rules("sign", action_spec(config)))[0]
    first, last = split.validation
    moves = torch.diff(torch.log(tape.close[first - 1 : last]))
    gains = moves[:-1] > 0
    # in the whole budget (0.9 of it at the first bar of a run with discrete answers) after a gain, less a fee of 1 bp for each order
    ideal = float(moves[1:][gains].sum())
    assert 0.85 * ideal < found["log_growth"] < ideal
    assert best_growth(market, config) >= found["log_growth"]


def test_toy_is_solved_by_nine_tenths_of_the_best_and_the_trap_by_keeping_cash() -> None:
    assert solves("sign", 0.90, 1.0)
    assert not solves("sign", 0.89, 1.0)
    assert solves("cost_trap", -0.0019, 0.0)
    assert not solves("cost_trap", -0.003, 0.0)
