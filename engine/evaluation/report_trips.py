"""The report's part on the breaker: its trips as a table, and as marks on the equity chart."""

import html

from engine.contract.calendar import iso
from engine.evaluation.charts import SOLD, Mark
from engine.evaluation.run_tables import RunTables
from engine.evaluation.trips import Episode, episodes
from engine.risk.breaker_controls import BY_NAME

REDUCED = "#c2862f"
MOST_ROWS = 30
"""Rows of the table; the first ones are shown."""


def marks(run: RunTables) -> list[Mark]:
    """Return a mark for the first trip of every episode: halts red, the rest amber."""
    return [
        Mark(one.tripped_ns, f"{one.action} tripped", SOLD if one.action == "halt" else REDUCED, _said(one))
        for one in episodes(run.changes)
    ]


def trips_section(run: RunTables) -> str:
    """Return the trips as a table, one row per control, scope and UTC day; nothing where nothing tripped."""
    found = episodes(run.changes)
    if not found:
        return ""
    rows = "".join(
        f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in _row(one))}</tr>" for one in found[:MOST_ROWS]
    )
    head = "".join(
        f"<th>{name}</th>" for name in ("tripped", "control", "value", "limit", "scope", "action", "until", "trips")
    )
    more = f" The first {MOST_ROWS} of {len(found):,} rows." if len(found) > MOST_ROWS else ""
    run_id = html.escape(str(run.manifest["run_id"]))
    return (
        f'<h2>Trips of the breaker</h2><div class="scroll"><table class="trips"><tr>{head}</tr>{rows}</table></div>'
        f'<p class="quiet">One row per control, scope and UTC day. halt: no new risk, and the position is closed in stages; reduce: no new'
        f" risk.{more} <code>huracan trips {run_id}</code> replays the run without each of them: what it saved and cost.</p>"
    )


def _row(one: Episode) -> tuple[str, ...]:
    until = "the end of the run" if one.released_ns is None else _minute(one.released_ns)
    unit = BY_NAME[one.control].unit
    return (
        _minute(one.tripped_ns), one.control, f"{one.value:.4g}", f"{one.limit:.4g} {unit}".strip(), one.scope, one.action, until,
        f"{one.trips:,}",
    )  # fmt: skip


def _said(one: Episode) -> str:
    until = "the end" if one.released_ns is None else _minute(one.released_ns)
    return f"{_minute(one.tripped_ns)} {one.control} {one.value:.4g} against {one.limit:.4g}: {one.action} {one.scope}, until {until}"


def _minute(ts_ns: int) -> str:
    return iso(ts_ns)[:16].replace("T", " ")
