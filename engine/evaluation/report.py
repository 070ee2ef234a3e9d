"""The report: one self-contained page, made from a run folder and from nothing else."""

from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.contract.action import Discrete7
from engine.evaluation import charts
from engine.evaluation.notes import action_name, notes
from engine.evaluation.page import COLUMNS, NONE, number, page, text, tiles, warnings, with_error
from engine.evaluation.report_known import deflated_label, known_section, probability
from engine.evaluation.report_trips import marks, trips_section
from engine.evaluation.run_facts import coverage_table, facts_beside
from engine.evaluation.run_tables import RunTables
from engine.journal import run as folder_format

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def write_report(folder: Path) -> Path:
    """Write `report.html` into a run folder; equal folders give equal bytes.

    Parameters
    ----------
    folder
        A run folder with its manifest, metrics, configuration and tables.

    Returns
    -------
    Path of the page.
    """
    run = RunTables(folder)
    parts = (
        _head(run), warnings(notes(run)), _facts(run), _metrics(run), known_section(run), _charts(run), _months(run), _costs(run),
        _decisions(run), trips_section(run), _configuration(run),
    )  # fmt: skip
    path = folder / folder_format.REPORT
    path.write_text(page(f"{run.manifest['run_id']}: {run.name}", parts), encoding="utf-8")
    return path


def _sharpe(run: RunTables, name: str, value: float | None) -> str:
    return with_error(value, run.standard_error(name))


def _head(run: RunTables) -> str:
    m, known = run.metrics, run.known
    shown = [
        ("total return", number("total_return", m["total_return"])),
        ("Sharpe ± standard error", _sharpe(run, run.name, m["sharpe"])),
        (deflated_label(known), probability(known.get("dsr"))),
        ("p, random timing", probability(known.get("p_value"))),
        ("largest drawdown", number("max_drawdown", m["max_drawdown"])),
        ("round trips", number("trades", m["trades"])),
        ("mean exposure", number("exposure", m["exposure"])),
        (f"fees, {run.currency}", number("fees", m["fees"])),
    ]
    span = f"{run.manifest['start'][:10]} to {run.manifest['end'][:10]}"
    kind = {"backtest": "back test"}.get(run.manifest["mode"], run.manifest["mode"])
    names = ", ".join(run.instruments)
    return (
        f"<h1>{text(run.name)} on {text(names)}</h1>"
        f'<p class="sub">{text(kind)} {text(run.manifest["run_id"])}, {text(span)}, {text(run.config["universe"]["bar"])} bars</p>'
        f"{tiles(shown)}"
    )


def _facts(run: RunTables) -> str:
    manifest = run.manifest
    rows = [
        ("strategy", text(run.config["strategy"]["name"])),
        ("policy", text(manifest["policy"] or "none: a rule")),
        ("policy digest", f"<code>{text(manifest['policy_digest'] or NONE)}</code>"),
        ("span", text(f"{manifest['start']} to {manifest['end']}, end exclusive")),
        ("seed", text(run.config["run"]["seed"])),
        ("decisions", f"{manifest['decisions']:,}"),
        ("decisions hash", f"<code>{text(manifest['decisions_sha256'])}</code>"),
        ("code", f"<code>{text(manifest['code_version'])}</code>"),
        ("parity", run.proven),
    ]
    covered = coverage_table(manifest["coverage"], manifest["datasets"], run.config["universe"]["bar"])
    return facts_beside(rows, run.config) + covered


