import pytest

from engine.contract.errors import DataError
from live.adapter.core.symbols import Symbols, name_of
from tests.unit.live.adapter.shapes import exchange


@pytest.fixture(scope="module")
def symbols():
    return Symbols(exchange().markets, "BINANCE")


@pytest.mark.parametrize(
    ("unified", "ours", "native"),
    [
        ("BTC/USDT", "BTCUSDT.BINANCE", "BTCUSDT"),
        ("BTC/USDT:USDT", "BTCUSDT-PERP.BINANCE", "BTCUSDT"),
        ("BTC/USD:BTC", "BTCUSD-PERP.BINANCE", "BTCUSD_PERP"),
    ],
)
def test_symbol_becomes_an_instrument_id_and_back(symbols, unified, ours, native):
    assert symbols.ours(unified) == ours
    assert symbols.unified(ours) == unified
    assert symbols.native(ours) == native


def test_perpetual_that_settles_in_a_third_currency_says_so():
    assert name_of({"type": "swap", "base": "BTC", "quote": "USD", "settle": "USDC"}) == "BTCUSD-USDC-PERP"


def test_two_markets_never_share_a_name():
    markets = {
        "AB/CD": {"type": "spot", "base": "AB", "quote": "CD", "id": "1"},
        "A/BCD": {"type": "spot", "base": "A", "quote": "BCD", "id": "2"},
    }
    symbols = Symbols(markets, "X")
    assert symbols.unified("ABCD.X") == "AB/CD"
    with pytest.raises(DataError, match=r"A/BCD: ABCD\.X already names AB/CD"):
        symbols.ours("A/BCD")


def test_dated_future_and_odd_letters_are_refused_with_the_reason():
    markets = {
        "BTC/USDT:USDT-260327": {"type": "future", "base": "BTC", "quote": "USDT", "settle": "USDT", "id": "1"},
        "币/USDT": {"type": "spot", "base": "币", "quote": "USDT", "id": "2"},
    }
    assert set(Symbols(markets, "X").refused) == set(markets)


def test_instrument_that_the_venue_has_not_is_named_in_the_error(symbols):
    with pytest.raises(DataError, match=r"must be a market of BINANCE, was DOGEUSDT\.BINANCE"):
        symbols.unified("DOGEUSDT.BINANCE")
