"""The dialog before every control: it says what will happen, asks who, why and for the token, and is asked once."""

import getpass
import time
from typing import Any, NamedTuple

from nicegui import ui

from engine.contract.errors import HuracanError
from engine.risk.breaker import ALL
from engine.risk.breaker_controls import ACCOUNT
from live.dashboard.acting import Deed, WrongToken, act
from live.dashboard.guarding import Guard, TooMany
from live.dashboard.look import Piece
from live.dashboard.markup import Markup, element, text
from live.dashboard.source import Source
from live.dashboard.standing import Standing, place_of, standing_of
from live.steering import Asked

REMEMBERED_SECS = 900.0
TITLES: dict[str, str] = {
    "halt": "Halt new risk",
    "flatten": "Flatten positions",
    "resume": "Resume",
    "clear_latch": "Clear the account's latch",
}
TELLS: dict[str, str] = {
    "halt": "No order that opens or adds passes from now on. Positions stay, and may be closed. It stands until somebody resumes.",
    "flatten": "Positions in the scope are closed at the market at once, and no new risk passes. It stands until somebody resumes.",
    "resume": "What is named below ends, and new risk passes again at the next decision.",
    "clear_latch": "Sessions may start on this account again.",
}


class Aim(NamedTuple):
    """What a control is aimed at: its name for a person, the scope, and the control that a resume clears."""

    name: str
    scope: str
    control: str = ""


class Controls:
    """Asks for controls of one run from one tab, and follows them to their answer.

    Parameters
    ----------
    guard
        Of the token.
    origin
        Address of the browser.
    """

    def __init__(self, guard: Guard, origin: str) -> None:
        self._guard, self._origin = guard, origin
        self._token, self._until = "", 0.0
        self._who = getpass.getuser()
        self._open: dict[str, Asked] = {}

    def ask(self, source: Source, deed: Deed, standing: Standing | None = None) -> None:
        """Open the dialog."""
        scopes = [ACCOUNT, *source.config.universe.instruments]
        aims = [Aim(place_of(one), one) for one in scopes]
        if standing is not None:
            aims = [_aim(standing)]
        elif deed == "resume":
            found = [one for one in standing_of(source) if one.clears and one.deed == "resume"]
            standing = found[0] if len(found) == 1 else None
            aims = [Aim(place_of(ALL), ALL), *map(_aim, found)] if len(found) != 1 else [_aim(found[0])]
        chosen = {"aim": aims[0]}
        remembered = time.monotonic() < self._until
        with ui.dialog().props("no-route-dismiss") as dialog, ui.element("div").classes("dialog"):
            ui.html(element("h2", TITLES[deed]) + element("p", TELLS[deed]), sanitize=False)
            if standing is not None:
                ui.html(element("p", element("b", standing.title), " ", standing.detail), sanitize=False)
            elif len(aims) > 2:
                _aims("What ends" if deed == "resume" else "Scope", aims, chosen)
            who = _field("Who", self._who)
            why = _field("Why", "")
            token = None if remembered else _field("Token", "", secret=True)
            wrong = Piece("wrong")

            def go() -> None:
                given = self._token if token is None else str(token.value or "")
                problem = self._act(source, deed, chosen["aim"], str(who.value or ""), str(why.value or ""), given)
                if problem:
                    wrong.show(text(problem))
                else:
                    dialog.close()

            with ui.element("div").classes("foot"):
                with ui.element("button").classes("act").on("click", dialog.close):
                    ui.label("Cancel")
                kind = "act solid" if deed in ("resume", "clear_latch") else "act solid down"
                with ui.element("button").classes(kind).on("click", go).props('data-confirm="1"'):
                    ui.label(TITLES[deed])
        dialog.on("hide", dialog.delete)
        dialog.open()

    def _act(self, source: Source, deed: Deed, aim: Aim, who: str, why: str, token: str) -> str:
        try:
            asked = act(source, self._guard, token, self._origin, deed, aim.scope, who, why, aim.control)
        except WrongToken:
            self._until = 0.0
            return "That is not the token. Nothing was done."
        except TooMany:
            return "Too many wrong tokens: wait a minute. Nothing was done."
        except (HuracanError, OSError) as error:
            return str(error)
        self._token, self._until, self._who = token, time.monotonic() + REMEMBERED_SECS, who
        if deed != "clear_latch":
            self._open[asked.id] = asked
        return ""

    def follow(self, source: Source) -> Markup:
        """Tell of answers that came, and return what to say of requests that have none after some time."""
        for asked, answered in source.controls:
            if answered is not None and self._open.pop(asked.id, None) is not None:
                kind: Any = "positive" if answered.done else "negative"
                ui.notify(answered.result[:1].upper() + answered.result[1:], type=kind, position="top", timeout=6_000)
        late = [one for one in self._open.values() if time.time_ns() - one.ts_ns > 3e9]
        if not late:
            return Markup("")
        names = ", ".join(f"{one.verb} {one.scope}" for one in late)
        told = f" was asked for and the session has not answered. If it hangs, this works without it: huracan kill {source.run_id}"
        return Markup(element("b", names) + text(told))


def _field(name: str, value: str, secret: bool = False) -> Any:
    with ui.element("label").classes("field"):
        ui.html(element("span", name, kind="label"), sanitize=False)
        field = ui.input(value=value, password=secret).props("outlined dense")
        field.props["aria-label"] = name
        if secret:
            field.props("autocomplete=current-password")
    return field


def _aim(one: Standing) -> Aim:
    name = one.title if one.scope == ACCOUNT else f"{one.title}, {one.scope}"
    return Aim(name, one.scope, one.control if one.deed == "resume" else "")


def _aims(title: str, aims: list[Aim], chosen: dict[str, Aim]) -> None:
    """Offer aims as buttons; the first is chosen."""
    buttons: list[tuple[Aim, Any]] = []

    def choose(aim: Aim) -> None:
        chosen["aim"] = aim
        for one, button in buttons:
            button.props(f'aria-pressed="{"true" if one is aim else "false"}"')

    with ui.element("div").classes("field"):
        ui.html(element("span", title, kind="label"), sanitize=False)
        with ui.element("div").classes("scopes"):
            for aim in aims:
                with ui.element("button").on("click", lambda _, aim=aim: choose(aim)) as button:
                    ui.label(aim.name)
                buttons.append((aim, button))
    choose(aims[0])
