"""`huracan keep`: what a service manager calls: go on with the session that was cut short, or start a new one."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from engine.console import err
from engine.contract.config import load
from engine.journal.run import MANIFEST, RUNS, is_running, read_json, run_id_of, unfinished
from strategies.commands.options import application

app = application("Keep a session going.")


@app.command()
def keep(
    mode: Annotated[str, typer.Argument(metavar="paper|live")],
    config: Annotated[Path, typer.Argument(help="Configuration, a TOML file.")],
) -> None:
    """Become `huracan MODE --resume RUN` where a run of CONFIG was cut short, else `huracan MODE CONFIG`; live needs HURACAN_LIVE=1."""
    command = command_of(mode, config, RUNS)
    err.print(f"huracan {' '.join(command)}", markup=False)
    os.execv(sys.executable, [sys.executable, "-m", "engine.cli", *command])


def command_of(mode: str, config: Path, runs: Path) -> list[str]:
    """Return the words after `huracan`.

    Raises
    ------
    UsageError
        The mode is neither paper nor live.
    """
    from engine.contract.errors import UsageError, broken

    if mode not in ("paper", "live"):
        raise UsageError(broken("mode", "be paper or live", mode))
    run_id = cut_short(load(config).run.name, mode, runs)
    words = [mode, *(["--resume", run_id] if run_id is not None else [str(config)])]
    return [*words, "--yes"] if mode == "live" else words


def cut_short(name: str, mode: str, runs: Path) -> str | None:
    """Return the last run of a name and mode that was cut short and is at no process; None where there is none."""
    found = [
        run_id_of(folder)
        for folder in unfinished(runs)
        if run_id_of(folder).rpartition("-")[0] == name
        and read_json(folder / MANIFEST).get("mode") == mode
        and not is_running(folder)
    ]
    return found[-1] if found else None
