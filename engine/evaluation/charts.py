"""The report's charts, from a run's tables."""

import html
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
import plotly.io
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from engine.evaluation.drawdown import drawdowns

ACCENT = "#0b5fa5"
MUTED = ("#9a9a9a", "#c2862f", "#6f9c78", "#b0728a", "#8a7fb8", "#8c7a5b")
PRICE = "#6b6b6b"
BAND = "rgba(11,95,165,0.14)"
BOUGHT, SOLD = "#1f7a4d", "#b3402a"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
MOST_POINTS = 8_000
"""Points of one line; longer ones keep the lowest and the highest of each stretch."""
LEAST_POINTS = 1_000
POINT_BUDGET = 120_000
"""Points of all lines of a page together, unless that leaves a line fewer than LEAST_POINTS."""
MOST_STRETCHES = 600
"""Stretches of an exposure line; a longer one is drawn as the mean of each stretch, with its range behind it."""
MOST_MARKERS = 1_500
"""Markers of one side of one instrument; above it some fills are left out of the picture."""

Floats = NDArray[np.float64]
Times = NDArray[np.int64]
Curves = dict[str, tuple[Times, Floats]]


def points_per_line(curves: int, instruments: int) -> int:
    """Return the points that each line may have, so that a page of many lines stays small.

    >>> points_per_line(curves=6, instruments=1), points_per_line(curves=6, instruments=10)
    (8000, 3157)
    """
    lines = curves + 2 + 3 * instruments
    return max(LEAST_POINTS, min(MOST_POINTS, POINT_BUDGET // lines))


def thin(ts_ns: Times, values: Floats, most: int = MOST_POINTS) -> tuple[Times, Floats]:
    """Keep the lowest and the highest value of every stretch, and both ends, where a line has more than `most` points.

    Parameters
    ----------
    ts_ns : int64 (n,)
    values : float64 (n,), NaN where there is none
    """
    index = _extremes(values, most)
    return ts_ns[index], values[index]


def stretches(values: Floats, most: int = MOST_STRETCHES) -> tuple[NDArray[np.int64], Floats, Floats, Floats]:
    """Return the first index, the mean, the lowest and the highest value of each of at most `most` equal stretches.

    A line that keeps extremes draws a position held one bar in forty as held at 38 % of its points; its mean stays true.

    Parameters
    ----------
    values : float64 (n,)

    Returns
    -------
    int64, float64, float64, float64 (min(n, most),)

    Examples
    --------
    >>> [column.tolist() for column in stretches(np.array([0.0, 1.0, 0.0, 0.0]), most=2)]
    [[0, 2], [0.5, 0.0], [0.0, 0.0], [1.0, 0.0]]
    """
    count = len(values)
    edges = np.linspace(0, count, min(count, most) + 1).astype(np.int64)
    first = edges[:-1]
    if not count:
        return first, values, values, values
    mean = np.add.reduceat(values, first) / np.diff(edges)
    return first, mean, np.minimum.reduceat(values, first), np.maximum.reduceat(values, first)


def times(ts_ns: Times) -> Floats:
    """Return UTC nanoseconds as the milliseconds that a date axis draws."""
    return ts_ns / 1e6


class Mark(NamedTuple):
    """Something that happened at a time of the run: its group in the legend, its colour, and what it says."""

    ts_ns: int
    group: str
    colour: str
    text: str


def equity_chart(run: str, curves: Curves, most: int = MOST_POINTS, marks: Sequence[Mark] = ()) -> str:
    """Equity of the run and its baselines, each over its first value, linear or logarithmic; marks lie on the line of the run."""
    figure = blank(380, "growth of 1", curves[run][0])
    for name in _run_on_top(run, curves):
        ts, equity = curves[name]
        x, y = thin(ts, equity / equity[0], most)
        draw(figure, x, y, name, colour_of(name, run, curves), 2.2 if name == run else 1.3)
        figure.data[-1].update(legendrank=list(curves).index(name))
    _mark(figure, marks, *curves[run])
    buttons = [
        {"label": label, "method": "relayout", "args": [{"yaxis.type": kind}]}
        for label, kind in (("linear", "linear"), ("log", "log"))
    ]
    toggle = {
        "type": "buttons", "direction": "right", "buttons": buttons, "active": 0, "x": 1.0, "xanchor": "right", "y": 1.03,
        "yanchor": "bottom", "pad": {"r": 0, "t": 0, "b": 2}, "font": {"size": 11}, "bordercolor": "#cccccc",
    }  # fmt: skip
    figure.update_layout(updatemenus=[toggle])
    figure.update_yaxes(hoverformat=".3f")
    return markup(figure, "equity")


def _mark(figure: go.Figure, marks: Sequence[Mark], ts_ns: Times, equity: Floats) -> None:
    for group in dict.fromkeys(mark.group for mark in marks):
        own = [mark for mark in marks if mark.group == group]
        at = np.clip(np.searchsorted(ts_ns, [mark.ts_ns for mark in own], side="right") - 1, 0, None)
        figure.add_trace(
            go.Scatter(
                x=times(np.array([mark.ts_ns for mark in own])),
                y=equity[at] / equity[0],
                text=[html.escape(mark.text) for mark in own],
                mode="markers",
                name=f"{html.escape(group)} ({len(own):,})",
                marker={"symbol": "x-thin", "size": 9, "line": {"width": 2, "color": own[0].colour}},
                hovertemplate="%{text}<extra></extra>",
                legendrank=1_001,
            )
        )


def drawdown_chart(run: str, curves: Curves, most: int = MOST_POINTS) -> str:
    """Fall from the peak, of the run and of buy and hold."""
    figure = blank(220, "from the peak", curves[run][0])
    for name in _run_on_top(run, curves):
        if name in ("buy_and_hold", run):
            x, y = thin(curves[name][0], -drawdowns(curves[name][1]), most)
            draw(figure, x, y, name, colour_of(name, run, curves), 1.6 if name == run else 1.0)
            figure.data[-1].update(legendrank=list(curves).index(name))
    if figure.data:
        figure.data[-1].update(fill="tozeroy", fillcolor="rgba(11,95,165,0.10)")
    figure.update_yaxes(tickformat=".0%", hoverformat=".1%")
    return markup(figure, "drawdown")


def exposure_chart(ts_ns: Times, held: dict[str, Floats], wanted: dict[str, Floats]) -> str:
    """Exposure held and target exposure, a row per instrument, fractions of its budget.

    Lines of more than MOST_STRETCHES bars show the mean of each stretch; a band shows the range of what was held.
    """
    rows = len(held)
    titles = [html.escape(name) for name in held] if rows > 1 else None
    grid = make_subplots(
        rows=rows, cols=1, shared_xaxes=True, vertical_spacing=0.22 / max(rows, 2), subplot_titles=titles
    )
    figure = blank(110 + 115 * rows, "", ts_ns, grid)
    averaged = ", mean of each stretch" if len(ts_ns) > MOST_STRETCHES else ""
    for row, name in enumerate(held, 1):
        first, _, low, high = stretches(held[name])
        if averaged:
            for label, edge, fill in (("range held", low, None), ("range held", high, "tonexty")):
                draw(figure, ts_ns[first], edge, label, "rgba(0,0,0,0)", 0.0, "hv", row=row, col=1)
                shown = row == 1 and fill is not None
                figure.data[-1].update(
                    fill=fill, fillcolor=BAND, hoverinfo="skip", showlegend=shown, legendgroup=label, legendrank=1_001
                )
        for label, values, colour, width in (
            ("target", wanted[name], "#c9a26b", 2.0),
            ("held", held[name], ACCENT, 1.2),
        ):
            draw(figure, ts_ns[first], stretches(values)[1], label + averaged, colour, width, "hv", row=row, col=1)
            figure.data[-1].update(showlegend=row == 1, legendgroup=label)
    figure.update_annotations(font={"size": 12}, x=0, xanchor="left")
    figure.update_layout(
        margin={"t": 34 if rows == 1 else 52}, legend={"yref": "container", "y": 1.0, "yanchor": "top"}
    )
    figure.update_yaxes(tickformat=".0%", hoverformat=".1%", title=None)
    return markup(figure, "exposure")


def trades_chart(
    number: int, instrument: str, ts_ns: Times, close: Floats, fills: dict[str, NDArray[Any]], most: int = MOST_POINTS
) -> str:
    """Price of one instrument with its fills; of more than MOST_MARKERS on a side, the extremes in price are drawn."""
    figure = blank(340, "price", ts_ns)
    x, y = thin(ts_ns, close, most)
    draw(figure, x, y, instrument, PRICE, 1.0)
    for side, label, symbol, colour in ((1, "bought", "triangle-up", BOUGHT), (-1, "sold", "triangle-down", SOLD)):
        chosen = np.flatnonzero(fills["side"] == side)
        drawn = chosen[_extremes(fills["price"][chosen], MOST_MARKERS)]
        count = f"{len(chosen):,}" if len(drawn) == len(chosen) else f"{len(drawn):,} of {len(chosen):,} drawn"
        figure.add_trace(
            go.Scatter(
                x=times(fills["ts_event"][drawn]),
                y=fills["price"][drawn],
                customdata=fills["quantity"][drawn],
                mode="markers",
                name=f"{label} ({count})",
                marker={
                    "symbol": symbol,
                    "size": 7 if fills["side"].size < MOST_MARKERS // 2 else 5,
                    "color": colour,
                    "opacity": 0.85,
                    "line": {"width": 0},
                },
                hovertemplate="%{x|%Y-%m-%d %H:%M}<br>" + label + " %{customdata} at %{y}<extra></extra>",
            )
        )
    return markup(figure, f"trades-{number}")


def _extremes(values: Floats, most: int) -> NDArray[np.int64]:
    count = len(values)
    if count <= most:
        return np.arange(count)
    low, high = np.where(np.isnan(values), np.inf, values), np.where(np.isnan(values), -np.inf, values)
    edges = np.linspace(0, count, most // 2 + 1).astype(int)
    keep = {0, count - 1}
    for start, stop in pairwise(edges):
        keep.add(int(start + np.argmin(low[start:stop])))
        keep.add(int(start + np.argmax(high[start:stop])))
    return np.array(sorted(keep))


def _run_on_top(run: str, curves: Curves) -> list[str]:
    names = [name for name in curves if name != run] + [run]
    return [name for name in names if len(curves[name][0])]


def colour_of(name: str, run: str, curves: Curves) -> str:
    others = [one for one in curves if one != run]
    return ACCENT if name == run else MUTED[others.index(name) % len(MUTED)]


def blank(height: int, title: str, ts_ns: Times, figure: go.Figure | None = None) -> go.Figure:
    """Return an empty figure in the house look, of this height in pixels, over the span of `ts_ns`; `title` is that of the value axis."""
    figure = figure or go.Figure()
    figure.update_layout(
        height=height,
        margin={"l": 64, "r": 12, "t": 34, "b": 32},
        font={"family": FONT, "size": 12, "color": "#222222"},
        plot_bgcolor="white",
        paper_bgcolor="white",
        hovermode="x unified" if title != "price" else "closest",
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
    )
    span = [float(moment) for moment in times(ts_ns[[0, -1]])] if len(ts_ns) else None
    figure.update_xaxes(
        type="date", range=span, showgrid=False, showline=True, linecolor="#bbbbbb", hoverformat="%Y-%m-%d %H:%M"
    )
    figure.update_yaxes(title={"text": title}, gridcolor="#e6e6e6", zerolinecolor="#bbbbbb", automargin=False)
    return figure


def draw(
    figure: go.Figure,
    ts_ns: Times,
    values: Floats,
    name: str,
    colour: str,
    width: float,
    shape: str = "linear",
    **cell: int,
) -> None:
    """Add a line to a figure, or to a cell of it."""
    line = {"color": colour, "width": width, "shape": shape}
    figure.add_trace(go.Scatter(x=times(ts_ns), y=values, name=html.escape(name), mode="lines", line=line), **cell)


def markup(figure: go.Figure, name: str) -> str:
    """Return a figure as a part of a page; `name` is its id there."""
    return plotly.io.to_html(
        figure,
        include_plotlyjs=False,
        full_html=False,
        div_id=name,
        config={"displayModeBar": False, "responsive": True},
    )
