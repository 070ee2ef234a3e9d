"""HTML made of escaped text: whatever a run is called or says is shown as it is written, never read as markup."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def text(value: object) -> Markup:
    """Escape a value, unless it is markup."""
    return value if isinstance(value, Markup) else Markup(escape(str(value)))


def element(tag: str, *inside: object, kind: str = "", title: str = "", style: str = "") -> Markup:
    """Make an element; what is inside is escaped unless it is markup.

    Parameters
    ----------
    kind
        Its class.

    >>> element("b", "<i>", kind="up")
    '<b class="up">&lt;i&gt;</b>'
    """
    marks = "".join(
        f' {name}="{escape(value)}"' for name, value in (("class", kind), ("title", title), ("style", style)) if value
    )
    return Markup(f"<{tag}{marks}>{''.join(map(text, inside))}</{tag}>")


def badge(word: str, kind: str = "", dot: bool = False) -> Markup:
    """Make a badge."""
    point = Markup('<span class="dot"></span>') if dot else Markup("")
    return element("span", point, word, kind=f"badge {kind}".strip())


class Column(NamedTuple):
    """One column of a table: its heading, and the class of its cells: `n` for numbers, `wide` for those that a phone leaves out."""

    name: str
    kind: str = ""


def table(columns: Sequence[Column], rows: Iterable[Sequence[object]], empty: str = "", high: bool = False) -> Markup:
    """Make a table that scrolls by itself where it is too wide, or, if `high`, too long; without rows, the sentence that says why."""
    lines = []
    for row in rows:
        cells = "".join(element("td", value, kind=column.kind) for column, value in zip(columns, row, strict=True))
        lines.append(f"<tr>{cells}</tr>")
    if not lines:
        return element("div", empty, kind="empty")
    head = "".join(element("th", column.name, kind=column.kind) for column in columns)
    body = f'<table class="t"><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table>'
    return Markup(f'<div class="scroll{" high" if high else ""}">{body}</div>')


def instrument(name: str) -> Markup:
    """Write an instrument id; a phone leaves its venue out."""
    symbol, dot, venue = name.rpartition(".")
    return Markup(text(symbol) + element("span", dot + venue, kind="wide")) if dot else text(name)


def stamp(written: str) -> Markup:
    """Write a time that begins with a year; a phone leaves the year out."""
    return (
        Markup(element("span", written[:5], kind="wide") + text(written[5:])) if written[4:5] == "-" else text(written)
    )


def legend(named: Iterable[tuple[str, str]]) -> Markup:
    """Make a legend of names and their colours."""
    parts = [element("span", Markup(f'<i style="background:{escape(colour)}"></i>'), name) for name, colour in named]
    return element("div", *parts, kind="legend")


def facts(rows: Iterable[tuple[str, object]]) -> Markup:
    """Make a table of names and values."""
    lines = "".join(f"<tr>{element('td', name)}{element('td', value)}</tr>" for name, value in rows)
    return Markup(f'<table class="t facts"><tbody>{lines}</tbody></table>')


def meter(share: float, state: str) -> Markup:
    """Draw a share of a limit, in [0, 1]."""
    width = 0.0 if share != share else min(1.0, max(0.0, share))
    return Markup(f'<span class="meter"><i class="{escape(state)}" style="width:{100 * width:.1f}%"></i></span>')


def tile(name: str, value: object, more: object = "", kind: str = "") -> Markup:
    """Make a tile: a name, a figure, and what stands under it."""
    return element(
        "div",
        element("div", name, kind="name"),
        element("div", value, kind="value"),
        element("div", more, kind=f"more {kind}".strip()),
        kind="tile",
    )
