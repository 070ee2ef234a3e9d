"""Answers of the venue as recorded, read by ccxt's own offline parsers."""

from typing import Any

import ccxt

SPOT_INFO = {
    "symbol": "BTCUSDT",
    "status": "TRADING",
    "baseAsset": "BTC",
    "quoteAsset": "USDT",
    "baseAssetPrecision": 8,
    "quotePrecision": 8,
    "quoteAssetPrecision": 8,
    "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT"],
    "isSpotTradingAllowed": True,
    "isMarginTradingAllowed": False,
    "permissions": ["SPOT"],
    "filters": [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": "0.01000000",
            "maxPrice": "1000000.00000000",
            "tickSize": "0.01000000",
        },
        {"filterType": "LOT_SIZE", "minQty": "0.00001000", "maxQty": "9000.00000000", "stepSize": "0.00001000"},
        {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": True, "avgPriceMins": 5},
    ],
}
USDM_INFO = {
    "symbol": "BTCUSDT",
    "pair": "BTCUSDT",
    "contractType": "PERPETUAL",
    "deliveryDate": 4133404800000,
    "onboardDate": 1569398400000,
    "status": "TRADING",
    "baseAsset": "BTC",
    "quoteAsset": "USDT",
    "marginAsset": "USDT",
    "pricePrecision": 2,
    "quantityPrecision": 3,
    "baseAssetPrecision": 8,
    "quotePrecision": 8,
    "underlyingType": "COIN",
    "filters": [
        {"minPrice": "556.80", "maxPrice": "4529764", "filterType": "PRICE_FILTER", "tickSize": "0.10"},
        {"stepSize": "0.001", "filterType": "LOT_SIZE", "maxQty": "1000", "minQty": "0.001"},
        {"filterType": "MIN_NOTIONAL", "notional": "100"},
    ],
    "orderTypes": ["LIMIT", "MARKET", "STOP_MARKET"],
}
COINM_INFO = {
    "symbol": "BTCUSD_PERP",
    "pair": "BTCUSD",
    "contractType": "PERPETUAL",
    "deliveryDate": 4133404800000,
    "onboardDate": 1597042800000,
    "contractStatus": "TRADING",
    "contractSize": 100,
    "baseAsset": "BTC",
    "quoteAsset": "USD",
    "marginAsset": "BTC",
    "pricePrecision": 1,
    "quantityPrecision": 0,
    "filters": [
        {"minPrice": "1000", "maxPrice": "4520958", "filterType": "PRICE_FILTER", "tickSize": "0.1"},
        {"stepSize": "1", "filterType": "LOT_SIZE", "maxQty": "1000000", "minQty": "1"},
    ],
    "orderTypes": ["LIMIT", "MARKET"],
}


def exchange() -> Any:
    """Binance of ccxt with three recorded markets and no network."""
    made = ccxt.binance({"options": {"crossMarginPairsData": [], "isolatedMarginPairsData": []}})
    made.set_markets([made.parse_market(info) for info in (SPOT_INFO, USDM_INFO, COINM_INFO)])
    return made


def order(made: Any, market: str, **changes: Any) -> dict[str, Any]:
    """An answer to an order, as ccxt reads it."""
    raw = {
        "symbol": "BTCUSDT",
        "orderId": 28,
        "clientOrderId": "O-1",
        "transactTime": 1507725176595,
        "updateTime": 1507725176595,
        "price": "100.00",
        "origQty": "10.000",
        "executedQty": "0.000",
        "cumQuote": "0",
        "cummulativeQuoteQty": "0.00000000",
        "status": "NEW",
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": "BUY",
    }
    return made.parse_order({**raw, **changes}, made.market(market))


def trade(made: Any, market: str, **changes: Any) -> dict[str, Any]:
    """A trade of the account, as ccxt reads it."""
    raw = {
        "symbol": "BTCUSDT",
        "id": 1,
        "orderId": 28,
        "price": "100.00",
        "qty": "4.000",
        "quoteQty": "400",
        "commission": "0.04",
        "commissionAsset": "USDT",
        "time": 1507725176596,
    }
    raw |= {"side": "BUY", "maker": False} if market.endswith(":USDT") else {"isBuyer": True, "isMaker": False}
    return made.parse_trade({**raw, **changes}, made.market(market))
