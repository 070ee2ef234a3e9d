"""Charts as options of ECharts: equity, price with trades, heat map, beliefs; thinned to what a screen can show."""

from typing import Any, NamedTuple

import numpy as np

from live.dashboard.record import Record
from live.dashboard.tables import REGIMES, Beliefs, HeatMap, drawdown
from live.dashboard.thinning import short, thin
from live.dashboard.wording import words

POINTS = 800
MOST_MARKS = 1_500
"""Trades that are marked on a price; the last ones, where there are more."""

MS = 1_000_000
FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", Arial, sans-serif'
_PERCENT = "v => v == null ? '–' : (100 * v).toFixed(2) + '%'"
_AMOUNT = "v => v == null ? '–' : Number(v).toLocaleString('en-US', {maximumFractionDigits: 2})"
_SMALL_PERCENT = "v => +(100 * v).toFixed(2) + '%'"

Options = dict[str, Any]


class Palette(NamedTuple):
    """Colours of one theme."""

    ink: str
    quiet: str
    line: str
    card: str
    accent: str
    up: str
    down: str
    series: tuple[str, ...]


LIGHT = Palette(
    "#151a21", "#5a6572", "#e2e6eb", "#ffffff", "#1f5fd6", "#0b7d55", "#c0342b",
    ("#0b7d55", "#c0342b", "#d98b0b", "#3c7dd9", "#8a5fd1", "#159aa8", "#7a1f3d"),
)  # fmt: skip
DARK = Palette(
    "#e6eaf0", "#95a1af", "#29313b", "#151b23", "#6aa5ff", "#43c08f", "#f47f78",
    ("#43c08f", "#f47f78", "#e2b05a", "#6aa5ff", "#b394f0", "#4cc4d1", "#d0668c"),
)  # fmt: skip
"""Seven series: the regimes, in the order of their columns."""


