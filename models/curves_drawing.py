"""Learning curves as tables in Markdown and as one drawing in SVG."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from models.toys import NAMES, solves

if TYPE_CHECKING:
    from models.learning_curves import Run

COLOURS = ("#1b6ca8", "#5aa9e6", "#b23a48", "#e07a86", "#2a7f4f", "#8a6d3b", "#d08c2f", "#7b5ea7", "#444444")
PANEL_WIDTH, PANEL_HEIGHT, LEFT, TOP, GAP_X, GAP_Y = 380, 210, 60, 40, 80, 70
LEGEND_HEIGHT = 60


def _by_variant(runs: Sequence["Run"], market: str) -> dict[str, list["Run"]]:
    grouped: dict[str, list[Run]] = {}
    for run in runs:
        if run.market == market:
            grouped.setdefault(run.variant, []).append(run)
    return grouped


def _quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    low, median, high = np.percentile(values, [25, 50, 75])
    return float(low), float(median), float(high)


def _curve(group: Sequence["Run"]) -> list[tuple[int, tuple[float, float, float]]]:
    """Quartiles over seeds at every evaluation that all of them made."""
    return [
        (steps, _quartiles([run.curve[index][1] for run in group]))
        for index, (steps, _) in enumerate(min(group, key=lambda run: len(run.curve)).curve)
    ]


def tables(runs: Sequence["Run"]) -> str:
    """Write one table per market: what was chosen, and the curve, medians with quartiles over seeds."""
    parts = ["<!-- made by python -m models.learning_curves -->", ""]
    for market in dict.fromkeys(run.market for run in runs):
        groups = _by_variant(runs, market)
        toy = market in NAMES
        parts += [f"### {market}", ""]
        head = ["algorithm", "seeds", "log growth of the chosen policy", "solved" if toy else "Sharpe ratio"]
        parts += _row([*head, "orders per 1,000", "curve: decisions, median (quartiles)"])
        parts += ["|---|---|---|---|---|---|"]
        for variant, group in groups.items():
            low, median, high = _quartiles([run.log_growth for run in group])
            solved = sum(run.best is not None and solves(market, run.log_growth, run.best) for run in group)
            sharpe = "{1:.2f} ({0:.2f} to {2:.2f})".format(*_quartiles([run.sharpe for run in group]))
            curve = "; ".join(
                f"{steps / 1000:.0f}k {mid:.3f} ({down:.3f} to {up:.3f})" for steps, (down, mid, up) in _curve(group)
            )
            parts += _row(
                [
                    variant,
                    str(len(group)),
                    f"{median:.3f} ({low:.3f} to {high:.3f})",
                    f"{solved} of {len(group)}" if toy else sharpe,
                    f"{np.median([run.trades_per_1000 for run in group]):.0f}",
                    curve,
                ]
            )
        bests = sorted({round(run.best, 3) for runs_ in groups.values() for run in runs_ if run.best is not None})
        if bests:
            parts += ["", f"The best rule: {' (discrete), '.join(f'{best:.3f}' for best in bests)}"]
            parts[-1] += " (continuous)." if len(bests) > 1 else "."
        parts.append("")
    return "\n".join(parts)


def _row(cells: Sequence[str]) -> list[str]:
    return [f"| {' | '.join(cells)} |"]


def draw(runs: Sequence["Run"]) -> str:
    """Draw one panel per market: median validation log growth against decisions, a band between the quartiles."""
    markets = list(dict.fromkeys(run.market for run in runs))
    variants = list(dict.fromkeys(run.variant for run in runs))
    colours = dict(zip(variants, COLOURS))
    width = LEFT + 2 * PANEL_WIDTH + GAP_X + 20
    height = TOP + -(-len(markets) // 2) * (PANEL_HEIGHT + GAP_Y) + LEGEND_HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for index, market in enumerate(markets):
        x = LEFT + index % 2 * (PANEL_WIDTH + GAP_X)
        y = TOP + index // 2 * (PANEL_HEIGHT + GAP_Y)
        parts += _panel(market, _by_variant(runs, market), colours, x, y)
    for index, variant in enumerate(variants):
        x, y = LEFT + index % 5 * 165, height - LEGEND_HEIGHT + 10 + index // 5 * 22
        parts.append(f'<path d="M{x} {y}h22" stroke="{colours[variant]}" stroke-width="3"/>')
        parts.append(f'<text x="{x + 28}" y="{y + 4}">{variant}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _panel(market: str, groups: dict[str, list["Run"]], colours: dict[str, str], x: int, y: int) -> list[str]:
    curves = {variant: _curve(group) for variant, group in groups.items()}
    bests = [run.best for group in groups.values() for run in group if run.best is not None]
    values = [value for curve in curves.values() for _, quartiles in curve for value in quartiles]
    last = max(steps for curve in curves.values() for steps, _ in curve)
    low, high = min([0.0, *values]), max([0.01, *values, *bests])
    margin = 0.05 * (high - low)
    low, high = low - margin, high + margin

    def place(steps: float, value: float) -> str:
        return f"{x + PANEL_WIDTH * steps / last:.1f},{y + PANEL_HEIGHT * (high - value) / (high - low):.1f}"

    parts = [
        f'<text x="{x}" y="{y - 10}" font-weight="bold">{market}: validation log growth against decisions</text>',
        f'<rect x="{x}" y="{y}" width="{PANEL_WIDTH}" height="{PANEL_HEIGHT}" fill="none" stroke="#999"/>',
        f'<polyline points="{place(0, 0.0)} {place(last, 0.0)}" stroke="#999" stroke-dasharray="2 3" fill="none"/>',
    ]
    parts += [
        f'<polyline points="{place(0, best)} {place(last, best)}" stroke="black" stroke-dasharray="6 3" fill="none"/>'
        for best in sorted(set(bests))
        if best > 0.0
    ]
    for variant, curve in curves.items():
        upper = [place(steps, quartiles[2]) for steps, quartiles in curve]
        lower = [place(steps, quartiles[0]) for steps, quartiles in reversed(curve)]
        middle = [place(steps, quartiles[1]) for steps, quartiles in curve]
        parts.append(f'<polygon points="{" ".join(upper + lower)}" fill="{colours[variant]}" opacity="0.12"/>')
        parts.append(
            f'<polyline points="{" ".join(middle)}" stroke="{colours[variant]}" stroke-width="2" fill="none"/>'
        )
    for share in (0.0, 0.5, 1.0):
        value = low + share * (high - low)
        spot = y + PANEL_HEIGHT * (1.0 - share) + 4
        parts.append(f'<text x="{x - 6}" y="{spot:.0f}" text-anchor="end">{value:.2f}</text>')
        tick = f"{last * share / 1000:.0f}k"
        parts.append(
            f'<text x="{x + PANEL_WIDTH * share:.0f}" y="{y + PANEL_HEIGHT + 16}" text-anchor="middle">{tick}</text>'
        )
    return parts
