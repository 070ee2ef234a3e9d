"""What a path of returns is worth: every figure of a walk forward, or the reason why there is none.

Figures need enough data, and variation. What lacks it is None, with a sentence in `reasons` under the figure's name: a judgement comes at
the end of long work, and never fails for want of data.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from engine.contract.errors import ConfigError, DataError
from engine.evaluation.activity import turnover_per_bar
from engine.evaluation.bootstrap import intervals
from engine.evaluation.breakeven import break_even_bps
from engine.evaluation.chance import chance
from engine.evaluation.overfitting import overfitting
from engine.evaluation.samples import Floats
from engine.evaluation.sharpe import PerPeriod, estimate
from engine.evaluation.trials import Trials

POLICIES = 2_000
"""Random policies behind a p-value."""

Figure = TypeVar("Figure")


@dataclass(frozen=True)
class Track:
    """What was traded, turn by turn.

    Attributes
    ----------
    returns, turnover : float64 (T,)
        Simple return after costs up to the turn, and value traded since the turn before, both of equity.
    exposure : float64 (T, K)
        Target exposure decided at the turn, signed, fraction of the instrument's budget.
    market : float64 (T, K)
        Simple return of each instrument from the price at which that exposure was taken to the next such price.
    """

    returns: Floats
    turnover: Floats
    exposure: Floats
    market: Floats


@dataclass(frozen=True)
class Terms:
    """What a track is judged with.

    Attributes
    ----------
    periods_per_year
        `bars_per_year(bar)` of the market's calendar.
    cost_bps
        Fee plus half-spread that was charged, 1/10,000 of the notional.
    budget_frac
        Equity behind an exposure of 1.
    window_bars
        Bars that a decision looks back.
    policies
        Random policies behind the p-value.
    seed
        Of the bootstrap and of the random policies.
    """

    periods_per_year: float
    cost_bps: float
    budget_frac: float
    window_bars: int
    policies: int = POLICIES
    seed: int = 0


def judge(track: Track, columns: Mapping[str, Floats], terms: Terms, trials: Trials | None) -> dict[str, Any]:
    """Judge a track.

    Parameters
    ----------
    columns
        Name to returns, float64 (T,): all that were tried over the same turns, from which one could have chosen.
    trials
        What the ledger knows of the family; None deflates nothing.

    Returns
    -------
    dict
        `sharpe, sharpe_error` (annualised), `interval` (95 %), `psr` (probability that the ratio is above zero, autocorrelation allowed
        for), `dsr, trials`, `pbo`, `p_value, p_value_error, p_value_policies`, `apart_bars, break_even_bps`,
        `intervals: {sharpe, total_return, max_drawdown: [low, high], block_bars}`, and `reasons: {figure: why it is None}`.
    """
    reasons: dict[str, str] = {}

    def measured(name: str, compute: Callable[[], Figure]) -> Figure | None:
        try:
            return compute()
        except (DataError, ConfigError) as error:
            reasons[name] = str(error)
            return None

    year = terms.periods_per_year
    found = measured("sharpe", lambda: estimate(track.returns, year))
    document: dict[str, Any] = {
        "sharpe": None if found is None else found.annualised,
        "sharpe_error": None if found is None else found.error_annualised,
        "interval": None if found is None else list(found.interval_annualised()),
        "psr": None if found is None else found.probability_above(PerPeriod(0.0)),
        "dsr": None,
        "trials": 0 if trials is None else trials.number,
    }
    if found is None:
        reasons["dsr"] = reasons["sharpe"]
    elif trials is None:
        reasons["dsr"] = "the trials were not counted"
    else:
        counted, selected = trials, found
        deflated = measured("dsr", lambda: counted.deflate(selected))
        document["dsr"] = None if deflated is None else deflated.probability
    panel = np.stack(list(columns.values()), 1) if columns else np.zeros((len(track.returns), 0))
    overfit = measured("pbo", lambda: overfitting(panel))
    document["pbo"] = None if overfit is None else overfit.probability
    document |= _against_chance(track, terms, measured)
    gross = track.returns + terms.cost_bps * 1e-4 * track.turnover
    document["break_even_bps"] = measured("break_even_bps", lambda: break_even_bps(gross, track.turnover))
    if document["break_even_bps"] is None:
        reasons.setdefault("break_even_bps", "nothing was traded")
    drawn = measured("intervals", lambda: intervals(track.returns, year, seed=terms.seed))
    document["intervals"] = None
    if drawn is not None:
        document["intervals"] = {
            "sharpe": [drawn.sharpe_annualised.low, drawn.sharpe_annualised.high],
            "total_return": [drawn.total_return.low, drawn.total_return.high],
            "max_drawdown": [drawn.max_drawdown_frac.low, drawn.max_drawdown_frac.high],
            "block_bars": drawn.block_periods,
        }
    return document | {"reasons": reasons}


def _against_chance(track: Track, terms: Terms, measured: Callable[[str, Callable[[], Any]], Any]) -> dict[str, Any]:
    apart = _apart_bars(track.exposure, terms.window_bars)
    found = measured(
        "p_value",
        lambda: chance(
            track.exposure,
            track.market,
            cost_bps=terms.cost_bps,
            budget_frac=terms.budget_frac,
            policies=terms.policies,
            apart_bars=apart,
            seed=terms.seed,
        ),
    )
    return {
        "p_value": None if found is None else found.p_value,
        "p_value_error": None if found is None else found.error,
        "p_value_policies": 0 if found is None else found.policies,
        "apart_bars": apart,
    }


def _apart_bars(exposure: Floats, window_bars: int) -> int:
    """Bars by which random policies are at least moved to earlier: the window and the typical holding, at most half of all."""
    traded = float(turnover_per_bar(exposure).mean()) if len(exposure) else 0.0
    holding = 2.0 * float(np.abs(exposure).sum(axis=1).mean()) / traded if traded > 0.0 else 0.0
    return max(1, min(window_bars + math.ceil(holding), len(exposure) // 2))
