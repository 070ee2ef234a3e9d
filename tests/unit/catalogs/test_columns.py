"""Exact decimals: encoding, decoding, precision, hashes."""

from decimal import Decimal

import numpy as np
import pytest

from catalogs.columns import Rows, decimals_needed, decode, encode, undoubled


def as_integer(raw: np.ndarray) -> int:
    """The 128-bit integer of one row."""
    value = int(raw[0]) | int(raw[1]) << 64
    return value - (1 << 128) if value >> 127 else value


@pytest.mark.parametrize(
    ("value", "decimals", "units"),
    [
        (1.0, 0, 10**16),
        (13715.65, 2, 1371565 * 10**14),
        (0.00000908, 8, 908 * 10**8),
        (0.5, 0, 0),
        (1.5, 0, 2 * 10**16),
        (2.5, 0, 2 * 10**16),
        (1234567890123.25, 8, 123456789012325 * 10**14),
        (-0.003, 12, -3 * 10**13),
        (-2.0, 2, -2 * 10**16),
        (0.0, 2, 0),
        (0.999999999, 8, 10**16),
    ],
)
def test_encode_rounds_half_to_even_in_units_of_1e16(value: float, decimals: int, units: int) -> None:
    assert as_integer(encode(np.array([value]), decimals)[0]) == units


def test_decode_equals_the_library_that_will_read_the_catalog() -> None:
    from nautilus_trader.model import Price

    rng = np.random.default_rng(3)
    values = np.round(10.0 ** rng.uniform(-6, 7, 20_000), 8)
    raw = encode(values, 8)
    theirs = [float(Price.from_raw(as_integer(one), 8)) for one in raw]
    assert decode(raw).tolist() == theirs


def test_decode_of_a_decimal_is_its_nearest_float_but_for_one_unit_in_the_last_place() -> None:
    values = np.round(np.random.default_rng(4).uniform(1, 70_000, 20_000), 2)
    error = np.abs(decode(encode(values, 2)) - values)
    assert (error <= np.spacing(values)).all()


def test_decode_keeps_the_sign_of_funding_rates() -> None:
    assert decode(encode(np.array([-0.0001, 0.0, 0.0001]), 12)).tolist() == [-0.0001, 0.0, 0.0001]


@pytest.mark.parametrize(
    ("values", "needed"),
    [
        ([1.0, 20.0], (0, 0)),
        ([1.0, 20.5], (1, 0)),
        ([13715.65, 13400.01], (2, 0)),
        ([0.00000908], (8, 0)),
        ([0.1, 1 / 3], (8, 1)),
    ],
)
def test_decimals_needed_is_the_least_that_reproduces_every_price(values: list[float], needed: tuple[int, int]) -> None:
    assert decimals_needed(np.array(values)) == needed


def test_digest_of_equal_rows_does_not_depend_on_how_prices_were_made() -> None:
    ts = np.array([0, 1], dtype=np.int64)
    rate = np.array([0.0001, 0.0002])
    one = Rows("funding", None, ts, {"rate": encode(rate, 12)})
    two = Rows("funding", None, ts, {"rate": encode(rate + 1e-15, 12)})
    assert one.digest() == two.digest()


def test_digest_changes_with_a_single_unit_of_a_single_value() -> None:
    ts = np.array([0, 1], dtype=np.int64)
    one = Rows("funding", None, ts, {"rate": encode(np.array([0.0001, 0.0002]), 12)})
    two = Rows("funding", None, ts, {"rate": encode(np.array([0.0001, 0.000200000001]), 12)})
    assert one.digest() != two.digest()


def test_whole_numbers_beyond_a_float_word_are_kept() -> None:
    value = 3.0e18
    assert Decimal(as_integer(encode(np.array([value]), 8)[0])) == Decimal(value) * 10**16


def test_value_that_was_rounded_twice_is_told_as_the_decimal_that_it_was() -> None:
    """32570455 DOGE, an odd number above 2**24, is half-way between two float32: its noise of 4e-9 would choose one of them."""
    told = np.array([32570455.0, 1538196260.0, 0.1, 12345.67891, 15229066811.0, 0.00000001, 447599616.7])
    decoded = decode(encode(told, 8))
    assert decoded[0] != told[0]
    np.testing.assert_array_equal(undoubled(decoded), told)
    np.testing.assert_array_equal(undoubled(told), told)


def test_value_of_no_short_decimal_comes_back_as_it_is() -> None:
    values = np.array([1.0 / 3.0, np.pi])
    np.testing.assert_array_equal(undoubled(values), values)
