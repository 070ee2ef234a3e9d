"""Every algorithm finds what is known to be best in markets made for it."""

import pytest
import torch

from models.learning_curves import MARKET_SEED, best_growth, configure, learn, market_of
from models.toys import CASH_LOSS, NAMES, solves

torch.set_num_threads(1)
pytestmark = pytest.mark.slow


TRIED = {"ppo": NAMES, "dqn": ("sign",), "sac": ("sign",), "td3": ("sign",), "rainbow": ("sign",)}
"""Markets by variant: one variant of each algorithm on the sign of the last return, the hardest; the learning curves try all."""

CASES = [(variant, market) for variant, markets in TRIED.items() for market in markets]


@pytest.mark.parametrize(("variant", "market"), CASES)
def test_algorithm_earns_nine_tenths_of_the_best_or_keeps_cash_where_cash_is_best(variant: str, market: str) -> None:
    run = learn(market_of(market, MARKET_SEED), variant, 1)
    assert run.best is not None
    assert solves(market, run.log_growth, run.best), run
    if market == "cost_trap":
        assert run.trades_per_1000 <= 20.0


@pytest.mark.parametrize("variant", ["ppo", "td3"])
def test_best_of_the_cost_trap_is_cash_and_of_the_others_far_more(variant: str) -> None:
    growth = {
        name: best_growth(market_of(name, MARKET_SEED), configure(market_of(name, MARKET_SEED), variant))
        for name in NAMES
    }
    assert growth["cost_trap"] == 0.0
    assert all(growth[name] > 100 * CASH_LOSS for name in ("bandit", "sign"))
