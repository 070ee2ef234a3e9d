"""The report: one self-contained page, made from a run folder and from nothing else."""

import html
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from plotly.offline import get_plotlyjs

from engine.contract.action import Discrete7
from engine.contract.calendar import bars_per_year
from engine.evaluation import charts
from engine.evaluation.metrics import sharpe_standard_error, simple_returns
from engine.execution.costs import FILL_MEANING
from engine.journal import run as folder_format

PERCENT = {"total_return", "cagr", "max_drawdown", "volatility", "win_rate", "exposure"}
MONEY = {"fees", "funding", "slippage"}
COLUMNS = (
    "total_return", "cagr", "sharpe", "sortino", "calmar", "max_drawdown", "volatility", "turnover", "trades", "win_rate",
    "profit_factor", "exposure", "fees", "funding", "slippage",
)  # fmt: skip
MOST_GAPS = 8
FEW_TRADES = 30
MISSING_FRAC = 0.01
DOMINANT_FRAC = 0.95
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

STYLE = (Path(__file__).parent / "report.css").read_text(encoding="utf-8")


class RunTables:
    """Everything in a run folder that the report draws on.

    Parameters
    ----------
    folder
        A run folder.
    """

    def __init__(self, folder: Path) -> None:
        self.manifest = folder_format.read_json(folder / folder_format.MANIFEST)
        document = folder_format.read_json(folder / folder_format.METRICS)
        self.metrics: dict[str, Any] = document["metrics"]
        self.baselines: dict[str, dict[str, Any]] = document["baselines"]
        self.config_text = (folder / folder_format.CONFIG).read_text(encoding="utf-8")
        self.config: dict[str, Any] = tomllib.loads(self.config_text)
        self.equity = pq.read_table(folder / folder_format.EQUITY)
        self.fills = pq.read_table(folder / folder_format.FILLS)
        self.orders = pq.read_table(folder / folder_format.ORDERS)
        self.journal = pq.read_table(folder / folder_format.JOURNAL, columns=["action", "gate", "confidence"])
        beside = pq.read_table(folder / folder_format.BASELINES)
        names = np.array(beside["baseline"].to_pylist(), dtype=object)
        ts, values = beside["ts_event"].to_numpy(), beside["equity"].to_numpy()
        self.name: str = self.manifest["policy"] or self.manifest["strategy"]
        self.curves = {self.name: (self.ts, self.equity["equity"].to_numpy())}
        self.curves |= {name: (ts[names == name], values[names == name]) for name in self.baselines}

    @property
    def ts(self) -> NDArray[np.int64]:
        """Decision times, int64 (n,)."""
        return self.equity["ts_event"].to_numpy()

    @property
    def instruments(self) -> list[str]:
        """Instrument ids, in configuration order."""
        return self.config["universe"]["instruments"]


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
    body = "\n".join(
        (
            _head(run), _notes(run), _facts(run), _metrics(run), _charts(run), _months(run), _decisions(run), _configuration(run),
        )
    )  # fmt: skip
    title = html.escape(f"{run.manifest['run_id']}: {run.name}")
    page = (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style>'
        f"<script>{get_plotlyjs()}</script></head><body>\n{body}\n</body></html>\n"
    )
    path = folder / folder_format.REPORT
    path.write_text(page, encoding="utf-8")
    return path


def _text(value: object) -> str:
    return html.escape(str(value))


