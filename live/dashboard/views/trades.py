"""Trades: fills on the price of an instrument, and as a list."""

from typing import Any

import numpy as np
from nicegui import ui

from live.dashboard.charts import MOST_MARKS, price_chart, price_colours
from live.dashboard.look import Chart, Choice, Look, Piece
from live.dashboard.markup import Column, Markup, element, instrument, legend, stamp, table
from live.dashboard.source import Source
from live.dashboard.wording import UNKNOWN, count, moment, money, plain

FILLS = (
    Column("Time, UTC", "c"),
    Column("Instrument", "name"),
    Column("Side"),
    Column("Quantity", "n"),
    Column("Price", "n"),
    Column("Value", "n wide"),
    Column("Fee", "n wide"),
    Column("Slippage", "n wide"),
    Column("Order", "wide mono"),
)
MOST = 60


class Trades:
    """The view of trades."""

    def __init__(self, look: Look, again: Any) -> None:
        self._look = look
        with ui.element("div").classes("grid"):
            with ui.element("div").classes("card"):
                with ui.element("div").classes("head"):
                    ui.html(element("h2", "Price, trades and exposure"), sanitize=False)
                    ui.element("span").classes("space")
                    self._instrument = Choice([], again, "Instrument")
                self._legend = Piece()
                self._chart = Chart("tall")
                self._note = Piece("note")
            with ui.element("div").classes("card"):
                self._fills = Piece()

    def show(self, source: Source) -> None:
        """Show the state of a source."""
        record = source.record
        own = list(source.config.universe.instruments)
        self._instrument.offer(own)
        if len(record.turns) > 1 and self._instrument.chosen:
            place = record.place(self._instrument.chosen)
            self._legend.show(legend(price_colours(self._look.palette)))
            self._chart.show(price_chart(record, place, self._look.palette))
            fills = int(np.sum(record.fills["instrument"] == place))
            marked = f"The last {MOST_MARKS:,} of {fills:,} fills are marked. " if fills > MOST_MARKS else ""
            self._note.show(Markup(f"{marked}Ctrl and the wheel, or two fingers, zoom in."))
        else:
            self._chart.show(None, "The price begins with the second decided turn.")
        self._fills.show(_fills(source))


def _fills(source: Source) -> Markup:
    record = source.record
    fills, rows = record.fills, []
    for row in range(len(fills) - 1, max(-1, len(fills) - 1 - MOST), -1):
        side, quantity, price = (float(fills[name][row]) for name in ("side", "quantity", "price"))
        reference = float(fills["reference_price"][row])
        slip = side * (price - reference) / reference * 1e4 if reference > 0.0 else float("nan")
        rows.append(
            (
                stamp(moment(int(fills.times[row]))),
                instrument(record.instruments[int(fills["instrument"][row])]),
                element("span", "bought" if side > 0 else "sold", kind="up" if side > 0 else "down"),
                plain(quantity, 8),
                plain(price, 8),
                money(quantity * price),
                money(float(fills["fee"][row])),
                f"{slip:+.2f} bps" if slip == slip else UNKNOWN,
                record.fill_keys[row],
            )
        )
    shown = f"the last {MOST} of {count(len(fills))}" if len(fills) > MOST else count(len(fills))
    head = element("div", element("h2", "Fills"), element("span", shown, kind="quiet small"), kind="head")
    return Markup(head + table(FILLS, rows, "Nothing was filled yet.", high=True))
