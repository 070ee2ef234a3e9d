"""The page of one run: what it is, how it stands, its controls, and one view at a time."""

from typing import Any

from nicegui import ui

from engine.contract.errors import HuracanError
from live.dashboard.dialog import Controls
from live.dashboard.guarding import Guard
from live.dashboard.look import Look, Piece
from live.dashboard.markup import Markup, badge, element, text, tile
from live.dashboard.source import Hub, Source
from live.dashboard.standing import Standing, standing_of
from live.dashboard.views.decisions import Decisions
from live.dashboard.views.facts import Facts
from live.dashboard.views.health import Health
from live.dashboard.views.notices import Notices
from live.dashboard.views.portfolio import Portfolio
from live.dashboard.views.risk import Risk
from live.dashboard.views.trades import Trades
from live.dashboard.wording import age, count, direction, money, percent

EVERY_SECS = 0.25
TABS = ("Portfolio", "Risk", "Decisions", "Trades", "Data", "Alerts", "Run")
SEEN = {
    "running": ("running", "up"),
    "hung": ("does not answer", "down"),
    "gone": ("cut short", "warn"),
    "ended": ("ended", ""),
}


class RunPage:
    """One tab that looks at one run.

    Parameters
    ----------
    hub, guard
        Of the server.
    run_id
        What is looked at.
    origin
        Address of the browser.
    """

    def __init__(self, hub: Hub, guard: Guard, run_id: str, origin: str, tab: str) -> None:
        self._hub, self._run_id = hub, run_id
        self._look, self._controls = Look(), Controls(guard, origin)
        self._source: Source | None = None
        self._shown: tuple[int, int] = (-1, -1)
        self._tab = tab if tab in TABS else TABS[0]
        self._view: Any = None
        self._tabs: dict[str, Any] = {}
        self._marks: dict[str, Piece] = {}
        self._build()

    def _build(self) -> None:
        with ui.element("header").classes("bar"), ui.element("div").classes("bar-in"):
            ui.html('<a class="brand" href="/">Huracan</a>', sanitize=False)
            ui.html(element("h1", self._run_id), sanitize=False).classes("title")
            self._badges = Piece("badges")
            ui.element("span").classes("space")
            ui.element("span").classes("break")
            self._look.choice()
            self._acts = ui.element("div").classes("acts")
            with self._acts:
                for deed, name, kind in (
                    ("halt", "Halt", "act down"),
                    ("flatten", "Flatten", "act down"),
                    ("resume", "Resume", "act"),
                ):
                    with ui.element("button").classes(kind).on("click", lambda _, deed=deed: self._ask(deed)):
                        ui.label(name)
            self._acts.set_visibility(False)
        with ui.element("div").classes("page"):
            self._banner, self._late = Piece(), Piece()
            self._tiles = Piece("tiles")
            with ui.element("nav").classes("tabs").props('role="tablist"'):
                for name in TABS:
                    button = ui.element("button").props('role="tab"').on("click", lambda _, name=name: self._open(name))
                    with button:
                        ui.html(name, sanitize=False, tag="span")
                        self._marks[name] = Piece()
                    self._tabs[name] = button
            self._panel = ui.element("div")
            self._problem = Piece("empty")
            self._problem.show(Markup("Reading the run…"))

    async def begin(self) -> None:
        """Ask the browser for its theme, read the run, and look again and again."""
        await self._look.ask()
        await self._tick()
        self._open(self._tab)
        ui.timer(EVERY_SECS, self._tick)

    def _open(self, name: str) -> None:
        if name != self._tab:
            ui.navigate.history.replace(f"/run/{self._run_id}?tab={name}")
        self._tab = name
        for one, button in self._tabs.items():
            button.props(f'aria-selected="{"true" if one == name else "false"}"')
        self._panel.clear()
        with self._panel:
            self._view = self._make(name)
        self._again()

    def _make(self, name: str) -> Any:
        match name:
            case "Portfolio":
                return Portfolio(self._look)
            case "Risk":
                return Risk(self._look, self._clear)
            case "Decisions":
                return Decisions(self._look, self._again)
            case "Trades":
                return Trades(self._look, self._again)
            case "Data":
                return Health(self._look)
            case "Alerts":
                return Notices(self._look)
        return Facts(self._look)

    def _ask(self, deed: Any) -> None:
        if self._source is None:
            return
        if deed == "resume" and not any(one.clears for one in standing_of(self._source)):
            ui.notify("Nothing stands that could be cleared.", position="top")
            return
        self._controls.ask(self._source, deed)

    def _clear(self, standing: Standing) -> None:
        if self._source is not None:
            self._controls.ask(self._source, standing.deed, standing)

    def _again(self) -> None:
        """Show the view as what is known has it."""
        if self._source is not None and self._view is not None:
            self._view.show(self._source)

    async def _tick(self) -> None:
        try:
            source = await self._hub.fresh(self._run_id)
        except (HuracanError, OSError) as error:
            self._problem.show(text(str(error)))
            self._problem.hide(False)
            return
        self._source = source
        self._problem.hide(True)
        state = (source.version, self._look.version)
        waiting = self._controls.follow(source)
        self._late.show(element("div", waiting, kind="banner") if waiting else Markup(""))
        if state == self._shown and source.status.seen == "running":
            return
        if state != self._shown:
            self._shown = state
            self._again()
        self._frame(source)

    def _frame(self, source: Source) -> None:
        status = source.status
        word, kind = SEEN[status.seen]
        place = badge("rehearsal") if status.rehearsal and status.mode != "backtest" else Markup("")
        self._badges.show(Markup(badge(status.mode, "accent") + " " + place + " " + badge(word, kind, dot=True)))
        self._acts.set_visibility(source.running)
        found = standing_of(source)
        self._banner.show(_banner(source, found))
        self._tiles.show(_tiles(source, found))
        self._marks["Risk"].show(element("span", len(found), kind="mark") if found else Markup(""))


