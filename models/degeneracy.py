"""The degeneracy gate: a policy that has collapsed is not exported, whatever it earned.

A policy that always answers alike, that trades next to never, that is cash or buy-and-hold by another name, or whose surest answers are
not what it learned by drawing, says nothing that a rule of one line would not say.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Rule(NamedTuple):
    """A figure of `models.validation.figures`, and the bound that it must keep."""

    figure: str
    at_least: float | None
    at_most: float | None
    meaning: str


RULES = (
    Rule("commonest_action_share", None, 0.60, "share of the commonest answer"),
    Rule("trades_per_1000", 20.0, None, "orders per 1,000 decisions"),
    Rule("action_entropy", 0.10, None, "entropy of the answers, of its largest possible"),
    Rule("turnover", 0.1, None, "traded value over equity per 1,000 decisions"),
    Rule("distance_to_cash", 0.02, None, "mean distance of the exposure from 0"),
    Rule("distance_to_hold", 0.02, None, "mean distance of the exposure from the whole budget"),
    Rule("agreement", 0.30, None, "probability that a draw is the surest answer"),
)


class Breach(NamedTuple):
    """A rule that a policy broke."""

    figure: str
    value: float
    bound: float
    meaning: str

    def __str__(self) -> str:
        side = "under" if self.value < self.bound else "over"
        return f"{self.figure} {self.value:.4g} {side} {self.bound:g} ({self.meaning})"


def breaches(figures: Mapping[str, float]) -> list[Breach]:
    """Return every rule that the figures break, in the order of `RULES`; a figure that is not a number breaks its rule."""
    found = []
    for rule in RULES:
        value = figures[rule.figure]
        if rule.at_least is not None and not value >= rule.at_least:
            found.append(Breach(rule.figure, value, rule.at_least, rule.meaning))
        if rule.at_most is not None and not value <= rule.at_most:
            found.append(Breach(rule.figure, value, rule.at_most, rule.meaning))
    return found
