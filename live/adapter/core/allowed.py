"""Where real orders may go: exchanges by name, each with the evidence that lets it be here."""

from typing import NamedTuple

from engine.contract.errors import ConfigError, broken


class Evidence(NamedTuple):
    """Why an exchange and market may be traded live.

    Attributes
    ----------
    suite
        What passed.
    limits
        What that does not show.
    """

    suite: str
    limits: str


_SUITE = "acceptance cases D01 to D14 and E01 to E25, and the fault matrix, against the rehearsal exchange"
_LIMITS = (
    "the rehearsal exchange speaks the protocol; matching, queueing and bans of the real venue are not shown by it"
)

ALLOWED: dict[tuple[str, str], Evidence] = {
    ("binance", "spot"): Evidence(_SUITE, _LIMITS),
    ("binance", "usdm"): Evidence(_SUITE, _LIMITS),
}
"""Exchange and market to evidence; a new row needs a passed suite, named."""


def refuse_live(exchange: str, market: str) -> str | None:
    """Return why an exchange may not be traded live; None where it may."""
    if (exchange, market) in ALLOWED:
        return None
    known = ", ".join(" ".join(key) for key in ALLOWED)
    return broken("live trading", f"be on one of {known}", f"{exchange} {market}", remedy="use it for data and paper")


def require_live(exchange: str, market: str) -> Evidence:
    """Return the evidence for an exchange.

    Raises
    ------
    ConfigError
        There is none.
    """
    reason = refuse_live(exchange, market)
    if reason is not None:
        raise ConfigError(reason)
    return ALLOWED[exchange, market]
