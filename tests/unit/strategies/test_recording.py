"""The record of a back test: which price a decision is filled at, what was held, what it cost."""

import numpy as np
import pytest

from strategies.backtest import run
from strategies.recording import fill_prices, record_of
from tests.unit.strategies.conftest import HOUR, T0, bars, market

TIMES = T0 + HOUR * np.arange(1, 7)


@pytest.mark.parametrize(
    ("fill", "prices"),
    [
        ("next_open", [200, 300, 400, 500, 600, 605]),
        ("next_close", [205, 305, 405, 505, 605, 605]),
        ("this_close", [105, 205, 305, 405, 505, 605]),
    ],
)
def test_decision_is_filled_at_the_price_of_its_assumption(fill, prices):
    assert fill_prices(market(bars()), TIMES, fill)[:, 0].tolist() == prices


def test_decision_before_an_absent_bar_is_filled_at_the_one_after():
    assert fill_prices(market(bars(absent=[2])), TIMES, "next_open")[:, 0].tolist() == [200, 400, 400, 500, 600, 605]


def test_weight_is_what_was_traded_and_stays_until_the_next_trade(configuration):
    outcome = run(configuration({0: 0.5, 3: 0.0}), market(bars()), None)
    record = record_of(outcome, 5)
    assert record.weight[:, 0].tolist() == pytest.approx([0.5 * 200 / 105] * 3 + [0.0, 0.0], rel=2e-4)
    assert record.bar_returns[:, 0].tolist() == pytest.approx(
        [300 / 200 - 1, 4 / 3 - 1, 5 / 4 - 1, 6 / 5 - 1, 605 / 600 - 1]
    )
    fills = outcome.blotter.fills
    first = fills[0].quantity * fills[0].price / record.equity[0]
    assert np.flatnonzero(record.turnover).tolist() == [0, 3]
    assert record.turnover[0] == pytest.approx(first)
    assert record.cost[0] == pytest.approx(
        first * (20e-4 / 1.002 + fills[0].fee / fills[0].quantity / fills[0].price), rel=1e-6
    )
    assert (record.look_back, record.cost_bps) == (5, 25.0)
