"""The charts of a walk-forward: equity of what was chosen among its seeds and baselines, falls, folds in time, Sharpe by fold."""

import html
from itertools import pairwise
from typing import Any

import numpy as np
import plotly.graph_objects as go

from engine.evaluation.charts import ACCENT, MUTED, blank, draw, markup, points_per_line, thin
from engine.evaluation.drawdown import drawdowns
from engine.evaluation.samples import Floats
from engine.evaluation.walk_tables import CHOSEN, Line, WalkTables, moment

FAINT = 0.38
"""Opacity of a single seed."""
BAND = "rgba(128,128,128,0.09)"
PHASES = (("train", "train", "#9a9a9a"), ("validation", "validation", "#c2862f"), ("test", "test", ACCENT))


def equity_chart(walk: WalkTables) -> str:
    """Growth of 1 over all test windows: the seeds thin, the baselines muted, the chosen path on top; every other window is shaded."""
    figure = blank(400, "growth of 1", walk.chosen.ts_ns)
    most = points_per_line(len(walk.lines), 1)
    for place, (name, line) in enumerate(walk.seeds.items()):
        _growth(figure, line, f"seeds ({len(walk.seeds)})", ACCENT, 1.0, most)
        said = f"%{{y:.3f}} {html.escape(name)}<extra></extra>"
        figure.data[-1].update(
            opacity=FAINT, legendgroup="seeds", showlegend=place == 0, legendrank=1_001, hovertemplate=said
        )
    for place, (name, line) in enumerate(walk.beside.items()):
        _growth(figure, line, name, MUTED[place % len(MUTED)], 1.3, most)
    _growth(figure, walk.chosen, CHOSEN, ACCENT, 2.2, most)
    figure.data[-1].update(legendrank=1)
    _bands(figure, walk)
    figure.update_yaxes(hoverformat=".3f")
    figure.update_layout(hovermode="closest")
    return markup(figure, "equity")


def drawdown_chart(walk: WalkTables) -> str:
    """Fall from the peak of the chosen path and of buy and hold."""
    figure = blank(210, "from the peak", walk.chosen.ts_ns)
    most = points_per_line(2, 1)
    for name, colour in (("buy_and_hold", MUTED[0]), (CHOSEN, ACCENT)):
        if name in walk.lines:
            line = walk.lines[name]
            x, y = thin(line.ts_ns, -drawdowns(line.equity), most)
            draw(figure, x, y, name, colour, 1.6 if name == CHOSEN else 1.0)
    figure.data[-1].update(fill="tozeroy", fillcolor="rgba(11,95,165,0.10)", legendrank=1)
    figure.update_yaxes(tickformat=".0%", hoverformat=".1%")
    return markup(figure, "drawdown")


def timeline_chart(walk: WalkTables) -> str:
    """What each fold learned from, chose on and was tested on, a row per fold."""
    edges = [
        moment(fold[f"{phase}_{edge}"])
        for fold in walk.folds
        for phase in ("train", "test")
        for edge in ("start", "end")
    ]
    figure = blank(90 + 22 * len(walk.folds), "fold", np.array([min(edges), max(edges)]))
    for phase, title, colour in PHASES:
        folds = [fold for fold in walk.folds if fold.get(f"{phase}_start") and fold.get(f"{phase}_end")]
        if not folds:
            continue
        spans = [(moment(fold[f"{phase}_start"]), moment(fold[f"{phase}_end"])) for fold in folds]
        figure.add_trace(
            go.Bar(
                orientation="h",
                y=[str(fold["number"]) for fold in folds],
                base=[start / 1e6 for start, _ in spans],
                x=[(end - start) / 1e6 for start, end in spans],
                customdata=[[fold[f"{phase}_start"][:10], fold[f"{phase}_end"][:10]] for fold in folds],
                name=title,
                marker={"color": colour, "opacity": 1.0 if phase == "test" else 0.55, "line": {"width": 0}},
                hovertemplate=title + " %{customdata[0]} to %{customdata[1]}<extra>fold %{y}</extra>",
            )
        )
    figure.update_layout(barmode="overlay", bargap=0.35, hovermode="closest")
    figure.update_yaxes(
        autorange="reversed", type="category", showgrid=False, ticks="outside", tickcolor="rgba(0,0,0,0)"
    )
    return markup(figure, "folds")


def sharpe_chart(walk: WalkTables) -> str:
    """Sharpe ratio of every fold with its standard error, its seeds as points."""
    figure = blank(280, "Sharpe", np.zeros(0, dtype=np.int64))
    single = [
        (str(fold["number"]), one["sharpe"], f"seed {one['seed']}")
        for fold in walk.folds
        for one in fold.get("seeds") or []
        if one.get("sharpe") is not None
    ]
    _points(figure, single, "seeds", {"color": ACCENT, "opacity": FAINT, "size": 7}, None)
    chosen = [
        (str(fold["number"]), fold["sharpe"], f"seed {fold.get('seed')}")
        for fold in walk.folds
        if fold.get("sharpe") is not None
    ]
    errors = [walk.fold_error(fold) or 0.0 for fold in walk.folds if fold.get("sharpe") is not None]
    _points(figure, chosen, "chosen ± standard error", {"color": ACCENT, "size": 9, "symbol": "diamond"}, errors)
    figure.update_xaxes(type="category", title={"text": "fold"}, hoverformat=None)
    figure.update_xaxes(categoryorder="array", categoryarray=[str(fold["number"]) for fold in walk.folds])
    figure.update_yaxes(zeroline=True, zerolinewidth=1.5)
    figure.update_layout(hovermode="closest", margin={"b": 44})
    return markup(figure, "sharpe-by-fold")


def _points(
    figure: go.Figure,
    points: list[tuple[str, float, str]],
    name: str,
    marker: dict[str, Any],
    errors: list[float] | None,
) -> None:
    bars = None if errors is None else {"type": "data", "array": errors, "thickness": 1.5, "width": 5, "color": ACCENT}
    figure.add_trace(
        go.Scatter(
            x=[place for place, _, _ in points],
            y=[value for _, value, _ in points],
            text=[html.escape(said) for _, _, said in points],
            error_y=bars,
            mode="markers",
            name=name,
            marker=marker,
            hovertemplate="fold %{x}: %{y:.2f}, %{text}<extra></extra>",
        )
    )


def _growth(figure: go.Figure, line: Line, name: str, colour: str, width: float, most: int) -> None:
    if len(line.equity):
        x, y = thin(line.ts_ns, growth(line), most)
        draw(figure, x, y, name, colour, width)


def growth(line: Line) -> Floats:
    """Return equity over what it was before the first return: float64 (n,)."""
    return line.equity / (line.equity[0] / (1.0 + line.returns[0]))


def _bands(figure: go.Figure, walk: WalkTables) -> None:
    starts = [moment(fold["test_start"]) for fold in walk.folds]
    if not starts:
        return
    edges = [*starts, moment(walk.folds[-1]["test_end"])]
    for place, (first, stop) in enumerate(pairwise(edges)):
        if place % 2 == 0:
            figure.add_vrect(x0=first / 1e6, x1=stop / 1e6, fillcolor=BAND, line_width=0, layer="below")
