"""From measured figures to the evidence that `engine.evaluation.grade` weighs."""

from collections.abc import Sequence

from engine.evaluation.grade import Evidence, Grade, grade
from strategies.stress.suite import Stresses

LEAST_SEEDS = 5
"""Seeds below which the share of those that earned says nothing."""


def evidence(
    stresses: Stresses | None = None,
    *,
    deflated_sharpe: float | None = None,
    chance_p_value: float | None = None,
    overfitting_probability: float | None = None,
    baseline_p_value: float | None = None,
    seed_sharpes: Sequence[float | None] = (),
) -> Evidence:
    """Collect what a walk forward and its stresses measured; None is what was not.

    Parameters
    ----------
    stresses
        From `strategies.stress.suite.stress`: break-even cost, delay, and markets without a direction.
    deflated_sharpe, chance_p_value, overfitting_probability, baseline_p_value
        As `Evidence` has them.
    seed_sharpes
        Out of sample, one per seed; None for a seed that traded nothing, which did not earn. Fewer than five are no evidence.

    Notes
    -----
    Where the Sharpe ratio itself is not above zero there is nothing that a delay could leave, and `delay_retained` is None.
    """
    retained = None
    if stresses is not None:
        now, late = stresses.unstressed.sharpe, stresses.delay.sharpe
        retained = (late or 0.0) / now if now is not None and now > 0.0 else None
    earned = [sharpe is not None and sharpe > 0.0 for sharpe in seed_sharpes]
    return Evidence(
        deflated_sharpe=deflated_sharpe,
        chance_p_value=chance_p_value,
        overfitting_probability=overfitting_probability,
        cost_multiple=None if stresses is None else stresses.costs.cost_multiple,
        delay_retained=retained,
        baseline_p_value=baseline_p_value,
        seeds_positive=sum(earned) / len(earned) if len(earned) >= LEAST_SEEDS else None,
        null_sharpe_errors=None if stresses is None else stresses.directionless.errors,
    )


def graded(found: Evidence) -> Grade:
    """Grade evidence; see `engine.evaluation.grade`."""
    return grade(found)