def _times(times: Any) -> list[int]:
    return (np.asarray(times) // MS).tolist()


def _pairs(times: Any, values: Any, digits: int = 7) -> list[list[Any]]:
    return [list(pair) for pair in zip(_times(times), short(np.asarray(values, dtype=np.float64), digits))]


def _base(palette: Palette) -> Options:
    return {
        "animation": False,
        "useUTC": True,
        "textStyle": {"fontFamily": FONT, "color": palette.quiet},
        "tooltip": {
            "trigger": "axis",
            "confine": True,
            "backgroundColor": palette.card,
            "borderColor": palette.line,
            "textStyle": {"color": palette.ink, "fontSize": 12},
            "axisPointer": {"lineStyle": {"color": palette.quiet}},
        },
    }


def _time_axis(palette: Palette, grid: int = 0, shown: bool = True) -> Options:
    return {
        "type": "time",
        "gridIndex": grid,
        "axisLine": {"lineStyle": {"color": palette.line}},
        "axisTick": {"show": False},
        "splitLine": {"show": False},
        "axisLabel": {"show": shown, "color": palette.quiet, "hideOverlap": True, "fontSize": 11},
    }


def _value_axis(palette: Palette, grid: int = 0, formatter: str = "", **more: Any) -> Options:
    label: Options = {"color": palette.quiet, "fontSize": 11, "hideOverlap": True}
    if formatter:
        label[":formatter"] = formatter
    return {
        "type": "value",
        "gridIndex": grid,
        "scale": True,
        "splitNumber": 4,
        "axisLine": {"show": False},
        "axisTick": {"show": False},
        "splitLine": {"lineStyle": {"color": palette.line}},
        "axisLabel": label,
        **more,
    }


def regime_colours(palette: Palette) -> list[tuple[str, str]]:
    """Return the regimes with their colours."""
    return [(words(name), palette.series[number]) for number, name in enumerate(REGIMES)]


def belief_colours(palette: Palette) -> list[tuple[str, str]]:
    """Return what the chart of beliefs shows, with its colours."""
    return [("Confidence", palette.accent), ("Change within the last bars", palette.series[2])]


def price_colours(palette: Palette) -> list[tuple[str, str]]:
    """Return what the chart of a price shows, with its colours."""
    return [
        ("Close", palette.quiet),
        ("Bought", palette.up),
        ("Sold", palette.down),
        ("Exposure, of the budget", palette.accent),
    ]


def _line(name: str, data: Any, colour: str, **more: Any) -> Options:
    return {
        "type": "line",
        "name": name,
        "data": data,
        "showSymbol": False,
        "lineStyle": {"width": 1.6, "color": colour},
        "itemStyle": {"color": colour},
        **more,
    }


def equity_chart(record: Record, palette: Palette, points: int = POINTS) -> Options:
    """Draw equity, and under it the loss from its peak."""
    times, equity = record.turns.times, record.turns["equity"]
    fallen = drawdown(equity)
    kept = thin(equity, points)
    deep = np.union1d(kept, thin(fallen, points // 2))
    options = _base(palette)
    options |= {
        "grid": [
            {"left": 62, "right": 20, "top": 12, "height": "54%"},
            {"left": 62, "right": 20, "bottom": 24, "height": "24%"},
        ],
        "axisPointer": {"link": [{"xAxisIndex": "all"}]},
        "xAxis": [_time_axis(palette, 0, shown=False), _time_axis(palette, 1)],
        "yAxis": [
            _value_axis(palette, 0),
            _value_axis(palette, 1, _SMALL_PERCENT, splitNumber=2, max=0, scale=False),
        ],
        "dataZoom": [{"type": "inside", "xAxisIndex": [0, 1], "zoomOnMouseWheel": "ctrl", "moveOnMouseMove": False}],
        "series": [
            _line("Equity", _pairs(times[kept], equity[kept], 9), palette.accent, tooltip={":valueFormatter": _AMOUNT}),
            _line(
                "Drawdown", _pairs(times[deep], -fallen[deep], 5), palette.down, xAxisIndex=1, yAxisIndex=1,
                areaStyle={"color": palette.down, "opacity": 0.16}, tooltip={":valueFormatter": _PERCENT},
            ),
        ],
    }  # fmt: skip
    return options


def price_chart(record: Record, instrument: int, palette: Palette, points: int = POINTS) -> Options:
    """Draw the closes of an instrument with its trades on them, and under them what was held."""
    name = record.instruments[instrument]
    times, close = record.turns.times, record.turns[f"close:{name}"]
    exposure = record.turns[f"exposure:{name}"]
    kept, held = thin(close, points), thin(exposure, points // 2)
    fills = record.fills
    own = np.flatnonzero(fills["instrument"] == instrument)[-MOST_MARKS:]
    most = max(1.0, float(np.ceil(10.0 * np.nanmax(np.abs(exposure), initial=0.0))) / 10.0)
    options = _base(palette)
    series = [
        _line("Close", _pairs(times[kept], close[kept], 9), palette.quiet, lineStyle={"width": 1.3, "color": palette.quiet},
              tooltip={":valueFormatter": _AMOUNT}),
        _line("Exposure", _pairs(times[held], exposure[held], 4), palette.accent, xAxisIndex=1, yAxisIndex=1, step="end",
              areaStyle={"color": palette.accent, "opacity": 0.14}, tooltip={":valueFormatter": _PERCENT}),
    ]  # fmt: skip
    for label, sign, colour, turned in (("Bought", 1.0, palette.up, 0), ("Sold", -1.0, palette.down, 180)):
        rows = own[fills["side"][own] == sign]
        series.append(
            {
                "type": "scatter",
                "name": label,
                "data": _pairs(fills.times[rows], fills["price"][rows], 9),
                "symbol": "triangle",
                "symbolRotate": turned,
                "symbolSize": 9 if len(own) < 200 else 6,
                "itemStyle": {"color": colour, "borderColor": palette.card, "borderWidth": 0.5},
                "tooltip": {":valueFormatter": _AMOUNT},
                "z": 5,
            }
        )
    options |= {
        "grid": [
            {"left": 62, "right": 20, "top": 10, "height": "58%"},
            {"left": 62, "right": 20, "bottom": 24, "height": "22%"},
        ],
        "axisPointer": {"link": [{"xAxisIndex": "all"}]},
        "xAxis": [_time_axis(palette, 0, shown=False), _time_axis(palette, 1)],
        "yAxis": [
            _value_axis(palette, 0),
            _value_axis(palette, 1, _SMALL_PERCENT, scale=False, min=-most, max=most, interval=most),
        ],
        "dataZoom": [{"type": "inside", "xAxisIndex": [0, 1], "zoomOnMouseWheel": "ctrl", "moveOnMouseMove": False}],
        "series": series,
    }
    return options


def heat_chart(heat: HeatMap, palette: Palette) -> Options:
    """Draw mean target exposures: from short over none to long."""
    rows = [
        [column, row, float(f"{value:.3g}")]
        for (row, column), value in np.ndenumerate(heat.values)
        if np.isfinite(value)
    ]
    most = max([abs(value) for *_, value in rows], default=0.0) or 1.0
    options = _base(palette)
    tooltip = options["tooltip"] | {
        "trigger": "item",
        ":formatter": "p => p.name + '<br>' + (p.value[2] > 0 ? '+' : '') + (100 * p.value[2]).toFixed(1) + '% of the budget'",
    }
    axis = {"axisLine": {"show": False}, "axisTick": {"show": False}, "splitArea": {"show": False}}
    options |= {
        "tooltip": tooltip,
        "grid": {"left": 8, "right": 8, "top": 8, "bottom": 44, "containLabel": True},
        "xAxis": {"type": "category", "data": heat.hours, **axis,
                  "axisLabel": {"color": palette.quiet, "fontSize": 11, "hideOverlap": True}},
        "yAxis": {"type": "category", "data": heat.instruments, "inverse": True, **axis,
                  "axisLabel": {"color": palette.ink, "fontSize": 12, "width": 150, "overflow": "truncate"}},
        "visualMap": {
            "min": -most, "max": most, "calculable": False, "orient": "horizontal", "left": "center", "bottom": 0,
            "itemHeight": 160, "itemWidth": 10, "textStyle": {"color": palette.quiet, "fontSize": 11},
            "text": [f"long {100 * most:.0f}%", f"short {100 * most:.0f}%"],
            "inRange": {"color": [palette.down, palette.card, palette.up]},
        },
        "series": [{"type": "heatmap", "name": "Target", "data": rows,
                    "itemStyle": {"borderColor": palette.card, "borderWidth": 1.5, "borderRadius": 2}}],
    }  # fmt: skip
    return options


def regime_chart(beliefs: Beliefs, palette: Palette) -> Options:
    """Draw the probabilities of the regimes above each other."""
    options = _base(palette)
    names = [words(name) for name in REGIMES]
    series = [
        _line(name, _pairs(beliefs.times, beliefs.regimes[:, number], 3), palette.series[number], stack="all",
              lineStyle={"width": 0}, areaStyle={"color": palette.series[number], "opacity": 0.75},
              tooltip={":valueFormatter": _PERCENT})
        for number, name in enumerate(names)
    ]  # fmt: skip
    options |= {
        "grid": {"left": 62, "right": 20, "top": 10, "bottom": 24},
        "xAxis": _time_axis(palette),
        "yAxis": _value_axis(palette, formatter=_SMALL_PERCENT, max=1, min=0, splitNumber=2),
        "series": series,
    }
    return options


def belief_chart(beliefs: Beliefs, palette: Palette) -> Options:
    """Draw the probability of a recent change, and the confidence of the decisions."""
    options = _base(palette)
    series = [
        _line("Confidence", _pairs(beliefs.times, beliefs.confidence, 3), palette.accent),
        _line("Change within the last bars", _pairs(beliefs.times, beliefs.recent, 3), palette.series[2]),
    ]
    shown = [one for one in series if any(value is not None for _, value in one["data"])]
    for one in shown:
        one["tooltip"] = {":valueFormatter": _PERCENT}
    options |= {
        "grid": {"left": 62, "right": 20, "top": 10, "bottom": 24},
        "xAxis": _time_axis(palette),
        "yAxis": _value_axis(palette, formatter=_SMALL_PERCENT, max=1, min=0, splitNumber=2),
        "series": shown,
    }
    return options


def attention_chart(weights: list[float], palette: Palette) -> Options:
    """Draw how much the last decision looked at each bar of its window, the latest on the right."""
    options = _base(palette)
    count = len(weights)
    options |= {
        "grid": {"left": 62, "right": 20, "top": 12, "bottom": 24},
        "xAxis": {"type": "category", "data": [str(number - count + 1) for number in range(count)],
                  "axisTick": {"show": False}, "axisLine": {"lineStyle": {"color": palette.line}},
                  "axisLabel": {"color": palette.quiet, "fontSize": 11}},
        "yAxis": _value_axis(palette, formatter=_SMALL_PERCENT, splitNumber=2, scale=False),
        "series": [{"type": "bar", "name": "Attention", "data": [float(f"{one:.3g}") for one in weights],
                    "itemStyle": {"color": palette.accent}, "tooltip": {":valueFormatter": _PERCENT}}],
    }  # fmt: skip
    return options
