"""One letter for a strategy's evidence, with the reasons that made it.

A  every question is answered, every answer is good
B  every question is answered, none badly, at most two of them weakly
C  no answer is bad; what was not measured counts as weak
D  one or two bad answers
F  more than two, or a profit where there can be none: a leak

A grade says how much the evidence supports an edge. It does not say how large the edge is, nor that it will last.
"""

from dataclasses import dataclass, fields
from typing import Literal, NamedTuple

from engine.contract.errors import DataError, broken

Letter = Literal["A", "B", "C", "D", "F"]
Verdict = Literal["good", "weak", "bad", "leak", "missing"]

MOST_WEAK = 2
MOST_BAD = 2


@dataclass(frozen=True)
class Evidence:
    """What was measured; None is what was not.

    Attributes
    ----------
    deflated_sharpe
        Probability that the Sharpe ratio is above zero, all trials counted: `engine.evaluation.deflated`.
    chance_p_value
        Against random policies of the same turnover and exposure: `engine.evaluation.chance`.
    overfitting_probability
        PBO over all configurations that were tried: `engine.evaluation.overfitting`.
    cost_multiple
        Break-even cost over the cost that was charged: `engine.evaluation.breakeven`.
    delay_retained
        Sharpe ratio with every decision one bar late, over the Sharpe ratio; negative where the delay loses money.
    baseline_p_value
        That it is no better than the best baseline, adjusted for their number: `engine.evaluation.comparison`.
    seeds_positive
        Share of five or more seeds whose policy earned something out of sample.
    null_sharpe_errors
        Sharpe ratio on the same bars with signs flipped or order shuffled, in its standard errors: there is nothing to find there.
    """

    deflated_sharpe: float | None = None
    chance_p_value: float | None = None
    overfitting_probability: float | None = None
    cost_multiple: float | None = None
    delay_retained: float | None = None
    baseline_p_value: float | None = None
    seeds_positive: float | None = None
    null_sharpe_errors: float | None = None


class Threshold(NamedTuple):
    """When an answer is good, and when it is no longer weak but bad.

    Attributes
    ----------
    title
        What is asked.
    good, weak
        The answer is good from `good` on, weak from `weak` on, bad beyond: upwards, or downwards where `good` is the smaller.
    reason
        Why these.
    """

    title: str
    good: float
    weak: float
    reason: str


THRESHOLDS: dict[str, Threshold] = {
    "deflated_sharpe": Threshold(
        "deflated Sharpe ratio",
        0.95,
        0.5,
        "0.95 is the usual level; below 0.5 the best of as many lucky trials looks better",
    ),
    "chance_p_value": Threshold(
        "p-value against random policies",
        0.01,
        0.05,
        "several strategies are looked at, so that 0.05 alone is reached by luck",
    ),
    "overfitting_probability": Threshold(
        "probability of overfitting", 0.1, 0.5, "0.5 is what choosing at random gives"
    ),
    "cost_multiple": Threshold(
        "break-even over charged cost",
        2.0,
        1.0,
        "spreads double in the hours in which one must trade; below 1 it loses",
    ),
    "delay_retained": Threshold(
        "Sharpe ratio kept with one bar of delay", 0.5, 0.0, "an edge that one bar destroys is often a look ahead"
    ),
    "baseline_p_value": Threshold(
        "p-value against the best baseline", 0.05, 0.5, "above 0.5 the baseline was the better one, and is simpler"
    ),
    "seeds_positive": Threshold(
        "share of seeds with a positive Sharpe ratio", 0.8, 0.5, "an edge that needs a lucky seed is not an edge"
    ),
    "null_sharpe_errors": Threshold(
        "Sharpe ratio where there is no edge, in standard errors", 2.0, 2.0, "a profit there comes from the future"
    ),
}


class Reason(NamedTuple):
    """One question with its answer; `text` is a sentence."""

    name: str
    value: float | None
    verdict: Verdict
    text: str


class Grade(NamedTuple):
    """The letter, and all its reasons, the gravest first."""

    letter: Letter
    reasons: tuple[Reason, ...]


def grade(evidence: Evidence) -> Grade:
    """Grade a strategy's evidence.

    Raises
    ------
    DataError
        A value is NaN; what has no value is None.

    Examples
    --------
    >>> made = grade(Evidence(deflated_sharpe=0.31, chance_p_value=0.004))
    >>> made.letter, made.reasons[0].text
    ('D', 'deflated Sharpe ratio 0.31 is bad (good from 0.95, bad below 0.5): 0.95 is the usual level; below 0.5 the best of as many \
lucky trials looks better')
    """
    reasons = [_reason(field.name, getattr(evidence, field.name)) for field in fields(evidence)]
    order: list[Verdict] = ["leak", "bad", "missing", "weak", "good"]
    reasons.sort(key=lambda reason: order.index(reason.verdict))
    count = {verdict: sum(reason.verdict == verdict for reason in reasons) for verdict in order}
    letter: Letter
    if count["leak"] or count["bad"] > MOST_BAD:
        letter = "F"
    elif count["bad"]:
        letter = "D"
    elif count["missing"] or count["weak"] > MOST_WEAK:
        letter = "C"
    else:
        letter = "B" if count["weak"] else "A"
    return Grade(letter, tuple(reasons))


def _reason(name: str, value: float | None) -> Reason:
    threshold = THRESHOLDS[name]
    if value is None:
        return Reason(name, None, "missing", f"{threshold.title} was not measured")
    if value != value:
        raise DataError(broken(name, "be a number, or None where it was not measured", value))
    upwards = threshold.good > threshold.weak
    sign = 1.0 if upwards else -1.0
    verdict: Verdict = "bad"
    if sign * value >= sign * threshold.good:
        verdict = "good"
    elif name == "null_sharpe_errors":
        verdict = "leak"
    elif sign * value >= sign * threshold.weak:
        verdict = "weak"
    begin, end = ("from", "below") if upwards else ("up to", "above")
    bounds = f"good {begin} {threshold.good:g}, {'a leak' if name == 'null_sharpe_errors' else 'bad'} {end} {threshold.weak:g}"
    says = "a leak" if verdict == "leak" else verdict
    return Reason(name, value, verdict, f"{threshold.title} {value:.3g} is {says} ({bounds}): {threshold.reason}")
