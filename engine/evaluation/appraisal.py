"""What is known of a run's result, and how well: its errors, its chance, its falls, its tails, what its costs leave.

Every figure that has no value here, because the run is too short, never varied or never traded, is None, with its reason.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.contract.calendar import iso
from engine.contract.errors import DataError
from engine.evaluation.bootstrap import intervals
from engine.evaluation.breakeven import BPS, break_even_bps, break_even_compounded_bps
from engine.evaluation.chance import chance
from engine.evaluation.drawdown import episodes, underwater
from engine.evaluation.metrics import simple_returns
from engine.evaluation.samples import Floats
from engine.evaluation.sharpe import PerPeriod, SharpeEstimate, annualise, estimate, probabilistic_sharpe
from engine.evaluation.tails import expected_shortfall, moments, tail_ratio, value_at_risk
from engine.evaluation.trials import Trials

LEVEL = 0.95
"""Coverage of every interval."""
MOST_FALLS = 5
"""Falls that are told one by one, the deepest."""
NOT_TRADED = "nothing was traded"
RUIN = "equity reached zero"


@dataclass(frozen=True)
class Record:
    """What a run did, a row per decision; a bar is what lies between two decisions.

    Attributes
    ----------
    ts_ns : int64 (n,), UTC ns
    equity : float64 (n,), account currency
    weight : float64 (n - 1, K)
        Notional over equity that each instrument was held at over the bar, as it was when it was last traded.
    bar_returns : float64 (n - 1, K)
        Simple return of each instrument from the price at which the decision is filled to the one at which the next is.
    turnover, cost : float64 (n - 1,)
        Traded notional, and fees with slippage, fractions of the equity at the decision.
    bars_per_year
        Of the market's calendar.
    cost_bps
        Fee and half-spread that the configuration charges, 1/10,000 of the notional.
    look_back
        Bars that a decision sees.
    seed
        Of every random number here.
    """

    ts_ns: NDArray[np.int64]
    equity: Floats
    weight: Floats
    bar_returns: Floats
    turnover: Floats
    cost: Floats
    bars_per_year: float
    cost_bps: float
    look_back: int
    seed: int


class _Reasons(dict[str, str]):
    """Why figures have no value."""

    def attempt(self, name: str, figure: Callable[[], Any]) -> Any:
        """Return the figure, or None where the sample is refused, and note why."""
        try:
            value = figure()
        except DataError as error:
            self[name] = str(error)
            return None
        return value


def appraise(record: Record, trials: Trials) -> dict[str, Any]:
    """Measure what is known of a run, and how well.

    Parameters
    ----------
    record
        What the run did.
    trials
        Of its family, itself included, per period as the record.

    Returns
    -------
    sharpe_error, sharpe_lags, interval
        Standard error of the annualised Sharpe ratio, the autocovariances in it, its normal 95 % interval.
    psr, dsr, dsr_benchmark, trials
        Probability that the Sharpe ratio is above zero, without and with the choosing among `trials`; the annualised ratio that the best
        of so many trials without skill would show.
    p_value, chance
        Against random policies of the same turnover and exposure; what those made.
    intervals
        Stationary bootstrap: `sharpe`, `total_return`, `max_drawdown` as [low, high], `block_bars`, `replicates`, `level`.
    break_even_bps, break_even_compounded_bps, paid_bps
        Cost of trading at which nothing is earned, on the mean and compounded; fees and slippage that were paid. Of the traded notional.
    drawdowns
        The deepest falls with their times, and life under water; lengths in bars.
    tails
        Of returns per bar: losses are positive.
    reasons
        Name of a figure without a value to why.
    """
    reasons = _Reasons()
    returns = simple_returns(record.equity)
    found: SharpeEstimate | None = None
    if len(returns) == 0 and len(record.equity) > 1:
        reasons["sharpe_error"] = RUIN
    else:
        found = reasons.attempt("sharpe_error", lambda: estimate(returns, record.bars_per_year))
    return {
        **_ratio(found, reasons),
        **_chosen(found, trials, reasons),
        **_timing(record, len(returns), reasons),
        "intervals": reasons.attempt("intervals", lambda: _intervals(record, returns)),
        **_costs(record, returns, reasons),
        "drawdowns": reasons.attempt("drawdowns", lambda: _falls(record)),
        "tails": _tails(returns, reasons),
        "reasons": dict(reasons),
    }


def _ratio(found: SharpeEstimate | None, reasons: _Reasons) -> dict[str, Any]:
    if found is None:
        reasons["psr"] = reasons["interval"] = reasons["sharpe_error"]
        return {"sharpe_error": None, "sharpe_lags": None, "interval": None, "psr": None}
    zero = PerPeriod(0.0)
    return {
        "sharpe_error": found.error_annualised,
        "sharpe_lags": found.lags,
        "interval": list(found.interval_annualised(LEVEL)),
        "psr": reasons.attempt(
            "psr", lambda: probabilistic_sharpe(found.per_period, zero, found.periods, found.skew, found.kurtosis)
        ),
    }


def _chosen(found: SharpeEstimate | None, trials: Trials, reasons: _Reasons) -> dict[str, Any]:
    deflated = None
    if found is None:
        reasons["dsr"] = reasons["sharpe_error"]
    else:
        deflated = reasons.attempt("dsr", lambda: trials.deflate(found))
    benchmark = None if deflated is None else annualise(deflated.benchmark_per_period, trials.periods_per_year)
    return {
        "trials": trials.number,
        "dsr": None if deflated is None else deflated.probability,
        "dsr_benchmark": benchmark,
    }


def _timing(record: Record, bars: int, reasons: _Reasons) -> dict[str, Any]:
    """Chance of the timing; shifts by less than a twentieth of the span, or by less than a decision looks back, are left out."""
    none = {"p_value": None, "chance": None}
    if not record.weight.any():
        reasons["p_value"] = NOT_TRADED
        return none
    if not bars:
        reasons["p_value"] = RUIN
        return none
    apart = max(1, min(max(bars // 20, record.look_back), bars // 2))
    made = reasons.attempt(
        "p_value",
        lambda: chance(record.weight, record.bar_returns, cost_bps=record.cost_bps, apart_bars=apart, seed=record.seed),
    )
    if made is None:
        return none
    median, upper = (
        annualise(ratio, record.bars_per_year) for ratio in (made.median_per_period, made.upper_per_period)
    )
    shown = {"method": made.method, "policies": made.policies, "apart_bars": apart, "error": made.error}
    return {"p_value": made.p_value, "chance": {**shown, "median_sharpe": median, "upper_sharpe": upper}}


def _intervals(record: Record, returns: Floats) -> dict[str, Any]:
    made = intervals(returns, record.bars_per_year, level=LEVEL, seed=record.seed)
    spans = {
        "sharpe": made.sharpe_annualised,
        "total_return": made.total_return,
        "max_drawdown": made.max_drawdown_frac,
    }
    return {
        **{name: [one.low, one.high] for name, one in spans.items()},
        "block_bars": made.block_periods,
        "replicates": made.replicates,
        "level": LEVEL,
    }


def _costs(record: Record, returns: Floats, reasons: _Reasons) -> dict[str, Any]:
    names = ("break_even_bps", "break_even_compounded_bps", "paid_bps")
    traded = float(record.turnover.sum())
    if traded <= 0.0 or not len(returns):
        reasons.update(dict.fromkeys(names, NOT_TRADED if traded <= 0.0 else RUIN))
        return dict.fromkeys(names)
    gross = returns + record.cost
    compounded = break_even_compounded_bps(gross, record.turnover)
    if compounded is None:
        reasons["break_even_compounded_bps"] = "everything was lost before costs"
    simple, paid = break_even_bps(gross, record.turnover), float(record.cost.sum()) / traded / BPS
    return dict(zip(names, (simple, compounded, paid), strict=True))


def _falls(record: Record) -> dict[str, Any]:
    found, life, last = episodes(record.equity), underwater(record.equity), len(record.equity) - 1

    def time(index: int) -> str:
        return iso(int(record.ts_ns[index]))

    return {
        "deepest": [
            {
                "depth": one.depth_frac,
                "peak": time(one.peak),
                "trough": time(one.trough),
                "recovery": None if one.recovery is None else time(one.recovery),
                "bars": (last if one.recovery is None else one.recovery) - one.peak,
            }
            for one in found[:MOST_FALLS]
        ],
        "falls": len(found),
        "mean": life.mean_drawdown_frac,
        "ulcer": life.ulcer_frac,
        "underwater_share": life.underwater_share,
        "longest_bars": life.longest_periods,
        "recovery_bars": life.recovery_periods,
    }


def _tails(returns: Floats, reasons: _Reasons) -> dict[str, Any]:
    shape = reasons.attempt("moments", lambda: moments(returns))
    ratio = reasons.attempt("tail_ratio", lambda: tail_ratio(returns))
    if ratio is None and "tail_ratio" not in reasons:
        reasons["tail_ratio"] = "one bar in twenty or fewer lost anything"
    return {
        "skew": None if shape is None else shape.skew,
        "kurtosis": None if shape is None else shape.kurtosis,
        "tail_ratio": ratio,
        "value_at_risk": reasons.attempt("value_at_risk", lambda: value_at_risk(returns, LEVEL)),
        "expected_shortfall": reasons.attempt("expected_shortfall", lambda: expected_shortfall(returns, LEVEL)),
        "level": LEVEL,
    }
