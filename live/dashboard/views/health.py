"""Data health: how old each stream is, which bars are missing, how long each step takes."""

import time
from typing import Any

from nicegui import ui

from live.dashboard.look import Look, Piece
from live.dashboard.markup import Column, Markup, badge, element, facts, table
from live.dashboard.source import Source
from live.dashboard.tables import stream_state
from live.dashboard.wording import UNKNOWN, age, count, milliseconds, moment

STREAMS = (
    Column("Stream", "name"),
    Column("Instrument"),
    Column("Age", "n"),
    Column("State"),
    Column("Received", "n wide"),
    Column("Last is of, UTC", "c wide"),
)
LATENCIES = (
    Column("Step", "name"),
    Column("Median", "n"),
    Column("99 %", "n"),
    Column("Worst", "n wide"),
    Column("Last", "n wide"),
    Column("Measured", "n wide"),
)
COVERAGE = (
    Column("Instrument", "name"),
    Column("Bars", "n"),
    Column("Expected", "n"),
    Column("Missing", "n"),
    Column("Longest gaps", "long"),
)
PATIENCE_SECS = 90.0
BADGES = {"ok": ("fresh", "up"), "near": ("old", "warn"), "full": ("silent", "down"), "none": ("nothing yet", "")}
_BAR = {"SECOND": 1.0, "MINUTE": 60.0, "HOUR": 3_600.0, "DAY": 86_400.0}


class Health:
    """The view of data."""

    def __init__(self, look: Look) -> None:
        del look
        with ui.element("div").classes("grid"):
            with ui.element("div").classes("card"):
                self._streams = Piece()
            with ui.element("div").classes("two"):
                with ui.element("div").classes("card"):
                    self._gaps = Piece()
                with ui.element("div").classes("card"):
                    self._latencies = Piece()

    def show(self, source: Source) -> None:
        """Show the state of a source."""
        self._streams.show(_streams(source))
        self._gaps.show(_gaps(source))
        self._latencies.show(_latencies(source))


def bar_secs(bar: str) -> float:
    """Return the length of a bar, seconds.

    >>> bar_secs("15-MINUTE")
    900.0
    """
    number, _, unit = bar.partition("-")
    return float(number) * _BAR[unit]


def _patience(source: Source, kind: str) -> float:
    """A bar may be a bar late; what else streams may be silent for as long as the session allows."""
    allowed = source.config.live.silence_secs or PATIENCE_SECS
    return max(allowed, 2.0 * bar_secs(source.config.universe.bar)) if kind in ("bar", "funding") else allowed


def _streams(source: Source) -> Markup:
    head = element("div", element("h2", "Streams"), kind="head")
    status = source.status
    if not source.running:
        why = (
            "A finished run receives nothing any more. "
            if status.mode != "backtest"
            else "A back test reads its catalog: nothing streams. "
        )
        return Markup(
            head + element("div", f"{why}What it had, and what was missing, stands under gaps.", kind="empty")
        )
    rows = []
    late = max(0.0, (time.time_ns() - status.wall_ns) / 1e9) if status.seen != "running" else 0.0
    for one in status.streams:
        old = None if one.age_secs is None else one.age_secs + late
        word, kind = BADGES[stream_state(old, _patience(source, one.kind))]
        rows.append(
            (one.kind, one.instrument_id, age(old), badge(word, kind), count(one.received), moment(one.ts_event, True))
        )
    return Markup(head + table(STREAMS, rows, empty="Nothing was subscribed yet."))


def _gaps(source: Source) -> Markup:
    head = element("div", element("h2", "Gaps"), kind="head")
    coverage: list[dict[str, Any]] = source.manifest.get("coverage") or []
    if coverage:
        rows = []
        for one in coverage:
            gaps = "; ".join(f"{start[:16].replace('T', ' ')}: {bars}" for start, bars in one.get("gaps", [])[:3])
            rows.append(
                (
                    one["instrument_id"],
                    count(one["present"]),
                    count(one["expected"]),
                    count(one["expected"] - one["present"]),
                    gaps or "none",
                )
            )
        return Markup(head + table(COVERAGE, rows))
    counted = source.status.gaps
    lacked = ", ".join(counted.last_instruments) or ("all" if counted.last_ns else UNKNOWN)
    rows_of = [
        ("Turns without a bar that was due", count(counted.missing_bars)),
        ("Turns that no bar came for", count(counted.skipped_turns)),
        ("Bars that came again", count(counted.repeated_bars)),
        ("Last gap, UTC", moment(counted.last_ns)),
        ("It lacked", lacked),
    ]
    return Markup(head + facts(rows_of))


def _latencies(source: Source) -> Markup:
    rows = [
        (
            one.name.capitalize(),
            milliseconds(one.p50_ms),
            milliseconds(one.p99_ms),
            milliseconds(one.worst_ms),
            milliseconds(one.last_ms),
            count(one.n),
        )
        for one in source.status.latencies
    ]
    head = element("div", element("h2", "Latency"), kind="head")
    empty = "Nothing was measured yet." if source.running else "Latencies are kept while a session runs."
    note = Markup("")
    if source.running and source.status.rehearsal:
        text = "On the rehearsal exchange the clock is the tape's: times from a bar's close are not shown."
        note = element("div", text, kind="note")
    return Markup(head + table(LATENCIES, rows, empty=empty) + note)
