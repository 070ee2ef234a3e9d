import ccxt.pro
import pytest

from engine.contract.errors import ConfigError
from live.adapter.core.allowed import ALLOWED, refuse_live, require_live
from live.adapter.core.capabilities import FEATURES, Way, require, table_of

BINANCE = {market: table_of(ccxt.pro.binance().has, "binance", market) for market in ("spot", "usdm")}


@pytest.mark.parametrize("market", ["spot", "usdm"])
def test_binance_streams_what_a_strategy_needs(market):
    for feature in ("bars", "trades", "quotes", "book", "fills", "orders"):
        assert BINANCE[market][feature].way is Way.STREAM, feature
    assert BINANCE[market]["submit"].way is Way.CALL


def test_modification_is_refused_where_the_venue_would_replace_the_order():
    assert BINANCE["usdm"]["modify"].way is Way.CALL
    with pytest.raises(ConfigError, match="modify of binance must be available, was refused: the venue would cancel"):
        require(BINANCE["spot"], "modify", "binance")


def test_spot_has_no_funding_nor_marks():
    assert BINANCE["spot"]["mark_prices"].reason == "mark_prices is of perpetuals only"
    assert BINANCE["usdm"]["funding_rates"].way is Way.POLL


def test_exchange_without_a_stream_is_polled_and_one_without_either_is_refused():
    table = table_of({"fetchOHLCV": True, "watchTrades": "emulated"}, "small", "spot")
    assert (table["bars"].way, table["bars"].method) == (Way.POLL, "fetchOHLCV")
    assert table["trades"].way is Way.REFUSE
    assert "watchTrades, fetchTrades" in table["trades"].reason
    assert "createOrder" in table["submit"].reason


@pytest.mark.parametrize("name", ["binance", "okx", "bybit", "kraken", "kucoin", "bitget"])
def test_every_feature_of_an_exchange_has_a_way_and_a_refusal_its_reason(name):
    table = table_of(getattr(ccxt.pro, name)().has, name, "spot")
    assert set(table) == {feature.name for feature in FEATURES}
    assert all(one.reason for one in table.values() if one.way is Way.REFUSE)
    assert all(one.method for one in table.values() if one.way is not Way.REFUSE)


def test_live_trading_elsewhere_is_refused_with_the_reason():
    assert refuse_live("binance", "spot") is None
    with pytest.raises(ConfigError, match="live trading must be on one of binance spot, binance usdm, was kraken spot"):
        require_live("kraken", "spot")


def test_every_allowed_exchange_names_its_evidence_and_its_limits():
    assert all(evidence.suite and evidence.limits for evidence in ALLOWED.values())
