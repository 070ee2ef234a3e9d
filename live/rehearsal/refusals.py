"""What the venue says no with: Binance's codes, messages and HTTP statuses."""

from decimal import Decimal

from live.rehearsal.terms import Market


class Refused(Exception):
    """The venue does not do what it was asked; a value on the wire, `{"code": …, "msg": …}`."""

    def __init__(self, code: int, text: str, status: int = 400, retry_after_secs: int | None = None) -> None:
        super().__init__(f"{code} {text}")
        self.code = code
        self.text = text
        self.status = status
        self.retry_after_secs = retry_after_secs

    @property
    def document(self) -> dict[str, object]:
        """The body of the answer."""
        return {"code": self.code, "msg": self.text}


def unknown_symbol() -> Refused:
    """No instrument of this market has the symbol."""
    return Refused(-1121, "Invalid symbol.")


def missing(name: str) -> Refused:
    """A parameter that the request needs is absent."""
    return Refused(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def illegal(name: str) -> Refused:
    """A parameter cannot be read."""
    return Refused(-1100, f"Illegal characters found in parameter '{name}'.")


def price_off_tick(market: Market) -> Refused:
    """A price is no multiple of the tick."""
    if market == "spot":
        return Refused(-1013, "Filter failure: PRICE_FILTER")
    return Refused(-4014, "Price not increased by tick size.")


def quantity_off_lot(market: Market) -> Refused:
    """A quantity is no positive multiple of the lot."""
    if market == "spot":
        return Refused(-1013, "Filter failure: LOT_SIZE")
    return Refused(-1111, "Precision is over the maximum defined for this asset.")


def below_minimum(market: Market, least: Decimal) -> Refused:
    """An order is worth too little."""
    if market == "spot":
        return Refused(-1013, "Filter failure: NOTIONAL")
    return Refused(-4164, f"Order's notional must be no smaller than {least:f} (unless you choose reduce only).")


def insufficient(market: Market) -> Refused:
    """The account cannot pay for an order."""
    if market == "spot":
        return Refused(-2010, "Account has insufficient balance for requested action.")
    return Refused(-2019, "Margin is insufficient.")


def duplicate_client_id(market: Market) -> Refused:
    """An open order has the client id already."""
    return (
        Refused(-2010, "Duplicate order sent.") if market == "spot" else Refused(-4116, "ClientOrderId is duplicated.")
    )


def would_take(market: Market) -> Refused:
    """A post-only order would match at once."""
    if market == "spot":
        return Refused(-2010, "Order would immediately match and take.")
    return Refused(-5022, "Due to the order could not be executed as maker, the Post Only order will be rejected.")


def would_trigger(market: Market) -> Refused:
    """A stop lies on the wrong side of the price."""
    return Refused(
        -2010 if market == "spot" else -2021,
        "Stop price would trigger immediately." if market == "spot" else "Order would immediately trigger.",
    )


def nothing_to_reduce() -> Refused:
    """A reduce-only order has no opposite position."""
    return Refused(-2022, "ReduceOnly Order is rejected.")


def no_open_order() -> Refused:
    """There is no open order to cancel."""
    return Refused(-2011, "Unknown order sent.")


def no_order() -> Refused:
    """There is no order to tell of."""
    return Refused(-2013, "Order does not exist.")
