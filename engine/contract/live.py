"""[live]: the exchange that paper and live sessions talk to, and how a session begins and ends."""

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from engine.contract.errors import ConfigError, broken
from engine.contract.section import Count, Positive, Section

if TYPE_CHECKING:
    from engine.contract.config import Config

ExchangeName = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_]+$")]


class Live(Section, frozen=True):
    """[live]: keys are never in here; they come from the environment.

    Attributes
    ----------
    exchange
        As ccxt calls it.
    market
        `spot`, or `usdm`: perpetuals that settle in the quote currency.
    rehearsal
        Talk to the rehearsal exchange on this machine, which replays the catalog; false: to the real one.
    client
        `ccxt`: the adapter of this product; `native`: the trading library's own adapter for the exchange.
    on_stop
        What a session does with its positions when it stops: keep or flatten them. Open orders are always cancelled.
    turn_patience_secs
        How long a turn waits, after its first bar came, for the bars of the other instruments.
    silence_secs
        How long nothing may come before the session says so; None: never.
    max_clock_skew_ms
        Largest difference to the exchange's clock with which a live session starts.
    max_policy_age_days
        A policy whose training data ended longer ago is expired: no live session starts with it; None: policies do not expire.
    late_secs
        How long after its close a bar may still be decided on, and an order of it be sent, by a session that was killed and goes on; never
        beyond the next close.
    foreign_orders
        What such a session does where it finds an open order that it never wrote down: block the start, or cancel it.
    dead_man_secs
        Where the exchange has a timer that cancels all orders unless it is set again: its length; None: not used.
    """

    exchange: ExchangeName = "binance"
    market: Literal["spot", "usdm"] = "spot"
    rehearsal: bool = True
    client: Literal["ccxt", "native"] = "ccxt"
    on_stop: Literal["keep", "flatten"] = "keep"
    turn_patience_secs: Positive = 2.0
    silence_secs: Positive | None = 90.0
    max_clock_skew_ms: Positive = 1_000.0
    max_policy_age_days: Count | None = None
    late_secs: Positive = 30.0
    foreign_orders: Literal["block", "cancel"] = "block"
    dead_man_secs: Positive | None = None


def check_live(config: "Config", where: str) -> None:
    """Refuse what [live] cannot mean; called when a session is about to start, since a back test has no use for it.

    Raises
    ------
    ConfigError
        The instruments are not of the market, or the client does not speak to the exchange.
    """
    if config.live.client == "native" and config.live.exchange != "binance":
        rule = "be ccxt: the library's own adapter is used for binance alone"
        raise ConfigError(broken("live.client", rule, config.live.client, where, 'write client = "ccxt"'))
    perpetuals = [name.rpartition(".")[0].endswith("-PERP") for name in config.universe.instruments]
    market = config.live.market
    if all(perpetuals) if market == "spot" else not all(perpetuals):
        rule = "be usdm for perpetuals" if market == "spot" else "be spot for these instruments"
        raise ConfigError(broken("live.market", rule, market, where, f'write market = "{_other(market)}"'))
    if any(perpetuals) != all(perpetuals):
        raise ConfigError(
            broken("universe.instruments", "be of one market in a session", config.universe.instruments, where)
        )


def _other(market: str) -> str:
    return "usdm" if market == "spot" else "spot"
