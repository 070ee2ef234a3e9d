"""What may be concluded from a walk-forward, and what may not, in plain sentences."""

import math

from engine.evaluation.notes import LUCK, SHORT_YEARS, SHOWN_DSR
from engine.evaluation.page import plural
from engine.evaluation.walk_tables import WalkTables

COIN = 0.5
"""Probability of overfitting that choosing at random gives."""
SUSPECT = 0.1
"""Probability of overfitting up to which the choice is thought sound."""
AGREE = 0.8
"""Share of seeds that earn, from which they are said to agree."""
FEW_SEEDS = 5
FEW_FOLDS = 4
ONE_FOLD = 0.5
"""Share of all growth above which one fold made the result."""


def conclusions(walk: WalkTables) -> list[str]:
    """Return sentences, what was found first, then what speaks against it, then what was left open."""
    return [
        *_edge(walk), *_sharpe(walk), *_timing(walk), *_overfitting(walk), *_beside(walk), *_seeds(walk), *_folds(walk), *_costs(walk),
        *_span(walk),
    ]  # fmt: skip


def _unknown(walk: WalkTables, name: str, title: str) -> list[str]:
    return [f"{title} has no value: {walk.reasons.get(name, 'it was not measured')}."]


def _edge(walk: WalkTables) -> list[str]:
    dsr, trials = walk.figure("dsr"), walk.figure("trials")
    if dsr is None:
        return ["An edge is not shown.", *_unknown(walk, "dsr", "The deflated Sharpe ratio")]
    over = "" if trials is None else f" over {plural(trials, 'trial')}"
    if dsr < SHOWN_DSR:
        return [f"An edge is not shown: the deflated Sharpe ratio{over} is {dsr:.2f}, below {SHOWN_DSR}."]
    return [
        f"The Sharpe ratio is hard to explain by choosing alone: deflated{over} it is {dsr:.3f}. That the edge lasts is not shown, nor that"
        " trials made elsewhere were few."
    ]


def _sharpe(walk: WalkTables) -> list[str]:
    sharpe, error = walk.figure("sharpe"), walk.figure("sharpe_error")
    if sharpe is None or error is None:
        return _unknown(walk, "sharpe", "The Sharpe ratio or its error")
    if abs(sharpe) < 2.0 * error:
        return [f"The Sharpe ratio, {sharpe:.2f} ± {error:.2f}, is not distinguishable from zero."]
    return []


def _timing(walk: WalkTables) -> list[str]:
    p_value = walk.figure("p_value")
    if p_value is None:
        return _unknown(walk, "p_value", "The p-value against random timing")
    if p_value > LUCK:
        return [f"Random timing with the same turnover and exposure does at least as well {p_value:.0%} of the time."]
    return []


def _overfitting(walk: WalkTables) -> list[str]:
    pbo = walk.figure("pbo")
    if pbo is None:
        return _unknown(walk, "pbo", "The probability of overfitting")
    if pbo >= COIN:
        return [f"Choosing did not help: the best in sample comes out below the median {pbo:.0%} of the time (PBO)."]
    if pbo > SUSPECT:
        return [f"The choice may be overfitted: the best in sample falls below the median {pbo:.0%} of the time (PBO)."]
    return []


def _beside(walk: WalkTables) -> list[str]:
    if not walk.baselines:
        return ["No baselines were run: there is nothing to compare the result with."]
    own, said = walk.figure("sharpe") or 0.0, []
    better = [name for name, one in walk.baselines.items() if name != "cash" and (one.get("sharpe") or 0.0) >= own]
    if better:
        said.append(f"Baselines with at least this Sharpe ratio, and simpler: {', '.join(better)}.")
    total = (walk.figure("metrics") or {}).get("total_return")
    if total is not None and total <= 0.0:
        said.append("Cash did at least as well: the total return is not above zero.")
    return said


def _seeds(walk: WalkTables) -> list[str]:
    metrics = [one.get("metrics") or {} for one in walk.figure("seeds") or []]
    totals = [one["total_return"] for one in metrics if one.get("total_return") is not None]
    ratios = [one["sharpe"] for one in metrics if one.get("sharpe") is not None]
    said = []
    if len(totals) < FEW_SEEDS:
        said.append(f"{plural(len(totals), 'seed')}: too few to know how much of the result is the luck of training.")
    earned = sum(total > 0.0 for total in totals)
    if totals and earned < AGREE * len(totals):
        spread = f"; their Sharpe ratios go from {min(ratios):.2f} to {max(ratios):.2f}" if ratios else ""
        said.append(f"The seeds disagree: {earned} of {len(totals)} earned something out of sample{spread}.")
    return said


def _folds(walk: WalkTables) -> list[str]:
    said, count = [], len(walk.folds)
    if count < FEW_FOLDS:
        said.append(f"{plural(count, 'fold')}: the market was met under few conditions.")
    collapsed = [str(fold["number"]) for fold in walk.folds if fold.get("degenerate")]
    if collapsed:
        said.append(
            f"The chosen policy is degenerate, one answer for nearly everything, in folds {', '.join(collapsed)} of {count}."
        )
    grown = {
        fold["number"]: math.log1p(fold["total_return"])
        for fold in walk.folds
        if fold.get("total_return") is not None and fold["total_return"] > -1.0
    }
    lost = sum(value < 0.0 for value in grown.values())
    if grown and lost * 2 >= count:
        said.append(f"{lost} of {plural(count, 'fold')} lost money.")
    whole = sum(grown.values())
    if whole > 0.0 and count > 1:
        best = max(grown, key=lambda number: grown[number])
        if grown[best] >= whole:
            said.append(f"Without fold {best} nothing was earned: it made more than all of the growth.")
        elif grown[best] > ONE_FOLD * whole:
            said.append(f"Fold {best} alone made {grown[best] / whole:.0%} of all growth.")
    return said


def _costs(walk: WalkTables) -> list[str]:
    even, charged = walk.figure("break_even_bps"), walk.charged_bps
    if even is None or charged is None or even >= 2.0 * charged:
        return []
    if even < 0.0:
        return ["It lost before costs."]
    verdict = "it does not earn its costs" if even < charged else "twice the charged cost would take all of it"
    return [f"It breaks even at {even:.1f} bps of what is traded, {charged:g} are charged: {verdict}."]


def _span(walk: WalkTables) -> list[str]:
    if walk.years >= SHORT_YEARS:
        return []
    return [f"The tests cover {walk.years * 365:.0f} days: annualised figures extrapolate from less than a year."]
