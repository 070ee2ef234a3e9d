"""The report's charts, from a run's tables."""

from itertools import pairwise
from typing import Any

import numpy as np
import plotly.graph_objects as go
import plotly.io
from numpy.typing import NDArray

from engine.evaluation.metrics import drawdowns

ACCENT = "#0b5fa5"
MUTED = ("#9a9a9a", "#c2862f", "#5d8a66", "#a0627a", "#7a6fa8", "#8c7a5b")
BOUGHT, SOLD = "#1f7a4d", "#b3402a"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
MOST_POINTS = 6_000
"""Points of one line; longer ones keep the lowest and the highest of each stretch."""

Floats = NDArray[np.float64]
Times = NDArray[np.int64]


def thin(ts_ns: Times, values: Floats, most: int = MOST_POINTS) -> tuple[Times, Floats]:
    """Keep the lowest and the highest value of every stretch, and both ends, where a line has more than `most` points.

    Parameters
    ----------
    ts_ns : int64 (n,)
    values : float64 (n,)
    """
    count = len(values)
    if count <= most:
        return ts_ns, values
    edges = np.linspace(0, count, most // 2 + 1).astype(int)
    keep = {0, count - 1}
    for low, high in pairwise(edges):
        if high > low:
            keep.add(low + int(np.argmin(values[low:high])))
            keep.add(low + int(np.argmax(values[low:high])))
    index = np.array(sorted(keep))
    return ts_ns[index], values[index]


def times(ts_ns: Times) -> Any:
    """UTC nanoseconds as datetimes that plotly draws."""
    return ts_ns.astype("datetime64[ns]").astype("datetime64[ms]")


def equity_chart(run: str, curves: dict[str, tuple[Times, Floats]]) -> str:
    """Equity of the run and its baselines, each over its first value, linear or logarithmic."""
    figure = _figure(360, "growth of 1")
    for number, (name, (ts, equity)) in enumerate(curves.items()):
        x, y = thin(ts, equity / equity[0])
        _line(
            figure, x, y, name, ACCENT if name == run else MUTED[(number - 1) % len(MUTED)], 2.2 if name == run else 1.2
        )
    buttons = [
        {"label": label, "method": "relayout", "args": [{"yaxis.type": kind}]}
        for label, kind in (("linear", "linear"), ("log", "log"))
    ]
    figure.update_layout(
        updatemenus=[
            {
                "type": "buttons",
                "direction": "right",
                "buttons": buttons,
                "x": 1.0,
                "xanchor": "right",
                "y": 1.14,
                "yanchor": "top",
            }
        ]
    )
    return _html(figure, "equity")


def drawdown_chart(run: str, curves: dict[str, tuple[Times, Floats]]) -> str:
    """Fall from the peak, of the run and of buy and hold."""
    figure = _figure(220, "drawdown")
    for name, (ts, equity) in curves.items():
        if name in (run, "buy_and_hold"):
            x, y = thin(ts, -drawdowns(equity))
            chosen = name == run
            _line(figure, x, y, name, ACCENT if chosen else MUTED[0], 1.6 if chosen else 1.0)
            if chosen:
                figure.data[-1].update(fill="tozeroy", fillcolor="rgba(11,95,165,0.12)")
    figure.update_yaxes(tickformat=".0%")
    return _html(figure, "drawdown")


def exposure_chart(ts_ns: Times, exposures: dict[str, Floats]) -> str:
    """Exposure held in each instrument, fraction of its budget."""
    figure = _figure(220, "of budget")
    for number, (name, values) in enumerate(exposures.items()):
        x, y = thin(ts_ns, values)
        colour = ACCENT if len(exposures) == 1 else MUTED[number % len(MUTED)]
        _line(figure, x, y, name, colour, 1.0, "hv")
    figure.update_yaxes(tickformat=".0%")
    return _html(figure, "exposure")


def trades_chart(number: int, instrument: str, ts_ns: Times, close: Floats, fills: dict[str, NDArray[Any]]) -> str:
    """Price of one instrument with its fills."""
    figure = _figure(320, "price")
    x, y = thin(ts_ns, close)
    _line(figure, x, y, instrument, "#555555", 1.0)
    for side, label, symbol, colour in ((1, "bought", "triangle-up", BOUGHT), (-1, "sold", "triangle-down", SOLD)):
        chosen = fills["side"] == side
        figure.add_trace(
            go.Scattergl(
                x=times(fills["ts_event"][chosen]),
                y=fills["price"][chosen],
                customdata=fills["quantity"][chosen],
                mode="markers",
                name=f"{label} ({int(chosen.sum()):,})",
                marker={"symbol": symbol, "size": 7, "color": colour, "line": {"width": 0.5, "color": "white"}},
                hovertemplate="%{x}<br>%{customdata} at %{y}<extra>" + label + "</extra>",
            )
        )
    return _html(figure, f"trades-{number}")


def _figure(height: int, title: str) -> go.Figure:
    figure = go.Figure()
    figure.update_layout(
        height=height,
        margin={"l": 64, "r": 12, "t": 34, "b": 32},
        font={"family": FONT, "size": 12, "color": "#222222"},
        plot_bgcolor="white",
        paper_bgcolor="white",
        hovermode="x unified" if title != "price" else "closest",
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        yaxis={"title": {"text": title}},
    )
    figure.update_xaxes(showgrid=False, showline=True, linecolor="#bbbbbb")
    figure.update_yaxes(gridcolor="#ececec", zerolinecolor="#bbbbbb")
    return figure


def _line(
    figure: go.Figure, ts_ns: Times, values: Floats, name: str, colour: str, width: float, shape: str = "linear"
) -> None:
    figure.add_trace(
        go.Scatter(
            x=times(ts_ns), y=values, name=name, mode="lines", line={"color": colour, "width": width, "shape": shape}
        )
    )


def _html(figure: go.Figure, name: str) -> str:
    return plotly.io.to_html(
        figure,
        include_plotlyjs=False,
        full_html=False,
        div_id=name,
        config={"displayModeBar": False, "responsive": True},
    )
