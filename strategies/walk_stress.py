"""What a finished walk survives: its chosen path under stress, and the grade of all that was measured."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from engine.contract.config import PolicySource
from engine.evaluation.comparison import compare
from engine.policy.session import PolicySession
from strategies.folds import fold_config
from strategies.stress.evidence import evidence, graded
from strategies.stress.nulls import SEEDS
from strategies.stress.suite import Stresses, stress
from strategies.stress.track import Span
from strategies.units import POLICY
from strategies.walking import Walked

STEPS = 5 + 2 * len(SEEDS)
"""Calls of `advance`."""


def stressed(
    walked: Walked, document: Mapping[str, Any], advance: Callable[[int, str], None], workers: int = 0
) -> dict[str, Any]:
    """Put what one would have traded under every stress, in so many local processes; 0 is this one.

    Returns
    -------
    dict
        `stress` (name to figures), `costs` (charged and break-even, basis points), `directionless`, `regimes`, `crises`, and
        `grade` with its reasons.
    """
    found = stress(chosen_spans(walked, document), advance=advance, workers=workers).stresses
    weighed = evidence(
        found,
        deflated_sharpe=document["dsr"],
        chance_p_value=document["p_value"],
        overfitting_probability=document["pbo"],
        baseline_p_value=against_baselines(walked),
        seed_sharpes=[seed["metrics"]["sharpe"] for seed in document["seeds"]],
    )
    judged = graded(weighed)
    plain = found.document()
    return {
        "stress": _figures(found),
        "costs": {name: plain["costs"][name] for name in ("charged_bps", "break_even_bps", "cost_multiple")},
        "directionless": _without_draws(plain["directionless"]),
        "regimes": plain["regimes"],
        "crises": plain["crises"],
        "grade": {
            "letter": judged.letter,
            "reasons": [one._asdict() | {"passed": one.verdict == "good"} for one in judged.reasons],
        },
    }


def chosen_spans(walked: Walked, document: Mapping[str, Any]) -> list[Span]:
    """Return configuration and policy of every test of the chosen path, in order of time."""
    seeds = {fold["number"]: fold["seed"] for fold in document["folds"]}
    spans: list[Span] = []
    for training in walked.plan.trainings:
        for test in training.tests:
            seed = seeds[test.number]
            config, session = fold_config(walked.config, training, test, seed), None
            if config.strategy_name == "policy":
                folder = walked.folder / f"folds/{training.number:03d}/seed-{seed}" / POLICY
                session = PolicySession(folder)
                config = msgspec.structs.replace(config, policy=PolicySource(path=str(folder)))
            spans.append((config, session))
    return spans


def against_baselines(walked: Walked) -> float | None:
    """Return the one-sided p-value that the chosen path's Sharpe ratio is above that of every baseline; None where nothing varies.

    The largest of the p-values against each: to be above the best, all must be beaten, so that no adjustment for their number is due.
    """
    own, found = walked.chosen.track.returns[1:], []
    for beside in walked.baselines.values():
        other = beside.track.returns[1:]
        if other.std() > 0.0 and own.std() > 0.0 and (own != other).any():
            difference = compare(own, other)
            half = 0.5 * difference.p_value
            found.append(half if difference.value_per_period > 0.0 else 1.0 - half)
    return max(found, default=None)


def _without_draws(directionless: dict[str, Any]) -> dict[str, Any]:
    """Return the verdict with a row for each kind of market, its draws left out."""
    markets = directionless["markets"]
    rows = {kind: {name: value for name, value in one.items() if name != "draws"} for kind, one in markets.items()}
    return rows | {name: value for name, value in directionless.items() if name != "markets"}


def _figures(found: Stresses) -> dict[str, Any]:
    rows = {"as configured": found.unstressed, "one turn of delay": found.delay}
    rows |= {f"costs x {multiple}": one for multiple, one in found.costs.multiples.items()}
    plain: dict[str, Any] = msgspec.to_builtins(rows)
    return plain
