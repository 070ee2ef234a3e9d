from decimal import Decimal

import pytest
from nautilus_trader.model import CryptoPerpetual, CurrencyPair

from catalogs.instruments import nautilus_instrument
from engine.contract.errors import DataError
from live.adapter.instruments import check_precision, instrument_of, spec_of, whole
from tests.unit.live.adapter.shapes import exchange


@pytest.fixture(scope="module")
def markets():
    return exchange().markets


def test_spot_market_becomes_a_pair_with_the_venues_steps(markets):
    pair = instrument_of(markets["BTC/USDT"], "BTCUSDT.BINANCE", 7)
    assert isinstance(pair, CurrencyPair)
    assert (str(pair.raw_symbol), str(pair.price_increment), str(pair.size_increment)) == ("BTCUSDT", "0.01", "0.00001")
    assert str(pair.min_quantity) == "0.00001"
    assert pair.min_notional is None


def test_linear_perpetual_keeps_its_tick(markets):
    perpetual = instrument_of(markets["BTC/USDT:USDT"], "BTCUSDT-PERP.BINANCE", 7)
    assert isinstance(perpetual, CryptoPerpetual)
    assert (str(perpetual.price_increment), str(perpetual.size_increment)) == ("0.1", "0.001")
    assert (perpetual.is_inverse, str(perpetual.settlement_currency), str(perpetual.multiplier)) == (False, "USDT", "1")


def test_inverse_perpetual_stays_in_contracts_with_a_multiplier(markets):
    perpetual = instrument_of(markets["BTC/USD:BTC"], "BTCUSD-PERP.BINANCE", 7)
    assert (perpetual.is_inverse, str(perpetual.settlement_currency), str(perpetual.multiplier)) == (True, "BTC", "100")
    assert str(perpetual.size_increment) == "1"


def test_spec_makes_the_same_instrument_as_a_catalog_would(markets):
    spec = spec_of(markets["BTC/USDT"], "BTCUSDT.BINANCE")
    ours, catalogs = instrument_of(markets["BTC/USDT"], "BTCUSDT.BINANCE", 0), nautilus_instrument(spec, minimum=False)
    for name in ("id", "raw_symbol", "price_increment", "size_increment", "price_precision", "size_precision"):
        assert getattr(ours, name) == getattr(catalogs, name), name
    assert spec.min_notional == 5.0
    assert spec_of(markets["BTC/USDT:USDT"], "BTCUSDT-PERP.BINANCE").min_notional == 100.0


def test_inverse_market_has_no_terms_for_sizing(markets):
    with pytest.raises(DataError, match="be spot or linear"):
        spec_of(markets["BTC/USD:BTC"], "BTCUSD-PERP.BINANCE")


def test_tick_that_is_no_power_of_ten_has_no_terms_but_an_instrument(markets):
    odd = {**markets["BTC/USDT"], "precision": {"price": 0.05, "amount": 0.001}}
    assert str(instrument_of(odd, "BTCUSDT.BINANCE", 0).price_increment) == "0.05"
    with pytest.raises(DataError, match=r"tick must be a power of ten, was 0\.05"):
        spec_of(odd, "BTCUSDT.BINANCE")


def test_smallest_amount_below_a_step_is_raised_to_the_step():
    assert whole(0.0004, Decimal("0.001")) == Decimal("0.001")
    assert whole(0.0021, Decimal("0.001")) == Decimal("0.003")
    assert whole(None, Decimal("0.001")) is None


def test_exchange_that_counts_significant_digits_is_refused():
    check_precision(4, "binance")
    with pytest.raises(DataError, match="precision mode of somewhere must be tick size"):
        check_precision(3, "somewhere")


def test_market_without_a_step_is_refused(markets):
    with pytest.raises(DataError, match="price step must be a positive number, was None"):
        instrument_of({**markets["BTC/USDT"], "precision": {"price": None, "amount": 1}}, "BTCUSDT.BINANCE", 0)
