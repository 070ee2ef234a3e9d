"""The house look of a page: one self-contained HTML file with its style and its charts' library inside, light or dark as the reader is."""

import html
from collections.abc import Iterable, Sequence
from pathlib import Path

from plotly.offline import get_plotlyjs

STYLE = (Path(__file__).parent / "report.css").read_text(encoding="utf-8")
PERCENT = {"total_return", "market_return", "cagr", "max_drawdown", "volatility", "win_rate", "exposure"}
MONEY = {"fees", "funding", "slippage"}
COLUMNS = (
    "total_return", "cagr", "sharpe", "sortino", "calmar", "max_drawdown", "volatility", "turnover", "trades", "win_rate",
    "profit_factor", "exposure",
)  # fmt: skip
NONE = "–"
"""What stands for a value that there is not."""


def page(title: str, parts: Iterable[str]) -> str:
    """Return the whole page.

    Parameters
    ----------
    title
        Plain text; it is escaped here.
    parts
        HTML, in which every text that comes from a file is escaped already.
    """
    body = "\n".join(parts)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{text(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        f"<style>{STYLE}</style><script>{get_plotlyjs()}</script></head><body>\n{body}\n</body></html>\n"
    )


def text(value: object) -> str:
    """Return a value as text that a page shows as it is."""
    return html.escape(str(value))


def number(name: str, value: float | None) -> str:
    """Return the value of a metric in its unit.

    >>> number("total_return", 0.1234), number("fees", 1234.5), number("sharpe", None)
    ('12.3%', '1,234', '–')
    """
    if value is None:
        return NONE
    if name in PERCENT:
        return f"{value:,.1%}"
    if name in MONEY:
        return f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def decimals(value: float | None, digits: int = 2) -> str:
    """Return a number with so many decimals."""
    return NONE if value is None else f"{value:,.{digits}f}"


def percent(value: float | None, digits: int = 1) -> str:
    """Return a fraction in percent."""
    return NONE if value is None else f"{value:,.{digits}%}"


def with_error(value: float | None, error: float | None) -> str:
    """Return a figure with its standard error; where that is not known, the figure has no place of its own.

    >>> with_error(1.234, 0.5), with_error(1.234, None)
    ('1.23 ± 0.50', '–')
    """
    return NONE if value is None or error is None else f"{value:,.2f} ± {error:,.2f}"


def span(values: Sequence[float] | None, name: str = "sharpe") -> str:
    """Return an interval, [low, high], in the unit of a metric."""
    return NONE if values is None else f"{number(name, float(values[0]))} to {number(name, float(values[1]))}"


def plural(count: int, noun: str) -> str:
    """Return a count with its noun.

    >>> plural(1, "trial"), plural(1200, "trial")
    ('1 trial', '1,200 trials')
    """
    return f"{count:,} {noun}{'s' * (count != 1)}"


def tiles(pairs: Iterable[tuple[str, str]]) -> str:
    """Return boxes of a label and a value, both plain text."""
    cells = "".join(f'<div class="tile"><b>{text(value)}</b><span>{text(label)}</span></div>' for label, value in pairs)
    return f'<div class="tiles">{cells}</div>'


def warnings(said: Sequence[str]) -> str:
    """Return the box of sentences that come before the numbers; nothing where there is nothing to say."""
    if not said:
        return ""
    items = "".join(f"<li>{text(sentence)}</li>" for sentence in said)
    return f'<div class="notes"><b>Before believing it</b><ul>{items}</ul></div>'


def grid(heads: Iterable[str], rows: Iterable[Sequence[str]], kind: str = "", chosen: int | None = None) -> str:
    """Return a table of plain text that scrolls by itself where it is wider than the page.

    Parameters
    ----------
    kind
        Class of the table in the style sheet.
    chosen
        Row that stands out.
    """
    body = "".join(
        f"<tr{' class="run"' if index == chosen else ''}>{''.join(f'<td>{text(cell)}</td>' for cell in row)}</tr>"
        for index, row in enumerate(rows)
    )
    head = "".join(f"<th>{text(name)}</th>" for name in heads)
    named = f' class="{kind}"' if kind else ""
    return f'<div class="scroll"><table{named}><tr>{head}</tr>{body}</table></div>'


def facts(rows: Iterable[tuple[str, str]]) -> str:
    """Return a table of names and plain text."""
    return (
        '<table class="facts">'
        + "".join(f"<tr><td>{text(name)}</td><td>{text(value)}</td></tr>" for name, value in rows)
        + "</table>"
    )


def missing(reasons: dict[str, str], names: Iterable[str]) -> str:
    """Return why figures have no value, as a quiet paragraph; nothing where all have one."""
    said = [f"{name.replace('_', ' ')}: {reasons[name]}." for name in names if name in reasons]
    return f'<p class="quiet">No value for {text(" ".join(said))}</p>' if said else ""
