"""Reading what a client asks for: parameters of a request, and the order that they describe."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from live.rehearsal import refusals
from live.rehearsal.order import Kind, OrderRequest, Side, TimeInForce
from live.rehearsal.refusals import Refused
from live.rehearsal.terms import Market

Params = Mapping[str, str]

SPOT_TYPES: dict[str, tuple[Kind, str | None]] = {
    "MARKET": ("MARKET", None),
    "LIMIT": ("LIMIT", None),
    "LIMIT_MAKER": ("LIMIT", None),
    "STOP_LOSS": ("MARKET", "stop"),
    "STOP_LOSS_LIMIT": ("LIMIT", "stop"),
    "TAKE_PROFIT": ("MARKET", "take"),
    "TAKE_PROFIT_LIMIT": ("LIMIT", "take"),
}
USDM_TYPES: dict[str, tuple[Kind, str | None]] = {
    "MARKET": ("MARKET", None),
    "LIMIT": ("LIMIT", None),
    "STOP": ("LIMIT", "stop"),
    "STOP_MARKET": ("MARKET", "stop"),
    "TAKE_PROFIT": ("LIMIT", "take"),
    "TAKE_PROFIT_MARKET": ("MARKET", "take"),
}
TYPES: dict[Market, dict[str, tuple[Kind, str | None]]] = {"spot": SPOT_TYPES, "usdm": USDM_TYPES}
TIMES_IN_FORCE: tuple[TimeInForce, ...] = ("GTC", "IOC", "FOK", "GTX")
TREATED_AS_GTC = ("GTD",)


def word(params: Params, name: str) -> str:
    """A parameter that must be there; raises `Refused`."""
    value = params.get(name, "")
    if not value:
        raise refusals.missing(name)
    return value


def whole(params: Params, name: str) -> int | None:
    """An integer, or None where absent; raises `Refused`."""
    value = params.get(name, "")
    if not value:
        return None
    try:
        return int(value)
    except ValueError:
        raise refusals.illegal(name) from None


def number(params: Params, name: str) -> Decimal | None:
    """A decimal, or None where absent; raises `Refused`."""
    value = params.get(name, "")
    if not value:
        return None
    try:
        found = Decimal(value)
    except InvalidOperation:
        raise refusals.illegal(name) from None
    if not found.is_finite():
        raise refusals.illegal(name)
    return found


def flag(params: Params, name: str) -> bool:
    """A boolean; absent means false."""
    return params.get(name, "").lower() == "true"


def limit(params: Params, default: int, most: int) -> int:
    """How many rows are wanted, at most `most`."""
    return max(1, min(whole(params, "limit") or default, most))


def order_request(params: Params, market: Market, new_client_id: str, conditional: bool = False) -> OrderRequest:
    """Read an order.

    Parameters
    ----------
    new_client_id
        The client id of an order that brings none.
    conditional
        Whether it came to the book of conditional orders, which names some fields otherwise.

    Raises
    ------
    Refused
        A parameter is missing, unreadable, or of a kind that this exchange does not have.
    """
    wire_type, side = word(params, "type").upper(), word(params, "side").upper()
    if wire_type not in TYPES[market]:
        raise Refused(-1116, "Invalid orderType.")
    if side not in ("BUY", "SELL"):
        raise Refused(-1117, "Invalid side.")
    kind, trigger = TYPES[market][wire_type]
    if market == "usdm" and trigger is not None and not conditional:
        raise Refused(
            -4120, "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead."
        )
    price = number(params, "price") if kind == "LIMIT" else None
    if kind == "LIMIT" and price is None:
        raise refusals.missing("price")
    stop = number(params, "triggerPrice" if conditional else "stopPrice") if trigger else None
    if trigger and stop is None:
        raise refusals.missing("triggerPrice" if conditional else "stopPrice")
    close_position = flag(params, "closePosition")
    quantity, quote_quantity = number(params, "quantity"), number(params, "quoteOrderQty")
    if quantity is None and quote_quantity is None and not close_position:
        raise refusals.missing("quantity")
    typed_side: Side = "BUY" if side == "BUY" else "SELL"
    client_id = params.get("clientAlgoId" if conditional else "newClientOrderId") or new_client_id
    return OrderRequest(
        symbol=word(params, "symbol"),
        side=typed_side,
        kind=kind,
        client_order_id=client_id,
        wire_type=wire_type,
        quantity=quantity,
        quote_quantity=quote_quantity,
        price=price,
        stop_price=stop,
        trigger_above=(side == "BUY") == (trigger == "stop"),
        time_in_force=_time_in_force(params, wire_type, kind),
        reduce_only=flag(params, "reduceOnly"),
        close_position=close_position,
        conditional=conditional,
    )


def _time_in_force(params: Params, wire_type: str, kind: Kind) -> TimeInForce:
    if wire_type == "LIMIT_MAKER":
        return "GTX"
    told = params.get("timeInForce", "GTC").upper()
    for one in TIMES_IN_FORCE:
        if told == one:
            return one
    if told in TREATED_AS_GTC:
        return "GTC"
    raise Refused(-1115, "Invalid timeInForce.")
