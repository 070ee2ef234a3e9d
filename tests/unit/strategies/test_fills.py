"""Each fill assumption against a calculation by hand: half-spread of 20 bps, taker fee of 5 bps, lots of 0.001."""

import numpy as np
import pytest

from catalogs.arrays import Funding
from strategies.backtest import run
from tests.unit.strategies.conftest import HOUR, T0, bars, market

START = 1_000_000.0


def lots(value: float, price: float) -> float:
    return np.floor(value / price / 0.001 + 1e-9) * 0.001


@pytest.mark.parametrize(
    ("fill", "bought", "flipped", "closed", "ns"),
    [
        ("next_open", 300.60, 399.20, 601.20, 1),
        ("this_close", 205.41, 304.39, 506.01, 1),
        ("next_close", 305.61, 404.19, 606.21, HOUR - 1),
    ],
)
def test_fill_assumption_fills_where_it_says(configuration, fill, bought, flipped, closed, ns):
    """Long at the close of bar 1 (205), flipped to short at the close of bar 2 (305), flat at the close of bar 4 (505)."""
    config = configuration({1: 0.01, 2: -0.01, 4: 0.0}, venue={"fill": fill})
    outcome = run(config, market(bars()), None)
    fills = outcome.blotter.fills

    first = lots(0.01 * START, 205)
    assert [f.price for f in fills] == [bought, flipped, closed]
    assert [f.side for f in fills] == [1, -1, 1]
    assert fills[0].quantity == pytest.approx(first)
    mark = {"next_open": 305, "this_close": 305, "next_close": 305}[fill]
    equity = START - round(bought * first * 5e-4, 8) + first * (mark - bought)
    short = lots(0.01 * equity, 305)
    assert fills[1].quantity == pytest.approx(first + short)
    assert fills[2].quantity == pytest.approx(short)
    for f in fills:
        assert f.fee == pytest.approx(f.price * f.quantity * 5e-4, abs=1e-8)
    assert [(f.ts_event - T0) % HOUR for f in fills] == [ns % HOUR] * 3

    cash = START + first * (flipped - bought) + short * (flipped - closed) - sum(f.fee for f in fills)
    assert outcome.blotter.equity_table()["equity"].to_pylist()[-1] == pytest.approx(cash, abs=1e-6)


def test_reference_price_is_the_mid_and_slippage_the_half_spread(configuration):
    outcome = run(configuration({1: 0.01}), market(bars()), None)
    fill = outcome.blotter.fills[0]
    assert fill.reference_price == pytest.approx(300.0)
    assert fill.price - fill.reference_price == pytest.approx(0.60)


def test_equity_at_the_decision_is_marked_at_the_close(configuration):
    outcome = run(configuration({1: 0.01}), market(bars()), None)
    equity = outcome.blotter.equity_table()["equity"].to_pylist()
    quantity = outcome.blotter.fills[0].quantity
    fee = outcome.blotter.fills[0].fee
    assert equity[2] == pytest.approx(START - fee + quantity * (305 - 300.60), abs=1e-6)


def test_order_before_a_gap_fills_at_the_first_quote_after_it(configuration):
    outcome = run(configuration({1: 0.01}), market(bars(absent=[2, 3])), None)
    (fill,) = outcome.blotter.fills
    assert fill.price == 501.00
    assert fill.ts_event == T0 + 4 * HOUR + 1


def test_missing_bar_leaves_the_instrument_alone_and_stands_in_the_journal(configuration):
    names = ("BTCUSDT.SIM", "ETHUSDT.SIM")
    config = configuration({1: {0: 0.01, 1: 0.01}}, instruments=names)
    outcome = run(config, market(bars(names[0]), bars(names[1], absent=[1])), None)
    second = [entry for entry in outcome.journal.entries if entry.seq == 1]
    assert [(entry.instrument_id, entry.missing) for entry in second] == [("BTCUSDT.SIM", "ETHUSDT.SIM")]
    assert [fill.instrument_id for fill in outcome.blotter.fills] == ["BTCUSDT.SIM"]
    assert all(entry.missing == "" for entry in outcome.journal.entries if entry.seq != 1)


def test_funding_settles_on_the_position_held_up_to_it(configuration):
    """Long through the third hour: the rate applied at its end is paid at its close, before the decision there."""
    rate = Funding(np.array([T0 + 3 * HOUR]), np.array([0.01]))
    config = configuration({1: 0.01}, instruments=("BTCUSDT-PERP.SIM",))
    perpetual = bars("BTCUSDT-PERP.SIM")
    paid = run(config, market(perpetual, funding=rate), None)
    free = run(config, market(perpetual), None)
    quantity = paid.blotter.fills[0].quantity
    assert paid.funding == pytest.approx(-quantity * 305 * 0.01, abs=1e-6)
    difference = np.array(paid.blotter.equity_table()["equity"]) - np.array(free.blotter.equity_table()["equity"])
    assert difference.round(6).tolist() == [0.0, 0.0] + [round(paid.funding, 6)] * 4


def test_cash_account_buys_and_sells_but_never_goes_short(configuration):
    config = configuration(
        {1: 0.5, 3: 0.0}, venue={"account": "cash", "leverage": 1.0}, limits={"max_position_frac": 0.9}
    )
    outcome = run(config, market(bars()), None)
    first, second = outcome.blotter.fills
    equity = outcome.blotter.equity_table()["equity"].to_pylist()
    assert second.quantity == first.quantity
    assert equity[-1] == pytest.approx(
        START + first.quantity * (second.price - first.price) - first.fee - second.fee, abs=1e-6
    )


def test_order_below_the_minimum_notional_is_refused_with_both_values(configuration):
    outcome = run(configuration({1: 0.000004}), market(bars()), None)
    assert not outcome.blotter.orders
    entry = next(e for e in outcome.journal.entries if e.seq == 1)
    assert entry.gate.startswith("refused: min_notional 3.8")
    assert entry.gate.endswith("under 5")


def test_position_that_fell_below_the_minimum_notional_can_still_be_closed(configuration):
    falling = np.array([[100.0] * 4, [100.0] * 4, [100.0] * 4, [50.0] * 4, [50.0] * 4, [50.0] * 4])
    outcome = run(configuration({1: 0.000008, 4: 0.0}), market(bars(table=falling)), None)
    assert [(fill.side, fill.quantity) for fill in outcome.blotter.fills] == [(1, 0.08), (-1, 0.08)]
    assert {order.status for order in outcome.blotter.orders.values()} == {"filled"}


def test_same_market_twice_gives_the_same_decisions(configuration):
    config = configuration({1: 0.01, 2: -0.01, 4: 0.0})
    first, second = (run(config, market(bars()), None) for _ in range(2))
    assert first.journal.decisions_sha256 == second.journal.decisions_sha256
    assert first.blotter.fills == second.blotter.fills
