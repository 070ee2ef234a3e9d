"""What an exchange can do through ccxt, feature by feature: stream it, poll it, or not at all."""

from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple

from engine.contract.errors import ConfigError, broken


class Way(Enum):
    """How a feature is had."""

    STREAM = "stream"
    POLL = "poll"
    CALL = "call"
    REFUSE = "refuse"


class Feature(NamedTuple):
    """A thing that the adapter offers, and the entries of ccxt's `has` that it can be had by, best first.

    Attributes
    ----------
    streams, polls
        For data: `watch…` and `fetch…`.
    calls
        For actions; all are needed.
    """

    name: str
    streams: tuple[str, ...] = ()
    polls: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()


FEATURES: tuple[Feature, ...] = (
    Feature("bars", ("watchOHLCV",), ("fetchOHLCV",)),
    Feature("trades", ("watchTrades",), ("fetchTrades",)),
    Feature("quotes", ("watchBidsAsks", "watchTicker", "watchOrderBook"), ("fetchTicker", "fetchOrderBook")),
    Feature("book", ("watchOrderBook",), ("fetchOrderBook",)),
    Feature("mark_prices", ("watchMarkPrice",), ("fetchMarkPrice",)),
    Feature("funding_rates", ("watchFundingRate",), ("fetchFundingRate",)),
    Feature("fills", ("watchMyTrades",), ("fetchMyTrades",)),
    Feature("orders", ("watchOrders",), ("fetchOpenOrders",)),
    Feature("balances", ("watchBalance",), ("fetchBalance",)),
    Feature("positions", ("watchPositions",), ("fetchPositions",)),
    Feature("bar_history", calls=("fetchOHLCV",)),
    Feature("trade_history", calls=("fetchTrades",)),
    Feature("funding_history", calls=("fetchFundingRateHistory",)),
    Feature(
        "submit", calls=("createOrder", "cancelOrder", "fetchOrder", "fetchOpenOrders", "fetchMyTrades", "fetchBalance")
    ),
    Feature("modify", calls=("editOrder",)),
    Feature("leverage", calls=("setLeverage",)),
    Feature("time", calls=("fetchTime",)),
)

PERPETUAL_ONLY = frozenset({"mark_prices", "funding_rates", "funding_history", "positions", "leverage"})
REPLACES = frozenset({("binance", "spot")})
"""Exchange and market where ccxt's `editOrder` cancels and sends a new order: two steps, so it is refused."""


class Ability(NamedTuple):
    """How one feature is had: the way, ccxt's method, and why not where it is refused."""

    way: Way
    method: str = ""
    reason: str = ""


Table = Mapping[str, Ability]


def table_of(has: Mapping[str, Any], exchange: str, market: str) -> dict[str, Ability]:
    """Make the table of one exchange at startup.

    Parameters
    ----------
    has
        ccxt's own table; only True counts, not `emulated`.
    """
    known = {name for name, value in has.items() if value is True}
    return {feature.name: _ability(feature, known, exchange, market) for feature in FEATURES}


def _ability(feature: Feature, known: set[str], exchange: str, market: str) -> Ability:
    if market == "spot" and feature.name in PERPETUAL_ONLY:
        return Ability(Way.REFUSE, reason=f"{feature.name} is of perpetuals only")
    if feature.name == "modify" and (exchange, market) in REPLACES:
        return Ability(Way.REFUSE, reason="the venue would cancel and send a new order; do that instead")
    if feature.calls:
        lacking = [name for name in feature.calls if name not in known]
        if lacking:
            return Ability(Way.REFUSE, reason=f"ccxt has no {', '.join(lacking)} for {exchange}")
        return Ability(Way.CALL, feature.calls[0])
    for way, names in ((Way.STREAM, feature.streams), (Way.POLL, feature.polls)):
        for name in names:
            if name in known:
                return Ability(way, name)
    return Ability(
        Way.REFUSE, reason=f"ccxt has none of {', '.join((*feature.streams, *feature.polls))} for {exchange}"
    )


def require(table: Table, feature: str, exchange: str) -> Ability:
    """Return how a feature is had.

    Raises
    ------
    ConfigError
        It is refused; the message has the reason.
    """
    ability = table[feature]
    if ability.way is Way.REFUSE:
        raise ConfigError(broken(f"{feature} of {exchange}", "be available", f"refused: {ability.reason}"))
    return ability
