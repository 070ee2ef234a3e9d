"""Arguments that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[Path, typer.Argument(help="Configuration, a TOML file.", show_default=False)]
OptionalConfigFile = Annotated[Path | None, typer.Argument(help="Configuration, a TOML file.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="Override a key: section.key=value. Repeatable.")]
PolicyOption = Annotated[
    str | None, typer.Option("--policy", help="A policy folder or NAME@VERSION, instead of policy.path.")
]


def application(text: str) -> typer.Typer:
    """Make the typer application of one verb."""
    return typer.Typer(help=text, add_completion=False, rich_markup_mode=None)


def overrides(values: list[str] | None, policy: str | None = None) -> list[str]:
    """Return `--set` values; `--policy` also selects the policy strategy."""
    chosen = list(values or [])
    if policy is not None:
        chosen += [f'policy.path="{policy}"', 'strategy={name="policy"}']
    return chosen
