"""The report's part on how well the result is known: errors, trials, chance, intervals, falls, tails, what costs leave."""

from typing import Any

from engine.evaluation.page import NONE, decimals, facts, grid, missing, percent, plural, span
from engine.evaluation.run_tables import RunTables

SHOWN = (
    "sharpe_error", "dsr", "p_value", "intervals", "break_even_bps", "break_even_compounded_bps", "drawdowns", "moments", "tail_ratio",
    "value_at_risk", "expected_shortfall",
)  # fmt: skip


def known_section(run: RunTables) -> str:
    """Return the section; nothing of a run folder that was written without it."""
    if not run.known:
        return ""
    both = f"<div>{_result(run)}</div><div>{_risk(run)}</div>"
    reasons = missing(run.known["reasons"], SHOWN)
    return f'<h2>How well it is known</h2><div class="columns">{both}</div>{reasons}{_falls(run)}'


def deflated_label(known: dict[str, Any]) -> str:
    """Name the deflated Sharpe ratio with the number of trials behind it."""
    trials = known.get("trials")
    return "deflated Sharpe (DSR)" if trials is None else f"DSR, {plural(trials, 'trial')}"


def probability(value: float | None) -> str:
    """Return a probability that never reads as certainty.

    >>> probability(0.99999), probability(0.0004), probability(0.0312)
    ('> 0.999', '< 0.001', '0.031')
    """
    if value is None:
        return NONE
    if value > 0.999:
        return "> 0.999"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _result(run: RunTables) -> str:
    known = run.known
    spans, made = known["intervals"] or {}, known["chance"]
    chance = NONE
    if made is not None:
        chance = (
            f"{known['p_value']:.3f} ± {made['error']:.3f}; {made['policies']:,} with the run's own turnover, moved in time: median Sharpe"
            f" {made['median_sharpe']:.2f}, one in twenty above {made['upper_sharpe']:.2f}"
        )
    drawn = ""
    if spans:
        drawn = f" ({spans['replicates']:,} resamples in blocks of {spans['block_bars']:.0f} bars)"
    lags = "" if known["sharpe_lags"] is None else f"; error with {plural(known['sharpe_lags'], 'autocovariance')}"
    return facts(
        (
            ("Sharpe, 95 %", f"{span(known['interval'])}{lags}"),
            ("the same, resampled", f"{span(spans.get('sharpe'))}{drawn}"),
            ("total return, 95 %", span(spans.get("total_return"), "total_return")),
            ("drawdown, 95 %", span(spans.get("max_drawdown"), "max_drawdown")),
            ("PSR", f"{probability(known['psr'])}: probability of a Sharpe ratio above zero, choosing left out"),
            ("DSR", _deflated(known)),
            ("p, random timing", chance),
        )
    )


def _deflated(known: dict[str, Any]) -> str:
    shown, trials = probability(known["dsr"]), known["trials"]
    if known["dsr"] is None:
        return shown
    if trials == 1:
        return f"{shown}: the same; this is the ledger's only trial of the family, and nothing was chosen in it"
    best = decimals(known["dsr_benchmark"])
    return f"{shown}: the same with the choosing; the best of {trials:,} trials without skill shows a Sharpe ratio of {best}"


def _risk(run: RunTables) -> str:
    known, life, tails = run.known, run.known["drawdowns"] or {}, run.known["tails"]
    venue = run.config["venue"]
    charged = venue["taker_bps"] + venue["half_spread_bps"]
    even = NONE
    if known["break_even_bps"] is not None:
        compounded = decimals(known["break_even_compounded_bps"], 1)
        even = (
            f"{known['break_even_bps']:.1f} bps of what is traded ({compounded} compounded); {known['paid_bps']:.1f} were paid,"
            f" {charged:g} are charged"
        )
    days = 365.0 / run.bars_per_year
    under = NONE
    if life:
        under = (
            f"{life['underwater_share']:.0%} of the time; longest {life['longest_bars'] * days:,.1f} days; ulcer index"
            f" {life['ulcer']:.1%}"
        )
    shape = f"skew {decimals(tails['skew'], 1)}, kurtosis {decimals(tails['kurtosis'], 1)} (normal: 0, 3)"
    worst = (
        f"{percent(tails['expected_shortfall'], 2)} lost in the mean of the worst twentieth of bars,"
        f" {percent(tails['value_at_risk'], 2)} at its edge"
    )
    return facts(
        (
            ("break-even cost", even),
            ("under water", under),
            ("worst bars", worst),
            ("tail ratio", f"{decimals(tails['tail_ratio'])}: best twentieth over worst twentieth"),
            ("returns per bar", shape),
        )
    )


def _falls(run: RunTables) -> str:
    life = run.known["drawdowns"]
    if not life or not life["deepest"]:
        return ""
    days = 365.0 / run.bars_per_year
    rows = [
        (
            percent(one["depth"]),
            _minute(one["peak"]),
            _minute(one["trough"]),
            "not yet" if one["recovery"] is None else _minute(one["recovery"]),
            f"{one['bars'] * days:,.1f}",
        )
        for one in life["deepest"]
    ]
    title = f"<h3>Deepest of {plural(life['falls'], 'fall')}</h3>"
    return title + grid(("depth", "peak", "trough", "recovered", "days"), rows)


def _minute(time: str) -> str:
    return time[:16].replace("T", " ")