def _metrics(run: RunTables) -> str:
    head = "".join(f"<th>{name.replace('_', ' ')}</th>" for name in COLUMNS)
    rows = []
    for name, metrics in run.all_metrics.items():
        cells = "".join(
            f"<td>{_sharpe(run, name, metrics[column]) if column == 'sharpe' else number(column, metrics[column])}</td>"
            for column in COLUMNS
        )
        chosen = ' class="run"' if name == run.name else ""
        rows.append(f"<tr{chosen}><td>{text(name)}</td>{cells}</tr>")
    said = [
        "Sharpe ratios carry their standard error, which allows for fat tails, skew and autocorrelation (Lo 2002). A dash is a value that"
        " is not defined."
    ]
    if "random" in run.baselines:
        said.append("random: the median of several seeds with the turnover and exposure of the run.")
    if not run.baselines:
        said.append("No baselines were run.")
    grid = f'<table class="metrics"><tr><th></th>{head}</tr>{"".join(rows)}</table>'
    return f'<h2>Beside its baselines</h2><div class="scroll">{grid}</div><p class="quiet">{" ".join(said)}</p>'


def _charts(run: RunTables) -> str:
    fills = {name: run.fills[name].to_numpy() for name in ("ts_event", "side", "price", "quantity")}
    owner = np.array(run.fills["instrument_id"].to_pylist(), dtype=object)
    most = charts.points_per_line(len(run.curves), len(run.instruments))
    held = {name: run.series("exposure", name) for name in run.instruments}
    wanted = {name: run.series("target", name) for name in run.instruments}
    thinned = (
        f'<p class="quiet">Lines of more than {most:,} points show the lowest and the highest of each stretch'
        f" ({len(run.ts):,} bars); every metric is from all of them.</p>"
    )
    parts = [
        "<h2>Equity</h2>",
        charts.equity_chart(run.name, run.curves, most, marks(run)),
        thinned if len(run.ts) > most else "",
        "<h2>Drawdown</h2>",
        charts.drawdown_chart(run.name, run.curves, most),
        "<h2>Exposure, fraction of the budget</h2>",
        charts.exposure_chart(run.ts, held, wanted),
    ]
    for place, name in enumerate(run.instruments):
        chosen = {key: values[owner == name] for key, values in fills.items()}
        parts.append(f"<h2>Trades on price: {text(name)}</h2>")
        parts.append(charts.trades_chart(place, name, run.ts, run.series("close", name), chosen, most))
    return "\n".join(parts)


