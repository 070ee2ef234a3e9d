"""The page of a walk-forward: one self-contained file, made from its folder and from nothing else."""

from pathlib import Path

from engine.evaluation import walk_charts as charts
from engine.evaluation.page import NONE, number, page, percent, plural, text, tiles, warnings, with_error
from engine.evaluation.report_known import deflated_label, probability
from engine.evaluation.run_facts import coverage_table, facts_beside
from engine.evaluation.walk_notes import conclusions
from engine.evaluation.walk_sections import (
    any_table,
    cell,
    evidence_table,
    folds_table,
    grade_table,
    intervals_table,
    metrics_table,
)
from engine.evaluation.walk_tables import WalkTables
from engine.journal import run as folder_format

TABLES = (
    ("stress", "Stress"),
    ("costs", "Costs, basis points of what is traded"),
    ("directionless", "Markets without a direction: a profit here is a leak"),
    ("regimes", "By regime"),
)
"""Parts of the result that are shown as they come, where there are any."""


def write_page(folder: Path) -> Path:
    """Write `report.html` into the folder of a walk-forward; equal folders give equal bytes.

    Parameters
    ----------
    folder
        With `result.json`, `paths.parquet` and `config.toml`.

    Returns
    -------
    Path of the page.

    Raises
    ------
    DataError
        The paths hold no chosen one.
    """
    walk = WalkTables(folder)
    parts = (
        _head(walk), warnings(conclusions(walk)), _facts(walk), _evidence(walk),
        "<h2>Beside its baselines, and every seed alone</h2>", metrics_table(walk), _reading(walk),
        any_table("Crises", walk.figure("crises")), grade_table(walk), _equity(walk), _folds(walk),
        *(any_table(title, walk.figure(name)) for name, title in TABLES), _untested(walk), _configuration(walk),
    )  # fmt: skip
    path = folder / folder_format.REPORT
    path.write_text(page(f"walk-forward {_name(walk)}", parts), encoding="utf-8")
    return path


def _name(walk: WalkTables) -> str:
    return str(walk.config.get("run", {}).get("name") or walk.folder.name)


def _head(walk: WalkTables) -> str:
    document, metrics = walk.document, walk.figure("metrics") or {}
    shown = [
        ("Sharpe ± standard error", with_error(walk.figure("sharpe"), walk.figure("sharpe_error"))),
        (deflated_label(document), probability(walk.figure("dsr"))),
        ("p, random timing", probability(walk.figure("p_value"))),
        ("PBO", percent(walk.figure("pbo"), 0)),
        ("total return", number("total_return", metrics.get("total_return"))),
        ("largest drawdown", number("max_drawdown", metrics.get("max_drawdown"))),
    ]
    if walk.figure("grade"):
        shown.insert(0, ("grade", str(document["grade"]["letter"])))
    names = ", ".join(walk.config["universe"]["instruments"])
    span = NONE
    if walk.folds:
        span = f"{walk.folds[0]['test_start'][:10]} to {walk.folds[-1]['test_end'][:10]}"
    seeds = plural(len(walk.figure("seeds") or []), "seed")
    sub = f"walk-forward over {plural(len(walk.folds), 'fold')} and {seeds}, tested {span}, {walk.bar} bars"
    return f'<h1>{text(_name(walk))} on {text(names)}</h1><p class="sub">{text(sub)}</p>{tiles(shown)}'


def _facts(walk: WalkTables) -> str:
    config, section = walk.config, walk.config.get("walkforward", {})
    seeds = ", ".join(str(one["seed"]) for one in walk.figure("seeds") or []) or NONE
    rows = [
        ("strategy", text(config["strategy"]["name"])),
        ("window", text(f"{section['window']}, {section['train_bars']:,} bars to learn on, {section['test_bars']:,} to trade")),
        ("apart", text(f"{walk.figure('apart_bars')} bars between what is learned from and what is traded")),
        ("seeds", text(seeds)),
        ("degenerate", text(f"{walk.figure('degenerate')} policies answer nearly always the same")),
        ("trials counted", text(walk.figure("trials"))),
        ("code", f"<code>{text(walk.figure('code_version'))}</code>"),
    ]  # fmt: skip
    covered = walk.figure("coverage")
    shown = "" if covered is None else coverage_table(covered, walk.figure("datasets") or {}, walk.bar)
    return facts_beside(rows, config) + shown


def _evidence(walk: WalkTables) -> str:
    left = f"<div><h2>What is known, and how well</h2>{evidence_table(walk)}</div>"
    return f'<div class="columns">{left}<div><h2>Resampled</h2>{intervals_table(walk)}</div></div>'


def _equity(walk: WalkTables) -> str:
    return "\n".join(
        (
            "<h2>Equity out of sample</h2>",
            charts.equity_chart(walk),
            '<p class="quiet">Test windows only, one after the other; every other one is shaded. chosen takes in each fold the seed that'
            " was best on validation; a thin line is one seed held throughout.</p>",
            "<h2>Drawdown</h2>",
            charts.drawdown_chart(walk),
        )
    )


def _folds(walk: WalkTables) -> str:
    if not walk.folds:
        return "<h2>Folds</h2><p>There are none.</p>"
    return "\n".join(
        (
            "<h2>Folds</h2>",
            charts.timeline_chart(walk),
            "<h2>Sharpe ratio by fold</h2>",
            charts.sharpe_chart(walk),
            folds_table(walk),
        )
    )


def _reading(walk: WalkTables) -> str:
    said = [
        "Sharpe ratios carry their standard error, which allows for fat tails, skew and autocorrelation (Lo 2002).",
        "The best seed of this table was not known beforehand: the result is the chosen path.",
    ]
    seconds, workers = walk.figure("seconds"), walk.figure("workers")
    if seconds is not None and workers is not None:
        said.append(f"Made in {seconds:,.0f} seconds by {plural(workers, 'worker')}.")
    return f'<p class="quiet">{text(" ".join(said))}</p>'


def _untested(walk: WalkTables) -> str:
    untested = walk.figure("untested")
    if untested is None:
        return ""
    items = untested if isinstance(untested, list) else [untested]
    rows = "".join(f"<li>{text(cell(one))}</li>" for one in items)
    return f"<h2>What was not tested</h2>{f'<ul>{rows}</ul>' if items else '<p>Nothing was left out.</p>'}"


def _configuration(walk: WalkTables) -> str:
    return f"<details><summary>Configuration</summary><pre>{text(walk.config_text)}</pre></details>"
