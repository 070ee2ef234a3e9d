"""Replays of a policy, and the figures made of them."""

import math
from collections.abc import Callable

import pytest
import torch

from engine.contract.action import ActionSpec
from engine.contract.config import Limits
from models.market import Market
from models.networks import PolicyGraph
from models.tape import ASK, BID, CLOSE, NEXT_CLOSE, Tape
from models.validation import Replay, figures, replay
from tests.unit.models.conftest import FIRST, VENUE

Make = Callable[..., PolicyGraph]
LIMITS = Limits(max_position_frac=0.5)


@torch.no_grad()
def test_replay_is_the_graph_over_raw_bars_stepped_through_the_market(wandering: Tape, policy: Make) -> None:
    graph = policy()
    found = replay([graph, policy("transformer")], wandering, VENUE, LIMITS, FIRST + 5, 200)[0]
    market = Market(wandering, VENUE, LIMITS, graph.spec, 1, 1_000, 0)
    market.begin(FIRST + 5)
    for index in range(200 - 1 - FIRST - 5):
        row = int(market.row[0])
        account = market.observation().account
        answer = graph(wandering.bars[None, row - 95 : row + 1], account[:, :5], account[:, 5:])
        market.advance(answer.action)
        assert float(found.action[index]) == float(answer.action[0])
        assert float(found.equity[index + 1]) == float(market.account.equity[0])
    assert len(found.action) == 200 - 1 - FIRST - 5
    assert float((found.orders != 0).sum()) > 0


def test_replay_of_an_account_that_ends_stops_there(policy: Make, wandering: Tape) -> None:
    graph = policy(kind="continuous")
    with torch.no_grad():
        graph.trunk.actor[-1].weight.zero_()
        graph.trunk.actor[-1].bias.fill_(5.0)
    tape = wandering
    tape.turns[300:, 0, CLOSE] = 1.0
    tape.turns[299:, 0, [NEXT_CLOSE, BID, ASK]] = 1.0
    found = replay([graph], tape, VENUE, Limits(max_position_frac=1.0), FIRST, 600)[0]
    assert len(found.action) == 300 - FIRST
    assert len(found.equity) == 301 - FIRST


def series(values: list[float], actions: list[int], orders: list[float]) -> Replay:
    equity = torch.tensor(values, dtype=torch.float64)
    count = len(actions)
    zeros = torch.zeros(count, dtype=torch.float64)
    return Replay(
        equity=equity,
        exposure=torch.full((count, 1), 0.25, dtype=torch.float64),
        action=torch.tensor(actions).double()[:, None],
        decides=torch.ones(count, 1, dtype=torch.bool),
        orders=torch.tensor(orders, dtype=torch.float64)[:, None],
        traded_frac=torch.tensor([abs(order) / 10 for order in orders], dtype=torch.float64)[:, None],
        fees=zeros[:, None],
        account=torch.zeros(count, 1, 13),
        entropy=torch.full((count, 1), 0.5, dtype=torch.float64),
        agreement=torch.full((count, 1), 0.75, dtype=torch.float64),
    )


def test_figures_of_four_decisions_are_those_worked_by_hand() -> None:
    found = figures(
        [series([100.0, 110.0, 99.0, 108.9, 108.9], [3, 0, 0, 5], [2.0, 0.0, 0.0, -2.0])], ActionSpec(), "1-HOUR"
    )
    returns = [math.log(1.1), math.log(0.9), math.log(1.1), 0.0]
    mean = sum(returns) / 4
    deviation = math.sqrt(sum((x - mean) ** 2 for x in returns) / 3)
    assert found == {
        "log_growth": pytest.approx(math.log(1.089)),
        "sharpe": pytest.approx(mean / deviation * math.sqrt(8_760)),
        "max_drawdown": pytest.approx(0.1),
        "exposure": pytest.approx(0.25),
        "turnover": pytest.approx(0.4 / 4 * 1_000),
        "trades_per_1000": 500.0,
        "entropy": pytest.approx(0.5),
        "commonest_action_share": 0.5,
        "hold_share": 0.5,
        # of 3, 0, 0, 5: a half ln 2 and two quarters ln 4, over ln 7
        "action_entropy": pytest.approx(1.5 * math.log(2) / math.log(7)),
        "distance_to_cash": 0.0,
        "distance_to_hold": 1.0,
        "agreement": pytest.approx(0.75),
        "decisions": 4,
    }


def test_figures_of_an_account_that_never_moves_are_zero_and_show_its_collapse() -> None:
    found = figures([series([100.0] * 4, [0, 0, 0], [0.0] * 3)], ActionSpec(), "1-HOUR")
    assert (found["sharpe"], found["log_growth"], found["trades_per_1000"]) == (0.0, 0.0, 0.0)
    assert found["commonest_action_share"] == found["hold_share"] == 1.0
