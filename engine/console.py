"""What a command prints: one JSON document on stdout, or a table for a person; everything else goes to stderr."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

PIPE_WIDTH = 160
"""Columns of a table that does not go to a terminal."""

out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else PIPE_WIDTH)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def emit(document: Mapping[str, Any], as_json: bool, render: Callable[[], None]) -> None:
    """Print `document` as JSON on stdout when `as_json`, else call `render` to print it for a person."""
    if as_json:
        sys.stdout.write(msgspec.json.encode(document, order="deterministic").decode() + "\n")
        sys.stdout.flush()
    else:
        render()


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None) -> None:
    """Print rows under column names; numbers are right-aligned."""
    grid = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    rows = [list(row) for row in rows]
    for i, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[i], int | float) for row in rows)
        grid.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(f"{cell:,.4g}" if isinstance(cell, float) else str(cell) for cell in row))
    out.print(grid)


@contextmanager
def progress(title: str, total: int, unit: str = "") -> Iterator[Callable[..., None]]:
    """Show a progress bar on stderr when it is a terminal; yield `advance(n, text)`."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[text]}"),
    )
    with Progress(*columns, console=err, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(title, total=total, text="")

        def advance(n: int = 1, text: str = "") -> None:
            bar.update(task, advance=n, text=text)

        yield advance
