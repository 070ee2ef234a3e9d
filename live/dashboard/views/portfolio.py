"""Portfolio: equity and drawdown over time, positions, open orders."""

from nicegui import ui

from live.dashboard.charts import equity_chart
from live.dashboard.look import Chart, Look, Piece
from live.dashboard.markup import Column, Markup, element, instrument, stamp, table
from live.dashboard.source import Source
from live.dashboard.wording import UNKNOWN, direction, moment, money, percent, plain, words

POSITIONS = (
    Column("Instrument", "name"),
    Column("Quantity", "n"),
    Column("Value", "n wide"),
    Column("Of equity", "n"),
    Column("Target", "n wide"),
    Column("Entry", "n wide"),
    Column("Last", "n wide"),
    Column("Unrealised", "n"),
)
ORDERS = (
    Column("Instrument", "name"),
    Column("Side"),
    Column("Quantity", "n"),
    Column("Decided at", "n"),
    Column("State"),
    Column("Order", "mono wide"),
)


class Portfolio:
    """The first view of a run."""

    def __init__(self, look: Look) -> None:
        self._look = look
        with ui.element("div").classes("grid"):
            with ui.element("div").classes("card"):
                self._head = Piece()
                self._chart = Chart()
            with ui.element("div").classes("card"):
                self._positions = Piece()
            with ui.element("div").classes("card"):
                self._orders = Piece()

    def show(self, source: Source) -> None:
        """Show the state of a source."""
        turns, status = source.record.turns, source.status
        span = f"{moment(int(turns.times[0]))} – {moment(int(turns.times[-1]))} UTC" if len(turns) else ""
        title = element("h2", f"Equity and drawdown, {status.currency}")
        self._head.show(element("div", title, element("span", span, kind="quiet small"), kind="head"))
        if len(turns) > 1:
            self._chart.show(equity_chart(source.record, self._look.palette))
        else:
            self._chart.show(None, "The curve begins with the second decided turn.")
        self._positions.show(_positions(source))
        self._orders.show(_orders(source))


def _positions(source: Source) -> Markup:
    status, turns = source.status, source.record.turns
    rows = []
    for one in status.positions:
        wanted = f"target:{one.instrument_id}"
        target = float(turns[wanted][-1]) if len(turns) and wanted in turns.names else None
        gain = element("span", money(one.unrealised, signed=True), kind=direction(one.unrealised))
        held = one.quantity != 0.0
        rows.append(
            (
                instrument(one.instrument_id),
                plain(one.quantity, 8) if held else "0",
                money(one.notional) if held else UNKNOWN,
                percent(one.exposure_frac, signed=True) if held else UNKNOWN,
                percent(target, signed=True, digits=1),
                plain(one.entry_price, 8),
                plain(one.mark, 8),
                gain if held else UNKNOWN,
            )
        )
    note = "Target is the signed part of the instrument's budget that the last decision wanted."
    head = element("div", element("h2", "Positions"), kind="head")
    return Markup(
        head + table(POSITIONS, rows, empty="No instrument is known yet.") + element("div", note, kind="note wide")
    )


def _orders(source: Source) -> Markup:
    rows = [
        (
            instrument(one.instrument_id),
            "buy" if one.quantity > 0 else "sell",
            plain(abs(one.quantity), 8),
            stamp(moment(one.decided_ns)),
            words(one.state),
            one.client_order_id,
        )
        for one in source.status.orders
    ]
    empty = "No order is open." if source.running else "The run has ended: no order of it is open."
    return Markup(element("div", element("h2", "Open orders"), kind="head") + table(ORDERS, rows, empty=empty))
