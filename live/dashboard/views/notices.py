"""Alerts and controls: what the run told, and what people did."""

from typing import Any

from nicegui import ui

from live.dashboard.look import Look, Piece
from live.dashboard.markup import Column, Markup, badge, element, stamp, table
from live.dashboard.source import Source
from live.dashboard.wording import UNKNOWN, moment, words
from strategies.steering import BY_HAND

ALERTS = (
    Column("Time, UTC", "c"),
    Column("Weight"),
    Column("State", "wide"),
    Column("What", "name"),
    Column("Told", "long"),
)
CONTROLS = (
    Column("Time, UTC", "c"),
    Column("What", "name"),
    Column("Scope"),
    Column("By"),
    Column("Why", "wide"),
    Column("Result", "long"),
)
KINDS = {"critical": "down", "error": "down", "warning": "warn", "info": "accent", "notice": "accent"}
MOST = 100


class Notices:
    """The view of alerts and controls."""

    def __init__(self, look: Look) -> None:
        del look
        with ui.element("div").classes("grid"):
            with ui.element("div").classes("card"):
                self._alerts = Piece()
            with ui.element("div").classes("card"):
                self._controls = Piece()

    def show(self, source: Source) -> None:
        """Show the state of a source."""
        self._alerts.show(_alerts(source))
        self._controls.show(_controls(source))


def _first(row: dict[str, Any], *names: str) -> Any:
    return next((row[name] for name in names if row.get(name) not in (None, "")), "")


def _alerts(source: Source) -> Markup:
    rows = []
    for one in source.alerts[:MOST]:
        severity = str(_first(one, "severity", "level"))
        at = _first(one, "ts_ns", "wall_ns", "ts")
        rows.append(
            (
                stamp(moment(at if isinstance(at, int) else None, True)),
                badge(severity or "notice", KINDS.get(severity.lower(), "")),
                " by ".join(str(one[key]) for key in ("kind", "by") if one.get(key)),
                str(_first(one, "title", "rule", "name", "event")),
                str(_first(one, "text", "message", "detail")),
            )
        )
    head = element("div", element("h2", "Alerts"), kind="head")
    return Markup(
        head + table(ALERTS, rows, empty="Nothing was reported. huracan monitor watches a session and writes here.")
    )


def _controls(source: Source) -> Markup:
    rows = []
    for asked, answered in reversed(source.controls[-MOST:]):
        if answered is None:
            result = badge("not answered yet", "warn")
        elif answered.done:
            result = element("span", answered.result)
        else:
            result = element("span", answered.result, kind="down")
        cleared = "halt by hand" if asked.control == BY_HAND else words(asked.control)
        what = words(asked.verb) + (f": {cleared}" if asked.control else "")
        rows.append((stamp(moment(asked.ts_ns, True)), what, asked.scope, asked.by, asked.reason or UNKNOWN, result))
    head = element("div", element("h2", "Controls"), kind="head")
    return Markup(head + table(CONTROLS, rows, empty="Nobody has halted, flattened or resumed this run."))
