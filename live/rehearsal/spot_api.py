"""What the spot market answers: /api/v3, and the little of /sapi and /dapi that clients ask at the start."""

from typing import Any, ClassVar

from live.rehearsal import refusals
from live.rehearsal.api import Api, Route
from live.rehearsal.documents import ms, text
from live.rehearsal.ledger import SpotLedger
from live.rehearsal.order import ZERO, Order, Trade
from live.rehearsal.requests import SPOT_TYPES, Params, word
from live.rehearsal.terms import Market, Terms

V3 = "/api/v3"


class SpotApi(Api):
    """The spot market's answers."""

    market: ClassVar[Market] = "spot"

    def table(self) -> dict[tuple[str, str], Route]:
        routes = {
            ("GET", f"{V3}/ping"): Route("ping", self.ping),
            ("GET", f"{V3}/time"): Route("time", self.time),
            ("GET", f"{V3}/exchangeInfo"): Route("exchangeInfo", self.exchange_info, 20),
            ("GET", f"{V3}/klines"): Route("klines", self.klines, 2),
            ("GET", f"{V3}/uiKlines"): Route("klines", self.klines, 2),
            ("GET", f"{V3}/trades"): Route("trades", self.trades, 25),
            ("GET", f"{V3}/historicalTrades"): Route("trades", self.trades, 25),
            ("GET", f"{V3}/aggTrades"): Route("trades", self.aggregate_trades, 4),
            ("GET", f"{V3}/depth"): Route("depth", self.depth, 5),
            ("GET", f"{V3}/ticker/24hr"): Route("ticker", self.day_tickers, 2),
            ("GET", f"{V3}/ticker/price"): Route("ticker", self.prices, 2),
            ("GET", f"{V3}/ticker/bookTicker"): Route("ticker", self.book_tickers, 2),
            ("GET", f"{V3}/account"): Route("account", self.account, 20, "signed"),
            ("GET", f"{V3}/account/commission"): Route("account", self.commission, 20, "signed"),
            ("POST", f"{V3}/order"): Route("order.place", self.place_order, 1, "signed"),
            ("POST", f"{V3}/order/test"): Route("order.test", self.ping, 1, "signed"),
            ("POST", f"{V3}/order/cancelReplace"): Route("order.amend", self.replace_order, 1, "signed"),
            ("GET", f"{V3}/order"): Route("order.query", self.query, 4, "signed"),
            ("DELETE", f"{V3}/order"): Route("order.cancel", self.cancel_order, 1, "signed"),
            ("GET", f"{V3}/openOrders"): Route("orders", self.open_orders, 6, "signed"),
            ("DELETE", f"{V3}/openOrders"): Route("order.cancel", self.cancel_open, 1, "signed"),
            ("GET", f"{V3}/allOrders"): Route("orders", self.all_orders, 20, "signed"),
            ("GET", f"{V3}/myTrades"): Route("trades.own", self.my_trades, 20, "signed"),
            ("GET", f"{V3}/allOrderList"): Route("orders", self.nothing, 20, "signed"),
            ("GET", f"{V3}/openOrderList"): Route("orders", self.nothing, 6, "signed"),
        }
        empty = (
            "capital/config/getall",
            "margin/allPairs",
            "margin/isolated/allPairs",
            "margin/allAssets",
            "simple-earn/flexible/list",
        )
        for name in empty:
            routes[("GET", f"/sapi/v1/{name}")] = Route("sapi", self.nothing, 1, "key")
        routes[("GET", "/sapi/v1/account/apiRestrictions")] = Route("account", self.restrictions, 1, "signed")
        routes["GET", "/sapi/v1/asset/tradeFee"] = Route("account", self.trade_fees, 1, "signed")
        routes["GET", "/sapi/v1/system/status"] = Route("sapi", lambda _: {"status": 0, "msg": "normal"})
        routes["GET", "/dapi/v1/exchangeInfo"] = Route("exchangeInfo", lambda _: {"symbols": [], "rateLimits": []})
        return routes

    def trade_fees(self, params: Params) -> Any:
        """Commission rates of symbols."""
        maker, taker = text(self.venue.fees.maker), text(self.venue.fees.taker)
        return [
            {"symbol": one.symbol, "makerCommission": maker, "takerCommission": taker} for one in self._chosen(params)
        ]

    def restrictions(self, params: Params) -> Any:
        """What the key may do."""
        return {
            "ipRestrict": True,
            "createTime": ms(self.exchange.tape.start_ns),
            "enableReading": True,
            "enableSpotAndMarginTrading": True,
            "enableFutures": True,
            "enableMargin": False,
            "enableWithdrawals": self.exchange.section.withdrawals,
            "enableInternalTransfer": False,
            "permitsUniversalTransfer": False,
            "enableVanillaOptions": False,
            "enablePortfolioMarginTrading": False,
        }

    def nothing(self, params: Params) -> Any:
        """An empty list."""
        return []

    def exchange_info(self, params: Params) -> Any:
        """Symbols and their filters."""
        return {
            "timezone": "UTC",
            "serverTime": ms(self.exchange.served_ns),
            "rateLimits": [
                {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6_000},
                {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
                {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 200_000},
                {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 61_000},
            ],
            "exchangeFilters": [],
            "symbols": [symbol_document(terms) for terms in self._chosen(params)],
        }

    def account(self, params: Params) -> Any:
        """Balances and commission rates."""
        maker, taker = text(self.venue.fees.maker), text(self.venue.fees.taker)
        return {
            "makerCommission": int(self.venue.fees.maker * 10_000),
            "takerCommission": int(self.venue.fees.taker * 10_000),
            "buyerCommission": 0,
            "sellerCommission": 0,
            "commissionRates": {"maker": maker, "taker": taker, "buyer": "0.00000000", "seller": "0.00000000"},
            "canTrade": True,
            "canWithdraw": False,
            "canDeposit": False,
            "brokered": False,
            "requireSelfTradePrevention": False,
            "preventSor": False,
            "updateTime": ms(self.exchange.now_ns),
            "accountType": "SPOT",
            "balances": self.balances(),
            "permissions": ["SPOT"],
            "uid": 1,
        }

    def balances(self) -> list[dict[str, str]]:
        """Free and locked amounts of every asset of the market."""
        ledger = self.venue.ledger
        assert isinstance(ledger, SpotLedger)
        assets = {asset: None for terms in self.venue.terms.values() for asset in (terms.quote, terms.base)}
        assets |= dict.fromkeys(ledger.free)
        return [
            {"asset": a, "free": text(ledger.free.get(a, ZERO)), "locked": text(ledger.locked.get(a, ZERO))}
            for a in assets
        ]

    def commission(self, params: Params) -> Any:
        """Commission rates of a symbol."""
        symbol = self.venue.of(word(params, "symbol")).symbol
        rates = {
            "maker": text(self.venue.fees.maker),
            "taker": text(self.venue.fees.taker),
            "buyer": "0.00000000",
            "seller": "0.00000000",
        }
        none = dict.fromkeys(rates, "0.00000000")
        discount = {
            "enabledForAccount": False,
            "enabledForSymbol": False,
            "discountAsset": "BNB",
            "discount": "0.00000000",
        }
        return {
            "symbol": symbol,
            "standardCommission": rates,
            "specialCommission": none,
            "taxCommission": none,
            "discount": discount,
        }

    def place_order(self, params: Params) -> Any:
        """Take an order and tell its fills."""
        before = len(self.venue.trades)
        order = self.place(params)
        document = {**self.order_document(order), "transactTime": ms(order.updated_ns)}
        for name in ("time", "updateTime", "isWorking", "stopPrice", "icebergQty"):
            document.pop(name)
        fills = [trade for trade in self.venue.trades[before:] if trade.order_id == order.order_id]
        return {**document, "fills": [self._fill(trade) for trade in fills]}

    def cancel_order(self, params: Params) -> Any:
        """Cancel an order."""
        return self._cancelled(self.withdraw(params))

    def replace_order(self, params: Params) -> Any:
        """Cancel an order and place another; where the first cannot be cancelled nothing is placed.

        Only the mode STOP_ON_FAILURE is here.
        """
        if word(params, "cancelReplaceMode") != "STOP_ON_FAILURE":
            raise refusals.illegal("cancelReplaceMode")
        names = {"orderId": "cancelOrderId", "origClientOrderId": "cancelOrigClientOrderId"}
        old = {name: params[told] for name, told in names.items() if told in params}
        cancelled = self.cancel_order({**old, "symbol": word(params, "symbol")})
        return {
            "cancelResult": "SUCCESS",
            "newOrderResult": "SUCCESS",
            "cancelResponse": cancelled,
            "newOrderResponse": self.place_order(params),
        }

    def cancel_open(self, params: Params) -> Any:
        """Cancel every open order of a symbol."""
        symbol = self.venue.of(word(params, "symbol")).symbol
        orders = self.venue.open_orders(symbol)
        if not orders:
            raise refusals.no_open_order()
        return [self._cancelled(self.venue.cancel(order, self.exchange.now_ns)) for order in orders]

    def my_trades(self, params: Params) -> Any:
        """The account's trades of a symbol."""
        word(params, "symbol")
        return [
            {
                "symbol": trade.symbol,
                "id": trade.trade_id,
                "orderId": trade.order_id,
                "orderListId": -1,
                "price": text(trade.price),
                "qty": text(trade.quantity),
                "quoteQty": text(trade.price * trade.quantity),
                "commission": text(trade.commission),
                "commissionAsset": trade.commission_asset,
                "time": ms(trade.ts_ns),
                "isBuyer": trade.side == "BUY",
                "isMaker": trade.maker,
                "isBestMatch": True,
            }
            for trade in self.own_trades(params)
        ]

    def order_document(self, order: Order) -> dict[str, Any]:
        return {
            "symbol": order.symbol,
            "orderId": order.order_id,
            "orderListId": -1,
            "clientOrderId": order.client_order_id,
            "price": text(order.price or ZERO),
            "origQty": text(order.quantity),
            "executedQty": text(order.filled),
            "origQuoteOrderQty": "0.00000000",
            "cummulativeQuoteQty": text(order.spent),
            "status": order.status,
            "timeInForce": "GTC" if order.time_in_force == "GTX" else order.time_in_force,
            "type": order.wire_type,
            "side": order.side,
            "stopPrice": text(order.stop_price or ZERO),
            "icebergQty": "0.00000000",
            "time": ms(order.created_ns),
            "updateTime": ms(order.updated_ns),
            "isWorking": not order.waiting,
            "workingTime": -1 if order.waiting else ms(order.created_ns),
            "selfTradePreventionMode": "NONE",
        }

    def _cancelled(self, order: Order) -> dict[str, Any]:
        document = self.order_document(order)
        return {**document, "origClientOrderId": order.client_order_id, "transactTime": ms(order.updated_ns)}

    def _fill(self, trade: Trade) -> dict[str, Any]:
        return {
            "price": text(trade.price),
            "qty": text(trade.quantity),
            "commission": text(trade.commission),
            "commissionAsset": trade.commission_asset,
            "tradeId": trade.trade_id,
        }

    def _chosen(self, params: Params) -> list[Terms]:
        if params.get("symbol"):
            return [self.venue.of(params["symbol"])]
        return [
            terms
            for terms in self.venue.terms.values()
            if not params.get("symbols") or f'"{terms.symbol}"' in params["symbols"]
        ]


def symbol_document(terms: Terms) -> dict[str, Any]:
    """A symbol of exchangeInfo."""
    most = "9000000.00000000"
    return {
        "symbol": terms.symbol,
        "status": "TRADING",
        "baseAsset": terms.base,
        "baseAssetPrecision": 8,
        "quoteAsset": terms.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": list(SPOT_TYPES),
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": False,
        "amendAllowed": False,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": text(terms.tick),
                "maxPrice": "100000000.00000000",
                "tickSize": text(terms.tick),
            },
            {"filterType": "LOT_SIZE", "minQty": text(terms.lot), "maxQty": most, "stepSize": text(terms.lot)},
            {"filterType": "MARKET_LOT_SIZE", "minQty": "0.00000000", "maxQty": most, "stepSize": "0.00000000"},
            {
                "filterType": "NOTIONAL",
                "minNotional": text(terms.min_notional),
                "applyMinToMarket": True,
                "maxNotional": most,
                "applyMaxToMarket": False,
                "avgPriceMins": 5,
            },
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "NONE",
        "allowedSelfTradePreventionModes": ["NONE"],
    }
