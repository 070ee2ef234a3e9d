"""How a page looks in one browser tab: its theme, and the pieces on it that are sent again only when they changed."""

from typing import Any

import msgspec
from nicegui import ui

from live.dashboard.charts import DARK, LIGHT, Options, Palette
from live.dashboard.markup import Markup

THEMES: dict[str, bool | None] = {"Auto": None, "Light": False, "Dark": True}
_KEY = "huracan-theme"
_ASK = f"""(() => {{ const kept = localStorage.getItem('{_KEY}') || 'Auto'; const query = matchMedia('(prefers-color-scheme: dark)');
query.addEventListener('change', () => emitEvent('theme', query.matches)); return [kept, query.matches]; }})()"""


class Look:
    """Theme of one tab.

    Attributes
    ----------
    palette
        Colours of the charts.
    version
        Counts changes of the theme.
    """

    def __init__(self) -> None:
        self.palette: Palette = LIGHT
        self.version = 0
        self._chosen, self._system = "Auto", False
        self._mode = ui.dark_mode(None)
        self._buttons: dict[str, Any] = {}

    def choice(self) -> None:
        """Put the three themes here."""
        with ui.element("div").classes("choice").props('role="group" aria-label="Theme"'):
            for name in THEMES:
                button = ui.element("button").on("click", lambda _, name=name: self.choose(name))
                with button:
                    ui.label(name)
                self._buttons[name] = button
        self._press()
        ui.on("theme", lambda event: self._heard(bool(event.args)))

    async def ask(self) -> None:
        """Take over what this browser chose before, and what its system has."""
        kept, system = await ui.run_javascript(_ASK, timeout=5.0)
        self._system = bool(system)
        self._chosen = kept if kept in THEMES else "Auto"
        self._apply()

    def choose(self, name: str) -> None:
        """Change the theme, and let the browser remember it."""
        self._chosen = name
        ui.run_javascript(f"localStorage.setItem('{_KEY}', '{name}')")
        self._apply()

    def _heard(self, dark: bool) -> None:
        self._system = dark
        self._apply()

    def _apply(self) -> None:
        self._mode.value = THEMES[self._chosen]
        dark = THEMES[self._chosen]
        palette = DARK if (self._system if dark is None else dark) else LIGHT
        self.version += palette is not self.palette
        self.palette = palette
        self._press()

    def _press(self) -> None:
        for name, button in self._buttons.items():
            button.props(f'aria-pressed="{"true" if name == self._chosen else "false"}"')


class Piece:
    """A stretch of HTML that is sent when it changed."""

    def __init__(self, kind: str = "") -> None:
        self._element = ui.html("", sanitize=False).classes(kind)
        self._shown = ""

    def show(self, content: Markup) -> None:
        """Show markup; the same as before costs nothing."""
        if content != self._shown:
            self._shown = content
            self._element.set_content(content)

    def hide(self, hidden: bool) -> None:
        """Hide it, or show it again."""
        if self._element.visible == hidden:
            self._element.set_visibility(not hidden)


class Chart:
    """A chart that is sent when its options changed, and a sentence in its place where there is nothing to draw.

    Parameters
    ----------
    kind
        Class of its height: `low` or `tall`.
    """

    def __init__(self, kind: str = "") -> None:
        self._kind, self._shown = kind, b""
        self._element: Any = None
        self._box = ui.element("div")
        self._empty = Piece("empty")
        self._empty.hide(True)

    def show(self, options: Options | None, empty: str = "") -> None:
        """Show options, or why there are none."""
        self._empty.hide(options is not None)
        self._box.set_visibility(options is not None)
        if options is None:
            self._empty.show(Markup(empty))
            return
        body = msgspec.json.encode(options)
        if body == self._shown:
            return
        self._shown = body
        if self._element is None:
            with self._box:
                self._element = ui.echart(options).classes(f"chart {self._kind}")
            return
        self._element.props["options"] = options
        self._element.update()


class Choice:
    """A row of buttons of which one is chosen.

    Parameters
    ----------
    on_change
        Called without arguments when another one is chosen.
    """

    def __init__(self, names: list[str], on_change: Any, label: str) -> None:
        self.chosen = names[0] if names else ""
        self._on_change, self._label = on_change, label
        self._box = ui.element("div").classes("choice").props('role="group"')
        self._box.props["aria-label"] = label
        self._names: list[str] = []
        self._buttons: dict[str, Any] = {}
        self.offer(names)

    def offer(self, names: list[str]) -> None:
        """Offer other names; the chosen one stays where it is among them."""
        if names == self._names:
            return
        self._names = list(names)
        self._box.clear()
        self._buttons = {}
        if self.chosen not in names:
            self.chosen = names[0] if names else ""
        with self._box:
            for name in names:
                with ui.element("button").on("click", lambda _, name=name: self._choose(name)) as button:
                    ui.label(name)
                self._buttons[name] = button
        self._press()

    def _choose(self, name: str) -> None:
        self.chosen = name
        self._press()
        self._on_change()

    def _press(self) -> None:
        for name, button in self._buttons.items():
            button.props(f'aria-pressed="{"true" if name == self.chosen else "false"}"')
