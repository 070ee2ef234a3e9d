"""[alerts]: what a monitor tells people of, through which channels, how often, and whom when nobody answers."""

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from engine.contract.errors import ConfigError, broken
from engine.contract.section import Count, Fraction, Positive, Section

if TYPE_CHECKING:
    from engine.contract.config import Config

LOG = "log"
"""The channel that is always there: a line on stderr."""

ChannelName = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]


Rule = Literal[
    "process",
    "breaker",
    "halt",
    "drawdown",
    "daily_loss",
    "limit",
    "stale_data",
    "gap",
    "refused",
    "mismatch",
    "decision_time",
    "order_time",
    "policy",
    "memory",
    "drift",
]


class Alerts(Section, frozen=True):
    """[alerts]: thresholds of the rules; addresses are never in here, see `variable_of`.

    Attributes
    ----------
    channels
        Who hears of an alert: `log`, or names whose address stands in the environment.
    escalation
        Who hears of it besides when nobody acknowledged it in time; empty: it never escalates.
    cooldown_secs
        An alert that lasts is told once in so long; one that comes back within it waits for the rest of it.
    escalate_after_secs
        How long an alert may stand without being acknowledged.
    off
        Rules that are switched off.
    drawdown_frac, daily_loss_frac
        Rules `drawdown` and `daily_loss`: loss from the peak, and since 00:00 UTC, fractions of equity, at the marks of now.
    limit_used_frac
        Rule `limit`: part of a limit that is used up.
    stale_data_secs
        Rule `stale_data`: age of a quote; of a bar, beyond the length of one, on a real exchange only.
    refused_frac, refused_least
        Rule `refused`: part of the orders of the last hour that the gate, the engine or the venue refused; of how many at least.
    decision_ms
        Rule `decision_time`: 99 of 100 times from a bar's arrival to the decision.
    order_ms
        Rule `order_time`: 99 of 100 times from the decision to the order, live only.
    policy_days
        Rule `policy`: days before the policy expires.
    memory_mb
        Rule `memory`: resident memory of the process; None: any.
    """

    channels: list[ChannelName] = msgspec.field(default_factory=lambda: [LOG])
    escalation: list[ChannelName] = msgspec.field(default_factory=list)
    cooldown_secs: Positive = 300.0
    escalate_after_secs: Positive = 900.0
    off: list[Rule] = msgspec.field(default_factory=list)
    drawdown_frac: Fraction = 0.10
    daily_loss_frac: Fraction = 0.02
    limit_used_frac: Fraction = 0.95
    stale_data_secs: Positive = 120.0
    refused_frac: Fraction = 0.5
    refused_least: Count = 10
    decision_ms: Positive = 1_000.0
    order_ms: Positive = 1_000.0
    policy_days: Count = 7
    memory_mb: Positive | None = None


def variable_of(channel: str) -> str:
    """Return the name of the environment variable with a channel's address.

    >>> variable_of("night_desk")
    'HURACAN_CHANNEL_NIGHT_DESK'
    """
    return f"HURACAN_CHANNEL_{channel.upper()}"


def check_alerts(config: "Config", where: str) -> None:
    """Refuse a list that names a channel twice.

    Raises
    ------
    ConfigError
        A channel is named twice.
    """
    alerts = config.alerts
    for key in ("channels", "escalation"):
        named = getattr(alerts, key)
        if len(set(named)) != len(named):
            raise ConfigError(broken(f"alerts.{key}", "name each channel once", named, where))