def _number(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    if name in PERCENT:
        return f"{value:,.1%}"
    if name in MONEY:
        return f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def _standard_error(run: RunTables, name: str) -> float | None:
    returns = simple_returns(run.curves[name][1])
    return sharpe_standard_error(returns, bars_per_year(run.config["universe"]["bar"]))


def _sharpe(run: RunTables, name: str, value: float | None) -> str:
    error = _standard_error(run, name)
    return "–" if value is None or error is None else f"{value:.2f} ± {error:.2f}"


def _head(run: RunTables) -> str:
    m = run.metrics
    tiles = (
        ("total return", _number("total_return", m["total_return"])),
        ("Sharpe ± standard error", _sharpe(run, run.name, m["sharpe"])),
        ("largest drawdown", _number("max_drawdown", m["max_drawdown"])),
        ("round trips", _number("trades", m["trades"])),
        ("mean exposure", _number("exposure", m["exposure"])),
        ("fees", _number("fees", m["fees"])),
    )
    cells = "".join(
        f'<div class="tile"><b>{_text(value)}</b><span>{_text(label)}</span></div>' for label, value in tiles
    )
    span = f"{run.manifest['start'][:10]} to {run.manifest['end'][:10]}"
    kind = {"backtest": "back test"}.get(run.manifest["mode"], run.manifest["mode"])
    names = ", ".join(run.instruments)
    return (
        f"<h1>{_text(run.name)} on {_text(names)}</h1>"
        f'<p class="sub">{_text(kind)} {_text(run.manifest["run_id"])}, {_text(span)}, {_text(run.config["universe"]["bar"])} bars</p>'
        f'<div class="tiles">{cells}</div>'
    )


def notes(run: RunTables) -> list[str]:
    """Say what a reader must know before believing the numbers."""
    said = []
    fill, m = run.config["venue"]["fill"], run.metrics
    if fill == "this_close":
        said.append("The fill assumption is optimistic: orders fill at the price they were decided on.")
    error = _standard_error(run, run.name)
    if m["sharpe"] is not None and error is not None and abs(m["sharpe"]) < 2 * error:
        said.append(
            f"The Sharpe ratio, {m['sharpe']:.2f} ± {error:.2f}, is not distinguishable from zero at two standard errors."
        )
    better = [
        name
        for name, other in run.baselines.items()
        if (other["sharpe"] or 0.0) >= (m["sharpe"] or 0.0) and name != "cash"
    ]
    if better:
        said.append(f"Baselines with at least this Sharpe ratio: {', '.join(better)}.")
    if run.baselines and m["total_return"] <= 0.0:
        said.append("Cash did at least as well: the total return is not above zero.")
    for one in run.manifest["coverage"]:
        missing = one["expected"] - one["present"]
        if missing > MISSING_FRAC * one["expected"]:
            said.append(f"{one['instrument_id']}: {missing:,} of {one['expected']:,} bars are missing.")
    if m["trades"] < FEW_TRADES:
        said.append(f"Only {m['trades']} round trips: too few to judge the way it trades.")
    counts = Counter(run.journal["action"].to_pylist())
    if counts and run.manifest["policy"] is not None:
        action, most = counts.most_common(1)[0]
        if most > DOMINANT_FRAC * len(run.journal):
            said.append(
                f"One answer makes {most / len(run.journal):.0%} of all decisions: {_action_name(run, action)}."
            )
    return said


def _notes(run: RunTables) -> str:
    said = notes(run)
    if not said:
        return ""
    return (
        '<div class="notes"><b>Before believing it</b><ul>'
        + "".join(f"<li>{_text(note)}</li>" for note in said)
        + "</ul></div>"
    )


def _facts(run: RunTables) -> str:
    venue, manifest = run.config["venue"], run.manifest
    flag = ' <span class="flag">optimistic</span>' if venue["fill"] == "this_close" else ""
    left = [
        ("strategy", _text(run.config["strategy"]["name"])),
        ("policy", _text(manifest["policy"] or "none: a rule")),
        ("policy digest", f"<code>{_text((manifest['policy_digest'] or '–')[:24])}</code>"),
        ("seed", _text(run.config["run"]["seed"])),
        ("decisions", f"{manifest['decisions']:,}"),
        ("decisions hash", f"<code>{_text(manifest['decisions_sha256'][:24])}</code>"),
        ("code", f"<code>{_text(manifest['code_version'])}</code>"),
    ]
    right = [
        ("fills", f"<b>{_text(venue['fill'])}</b>{flag}<br>{_text(FILL_MEANING[venue['fill']])}"),
        (
            "costs",
            _text(
                f"taker {venue['taker_bps']:g} bps, half-spread {venue['half_spread_bps']:g} bps; quotes are never exhausted"
            ),
        ),
        ("account", _text(f"{venue['account']}, {venue['balance']}, leverage {venue['leverage']:g}")),
        ("budget", _text(f"{run.config['limits']['max_position_frac']:.0%} of equity per instrument")),
        ("funding", _text("settled" if venue["funding"] else "left out")),
    ]
    tables = "".join(
        f'<div><h2>{title}</h2><table class="facts">'
        + "".join(f"<tr><td>{k}</td><td>{v}</td></tr>" for k, v in rows)
        + "</table></div>"
        for title, rows in (("Run", left), ("Assumptions", right))
    )
    rows = "".join(_coverage_row(one) for one in manifest["coverage"])
    coverage = (
        '<h2>Data coverage</h2><div class="scroll"><table><tr><th>instrument</th><th>expected</th><th>present</th><th>missing</th>'
        f"<th>warm-up</th><th>longest gaps (start, bars)</th></tr>{rows}</table></div>"
    )
    return f'<div class="columns">{tables}</div>{coverage}'


def _coverage_row(one: dict[str, Any]) -> str:
    missing = one["expected"] - one["present"]
    gaps = ", ".join(f"{start[:16].replace('T', ' ')} ({count})" for start, count in one["gaps"][:MOST_GAPS])
    more = f" and {len(one['gaps']) - MOST_GAPS} more" if len(one["gaps"]) > MOST_GAPS else ""
    share = missing / one["expected"] if one["expected"] else 0.0
    return (
        f"<tr><td>{_text(one['instrument_id'])}</td><td>{one['expected']:,}</td><td>{one['present']:,}</td>"
        f"<td>{missing:,} ({share:.2%})</td><td>{one['warm_up']:,}</td>"
        f'<td class="wrap">{_text((gaps or "none") + more)}</td></tr>'
    )


def _metrics(run: RunTables) -> str:
    head = "".join(f"<th>{name.replace('_', ' ')}</th>" for name in COLUMNS)
    rows = []
    for name, metrics in {run.name: run.metrics, **run.baselines}.items():
        cells = "".join(
            f"<td>{_sharpe(run, name, metrics[column]) if column == 'sharpe' else _number(column, metrics[column])}</td>"
            for column in COLUMNS
        )
        chosen = ' class="run"' if name == run.name else ""
        rows.append(f"<tr{chosen}><td>{_text(name)}</td>{cells}</tr>")
    said = "" if run.baselines else '<p class="quiet">No baselines were run.</p>'
    if "random" in run.baselines:
        said = '<p class="quiet">random: the median of several seeds with the turnover and exposure of the run.</p>'
    grid = f'<table class="metrics"><tr><th></th>{head}</tr>{"".join(rows)}</table>'
    return f'<h2>Beside its baselines</h2><div class="scroll">{grid}</div>{said}'


def _charts(run: RunTables) -> str:
    fills = {name: run.fills[name].to_numpy() for name in ("ts_event", "side", "price", "quantity")}
    owner = np.array(run.fills["instrument_id"].to_pylist(), dtype=object)
    parts = [
        "<h2>Equity</h2>",
        charts.equity_chart(run.name, run.curves),
        "<h2>Drawdown</h2>",
        charts.drawdown_chart(run.name, run.curves),
        "<h2>Exposure</h2>",
        charts.exposure_chart(run.ts, {name: run.equity[f"exposure:{name}"].to_numpy() for name in run.instruments}),
    ]
    for number, name in enumerate(run.instruments):
        chosen = {key: values[owner == name] for key, values in fills.items()}
        parts.append(f"<h2>Trades on price: {_text(name)}</h2>")
        parts.append(charts.trades_chart(number, name, run.ts, run.equity[f"close:{name}"].to_numpy(), chosen))
    if len(run.ts) > charts.MOST_POINTS:
        parts.append(
            f'<p class="quiet">Lines of more than {charts.MOST_POINTS:,} points show the extremes of each stretch.</p>'
        )
    return "\n".join(parts)


def monthly_returns(ts_ns: NDArray[np.int64], equity: NDArray[np.float64]) -> dict[tuple[int, int], float]:
    """Return (year, month) to simple return, from the last equity before the month to the last one in it, UTC.

    Parameters
    ----------
    ts_ns : int64 (n,), close of the bar that each decision stood on: one that closes at midnight belongs to the month it ends
    equity : float64 (n,)
    """
    month = (ts_ns - 1).astype("datetime64[ns]").astype("datetime64[M]").astype(int)
    found, before = {}, equity[0]
    for value in np.unique(month):
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


def _action_name(run: RunTables, action: float) -> str:
    if run.manifest["action"] == "discrete7":
        return Discrete7(int(action)).name
    return f"{action:g}"


def _decisions(run: RunTables) -> str:
    count = len(run.journal)
    gates = Counter(gate.split(" ")[0].rstrip(":") for gate in run.journal["gate"].to_pylist())
    rows = [("approved", gates["approved"]), ("hold: nothing to trade", gates["hold"]), ("refused", gates["refused"])]
    refused = "".join(
        f"<tr><td>refused: {_text(reason)}</td><td>{number:,}</td><td></td></tr>"
        for reason, number in sorted(run.manifest["refusals"].items())
    )
    decisions = (
        "".join(f"<tr><td>{_text(name)}</td><td>{n:,}</td><td>{n / count:.1%}</td></tr>" for name, n in rows)
        if count
        else ""
    )
    answers = _answers(run)
    head = "<tr><th></th><th>decisions</th><th>share</th></tr>"
    return (
        f'<h2>Decisions</h2><div class="columns"><div><table>{head}{decisions}{refused}</table></div>'
        f"<div><table>{head}{answers}</table></div></div>"
    )


def _answers(run: RunTables) -> str:
    actions = np.array(run.journal["action"].to_pylist())
    if not len(actions):
        return ""
    if run.manifest["action"] == "discrete7":
        named = [(action.name.lower().replace("_", " "), int((actions == action.value).sum())) for action in Discrete7]
    else:
        named = [
            ("below -0.5", int((actions < -0.5).sum())),
            ("-0.5 to 0", int(((actions >= -0.5) & (actions < 0)).sum())),
            ("0", int((actions == 0).sum())),
            ("0 to 0.5", int(((actions > 0) & (actions <= 0.5)).sum())),
            ("above 0.5", int((actions > 0.5).sum())),
        ]
    return "".join(
        f"<tr><td>answer {_text(name)}</td><td>{n:,}</td><td>{n / len(actions):.1%}</td></tr>" for name, n in named
    )


def _configuration(run: RunTables) -> str:
    return f"<details><summary>Configuration</summary><pre>{_text(run.config_text)}</pre></details>"