def _banner(source: Source, found: list[Standing]) -> Markup:
    status = source.status
    if status.seen == "hung":
        told = f"Nothing was written for {age(status.age_secs)}. If it hangs, this works without it: huracan kill {source.run_id}"
        return element("div", element("b", "The session does not answer. "), told, kind="banner down")
    if status.seen == "gone" and status.mode != "backtest":
        again = f"huracan paper --resume {source.run_id}" if status.mode == "paper" else "huracan live CONFIG"
        return element(
            "div",
            element("b", "The session was cut short. "),
            f"What it had is shown. To go on: {again}",
            kind="banner",
        )
    if status.seen == "ended" or not found:
        latched = [one for one in found if one.deed == "clear_latch"]
        if latched:
            return element("div", element("b", f"{latched[0].title}. "), latched[0].detail, kind="banner")
        return Markup("")
    strong = any(one.strong for one in found)
    first, more = found[0], f" And {len(found) - 1} more, see Risk." if len(found) > 1 else ""
    return element(
        "div", element("b", f"{first.title}. "), first.detail + "." + more, kind="banner down" if strong else "banner"
    )


def _tiles(source: Source, found: list[Standing]) -> Markup:
    status, turns = source.status, source.record.turns
    unit = element("span", status.currency, kind="unit")
    begun = status.start_equity
    gained = None if status.equity is None or not begun else status.equity / begun - 1.0
    worst = f"worst {percent(float(_worst(source)))}" if len(turns) else ""
    day = None if status.day_pnl is None or not status.day_equity else status.day_pnl / status.day_equity
    since = status.age_secs if source.running else None
    counts = status.counts
    stands = "nothing stands" if not found else found[0].title
    state: str = "halted" if any(one.strong for one in found) else "reduced" if found else status.breaker_state
    if status.breaker_state == "off" and not found:
        state, stands = "no breaker", "the gate's limits hold"
    held = sum(1 for one in status.positions if one.quantity)
    day_value = element("span", money(status.day_pnl, signed=True), kind=direction(status.day_pnl))
    tiles = (
        tile(
            "Equity",
            Markup(f"{money(status.equity)} {unit}"),
            f"{percent(gained, signed=True)} since the start",
            direction(gained),
        ),
        tile("Day's profit, UTC", day_value, percent(day, signed=True), direction(day)),
        tile("Drawdown", percent(status.drawdown_frac), worst),
        tile(
            "Exposure",
            percent(status.gross_frac, digits=1),
            f"net {percent(status.net_frac, signed=True, digits=1)}, {held} held",
        ),
        tile("Orders open", count(len(status.orders)), f"{count(counts.orders)} sent, {count(counts.refused)} refused"),
        tile(
            "Risk",
            state.capitalize(),
            stands if since is None else f"{stands}; seen {age(since)} ago" if since > 2.0 else stands,
        ),
    )
    return Markup("".join(tiles))


def _worst(source: Source) -> float:
    from live.dashboard.tables import drawdown

    return float(drawdown(source.record.turns["equity"]).max(initial=0.0))
