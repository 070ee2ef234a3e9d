"""Numbers as text."""

import math

import pytest

from live.dashboard.wording import age, direction, measured, milliseconds, moment, money, percent, plain, words


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (money(1234.567), "1,234.57"),
        (money(-0.001, signed=True), "0.00"),
        (money(5.0, signed=True), "+5.00"),
        (money(-1_234_567.8), "-1,234,568"),
        (percent(0.12345), "12.35%"),
        (percent(-0.000001, signed=True), "0.00%"),
        (percent(1.0, digits=0), "100%"),
        (plain(0.00001234), "0.00001234"),
        (plain(100.0), "100"),
        (plain(43210.98765, 8), "43,210.988"),
        (measured(0.02, "fraction"), "2.00%"),
        (measured(50.0, "basis points"), "50 bps"),
        (measured(3.0, "bars"), "3 bars"),
        (age(61.0), "1.0 min"),
        (age(200_000.0), "2.3 d"),
        (milliseconds(9.994), "9.99 ms"),
        (moment(1_640_995_200_000_000_000, seconds=True), "2022-01-01 00:00:00"),
        (words("loss_streak"), "Loss streak"),
        (direction(-0.5), "down"),
        (direction(0.0), ""),
    ],
)
def test_value_is_written_as(found: str, wanted: str) -> None:
    assert found == wanted


@pytest.mark.parametrize("write", [money, percent, plain, age, milliseconds])
@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_what_is_not_known_is_a_dash(write, value) -> None:
    assert write(value) == "–"
