"""Decisions: what was wanted by instrument and hour, what the signals believed, and what the gate refused and why."""

from typing import Any

import numpy as np
from nicegui import ui

from live.dashboard.charts import (
    attention_chart,
    belief_chart,
    belief_colours,
    heat_chart,
    regime_chart,
    regime_colours,
)
from live.dashboard.look import Chart, Choice, Look, Piece
from live.dashboard.markup import Column, Markup, element, instrument, legend, stamp, table
from live.dashboard.source import Source
from live.dashboard.tables import beliefs, by_hour_of_day, by_last_hours, present_regime, reason_of, refusals
from live.dashboard.wording import UNKNOWN, count, moment, percent, plain, words

LAST = (
    Column("Instrument", "name"),
    Column("Time, UTC", "c wide"),
    Column("Target", "n"),
    Column("Confidence", "n wide"),
    Column("Regime"),
    Column("Change", "n wide"),
    Column("Gate", "long"),
)
REASONS = (
    Column("Reason", "name"),
    Column("Refused", "n"),
    Column("Last, UTC", "c"),
    Column("As it was said", "long wide mono"),
)
REFUSED = (
    Column("Time, UTC", "c"),
    Column("Instrument", "name"),
    Column("Target", "n wide"),
    Column("Reason", "long mono"),
)
BY_DAY, LATEST = "By hour of the day", "Last 3 days"
WHOLE, RECENT = "Whole run", "Last 500"
MOST, POINTS, FEW = 30, 500, 500


class Decisions:
    """The view of decisions."""

    def __init__(self, look: Look, again: Any) -> None:
        self._look = look
        with ui.element("div").classes("grid"):
            with ui.element("div").classes("card"):
                self._last = Piece()
            with ui.element("div").classes("card"):
                with ui.element("div").classes("head"):
                    ui.html(element("h2", "Mean target by instrument and hour, UTC"), sanitize=False)
                    ui.element("span").classes("space")
                    self._hours = Choice([BY_DAY, LATEST], again, "Hours")
                self._heat_box = ui.element("div")
                with self._heat_box:
                    self._heat = Chart("low")
            with ui.element("div").classes("card"):
                with ui.element("div").classes("head"):
                    ui.html(element("h2", "Beliefs"), sanitize=False)
                    ui.element("span").classes("space")
                    self._span = Choice([WHOLE, RECENT], again, "Span")
                    self._instrument = Choice([], again, "Instrument")
                with ui.element("div").classes("two ends"):
                    with ui.element("div"):
                        self._regimes_title = Piece()
                        self._regimes = Chart()
                    with ui.element("div"):
                        self._beliefs_title = Piece()
                        self._beliefs = Chart()
                self._attention_title = Piece()
                self._attention = Chart("low")
            with ui.element("div").classes("two"):
                with ui.element("div").classes("card"):
                    self._reasons = Piece()
                with ui.element("div").classes("card"):
                    self._refused = Piece()

    def show(self, source: Source) -> None:
        """Show the state of a source."""
        record, palette = source.record, self._look.palette
        self._last.show(_last(source))
        self._instrument.offer(record.instruments)
        if len(record.decisions):
            heat = by_hour_of_day(record) if self._hours.chosen == BY_DAY else by_last_hours(record)
            self._heat.show(heat_chart(heat, palette))
        else:
            self._heat.show(None, "Nothing was decided yet.")
        self._show_beliefs(source)
        self._reasons.show(_reasons(source))
        self._refused.show(_refused(source))

    def _show_beliefs(self, source: Source) -> None:
        record, palette = source.record, self._look.palette
        if not record.instruments:
            return
        place = record.place(self._instrument.chosen)
        found = beliefs(record, place, POINTS, FEW if self._span.chosen == RECENT else None)
        title = element("h2", "Regime", kind="quiet small")
        self._regimes_title.show(Markup(title + legend(regime_colours(palette))))
        title = element("h2", "Confidence and change", kind="quiet small")
        self._beliefs_title.show(Markup(title + legend(belief_colours(palette))))
        if np.isfinite(found.regimes).any():
            self._regimes.show(regime_chart(found, palette))
        else:
            self._regimes.show(None, "No regime was said: [actors.regime] is off, or it has not seen enough bars yet.")
        if len(found.times) > 1:
            self._beliefs.show(belief_chart(found, palette))
        else:
            self._beliefs.show(None, "The curve begins with the second decision.")
        rows = record.of(place)
        attention = record.said(int(rows[-1])).attention if len(rows) else None
        self._attention_title.show(
            element("h2", "Attention of the last decision, by bar before it", kind="quiet small")
        )
        if attention:
            self._attention.show(attention_chart(attention, palette))
        else:
            self._attention.show(None, "The policy of this run gives no attention.")


def _last(source: Source) -> Markup:
    rows = []
    for one in source.status.decisions:
        regime = one.context.get("regime", {})
        said = [regime.get(name) for name in regime if name != "available"] if regime.get("available") else []
        best = present_regime([float("nan") if value is None else value for value in said])
        change = one.context.get("changepoint", {}).get("recent")
        reason = reason_of(one.gate)
        gate = element("span", one.gate, kind="down") if reason else one.gate
        rows.append(
            (
                instrument(one.instrument_id),
                moment(one.ts_event),
                percent(one.target_exposure, signed=True, digits=1),
                plain(one.confidence, 3),
                UNKNOWN if best is None else f"{words(best[0])} {percent(best[1], digits=0)}",
                percent(change, digits=1),
                gate,
            )
        )
    counts = source.status.counts
    told = f"{count(counts.decisions)} decisions, {count(counts.orders)} orders, {count(counts.refused)} refused"
    head = element("div", element("h2", "Last decisions"), element("span", told, kind="quiet small"), kind="head")
    return Markup(
        head
        + table(LAST, rows, empty="Nothing was decided yet: the first closed bar after the warm-up is the first turn.")
    )


def _reasons(source: Source) -> Markup:
    rows = [
        (words(one.reason), count(one.often), stamp(moment(one.last_ns)), one.example)
        for one in refusals(source.record)
    ]
    head = element("div", element("h2", "Refusals by reason"), kind="head")
    return Markup(head + table(REASONS, rows, empty="The gate has refused nothing."))


def _refused(source: Source) -> Markup:
    record = source.record
    rows: list[tuple[Any, ...]] = []
    wanted, places = record.decisions["target_exposure"], record.decisions["instrument"]
    for row in range(len(record.gates) - 1, -1, -1):
        if record.gates[row].startswith("refused"):
            name = record.instruments[int(places[row])]
            told = record.gates[row].removeprefix("refused: ")
            rows.append(
                (
                    stamp(moment(int(record.decisions.times[row]))),
                    instrument(name),
                    percent(wanted[row], signed=True, digits=1),
                    told,
                )
            )
            if len(rows) == MOST:
                break
    head = element("div", element("h2", "Last refusals"), kind="head")
    return Markup(head + table(REFUSED, rows, "The gate has refused nothing.", high=True))
