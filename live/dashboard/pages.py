"""The pages: the list of runs, and one page for each."""

import asyncio

from nicegui import ui
from starlette.requests import Request

from live.dashboard.guarding import Guard
from live.dashboard.listing import Listed, Lister
from live.dashboard.look import Look, Piece
from live.dashboard.markup import Column, Markup, badge, element, table
from live.dashboard.run_page import SEEN, RunPage
from live.dashboard.source import Hub
from live.dashboard.wording import UNKNOWN, age, count, direction, moment, money, percent, plain

LIST_SECS = 0.5
HEAD = '<link rel="stylesheet" href="/dashboard.css">'
ENDED = (
    Column("Run", "name"),
    Column("Mode", "wide"),
    Column("Decides", "wide"),
    Column("Span", "c wide"),
    Column("Decisions", "n wide"),
    Column("Return", "n"),
    Column("Sharpe", "n"),
    Column("Drawdown", "n wide"),
    Column("Written, UTC", "c wide"),
)


def register(hub: Hub, guard: Guard) -> None:
    """Make the pages known to NiceGUI."""
    lister = Lister(hub.runs)

    @ui.page("/", title="Huracan")
    async def start() -> None:
        ui.add_head_html(HEAD)
        await _start(lister, hub)

    @ui.page("/run/{run_id}")
    async def run(run_id: str, request: Request, tab: str = "") -> None:
        ui.add_head_html(HEAD)
        ui.page_title(f"{run_id} – Huracan")
        page = RunPage(hub, guard, run_id, "" if request.client is None else request.client.host, tab)
        await ui.context.client.connected(timeout=30.0)
        await page.begin()


async def _start(lister: Lister, hub: Hub) -> None:
    look = Look()
    with ui.element("header").classes("bar"), ui.element("div").classes("bar-in"):
        ui.html('<a class="brand" href="/">Huracan</a>', sanitize=False)
        ui.html(element("span", "runs", kind="crumb"), sanitize=False)
        ui.element("span").classes("space")
        look.choice()
    with ui.element("div").classes("page"):
        going, ended = Piece(), Piece()
    await ui.context.client.connected(timeout=30.0)
    await look.ask()

    async def tick() -> None:
        running, finished = await asyncio.gather(asyncio.to_thread(lister.going), asyncio.to_thread(lister.ended))
        going.show(_going(running))
        ended.show(_ended(finished, str(hub.runs)))

    await tick()
    ui.timer(LIST_SECS, tick)


def _figure(name: str, value: object, kind: str = "") -> Markup:
    return element("div", element("div", name, kind="name"), element("div", value, kind=f"value {kind}".strip()))


def _going(rows: list[Listed]) -> Markup:
    head = element(
        "div", element("h2", "Running"), element("span", count(len(rows)), kind="quiet small"), kind="section"
    )
    if not rows:
        return Markup(head + element("div", "No session is going on. huracan paper CONFIG starts one.", kind="empty"))
    cards = []
    for one in rows:
        word, kind = SEEN[one.seen]
        marks = badge(one.mode, "accent") + " " + badge(word, kind, dot=True)
        if one.standing:
            marks += " " + badge(one.standing[:60], "down")
        figures = (
            _figure("Equity", money(one.equity)),
            _figure("Day's profit", money(one.day_pnl, signed=True), direction(one.day_pnl)),
            _figure("Drawdown", percent(one.drawdown)),
        )
        seen = f", seen {age(one.age_secs)} ago" if one.age_secs is not None and one.age_secs > 2.0 else ""
        told = f"{one.decides}, {count(one.decisions)} decisions{seen}"
        inside = (
            element("div", element("b", one.run_id), Markup(marks), kind="top")
            + element("div", *figures, kind="figures")
            + element("div", told, kind="note")
        )
        cards.append(_link(one.run_id, Markup(inside), "card run"))
    return Markup(head + element("div", *cards, kind="list"))


def _link(run_id: str, inside: Markup, kind: str) -> Markup:
    from urllib.parse import quote

    return Markup(f'<a class="{kind}" href="/run/{quote(run_id, safe="")}">{inside}</a>')


def _ended(rows: list[Listed], folder: str) -> Markup:
    head = element(
        "div", element("h2", "Finished"), element("span", count(len(rows)), kind="quiet small"), kind="section"
    )
    lines = [
        (
            _link(one.run_id, element("span", one.run_id), ""),
            badge(one.mode, "accent" if one.mode != "backtest" else ""),
            one.decides,
            one.span or UNKNOWN,
            count(one.decisions),
            element("span", percent(one.total_return, signed=True), kind=direction(one.total_return)),
            plain(one.sharpe, 3),
            percent(one.max_drawdown),
            moment(one.began_ns),
        )
        for one in rows
    ]
    empty = f"No finished run is in {folder}. huracan backtest CONFIG makes one."
    return Markup(head + element("div", table(ENDED, lines, empty=empty), kind="card", style="margin-top:12px"))
