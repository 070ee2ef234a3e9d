"""Orders, positions and symbols of the USD-M market, in Binance's JSON."""

from decimal import Decimal
from typing import Any

from live.rehearsal.documents import ms, text
from live.rehearsal.ledger import MarginLedger
from live.rehearsal.order import ZERO, Order
from live.rehearsal.requests import USDM_TYPES
from live.rehearsal.terms import Terms

NOTIONAL_CAP = 1_000_000_000
FOREVER_MS = 4_133_404_800_000


def order_document(order: Order) -> dict[str, Any]:
    """An order."""
    return {
        "orderId": order.order_id,
        "symbol": order.symbol,
        "status": order.status,
        "clientOrderId": order.client_order_id,
        "price": text(order.price or ZERO),
        "avgPrice": text(order.average_price),
        "origQty": text(order.quantity),
        "executedQty": text(order.filled),
        "cumQty": text(order.filled),
        "cumQuote": text(order.spent),
        "timeInForce": order.time_in_force,
        "type": order.wire_type,
        "reduceOnly": order.reduce_only,
        "closePosition": order.close_position,
        "side": order.side,
        "positionSide": "BOTH",
        "stopPrice": text(order.stop_price or ZERO),
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": order.wire_type,
        "priceMatch": "NONE",
        "selfTradePreventionMode": "NONE",
        "goodTillDate": 0,
        "time": ms(order.created_ns),
        "updateTime": ms(order.updated_ns),
    }


def algo_document(order: Order) -> dict[str, Any]:
    """A conditional order."""
    return {
        "algoId": order.order_id,
        "clientAlgoId": order.client_order_id,
        "algoType": "CONDITIONAL",
        "orderType": order.wire_type,
        "symbol": order.symbol,
        "side": order.side,
        "positionSide": "BOTH",
        "timeInForce": order.time_in_force,
        "quantity": text(order.quantity),
        "algoStatus": algo_status(order),
        "actualOrderId": str(order.actual_order_id) if order.actual_order_id else "",
        "actualPrice": "0.00000000",
        "triggerPrice": text(order.stop_price or ZERO),
        "price": text(order.price or ZERO),
        "icebergQuantity": None,
        "tpTriggerPrice": "0.000",
        "tpPrice": "0.000",
        "slTriggerPrice": "0.000",
        "slPrice": "0.000",
        "tpOrderType": "",
        "selfTradePreventionMode": "NONE",
        "workingType": "CONTRACT_PRICE",
        "priceMatch": "NONE",
        "closePosition": order.close_position,
        "priceProtect": False,
        "reduceOnly": order.reduce_only,
        "createTime": ms(order.created_ns),
        "updateTime": ms(order.updated_ns),
        "triggerTime": ms(order.updated_ns) if order.actual_order_id else 0,
        "goodTillDate": 0,
    }


def account_position(ledger: MarginLedger, terms: Terms) -> dict[str, Any]:
    """A position, as the account tells it."""
    symbol = terms.symbol
    position = ledger.positions[symbol]
    return {
        "symbol": symbol,
        "initialMargin": text(ledger.initial_margin(symbol)),
        "maintMargin": text(ledger.maintenance_margin(symbol)),
        "unrealizedProfit": text(ledger.unrealized(symbol)),
        "positionInitialMargin": text(ledger.initial_margin(symbol)),
        "openOrderInitialMargin": "0",
        "leverage": str(position.leverage),
        "isolated": False,
        "entryPrice": text(position.entry_price),
        "breakEvenPrice": text(position.entry_price),
        "maxNotional": str(NOTIONAL_CAP),
        "bidNotional": "0",
        "askNotional": "0",
        "positionSide": "BOTH",
        "positionAmt": text(position.quantity, terms.size_precision),
        "notional": text(ledger.notional(symbol)),
        "isolatedMargin": "0",
        "isolatedWallet": "0",
        "updateTime": ms(position.updated_ns),
    }


def position_risk(ledger: MarginLedger, terms: Terms) -> dict[str, Any]:
    """A position, with its risk."""
    symbol = terms.symbol
    position = ledger.positions[symbol]
    return {
        "symbol": symbol,
        "positionSide": "BOTH",
        "positionAmt": text(position.quantity, terms.size_precision),
        "entryPrice": text(position.entry_price),
        "breakEvenPrice": text(position.entry_price),
        "markPrice": text(ledger.mark(symbol)),
        "unRealizedProfit": text(ledger.unrealized(symbol)),
        "liquidationPrice": text(liquidation_price(ledger, terms)),
        "leverage": str(position.leverage),
        "maxNotionalValue": str(NOTIONAL_CAP),
        "marginType": "cross",
        "isolatedMargin": "0",
        "isAutoAddMargin": "false",
        "isolatedWallet": "0",
        "notional": text(ledger.notional(symbol)),
        "marginAsset": ledger.asset,
        "initialMargin": text(ledger.initial_margin(symbol)),
        "maintMargin": text(ledger.maintenance_margin(symbol)),
        "positionInitialMargin": text(ledger.initial_margin(symbol)),
        "openOrderInitialMargin": "0",
        "adl": 1,
        "bidNotional": "0",
        "askNotional": "0",
        "updateTime": ms(position.updated_ns),
    }


def liquidation_price(ledger: MarginLedger, terms: Terms) -> Decimal:
    """The mark price at which the account could not keep its positions, if the other symbols stood still; 0 where there is none."""
    quantity = ledger.positions[terms.symbol].quantity
    if not quantity:
        return ZERO
    slope = quantity - abs(quantity) * terms.maintenance_frac
    price = ledger.mark(terms.symbol) - (ledger.equity - ledger.total_maintenance) / slope
    return max(ZERO, price)


def algo_status(order: Order) -> str:
    """Status of a conditional order in the words of its book."""
    if order.status == "FILLED":
        return "TRIGGERED"
    return order.status


def symbol_document(terms: Terms) -> dict[str, Any]:
    """A symbol of exchangeInfo."""
    most = "1000000000"
    tick, lot = text(terms.tick, terms.price_precision), text(terms.lot, terms.size_precision)
    return {
        "symbol": terms.symbol,
        "pair": terms.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": FOREVER_MS,
        "onboardDate": 1_567_965_300_000,
        "status": "TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": terms.base,
        "quoteAsset": terms.quote,
        "marginAsset": terms.quote,
        "pricePrecision": terms.price_precision,
        "quantityPrecision": terms.size_precision,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "settlePlan": 0,
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10_000,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "100000000", "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": most, "stepSize": lot},
            {"filterType": "MARKET_LOT_SIZE", "minQty": lot, "maxQty": most, "stepSize": lot},
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 200},
            {"filterType": "MIN_NOTIONAL", "notional": format(terms.min_notional, "f")},
            {"filterType": "PERCENT_PRICE", "multiplierUp": "100", "multiplierDown": "0.01", "multiplierDecimal": "4"},
        ],
        "orderTypes": list(USDM_TYPES),
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    }
