"""The tables of a walk-forward's page."""

from collections.abc import Mapping
from typing import Any

from engine.evaluation.page import COLUMNS, NONE, decimals, facts, grid, number, percent, span, text
from engine.evaluation.report_known import probability
from engine.evaluation.walk_tables import WalkTables

Document = Mapping[str, Any]

FIRST = (
    "",
    "crisis",
    "regime",
    "start",
    "end",
    "turns",
    "share",
    "market_return",
    "market_log_growth",
    "total_return",
    "log_growth",
    "sharpe",
    "sharpe_error",
)
"""Columns that come first in a table of whatever is there, in this order."""


def folds_table(walk: WalkTables) -> str:
    """A row per fold: spans, chosen seed, Sharpe ratio with its error, its seeds' range."""
    rows = []
    for fold in walk.folds:
        error = walk.fold_error(fold)
        sharpe = decimals(fold.get("sharpe"))
        seeds = [one["sharpe"] for one in fold.get("seeds") or [] if one.get("sharpe") is not None]
        rows.append(
            (
                str(fold["number"]),
                f"{fold['train_start'][:10]} to {fold['train_end'][:10]}",
                f"{fold['test_start'][:10]} to {fold['test_end'][:10]}",
                str(fold.get("seed", NONE)),
                sharpe if error is None or sharpe == NONE else f"{sharpe} ± {error:.2f}",
                f"{min(seeds):.2f} to {max(seeds):.2f}" if seeds else NONE,
                percent(fold.get("total_return")),
                _judged(fold.get("degenerate")),
            )
        )
    heads = ("fold", "train", "test", "chosen seed", "Sharpe", "Sharpe of seeds", "total return", "degenerate")
    return grid(heads, rows, "metrics")


def metrics_table(walk: WalkTables) -> str:
    """The chosen path beside its baselines, and beside every seed held throughout."""
    error = walk.figure("sharpe_error")
    rows = [("chosen", *_metrics(walk.figure("metrics") or {}, error))]
    for title, metrics in walk.baselines.items():
        line = walk.beside.get(title)
        rows.append((title, *_metrics(metrics, None if line is None else walk.error(line.returns))))
    for one in walk.figure("seeds") or []:
        title = f"seed {one['seed']}"
        line = walk.seeds.get(f"seed:{one['seed']}")
        rows.append((title, *_metrics(one.get("metrics") or {}, None if line is None else walk.error(line.returns))))
    return grid(("", *(name.replace("_", " ") for name in COLUMNS)), rows, "metrics", chosen=0)


def evidence_table(walk: WalkTables) -> str:
    """The figures behind the headline, each with what it means or why it has no value."""
    even, charged = walk.figure("break_even_bps"), walk.charged_bps
    paid = "" if charged is None else f"; {charged:g} are charged"
    rows = [
        ("Sharpe, 95 %", _or_reason(walk, "interval", _span(walk.figure("interval")))),
        ("PSR", _or_reason(walk, "psr", f"{probability(walk.figure('psr'))}: above zero, choosing left out")),
        ("DSR", _or_reason(walk, "dsr", f"{probability(walk.figure('dsr'))}: the same, with {walk.figure('trials')} trials counted")),
        ("PBO", _or_reason(walk, "pbo", f"{decimals(walk.figure('pbo'))}: how often the best in sample is below the median out of it")),
        ("p, random timing", _or_reason(walk, "p_value", probability(walk.figure("p_value")))),
        ("break-even cost", _or_reason(walk, "break_even_bps", f"{decimals(even, 1)} bps of what is traded{paid}")),
    ]  # fmt: skip
    return facts(rows)


def intervals_table(walk: WalkTables) -> str:
    """Bootstrap intervals, and whatever else stands beside them."""
    found = walk.figure("intervals")
    if not isinstance(found, dict):
        return facts([("intervals", _or_reason(walk, "intervals", NONE))])
    spans, rest = [], []
    for name, value in found.items():
        ends, unit = _ends(value), name.removesuffix("_annualised").removesuffix("_frac")
        if ends is None:
            rest.append((name.replace("_", " "), cell(value)))
        else:
            spans.append((f"{unit.replace('_', ' ')}, 95 %", span(ends, unit)))
    return facts([*spans, *rest])


def grade_table(walk: WalkTables) -> str:
    """The letter's reasons; nothing where there is no grade."""
    grade = walk.figure("grade")
    if not grade:
        return ""
    rows = [
        (str(one["name"]).replace("_", " "), cell(one.get("value")), _passed(one.get("passed")), str(one.get("text", "")))
        for one in grade["reasons"]
    ]  # fmt: skip
    heading = f"<h2>Grade {text(grade['letter'])}</h2>"
    return heading + grid(("question", "value", "passed", "why"), rows, "texts")


def any_table(title: str, value: Any) -> str:
    """A table of rows of named cells, however they come: a list of them, or a name to each; nothing where there is none."""
    if not value:
        return ""
    if isinstance(value, dict):
        rows = [{"": name, **one} for name, one in value.items() if isinstance(one, dict)]
        single = [(str(name).replace("_", " "), cell(one)) for name, one in value.items() if not isinstance(one, dict)]
    else:
        rows, single = [one for one in value if isinstance(one, dict)], []
    found = dict.fromkeys(name for row in rows for name in row)
    heads = [*(name for name in FIRST if name in found), *(name for name in found if name not in FIRST)]
    body = [[_of(name, row.get(name)) for name in heads] for row in rows]
    table = grid([name.replace("_", " ") for name in heads], body) if rows else ""
    return f"<h2>{text(title)}</h2>{table}{facts(single) if single else ''}"


def _of(name: str, value: Any) -> str:
    if name in ("start", "end"):
        return str(value)[:10]
    return number(name, value) if _numeric(value) else cell(value)


def cell(value: Any) -> str:
    """Return any value of a document as short plain text.

    >>> cell(None), cell(0.123456), cell([1, 2.5]), cell({"start": "a", "bars": 3})
    ('–', '0.123', '1, 2.5', 'start a, bars 3')
    """
    match value:
        case None:
            return NONE
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.3g}"
        case list() | tuple():
            return ", ".join(map(cell, value))
        case dict():
            return ", ".join(f"{str(name).replace('_', ' ')} {cell(one)}" for name, one in value.items())
        case _:
            return str(value)


def _metrics(metrics: Document, error: float | None) -> list[str]:
    cells = [number(name, metrics.get(name)) for name in COLUMNS]
    place = COLUMNS.index("sharpe")
    if error is not None and metrics.get("sharpe") is not None:
        cells[place] = f"{cells[place]} ± {error:.2f}"
    return cells


def _or_reason(walk: WalkTables, name: str, shown: str) -> str:
    return f"none: {walk.reasons.get(name, 'not measured')}" if walk.figure(name) is None else shown


def _numeric(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _ends(value: Any) -> list[float] | None:
    if isinstance(value, dict) and "low" in value and "high" in value:
        return [value["low"], value["high"]]
    return list(value) if isinstance(value, list) and len(value) == 2 and all(map(_numeric, value)) else None


def _span(value: Any) -> str:
    ends = _ends(value)
    return NONE if ends is None else span(ends)


def _judged(degenerate: Any) -> str:
    if degenerate is None:
        return NONE
    return "yes" if degenerate else "no"


def _passed(passed: Any) -> str:
    return "not measured" if passed is None else "yes" if passed else "no"
