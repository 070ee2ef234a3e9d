"""What the account's owner hears: orders, fills and balances in the words of each market's user data stream."""

from typing import Any

from live.rehearsal.api import Api
from live.rehearsal.documents import ms, text
from live.rehearsal.order import ZERO, AccountChange, Event, Report, Trade
from live.rehearsal.spot_api import SpotApi
from live.rehearsal.usdm_api import UsdmApi
from live.rehearsal.usdm_documents import algo_status


def messages(api: Api, event: Event) -> list[dict[str, Any]]:
    """Write an event of a venue as messages of its market."""
    if isinstance(api, SpotApi):
        return [spot_report(event)] if isinstance(event, Report) else [spot_change(api, event)]
    assert isinstance(api, UsdmApi)
    if isinstance(event, AccountChange):
        return [usdm_change(api, event)]
    return [algo_report(event) if event.order.conditional else usdm_report(event)]


def spot_report(event: Report) -> dict[str, Any]:
    """An executionReport."""
    order, trade = event.order, event.trade
    last, price, fee, asset = _last(trade)
    cancelled = event.execution == "CANCELED"
    return {
        "e": "executionReport",
        "E": ms(event.ts_ns),
        "s": order.symbol,
        "c": order.client_order_id,
        "S": order.side,
        "o": order.wire_type,
        "f": "GTC" if order.time_in_force == "GTX" else order.time_in_force,
        "q": text(order.quantity),
        "p": text(order.price or ZERO),
        "P": text(order.stop_price or ZERO),
        "F": "0.00000000",
        "g": -1,
        "C": order.client_order_id if cancelled else "",
        "x": event.execution,
        "X": order.status,
        "r": "NONE",
        "i": order.order_id,
        "l": last,
        "z": text(order.filled),
        "L": price,
        "n": fee,
        "N": asset,
        "T": ms(event.ts_ns),
        "t": trade.trade_id if trade else -1,
        "v": 0,
        "I": order.order_id,
        "w": order.is_open and not order.waiting,
        "m": bool(trade and trade.maker),
        "M": False,
        "O": ms(order.created_ns),
        "Z": text(order.spent),
        "Y": text(trade.price * trade.quantity) if trade else "0.00000000",
        "Q": "0.00000000",
        "W": ms(order.created_ns),
        "V": "NONE",
    }


def spot_change(api: SpotApi, event: AccountChange) -> dict[str, Any]:
    """An outboundAccountPosition."""
    rows = [row for row in api.balances() if row["asset"] in event.assets]
    balances = [{"a": row["asset"], "f": row["free"], "l": row["locked"]} for row in rows]
    return {"e": "outboundAccountPosition", "E": ms(event.ts_ns), "u": ms(event.ts_ns), "B": balances}


def usdm_report(event: Report) -> dict[str, Any]:
    """An ORDER_TRADE_UPDATE."""
    order, trade = event.order, event.trade
    last, price, fee, asset = _last(trade)
    body: dict[str, Any] = {
        "s": order.symbol,
        "c": order.client_order_id,
        "S": order.side,
        "o": order.wire_type,
        "f": order.time_in_force,
        "q": text(order.quantity),
        "p": text(order.price or ZERO),
        "ap": text(order.average_price),
        "sp": text(order.stop_price or ZERO),
        "x": event.execution,
        "X": order.status,
        "i": order.order_id,
        "l": last,
        "z": text(order.filled),
        "L": price,
        "T": ms(event.ts_ns),
        "t": trade.trade_id if trade else 0,
        "b": "0",
        "a": "0",
        "m": bool(trade and trade.maker),
        "R": order.reduce_only,
        "wt": "CONTRACT_PRICE",
        "ot": order.wire_type,
        "ps": "BOTH",
        "cp": order.close_position,
        "rp": text(trade.realized) if trade else "0",
        "pP": False,
        "si": 0,
        "ss": 0,
        "V": "NONE",
        "pm": "NONE",
        "gtd": 0,
        "er": "0",
    }
    if trade is not None:
        body |= {"n": fee, "N": asset}
    return {"e": "ORDER_TRADE_UPDATE", "E": ms(event.ts_ns), "T": ms(event.ts_ns), "o": body}


def algo_report(event: Report) -> dict[str, Any]:
    """An ALGO_UPDATE."""
    order = event.order
    body = {
        "caid": order.client_order_id,
        "aid": order.order_id,
        "at": "CONDITIONAL",
        "o": order.wire_type,
        "s": order.symbol,
        "S": order.side,
        "ps": "BOTH",
        "f": order.time_in_force,
        "q": text(order.quantity),
        "X": algo_status(order),
        "ai": str(order.actual_order_id) if order.actual_order_id else "",
        "ap": "0.00000",
        "aq": "0.00000",
        "act": "0",
        "tp": text(order.stop_price or ZERO),
        "p": text(order.price or ZERO),
        "V": "NONE",
        "wt": "CONTRACT_PRICE",
        "pm": "NONE",
        "cp": order.close_position,
        "pP": False,
        "R": order.reduce_only,
        "tt": ms(order.updated_ns) if order.actual_order_id else 0,
        "gtd": 0,
        "rm": "",
    }
    return {"e": "ALGO_UPDATE", "E": ms(event.ts_ns), "T": ms(event.ts_ns), "o": body}


def usdm_change(api: UsdmApi, event: AccountChange) -> dict[str, Any]:
    """An ACCOUNT_UPDATE."""
    ledger, wallet = api.ledger, text(api.ledger.wallet)
    positions = [
        {
            "s": symbol,
            "pa": text(ledger.positions[symbol].quantity, api.venue.terms[symbol].size_precision),
            "ep": text(ledger.positions[symbol].entry_price),
            "bep": text(ledger.positions[symbol].entry_price),
            "cr": text(ledger.positions[symbol].realized),
            "up": text(ledger.unrealized(symbol)),
            "mt": "cross",
            "iw": "0",
            "ps": "BOTH",
        }
        for symbol in event.symbols
    ]
    balances = [{"a": ledger.asset, "wb": wallet, "cw": wallet, "bc": text(event.amount)}]
    return {
        "e": "ACCOUNT_UPDATE",
        "E": ms(event.ts_ns),
        "T": ms(event.ts_ns),
        "a": {"m": event.reason, "B": balances, "P": positions},
    }


def is_fill(message: dict[str, Any]) -> bool:
    """Whether a message tells of a fill."""
    return message.get("x") == "TRADE" or (message.get("e") == "ORDER_TRADE_UPDATE" and message["o"]["x"] == "TRADE")


def _last(trade: Trade | None) -> tuple[str, str, str, str | None]:
    if trade is None:
        return "0.00000000", "0.00000000", "0", None
    return text(trade.quantity), text(trade.price), text(trade.commission), trade.commission_asset
