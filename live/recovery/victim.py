"""A session in a process of its own that can be killed at a step, and run on from there: what a drill starts."""

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

PRELOADED = [
    "live.recovery.victim",
    "live.commands.live",
    "live.commands.paper",
    "live.running",
    "live.recovery.kill_points",
]
"""Imported once, by the server that the processes are forked from."""


def begin(
    folder: Path,
    arguments: Sequence[str],
    out: Path,
    environment: Mapping[str, str],
    at: tuple[str, int] = ("", 0),
    record: Path | None = None,
    every: bool = False,
) -> BaseProcess:
    """Start `huracan ARGUMENTS` in a folder.

    Parameters
    ----------
    out
        File for what it prints.
    environment
        Set beside what this process has.
    at
        Kind and number of the step at which it is killed.
    record, every
        As of `live.recovery.kill_points.KillPoints`; without a record nothing is counted.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    chosen = (str(folder), list(arguments), str(out), {**os.environ, **environment}, os.getcwd(), at, record, every)
    process = context.Process(target=_live, args=chosen)
    process.start()
    return process


def _live(
    folder: str,
    arguments: list[str],
    out: str,
    environment: dict[str, str],
    beside: str,
    at: tuple[str, int],
    record: Path | None,
    every: bool,
) -> None:
    os.environ.update(environment)
    if beside not in sys.path:
        sys.path.append(beside)
    os.chdir(folder)
    file = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    if record is not None:
        from live.recovery.kill_points import KillPoints, install

        install(KillPoints(*at, record, every))
    from engine import cli

    code = cli.main(arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
