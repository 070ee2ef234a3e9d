"""Terms of the reward, by hand."""

import math

import msgspec
import pytest
import torch

from engine.contract.action import ActionSpec, Discrete7
from engine.contract.config import Limits, Reward
from models.market import Market
from models.rewards import REWARD_LIMIT
from tests.unit.models.conftest import FIRST, VENUE, scripted

NONE = dict.fromkeys(Reward.__struct_fields__, 0.0)
TAPE = scripted([102.0, 105.0, 103.0, 101.0, 100.0], [104.0, 103.0, 102.0, 100.0, 99.0])
VOLATILITY = float(TAPE.volatility[FIRST])


def rewards(actions: list[Discrete7], **weights: float) -> tuple[list[float], Market]:
    limits = Limits(max_position_frac=0.5, max_gross_frac=3.0)
    reward = msgspec.convert(NONE | weights, Reward)
    market = Market(TAPE, VENUE, limits, ActionSpec(), 1, 1_000, 0, reward=reward, trace=True)
    market.begin(FIRST)
    return [float(market.advance(torch.tensor([int(action)])).reward) for action in actions], market


def test_cost_is_the_fee_over_the_risk_of_the_largest_position():
    (found,), _ = rewards([Discrete7.BUY_MEDIUM], cost=1.0)
    # 30 units at 102.05, fee 3.0615 of an equity of 10,000
    assert found == pytest.approx(-3.0615 / (10_000 * VOLATILITY * 0.5), rel=1e-6)


def test_pnl_and_cost_together_are_the_simple_growth_before_the_logarithm():
    (both,), market = rewards([Discrete7.BUY_SMALL], pnl=1.0, cost=1.0)
    gained = float(market.account.equity[0]) / 10_000 - 1.0
    assert both == pytest.approx(min(gained / (VOLATILITY * 0.5), REWARD_LIMIT), rel=1e-5)


def test_time_presses_only_while_the_position_is_at_a_loss():
    found, _ = rewards([Discrete7.BUY_MEDIUM, Discrete7.HOLD, Discrete7.HOLD, Discrete7.HOLD], time=1.0)
    # bought at 102.05; closes 104, 103, 102, 100: at a loss after three and after four turns
    assert found == pytest.approx([0.0, 0.0, -3 / 64, -4 / 64], abs=1e-7)


def test_holding_rewards_keeping_a_gain_and_punishes_keeping_a_loss_and_not_trading_itself():
    found, _ = rewards([Discrete7.BUY_MEDIUM, Discrete7.HOLD, Discrete7.HOLD, Discrete7.SELL_ALL], holding=1.0)
    assert found == [0.0, 1.0, -1.0, 0.0]


def test_sizing_is_half_the_square_of_the_exposure():
    (found,), market = rewards([Discrete7.BUY_MEDIUM], sizing=2.0)
    exposure = 30 * 104.0 / (0.5 * float(market.account.equity[0]))
    assert found == pytest.approx(-(exposure**2), rel=1e-6)


def test_drawdown_counts_its_growth_alone_and_sharpe_its_change():
    found, market = rewards([Discrete7.BUY_MEDIUM, Discrete7.HOLD, Discrete7.SELL_ALL, Discrete7.HOLD], drawdown=1.0)
    assert found[0] == 0.0
    assert found[1] < 0.0
    assert found[3] == 0.0
    changes, market = rewards([Discrete7.BUY_MEDIUM, Discrete7.HOLD, Discrete7.HOLD], sharpe=1.0)
    account = market.account
    ratio = float(account.mean / torch.sqrt(account.square - account.mean**2))
    assert sum(changes) == pytest.approx(ratio, abs=1e-6)


def test_weights_scale_and_add_up():
    actions = [Discrete7.BUY_MEDIUM, Discrete7.HOLD, Discrete7.HOLD]
    growth, cost = rewards(actions, growth=1.0)[0], rewards(actions, cost=1.0)[0]
    mixed = rewards(actions, growth=0.5, cost=2.0)[0]
    assert mixed == pytest.approx([0.5 * g + 2.0 * c for g, c in zip(growth, cost)], rel=1e-5)
    assert math.isfinite(sum(mixed))
