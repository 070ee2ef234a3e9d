"""What a reader must know of any run before its figures: the assumptions of its fills, and the data that were there."""

from collections.abc import Mapping, Sequence
from typing import Any

from engine.evaluation.page import NONE, text
from engine.execution.costs import FILL_MEANING

MOST_GAPS = 8


def assumptions(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return names and HTML of the assumptions of a resolved configuration."""
    venue = config["venue"]
    flag = ' <span class="flag">optimistic</span>' if venue["fill"] == "this_close" else ""
    costs = (
        f"taker {venue['taker_bps']:g} bps, half-spread {venue['half_spread_bps']:g} bps; quotes are never exhausted"
    )
    return [
        ("fills", f"<b>{text(venue['fill'])}</b>{flag}<br>{text(FILL_MEANING[venue['fill']])}"),
        ("costs", text(costs)),
        ("account", text(f"{venue['account']}, {venue['balance']}, leverage {venue['leverage']:g}")),
        ("budget", text(f"{config['limits']['max_position_frac']:.0%} of equity per instrument")),
        ("funding", text("settled" if venue["funding"] else "left out")),
    ]


def facts_beside(run: Sequence[tuple[str, str]], config: Mapping[str, Any]) -> str:
    """Lay the facts of a run, names and HTML, beside its assumptions."""
    tables = "".join(
        f'<div><h2>{title}</h2><table class="facts">'
        + "".join(f"<tr><td>{name}</td><td>{value}</td></tr>" for name, value in rows)
        + "</table></div>"
        for title, rows in (("Run", run), ("Assumptions", assumptions(config)))
    )
    return f'<div class="columns">{tables}</div>'


def coverage_table(covered: Sequence[Mapping[str, Any]], datasets: Mapping[str, str], bar: str) -> str:
    """Draw what the catalog held of the span.

    Parameters
    ----------
    covered
        A mapping per instrument: `instrument_id, expected, present, warm_up`, and `gaps`, (start ISO, bars), longest first.
    datasets
        `INSTRUMENT BAR` to the digest of its data.
    """
    rows = "".join(_coverage_row(one, datasets.get(f"{one['instrument_id']} {bar}", NONE)) for one in covered)
    return (
        '<h2>Data coverage</h2><div class="scroll"><table><tr><th>instrument</th><th>expected</th><th>present</th><th>missing</th>'
        f'<th>warm-up</th><th>data digest</th><th class="wrap">longest gaps (start, bars)</th></tr>{rows}</table></div>'
    )


def _coverage_row(one: Mapping[str, Any], digest: str) -> str:
    missing = one["expected"] - one["present"]
    gaps = ", ".join(f"{start[:16].replace('T', ' ')} ({count})" for start, count in one["gaps"][:MOST_GAPS])
    more = f" and {len(one['gaps']) - MOST_GAPS} more" if len(one["gaps"]) > MOST_GAPS else ""
    share = missing / one["expected"] if one["expected"] else 0.0
    return (
        f"<tr><td>{text(one['instrument_id'])}</td><td>{one['expected']:,}</td><td>{one['present']:,}</td>"
        f"<td>{missing:,} ({share:.2%})</td><td>{one['warm_up']:,}</td>"
        f"<td><code>{text(digest[:12])}</code></td>"
        f'<td class="wrap">{text((gaps or "none") + more)}</td></tr>'
    )
