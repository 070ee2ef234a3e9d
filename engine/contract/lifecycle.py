"""[lifecycle]: how a run changes its policy while it goes on, and what sends a candidate back."""

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from engine.contract.errors import ConfigError, broken
from engine.contract.section import Count, Fraction, Name, Positive, Section

if TYPE_CHECKING:
    from engine.contract.config import Config

MOST_SHARE = 0.5
"""No candidate decides more than this, whoever says so: beyond it the champion would be the smaller part."""

CanaryShare = Annotated[float, msgspec.Meta(gt=0, le=MOST_SHARE)]


class ScriptedChange(Section, frozen=True):
    """One of `lifecycle.events`: a change at the first decision at or after a moment of event time.

    Attributes
    ----------
    at
        UTC.
    event
        `shadow` and `canary` give a candidate its stage, `promote` makes it champion, `rollback` takes the candidate away or, where
        there is none, brings the champion before back.
    policy
        A policy folder or NAME@VERSION; a rollback needs none.
    share
        Of a canary; None: `lifecycle.max_share`.
    """

    at: dt.datetime
    event: Literal["shadow", "canary", "promote", "rollback"]
    policy: str | None = None
    share: CanaryShare | None = None


class Lifecycle(Section, frozen=True):
    """[lifecycle]: without the section a run keeps the policy that it began with.

    Attributes
    ----------
    follow
        Name whose assignment in the registry paper and live sessions go with, between decisions; None: nobody's.
    registry
        Folder of the registry.
    max_share
        Largest share of the budget that a canary decides.
    alpha
        Probability of rolling back a candidate that is no worse, over all of its time as a canary.
    effect
        Difference per decision, in standard deviations of the difference, that the test is tuned to see.
    least_decisions
        Pairs before the test may speak.
    max_shortfall_frac
        A canary whose sleeve has fallen so far behind the champion's is rolled back whatever the test says; None: never.
    promote_after
        Pairs after which a canary that is not behind is promoted by rule, or earlier where the test finds it better; None: by a person.
    events
        Scripted changes, in event time: the same in back test, paper and live.
    """

    follow: Name | None = None
    registry: str = "var/registry"
    max_share: CanaryShare = 0.10
    alpha: Annotated[float, msgspec.Meta(gt=0, lt=0.5)] = 0.05
    effect: Positive = 0.03
    least_decisions: Count = 50
    max_shortfall_frac: Fraction | None = None
    promote_after: Count | None = None
    events: list[ScriptedChange] = msgspec.field(default_factory=list)


def check_lifecycle(config: "Config", where: str) -> None:
    """Refuse what [lifecycle] cannot mean.

    Raises
    ------
    ConfigError
        The strategy has no policy, events are not in order of time, or one of them lacks its policy.
    """
    section = config.lifecycle
    if section is None:
        return
    if config.strategy.get("name") != "policy":
        rule = "be policy where there is a [lifecycle]"
        raise ConfigError(broken("strategy.name", rule, config.strategy.get("name"), where, "leave the section out"))
    before = None
    for number, event in enumerate(section.events):
        name = f"lifecycle.events[{number}]"
        if before is not None and event.at < before:
            raise ConfigError(broken(f"{name}.at", f"be at or after {before:%Y-%m-%d %H:%M}", event.at, where))
        if event.policy is None and event.event != "rollback":
            raise ConfigError(broken(f"{name}.policy", f"be named for {event.event}", "absent", where))
        if event.share is not None and event.share > section.max_share:
            rule = f"be at most lifecycle.max_share {section.max_share:g}"
            raise ConfigError(broken(f"{name}.share", rule, event.share, where))
        before = event.at
