"""Risk: what is left of every limit, which breaker stands, what each instrument's budget is."""

from collections.abc import Callable

from nicegui import ui

from engine.risk.breaker_controls import ACCOUNT, BY_NAME
from live.dashboard.look import Look, Piece
from live.dashboard.markup import Column, Markup, badge, element, instrument, meter, stamp, table, text
from live.dashboard.source import Source
from live.dashboard.standing import Standing, standing_of
from live.dashboard.tables import TWINS, Headroom, headroom, once
from live.dashboard.wording import UNKNOWN, measured, moment, money, percent, plain, words
from live.monitoring.parts import BreakerStatus

LIMITS = (
    Column("Limit", "name"),
    Column("Scope", "c wide"),
    Column("Now", "n"),
    Column("Bound", "n"),
    Column("Left", "n"),
    Column("Used", "wide"),
)
BREAKERS = (
    Column("Breaker", "name"),
    Column("State"),
    Column("Measured", "n"),
    Column("Limit", "n"),
    Column("Scope", "wide"),
    Column("Ends by", "wide"),
    Column("What is measured", "long wide quiet"),
)
CHANGES = (
    Column("Time, UTC", "c"),
    Column("What"),
    Column("Breaker", "name"),
    Column("Scope", "wide"),
    Column("Measured", "n"),
    Column("Limit", "n"),
    Column("By, why", "long"),
)
BUDGETS = (Column("Instrument", "name"), Column("Budget", "n"), Column("Weight", "n"), Column("Volatility", "n wide"))
MOST = 50
RELEASES = {"recovery": "recovery", "day": "00:00 UTC", "person": "a person", "order": "the order"}

Resume = Callable[[Standing], None]


class Risk:
    """The view of limits and breakers.

    Parameters
    ----------
    resume
        Called with what a person wants to clear.
    """

    def __init__(self, look: Look, resume: Resume) -> None:
        self._resume = resume
        self._shown: list[Standing] | None = None
        self._running = False
        with ui.element("div").classes("grid"):
            with ui.element("div").classes("card"):
                ui.html(element("div", element("h2", "What stands"), kind="head"), sanitize=False)
                self._standing = ui.element("div")
            with ui.element("div").classes("two aside"):
                with ui.element("div").classes("card"):
                    self._limits = Piece()
                with ui.element("div").classes("card"):
                    self._budgets = Piece()
            with ui.element("div").classes("card"):
                self._breakers = Piece()
            with ui.element("div").classes("card"):
                self._changes = Piece()

    def show(self, source: Source) -> None:
        """Show the state of a source."""
        found = standing_of(source)
        if found != self._shown or source.running != self._running:
            self._shown, self._running = found, source.running
            self._standing.clear()
            with self._standing:
                self._list(found, source.running)
        self._limits.show(_limits(source))
        self._budgets.show(_budgets(source))
        self._breakers.show(_breakers(source))
        self._changes.show(_changes(source))

    def _list(self, found: list[Standing], running: bool) -> None:
        if not found:
            ui.html(element("div", "Nothing stops new risk.", kind="empty"), sanitize=False)
        for one in found:
            with ui.element("div").classes("stand"):
                strong = element("b", one.title)
                told = element("span", one.detail, kind="quiet")
                ui.html(Markup(f"{strong} {told}"), sanitize=False).classes("what")
                if one.clears and (running or one.deed == "clear_latch"):
                    with ui.element("button").classes("act").on("click", lambda _, one=one: self._resume(one)):
                        ui.label("Clear the latch" if one.deed == "clear_latch" else "Resume")


def _amount(name: str, value: float) -> str:
    if name.endswith("_frac") or name in ("drawdown", "daily_loss", "position", "price_collar"):
        return percent(value)
    return money(value) if "notional" in name else plain(value)


def _named(one: Headroom) -> Markup:
    """Name a limit; a phone has the scope under it."""
    name = f"{words(one.name)}, breaker" if one.name in TWINS else words(one.name)
    return Markup(text(name) + element("div", one.scope, kind="narrow quiet small"))


def _limits(source: Source) -> Markup:
    rows = once([headroom(one.name, one.scope, one.value, one.bound, one.headroom) for one in source.status.limits])
    lines = [
        (
            _named(one),
            one.scope,
            _amount(one.name, one.value),
            _amount(one.name, one.bound),
            element("span", _amount(one.name, one.left), kind={"full": "down", "near": "warn"}.get(one.state, "")),
            meter(one.used, one.state),
        )
        for one in rows
    ]
    when = "at the last turn" if not source.running else "now"
    head = element("div", element("h2", "Headroom"), element("span", when, kind="quiet small"), kind="head")
    return Markup(head + table(LIMITS, lines, empty="No limit is known before the first decided turn."))


def _budgets(source: Source) -> Markup:
    rows = []
    for one in source.status.decisions:
        own = one.context.get("risk_budget", {})
        weight, volatility = own.get("weight"), own.get("volatility")
        rows.append((instrument(one.instrument_id), money(one.budget), percent(weight), percent(volatility, digits=1)))
    note = "Value that an exposure of 1 means. Weight and volatility come from the risk budget, where it is on."
    head = element("div", element("h2", f"Budget, {source.status.currency}"), kind="head")
    return Markup(head + table(BUDGETS, rows, empty="No decision yet.") + element("div", note, kind="note"))


def _state(one: BreakerStatus) -> Markup:
    kinds = {"armed": "up", "unconfirmed": "warn", "reduce": "down", "halt": "down"}
    return badge(one.state, kinds[one.state])


def _breakers(source: Source) -> Markup:
    rows = []
    for one in source.status.breakers:
        side = RELEASES.get(one.release, one.release)
        scope = one.scope if one.state != "armed" else ("account" if one.scope == ACCOUNT else "each instrument")
        rows.append(
            (
                words(one.control),
                _state(one),
                measured(one.value, one.unit),
                measured(one.limit, one.unit),
                scope,
                side,
                one.meaning,
            )
        )
    head = element("div", element("h2", "Breakers"), kind="head")
    off = "No breaker is configured: only the gate's limits hold. Add [actors.breaker] to the configuration."
    quiet = "No breaker was tripped when the run ended." if not source.running else "The breaker has not spoken yet."
    return Markup(head + table(BREAKERS, rows, empty=off if source.status.breaker_state == "off" else quiet))


def _changes(source: Source) -> Markup:
    changes = source.record.changes
    rows = [
        (
            stamp(moment(one.ts_event)),
            badge(one.kind, "down" if one.kind == "tripped" else "up"),
            words(one.control),
            one.scope,
            measured(one.value, BY_NAME[one.control].unit),
            measured(one.limit, BY_NAME[one.control].unit),
            ", ".join(part for part in (one.by, one.reason) if part) or UNKNOWN,
        )
        for one in reversed(changes[-MOST:])
    ]
    shown = f"the last {MOST} of {len(changes):,}" if len(changes) > MOST else f"{len(changes)}"
    head = element("div", element("h2", "Trips and releases"), element("span", shown, kind="quiet small"), kind="head")
    return Markup(head + table(CHANGES, rows, "Nothing was tripped.", high=True))
