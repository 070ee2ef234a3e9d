"""Distributions: a shift that is there is seen, one that is not there is not claimed, and too few fills say nothing."""

import numpy as np
import pytest

from engine.journal.blotter import Fill, Order
from live.parity.distribution import LEAST, distributions
from live.parity.sides import Side

NAME = "BTCUSDT.BINANCE"


def side(count: int, seed: int, shift_bps: float = 0.0, delay_secs: float = 1.0) -> Side:
    drawn = np.random.default_rng(seed).normal(1.0 + shift_bps, 2.0, count)
    fills, orders = [], []
    for number, bps in enumerate(drawn.tolist()):
        direction = 1 if number % 2 else -1
        key, ts = f"{number}:{NAME}", number * 10**12
        price = 100.0 * (1 + direction * bps / 1e4)
        fills.append(Fill(key, ts + int(delay_secs * 1e9), NAME, direction, 1.0, price, 0.0, price, "next_open"))
        orders.append(Order(key, "", ts, ts, NAME, float(direction), 100.0, "filled"))
    return Side((), fills, orders)


def test_samples_of_one_distribution_are_not_told_apart() -> None:
    slippage, delay = distributions(side(200, 1), side(200, 2))
    assert (slippage["measure"], slippage["n"], slippage["differs"]) == ("slippage_bps", [200, 200], False)
    low, high = slippage["interval"]
    assert low < 0.0 < high
    assert slippage["mean"][0] == pytest.approx(1.0, abs=0.5)
    assert (delay["difference"], delay["ks"], delay["differs"]) == (0.0, 0.0, False)


def test_shift_of_two_basis_points_is_seen_with_its_interval() -> None:
    slippage, delay = distributions(side(200, 1), side(200, 2, shift_bps=2.0, delay_secs=1.5))
    assert slippage["differs"]
    low, high = slippage["interval"]
    assert low < 2.0 < high
    assert (delay["difference"], delay["ks"], delay["differs"]) == (0.5, 1.0, True)


def test_distance_that_would_show_shrinks_with_the_samples() -> None:
    """Smirnov's bound for p = 0.01: sqrt(-ln(0.005) / 2 * (1/n + 1/m)); n = m = 200 gives 0.1628."""
    assert distributions(side(200, 1), side(200, 2))[0]["detectable"] == pytest.approx(0.16276, abs=1e-4)


def test_too_few_fills_say_nothing() -> None:
    stated = distributions(side(LEAST - 1, 1), side(200, 2))
    assert [one["differs"] for one in stated] == [None, None]
    assert "too few" in stated[0]["said"]
