"""The break-even cost, held to a replay that charges it."""

import numpy as np
import pytest

from engine.contract.errors import DataError
from engine.evaluation.activity import turnover_per_bar
from engine.evaluation.breakeven import break_even_bps, break_even_compounded_bps, net_returns
from engine.evaluation.chance import path_sharpes


def path(seed: int, edge: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    bars = generator.normal(0.0, 0.01, 2_000)
    exposure = np.repeat(generator.choice([-1.0, 0.0, 0.5, 1.0], 400), 5)
    return exposure, bars + edge * exposure, exposure * (bars + edge * exposure)


def test_by_hand_two_trades_of_thirty_bps_earn_fifteen_each():
    assert break_even_bps([0.0020, 0.0, 0.0010], [1.0, 0.0, 1.0]) == pytest.approx(15.0)


@pytest.mark.parametrize("edge", [0.002, -0.001])
def test_replay_at_the_break_even_cost_earns_nothing(edge):
    exposure, bars, gross = path(1, edge)
    traded = turnover_per_bar(exposure)
    cost = break_even_bps(gross, traded)
    assert net_returns(gross, traded, cost).mean() == pytest.approx(0.0, abs=1e-15)
    assert (cost > 0) == (edge > 0)
    if cost > 0:
        assert path_sharpes(exposure[None, :, None], bars[:, None], cost)[0] == pytest.approx(0.0, abs=1e-9)
        assert path_sharpes(exposure[None, :, None], bars[:, None], cost * 0.9)[0] > 0.0


@pytest.mark.parametrize("edge", [0.002, 0.0, -0.001])
def test_replay_at_the_compounded_break_even_cost_ends_where_it_began(edge):
    exposure, _, gross = path(2, edge)
    traded = turnover_per_bar(exposure)
    cost = break_even_compounded_bps(gross, traded)
    assert np.prod(1.0 + net_returns(gross, traded, cost)) == pytest.approx(1.0, abs=1e-9)
    assert cost < break_even_bps(gross, traded)


def test_cost_that_would_ruin_before_it_breaks_even_is_found_below_the_ruin():
    cost = break_even_compounded_bps([0.0, 10.0], [1.0, 0.0])
    assert cost == pytest.approx(1e4 * (1 - 1 / 11))


def test_strategy_that_never_trades_or_is_ruined_has_no_break_even():
    assert break_even_bps([0.1, 0.1], [0.0, 0.0]) is None
    assert break_even_compounded_bps([0.1, -1.0], [1.0, 1.0]) is None


def test_negative_turnover_is_refused_with_its_bar():
    with pytest.raises(DataError, match=r"not be negative, was -1.0 \(bar 1\)"):
        break_even_bps([0.1, 0.1], [1.0, -1.0])
    with pytest.raises(DataError, match="as many bars as gross returns, 2, was 1"):
        break_even_bps([0.1, 0.1], [1.0])
