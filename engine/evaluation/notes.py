"""What a reader must know before believing the numbers of a run."""

from collections import Counter

from engine.contract.action import Discrete7
from engine.contract.calendar import iso
from engine.evaluation.run_tables import RunTables
from engine.evaluation.trips import episodes

FEW_TRADES = 30
MISSING_FRAC = 0.01
REFUSED_FRAC = 0.10
SHOWN_DSR = 0.95
"""Deflated Sharpe ratio from which an edge is hard to explain by choosing."""
LUCK = 0.05
"""p-value above which random timing does as well too often."""
DOMINANT_FRAC = 0.95
SHORT_YEARS = 0.99
HALTING = ("max_drawdown_frac", "daily_loss_frac")


def notes(run: RunTables) -> list[str]:
    """Return plain sentences, the gravest first; none where there is nothing to say."""
    return [
        *_fill(run),
        *_ruin(run),
        *_sharpe(run),
        *_chosen(run),
        *_baselines(run),
        *_breaker(run),
        *_data(run),
        *_trades(run),
        *_decisions(run),
    ]


def action_name(run: RunTables, action: float) -> str:
    """Name an answer: `sell half` of a discrete policy, the number of a continuous one or of a rule."""
    if run.manifest["action"] == "discrete7":
        return Discrete7(int(action)).name.lower().replace("_", " ")
    return f"{action:g}"


def _fill(run: RunTables) -> list[str]:
    if run.config["venue"]["fill"] != "this_close":
        return []
    return ["The fill assumption is optimistic: orders fill at the price they were decided on, which is already past."]


def _ruin(run: RunTables) -> list[str]:
    lowest = run.curves[run.name][1].min() if len(run.ts) else 1.0
    return ["Equity reached zero: what follows that moment means nothing."] if lowest <= 0.0 else []


def _sharpe(run: RunTables) -> list[str]:
    said = []
    sharpe, error = run.metrics["sharpe"], run.standard_error(run.name)
    if sharpe is not None and error is not None and abs(sharpe) < 2 * error:
        said.append(f"The Sharpe ratio, {sharpe:.2f} ± {error:.2f}, is not distinguishable from zero.")
    if 0 < run.years < SHORT_YEARS:
        said.append(f"The span is {run.years * 365:.0f} days: annualised figures extrapolate from less than a year.")
    return said


def _chosen(run: RunTables) -> list[str]:
    known, said = run.known, []
    dsr, trials, p_value, even = (known.get(name) for name in ("dsr", "trials", "p_value", "break_even_bps"))
    if dsr is not None and dsr < SHOWN_DSR:
        said.append(
            f"An edge is not shown: the deflated Sharpe ratio over {trials:,} trial{'s' * (trials != 1)} of this family is {dsr:.2f}, below"
            f" {SHOWN_DSR}."
        )
    if p_value is not None and p_value > LUCK:
        said.append(
            f"Random timing with the same turnover and exposure does at least as well {p_value:.0%} of the time."
        )
    if even is not None and even < known["paid_bps"]:
        gross = (
            "it lost before costs" if even < 0 else f"it breaks even at {even:.1f} bps and paid {known['paid_bps']:.1f}"
        )
        said.append(f"It does not earn its costs: {gross}.")
    return said


def _baselines(run: RunTables) -> list[str]:
    if not run.baselines:
        return ["No baselines were run: there is nothing to compare the result with."]
    said = []
    own = run.metrics["sharpe"] or 0.0
    better = [name for name, other in run.baselines.items() if name != "cash" and (other["sharpe"] or 0.0) >= own]
    if better:
        said.append(f"Baselines with at least this Sharpe ratio: {', '.join(better)}.")
    if run.metrics["total_return"] <= 0.0:
        said.append("Cash did at least as well: the total return is not above zero.")
    return said


def _breaker(run: RunTables) -> list[str]:
    return [
        f"The breaker's {one.control} halt of {one.scope} stood from {iso(one.tripped_ns)[:16].replace('T', ' ')} to the end:"
        " nothing new was opened after it."
        for one in episodes(run.changes)
        if one.action == "halt" and one.released_ns is None
    ]


def _data(run: RunTables) -> list[str]:
    return [
        f"{one['instrument_id']}: {one['expected'] - one['present']:,} of {one['expected']:,} bars are missing."
        for one in run.manifest["coverage"]
        if one["expected"] - one["present"] > MISSING_FRAC * one["expected"]
    ]


def _trades(run: RunTables) -> list[str]:
    trades, fills = run.metrics["trades"], run.fills.num_rows
    if not fills:
        return ["It never traded."]
    if not trades:
        return [
            f"{fills:,} fills but no finished round trip: no position came back to flat, so win rate and profit factor are"
            " undefined."
        ]
    if trades < FEW_TRADES:
        return [f"Only {trades} round trip{'s' * (trades > 1)}: too few to judge the way it trades."]
    return []


def _decisions(run: RunTables) -> list[str]:
    count, said = run.journal.num_rows, []
    if not count:
        return []
    refusals = Counter(gate.split()[1] for gate in run.journal["gate"].to_pylist() if gate.startswith("refused: "))
    refused = sum(refusals.values())
    if refused > REFUSED_FRAC * count or any(reason in refusals for reason in HALTING):
        reasons = ", ".join(f"{reason} {number:,}" for reason, number in refusals.most_common())
        said.append(f"The gate refused {refused / count:.1%} of all decisions: {reasons}.")
    action, most_often = Counter(run.journal["action"].to_pylist()).most_common(1)[0]
    if run.manifest["policy"] is not None and most_often > DOMINANT_FRAC * count:
        said.append(f"One answer makes {most_often / count:.0%} of all decisions: {action_name(run, action)}.")
    return said
