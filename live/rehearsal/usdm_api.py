"""What the USD-M market answers: /fapi."""

from decimal import Decimal
from typing import Any, ClassVar

from live.rehearsal import refusals, usdm_documents
from live.rehearsal.api import Api, Route
from live.rehearsal.documents import ms, text
from live.rehearsal.ledger import MarginLedger
from live.rehearsal.order import ZERO, Order
from live.rehearsal.refusals import Refused
from live.rehearsal.requests import Params, limit, number, whole, word
from live.rehearsal.tape import MS
from live.rehearsal.terms import Market, Terms
from live.rehearsal.usdm_documents import NOTIONAL_CAP

F = "/fapi"


class UsdmApi(Api):
    """The USD-M market's answers; positions are one-way, margin is crossed."""

    market: ClassVar[Market] = "usdm"

    def table(self) -> dict[tuple[str, str], Route]:
        routes = {
            ("GET", f"{F}/v1/ping"): Route("ping", self.ping),
            ("GET", f"{F}/v1/time"): Route("time", self.time),
            ("GET", f"{F}/v1/exchangeInfo"): Route("exchangeInfo", self.exchange_info),
            ("GET", f"{F}/v1/klines"): Route("klines", self.klines, 5),
            ("GET", f"{F}/v1/trades"): Route("trades", self.trades, 5),
            ("GET", f"{F}/v1/aggTrades"): Route("trades", self.aggregate_trades, 20),
            ("GET", f"{F}/v1/depth"): Route("depth", self.depth, 5),
            ("GET", f"{F}/v1/ticker/24hr"): Route("ticker", self.day_tickers),
            ("GET", f"{F}/v1/ticker/price"): Route("ticker", self.prices),
            ("GET", f"{F}/v2/ticker/price"): Route("ticker", self.prices),
            ("GET", f"{F}/v1/ticker/bookTicker"): Route("ticker", self.book_tickers, 2),
            ("GET", f"{F}/v1/premiumIndex"): Route("funding", self.premium_index),
            ("GET", f"{F}/v1/fundingRate"): Route("funding", self.funding_rates),
            ("GET", f"{F}/v1/fundingInfo"): Route("funding", self.nothing, 0),
            ("GET", f"{F}/v1/openInterest"): Route("ticker", self.open_interest),
            ("GET", f"{F}/v1/leverageBracket"): Route("account", self.brackets, 1, "signed"),
            ("GET", f"{F}/v1/commissionRate"): Route("account", self.commission, 20, "signed"),
            ("GET", f"{F}/v1/symbolConfig"): Route("account", self.symbol_config, 5, "signed"),
            ("GET", f"{F}/v1/accountConfig"): Route("account", self.account_config, 5, "signed"),
            ("GET", f"{F}/v1/positionSide/dual"): Route("account", self.dual_side, 30, "signed"),
            ("POST", f"{F}/v1/positionSide/dual"): Route("account.change", self.set_dual_side, 1, "signed"),
            ("GET", f"{F}/v1/multiAssetsMargin"): Route("account", self.multi_assets, 30, "signed"),
            ("POST", f"{F}/v1/leverage"): Route("account.change", self.set_leverage, 1, "signed"),
            ("POST", f"{F}/v1/marginType"): Route("account.change", self.set_margin_type, 1, "signed"),
            ("POST", f"{F}/v1/order"): Route("order.place", self.place_order, 1, "signed"),
            ("PUT", f"{F}/v1/order"): Route("order.amend", self.amend_order, 1, "signed"),
            ("GET", f"{F}/v1/order"): Route("order.query", self.query, 1, "signed"),
            ("DELETE", f"{F}/v1/order"): Route("order.cancel", self.cancel_order, 1, "signed"),
            ("DELETE", f"{F}/v1/allOpenOrders"): Route("order.cancel", self.cancel_open, 1, "signed"),
            ("POST", f"{F}/v1/countdownCancelAll"): Route("order.cancel", self.count_down, 10, "signed"),
            ("GET", f"{F}/v1/openOrder"): Route("order.query", self.open_order, 1, "signed"),
            ("GET", f"{F}/v1/openOrders"): Route("orders", self.open_orders, 1, "signed"),
            ("GET", f"{F}/v1/allOrders"): Route("orders", self.all_orders, 5, "signed"),
            ("GET", f"{F}/v1/userTrades"): Route("trades.own", self.my_trades, 5, "signed"),
            ("GET", f"{F}/v1/income"): Route("account", self.income, 30, "signed"),
            ("POST", f"{F}/v1/algoOrder"): Route("order.place", self.place_algo, 1, "signed"),
            ("GET", f"{F}/v1/algoOrder"): Route("order.query", self.query_algo, 1, "signed"),
            ("DELETE", f"{F}/v1/algoOrder"): Route("order.cancel", self.cancel_algo, 1, "signed"),
            ("GET", f"{F}/v1/openAlgoOrders"): Route("orders", self.open_algos, 1, "signed"),
            ("GET", f"{F}/v1/allAlgoOrders"): Route("orders", self.all_algos, 5, "signed"),
            ("DELETE", f"{F}/v1/algoOpenOrders"): Route("order.cancel", self.cancel_open_algos, 1, "signed"),
        }
        for version in ("v2", "v3"):
            routes[("GET", f"{F}/{version}/account")] = Route("account", self.account, 5, "signed")
            routes[("GET", f"{F}/{version}/balance")] = Route("account", self.balance, 5, "signed")
        routes[("GET", f"{F}/v2/positionRisk")] = Route("positions", self.position_risk_all, 5, "signed")
        routes[("GET", f"{F}/v3/positionRisk")] = Route("positions", self.position_risk, 5, "signed")
        return routes

    @property
    def ledger(self) -> MarginLedger:
        """The margin account."""
        assert isinstance(self.venue.ledger, MarginLedger)
        return self.venue.ledger

    def nothing(self, params: Params) -> Any:
        """An empty list."""
        return []

    def exchange_info(self, params: Params) -> Any:
        """Symbols and their filters."""
        return {
            "timezone": "UTC",
            "serverTime": ms(self.exchange.served_ns),
            "futuresType": "U_MARGINED",
            "rateLimits": [
                {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2_400},
                {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1_200},
                {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
            ],
            "exchangeFilters": [],
            "assets": [{"asset": self.ledger.asset, "marginAvailable": True, "autoAssetExchange": "-10000"}],
            "symbols": [usdm_documents.symbol_document(terms) for terms in self.venue.terms.values()],
        }

    def premium_index(self, params: Params) -> Any:
        """Mark price and the last funding rate."""
        if params.get("symbol"):
            return self._premium(self.venue.of(params["symbol"]))
        return [self._premium(terms) for terms in self.venue.terms.values()]

    def funding_rates(self, params: Params) -> Any:
        """Funding rates that have settled."""
        start, end = whole(params, "startTime"), whole(params, "endTime")
        chosen = [self.venue.of(params["symbol"])] if params.get("symbol") else list(self.venue.terms.values())
        rows = []
        for terms in chosen:
            funding = self.exchange.reels[("usdm", terms.symbol)].funding
            for ts, rate in zip(funding.ts.tolist(), funding.rate.tolist(), strict=True):
                if (
                    ts - 1 <= self.exchange.now_ns
                    and (start is None or ms(ts) >= start)
                    and (end is None or ms(ts) <= end)
                ):
                    price = text(self.venue.marks.get(terms.symbol, ZERO))
                    rows.append(
                        {
                            "symbol": terms.symbol,
                            "fundingTime": ms(ts),
                            "fundingRate": text(Decimal(repr(rate))),
                            "markPrice": price,
                        }
                    )
        return rows[-limit(params, 100, 1_000) :]

    def open_interest(self, params: Params) -> Any:
        """No other account has positions."""
        terms = self.venue.of(word(params, "symbol"))
        return {"symbol": terms.symbol, "openInterest": "0", "time": ms(self.exchange.now_ns)}

    def brackets(self, params: Params) -> Any:
        """One bracket for every symbol."""
        chosen = [self.venue.of(params["symbol"])] if params.get("symbol") else list(self.venue.terms.values())
        return [
            {
                "symbol": terms.symbol,
                "notionalCoef": 1.0,
                "brackets": [
                    {
                        "bracket": 1,
                        "initialLeverage": self.exchange.section.max_leverage,
                        "notionalCap": NOTIONAL_CAP,
                        "notionalFloor": 0,
                        "maintMarginRatio": float(terms.maintenance_frac),
                        "cum": 0.0,
                    }
                ],
            }
            for terms in chosen
        ]

    def commission(self, params: Params) -> Any:
        """Commission rates."""
        fees = self.venue.fees
        symbol = self.venue.of(word(params, "symbol")).symbol
        return {
            "symbol": symbol,
            "makerCommissionRate": text(fees.maker, 6),
            "takerCommissionRate": text(fees.taker, 6),
        }

    def symbol_config(self, params: Params) -> Any:
        """Margin type and leverage of symbols."""
        return [
            {
                "symbol": symbol,
                "marginType": "CROSSED",
                "isAutoAddMargin": False,
                "leverage": position.leverage,
                "maxNotionalValue": str(NOTIONAL_CAP),
            }
            for symbol, position in self.ledger.positions.items()
            if params.get("symbol") in (None, "", symbol)
        ]

    def account_config(self, params: Params) -> Any:
        """What the account may do."""
        return {
            **PERMISSIONS,
            "dualSidePosition": False,
            "updateTime": 0,
            "multiAssetsMargin": False,
            "tradeGroupId": -1,
        }

    def dual_side(self, params: Params) -> Any:
        """Positions are one-way."""
        return {"dualSidePosition": False}

    def set_dual_side(self, params: Params) -> Any:
        """Positions stay one-way."""
        if word(params, "dualSidePosition").lower() == "true":
            raise Refused(-4068, "Position side cannot be changed: the rehearsal exchange keeps one-way positions.")
        raise Refused(-4059, "No need to change position side.")

    def multi_assets(self, params: Params) -> Any:
        """One margin asset."""
        return {"multiAssetsMargin": False}

    def set_leverage(self, params: Params) -> Any:
        """Change a symbol's leverage."""
        symbol, leverage = self.venue.of(word(params, "symbol")).symbol, whole(params, "leverage")
        if leverage is None:
            raise refusals.missing("leverage")
        if not 1 <= leverage <= self.exchange.section.max_leverage:
            raise Refused(-4028, f"Leverage {leverage} is not valid")
        self.ledger.set_leverage(symbol, leverage)
        return {"leverage": leverage, "maxNotionalValue": str(NOTIONAL_CAP), "symbol": symbol}

    def set_margin_type(self, params: Params) -> Any:
        """Margin stays crossed."""
        self.venue.of(word(params, "symbol"))
        if word(params, "marginType") in ("CROSSED", "CROSS"):
            raise Refused(-4046, "No need to change margin type.")
        raise Refused(-4067, "Margin type cannot be changed: the rehearsal exchange keeps crossed margin.")

    def place_order(self, params: Params) -> Any:
        """Take an order; an answer of type ACK tells nothing of fills."""
        order = self.place(params)
        document = self.order_document(order)
        document.pop("time")
        if params.get("newOrderRespType", "ACK") == "ACK" and order.status != "EXPIRED":
            document |= {"status": "NEW", "executedQty": "0", "cumQty": "0", "cumQuote": "0", "avgPrice": "0.00"}
        return document

    def amend_order(self, params: Params) -> Any:
        """Change a resting limit order."""
        order = self.find(params)
        if order is None:
            raise refusals.no_order()
        quantity, price = number(params, "quantity"), number(params, "price")
        if quantity is None or price is None:
            raise refusals.missing("quantity" if quantity is None else "price")
        return self.order_document(self.venue.amend(order, quantity, price, self.exchange.now_ns))

    def cancel_order(self, params: Params) -> Any:
        """Cancel an order."""
        return self.order_document(self.withdraw(params))

    def cancel_open(self, params: Params) -> Any:
        """Cancel every open order of a symbol."""
        symbol = self.venue.of(word(params, "symbol")).symbol
        for order in self.venue.open_orders(symbol):
            self.venue.cancel(order, self.exchange.now_ns)
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    def count_down(self, params: Params) -> Any:
        """Cancel a symbol's orders when so many milliseconds of the tape have passed, unless it is asked again; 0: never."""
        symbol, countdown = self.venue.of(word(params, "symbol")).symbol, whole(params, "countdownTime")
        if countdown is None or countdown < 0:
            raise refusals.illegal("countdownTime")
        self.venue.count_down(symbol, self.exchange.now_ns + countdown * MS if countdown else None)
        return {"symbol": symbol, "countdownTime": str(countdown)}

    def open_order(self, params: Params) -> Any:
        """One order, if it is open."""
        order = self.find(params)
        if order is None or not order.is_open:
            raise refusals.no_order()
        return self.order_document(order)

    def place_algo(self, params: Params) -> Any:
        """Take a conditional order."""
        if params.get("algoType", "CONDITIONAL") != "CONDITIONAL":
            raise Refused(-4500, "Invalid algo type.")
        return usdm_documents.algo_document(self.place(params, conditional=True))

    def query_algo(self, params: Params) -> Any:
        """One conditional order."""
        order = self.find(params, conditional=True)
        if order is None:
            raise refusals.no_order()
        return usdm_documents.algo_document(order)

    def cancel_algo(self, params: Params) -> Any:
        """Cancel a conditional order."""
        order = self.withdraw(params, conditional=True)
        return {"algoId": order.order_id, "clientAlgoId": order.client_order_id, "code": "200", "msg": "success"}

    def cancel_open_algos(self, params: Params) -> Any:
        """Cancel every conditional order of a symbol."""
        symbol = self.venue.of(word(params, "symbol")).symbol
        for order in self.venue.open_orders(symbol, conditional=True):
            self.venue.cancel(order, self.exchange.now_ns)
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    def open_algos(self, params: Params) -> Any:
        """Conditional orders that wait."""
        return [
            usdm_documents.algo_document(order)
            for order in self.venue.open_orders(params.get("symbol") or None, conditional=True)
        ]

    def all_algos(self, params: Params) -> Any:
        """Every conditional order of a symbol."""
        symbol = self.venue.of(word(params, "symbol")).symbol
        return [
            usdm_documents.algo_document(o) for o in self.venue.orders.values() if o.conditional and o.symbol == symbol
        ]

    def my_trades(self, params: Params) -> Any:
        """The account's trades."""
        return [
            {
                "symbol": trade.symbol,
                "id": trade.trade_id,
                "orderId": trade.order_id,
                "side": trade.side,
                "price": text(trade.price),
                "qty": text(trade.quantity),
                "realizedPnl": text(trade.realized),
                "quoteQty": text(trade.price * trade.quantity),
                "commission": text(trade.commission),
                "commissionAsset": trade.commission_asset,
                "time": ms(trade.ts_ns),
                "positionSide": "BOTH",
                "buyer": trade.side == "BUY",
                "maker": trade.maker,
            }
            for trade in self.own_trades(params)
        ]

    def income(self, params: Params) -> Any:
        """Funding that was paid and received."""
        kinds = params.get("incomeType", "FUNDING_FEE")
        return [
            {
                "symbol": symbol,
                "incomeType": "FUNDING_FEE",
                "income": text(amount),
                "asset": self.ledger.asset,
                "info": "FUNDING_FEE",
                "time": ms(ts_ns),
                "tranId": index,
                "tradeId": "",
            }
            for index, (ts_ns, symbol, amount) in enumerate(self.venue.funding_paid, 1)
            if kinds == "FUNDING_FEE" and params.get("symbol") in (None, "", symbol)
        ]

    def account(self, params: Params) -> Any:
        """Wallet, margins and positions."""
        ledger = self.ledger
        orders = sum(ledger.order_margin.values(), ZERO)
        initial, maintenance = text(ledger.total_initial), text(ledger.total_maintenance)
        wallet, unrealized = text(ledger.wallet), text(ledger.total_unrealized)
        equity, available = text(ledger.equity), text(ledger.available)
        asset = {
            "asset": ledger.asset,
            "walletBalance": wallet,
            "unrealizedProfit": unrealized,
            "marginBalance": equity,
            "maintMargin": maintenance,
            "initialMargin": initial,
            "positionInitialMargin": text(ledger.total_initial - orders),
            "openOrderInitialMargin": text(orders),
            "crossWalletBalance": wallet,
            "crossUnPnl": unrealized,
            "availableBalance": available,
            "maxWithdrawAmount": available,
            "marginAvailable": True,
            "updateTime": ms(self.exchange.now_ns),
        }
        return {
            **PERMISSIONS,
            "tradeGroupId": -1,
            "multiAssetsMargin": False,
            "updateTime": 0,
            "totalInitialMargin": initial,
            "totalMaintMargin": maintenance,
            "totalWalletBalance": wallet,
            "totalUnrealizedProfit": unrealized,
            "totalMarginBalance": equity,
            "totalPositionInitialMargin": asset["positionInitialMargin"],
            "totalOpenOrderInitialMargin": asset["openOrderInitialMargin"],
            "totalCrossWalletBalance": wallet,
            "totalCrossUnPnl": unrealized,
            "availableBalance": available,
            "maxWithdrawAmount": available,
            "assets": [asset],
            "positions": [usdm_documents.account_position(ledger, terms) for terms in self.venue.terms.values()],
        }

    def balance(self, params: Params) -> Any:
        """The wallet."""
        ledger = self.ledger
        return [
            {
                "accountAlias": "rehearsal",
                "asset": ledger.asset,
                "balance": text(ledger.wallet),
                "crossWalletBalance": text(ledger.wallet),
                "crossUnPnl": text(ledger.total_unrealized),
                "availableBalance": text(ledger.available),
                "maxWithdrawAmount": text(ledger.available),
                "marginAvailable": True,
                "updateTime": ms(self.exchange.now_ns),
            }
        ]

    def position_risk(self, params: Params) -> Any:
        """Positions that are held."""
        return [row for row in self.position_risk_all(params) if Decimal(row["positionAmt"])]

    def position_risk_all(self, params: Params) -> Any:
        """Every symbol, held or not."""
        chosen = [self.venue.of(params["symbol"])] if params.get("symbol") else list(self.venue.terms.values())
        return [usdm_documents.position_risk(self.ledger, terms) for terms in chosen]

    def order_document(self, order: Order) -> dict[str, Any]:
        return usdm_documents.order_document(order)

    def _premium(self, terms: Terms) -> dict[str, Any]:
        rate, next_ns = self.venue.funding.get(terms.symbol, (ZERO, 0))
        price = text(self.venue.marks.get(terms.symbol, ZERO))
        return {
            "symbol": terms.symbol,
            "markPrice": price,
            "indexPrice": price,
            "estimatedSettlePrice": price,
            "lastFundingRate": text(rate),
            "interestRate": "0.00000000",
            "nextFundingTime": ms(next_ns),
            "time": ms(self.exchange.now_ns),
        }


PERMISSIONS = {"feeTier": 0, "feeBurn": False, "canTrade": True, "canDeposit": True, "canWithdraw": False}