def monthly_returns(ts_ns: NDArray[np.int64], equity: NDArray[np.float64]) -> dict[tuple[int, int], float]:
    """Return (year, month) to simple return, from the last equity before the month to the last one in it, UTC.

    Months that begin with no equity left have no return and are left out.

    Parameters
    ----------
    ts_ns : int64 (n,), close of the bar that each decision stood on: one that closes at midnight belongs to the month it ends
    equity : float64 (n,)
    """
    month = (ts_ns - 1).astype("datetime64[ns]").astype("datetime64[M]").astype(int)
    found: dict[tuple[int, int], float] = {}
    before = equity[0] if len(equity) else 0.0
    for value in np.unique(month):
        if before <= 0.0:
            break
        last = equity[np.flatnonzero(month == value)[-1]]
        found[(1970 + int(value) // 12, 1 + int(value) % 12)] = float(last / before - 1.0)
        before = last
    return found


def _months(run: RunTables) -> str:
    months = monthly_returns(*run.curves[run.name])
    rows = []
    for year in sorted({year for year, _ in months}):
        values = [months.get((year, month)) for month in range(1, 13)]
        total = float(np.prod([1.0 + value for value in values if value is not None]) - 1.0)
        rows.append(f"<tr><td>{year}</td>{''.join(map(_heat, values))}{_heat(total)}</tr>")
    head = "".join(f'<th style="text-align:center">{name}</th>' for name in (*MONTHS, "year"))
    return f'<h2>Monthly returns</h2><div class="scroll"><table class="months"><tr><th></th>{head}</tr>{"".join(rows)}</table></div>'


def _heat(value: float | None) -> str:
    if value is None:
        return "<td></td>"
    strength = min(0.55, abs(value) * 4.0)
    colour = f"rgba(31,122,77,{strength:.2f})" if value > 0 else f"rgba(179,64,42,{strength:.2f})"
    return f'<td style="background:{colour}">{value:+.1%}</td>'


def _costs(run: RunTables) -> str:
    rows = []
    for name, metrics in run.all_metrics.items():
        equity = run.curves[name][1]
        if not len(equity):
            continue
        paid = metrics["fees"] + metrics["slippage"]
        traded = (metrics["turnover"] or 0.0) * run.years * float(equity.mean())
        share = (paid - metrics["funding"]) / equity[0]
        cells = (
            *(number(column, metrics[column]) for column in ("fees", "slippage", "funding")),
            number("fees", paid - metrics["funding"]),
            f"{share:.2%}",
            number("fees", traded),
            f"{paid / traded * 1e4:.2f}" if traded else NONE,
        )
        chosen = ' class="run"' if name == run.name else ""
        rows.append(f"<tr{chosen}><td>{text(name)}</td>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    heads = (
        "fees",
        "slippage",
        "funding received",
        "cost",
        "of first equity",
        "traded",
        "fees + slippage, bps of traded",
    )
    head = "".join(f"<th>{name}</th>" for name in heads)
    return (
        f'<h2>Costs, {text(run.currency)}</h2><div class="scroll"><table><tr><th></th>{head}</tr>{"".join(rows)}</table></div>'
        '<p class="quiet">Already inside equity. Slippage is against the mid that the fill assumption names; cost is fees plus'
        " slippage less funding received.</p>"
    )


def _decisions(run: RunTables) -> str:
    count = run.journal.num_rows
    gates = Counter(gate.split(" ")[0].rstrip(":") for gate in run.journal["gate"].to_pylist())
    outcomes = [
        ("approved", gates["approved"]),
        ("hold: nothing to trade", gates["hold"]),
        ("refused", gates["refused"]),
    ]
    statuses = Counter(status.partition(":")[0] for status in run.orders["status"].to_pylist())
    placed = [*sorted(statuses.items()), ("fills", run.fills.num_rows)]
    refused = sorted(run.manifest["refusals"].items(), key=lambda one: (-one[1], one[0]))
    gate = _shares("decision", outcomes, count) + _shares("refused because", refused, count)
    orders = _shares("order", placed, run.orders.num_rows, bars=False)
    answers = _shares("answer", _answers(run), count)
    return f'<h2>Decisions and orders</h2><div class="columns"><div>{gate}{orders}</div><div>{answers}</div></div>'


def _shares(title: str, rows: list[tuple[str, int]], count: int, bars: bool = True) -> str:
    if not rows:
        return ""
    body = "".join(
        f"<tr><td>{text(name)}</td><td>{found:,}</td>"
        + (_share(found / count) if bars and count else "<td></td>" if bars else "")
        + "</tr>"
        for name, found in rows
    )
    share = "<th>share</th>" if bars else ""
    return f'<table class="shares"><tr><th>{text(title)}</th><th>count</th>{share}</tr>{body}</table>'


def _share(share: float) -> str:
    return f'<td class="share"><i style="width:calc((100% - 76px) * {min(share, 1.0):.4f})"></i>{share:.1%}</td>'


def _answers(run: RunTables) -> list[tuple[str, int]]:
    actions = np.array(run.journal["action"].to_pylist())
    if run.manifest["action"] == "discrete7":
        return [(action_name(run, action), int((actions == action.value).sum())) for action in Discrete7]
    return [
        ("below -0.5", int((actions < -0.5).sum())),
        ("-0.5 to 0", int(((actions >= -0.5) & (actions < 0)).sum())),
        ("0", int((actions == 0).sum())),
        ("0 to 0.5", int(((actions > 0) & (actions <= 0.5)).sum())),
        ("above 0.5", int((actions > 0.5).sum())),
    ]


def _configuration(run: RunTables) -> str:
    return f"<details><summary>Configuration</summary><pre>{text(run.config_text)}</pre></details>"
