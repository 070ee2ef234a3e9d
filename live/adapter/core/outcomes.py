"""The outcome of every exception of a request that changes something at the venue.

Two outcomes, and no third. REFUSED: the venue, or ccxt before anything was sent, has said no; the order does not exist. UNKNOWN: the
order may exist; it is looked up by its client order id, and never sent again. What is not in the table is UNKNOWN.
"""

import re
from enum import Enum

LONGEST = 300
"""Characters of an error's text that are kept."""


class Outcome(Enum):
    """What an exception says about the request."""

    REFUSED = "refused"
    UNKNOWN = "unknown"


REFUSED, UNKNOWN = Outcome.REFUSED, Outcome.UNKNOWN

OUTCOMES: dict[str, Outcome] = {
    "BaseError": UNKNOWN,
    "ExchangeError": UNKNOWN,
    "AuthenticationError": REFUSED,
    "PermissionDenied": REFUSED,
    "AccountNotEnabled": REFUSED,
    "AccountSuspended": REFUSED,
    "ArgumentsRequired": REFUSED,
    "BadRequest": REFUSED,
    "BadSymbol": REFUSED,
    "OperationRejected": REFUSED,
    "NoChange": REFUSED,
    "MarginModeAlreadySet": REFUSED,
    "MarketClosed": REFUSED,
    "ManualInteractionNeeded": REFUSED,
    "RestrictedLocation": REFUSED,
    "InsufficientFunds": REFUSED,
    "InvalidAddress": REFUSED,
    "AddressPending": REFUSED,
    "InvalidOrder": REFUSED,
    "OrderNotFound": UNKNOWN,
    "OrderNotCached": UNKNOWN,
    "OrderImmediatelyFillable": REFUSED,
    "OrderNotFillable": REFUSED,
    "DuplicateOrderId": UNKNOWN,
    "ContractUnavailable": REFUSED,
    "NotSupported": REFUSED,
    "InvalidProxySettings": REFUSED,
    "ExchangeClosedByUser": UNKNOWN,
    "OperationFailed": UNKNOWN,
    "NetworkError": UNKNOWN,
    "DDoSProtection": UNKNOWN,
    "RateLimitExceeded": UNKNOWN,
    "ExchangeNotAvailable": UNKNOWN,
    "OnMaintenance": UNKNOWN,
    "InvalidNonce": UNKNOWN,
    "ChecksumError": UNKNOWN,
    "RequestTimeout": UNKNOWN,
    "BadResponse": UNKNOWN,
    "NullResponse": UNKNOWN,
    "CancelPending": UNKNOWN,
    "UnsubscribeError": UNKNOWN,
}
"""Every exception class of ccxt by name. ExchangeError is UNKNOWN because ccxt raises it for a truncated answer to an order that lives."""

POST_ONLY = frozenset({"OrderImmediatelyFillable", "OrderNotFillable"})
"""Refusals that say that a post-only order would have taken."""

GONE = frozenset({"OrderNotFound", "OrderNotCached"})
"""Answers to a cancel or a look-up that say that there is no such open order."""

PERMANENT = frozenset({"NotSupported", "BadSymbol", "ArgumentsRequired"})
"""Answers to a subscription that no later try will change."""

DUPLICATE = re.compile("duplicat", re.IGNORECASE)
"""Text of a refusal of an id that was already used: an order with it exists. Binance's is a plain InvalidOrder."""

FAILURES: tuple[type[Exception], ...] = (
    OSError,
    TimeoutError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
)
"""What ccxt lets through when an answer is not of the shape it expects; all of them UNKNOWN. Its own errors come beside these."""


def outcome_of(error: BaseException) -> Outcome:
    """Return what an exception says about the request that raised it."""
    if DUPLICATE.search(str(error)):
        return UNKNOWN
    return OUTCOMES.get(type(error).__name__, UNKNOWN)


def describe(error: BaseException) -> str:
    """Return class and text of an exception, without query strings: they carry signatures.

    >>> describe(ValueError("binance GET https://host/api/v3/order?symbol=BTCUSDT&signature=0123"))
    'ValueError: binance GET https://host/api/v3/order?...'
    """
    text = re.sub(r"\?\S*", "?...", str(error))
    return f"{type(error).__name__}: {text[:LONGEST]}"
