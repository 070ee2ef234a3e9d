"""An order on its way to ccxt, and how ccxt's answers about it are read."""

from decimal import Decimal
from typing import Any, Literal, NamedTuple

from live.adapter.core.events import Event, Foreign


class NewOrder(NamedTuple):
    """An order to be sent.

    Attributes
    ----------
    kind
        `market` or `limit`; with a trigger, a stop of that kind.
    amount
        Base units, or contracts.
    time_in_force
        `GTC`, `IOC` or `FOK`; None for a market order.
    waits
        Whether it waits for the end of a pause, however long: for what only reduces.
    """

    client_id: str
    symbol: str
    kind: Literal["market", "limit"]
    side: Literal["buy", "sell"]
    amount: Decimal
    price: Decimal | None = None
    trigger: Decimal | None = None
    time_in_force: str | None = None
    reduce_only: bool = False
    post_only: bool = False
    waits: bool = False


def arguments(order: NewOrder) -> tuple[Any, ...]:
    """Return the arguments of ccxt's `create_order`: with our id, and without a retry."""
    params: dict[str, Any] = {"clientOrderId": order.client_id, "maxRetriesOnFailure": 0}
    if order.reduce_only:
        params["reduceOnly"] = True
    if order.post_only:
        params["postOnly"] = True
    elif order.time_in_force is not None and order.kind == "limit":
        params["timeInForce"] = order.time_in_force
    if order.trigger is not None:
        params["triggerPrice"] = float(order.trigger)
    price = None if order.price is None else float(order.price)
    return (order.symbol, order.kind, order.side, float(order.amount), price, params)


def without_actual(order: dict[str, Any]) -> dict[str, Any]:
    """Return a stop that waits at the venue's algorithm without the state of the order that it became: that one speaks for itself."""
    info = order.get("info")
    if not isinstance(info, dict) or not ("aid" in info or "algoId" in info):
        return order
    return {**order, "filled": None, "status": "open" if order.get("status") == "closed" else order.get("status")}


def detail(event: Event) -> str:
    """Return an event as a note shows it."""
    if isinstance(event, Foreign):
        return str(event.order.get("id"))
    shown = [
        f"{name} {value}"
        for name, value in event._asdict().items()
        if name not in ("client_id", "ts_ns") and value is not None
    ]
    return ", ".join(shown)
