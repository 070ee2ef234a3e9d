"""`huracan rehearse`: run the rehearsal exchange until its tape ends, or until it is told to stop."""

import asyncio
import os
import secrets
import signal
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import typer

from catalogs.manifest import write_atomically
from engine.console import emit, err, out
from engine.contract.config import load
from live.rehearsal.control import status
from live.rehearsal.server import RehearsalExchange
from live.rehearsal.signing import Keys
from strategies.commands.options import ConfigFile, Json, Set, application, overrides

app = application("Rehearse.")
KEY, SECRET = "HURACAN_REHEARSAL_KEY", "HURACAN_REHEARSAL_SECRET"
ANNOUNCEMENT = Path("var/rehearsal/exchange.json")
SECRET_BYTES = 32


@app.command()
def rehearse(
    config: ConfigFile,
    set_: Set = None,
    pace: Annotated[
        Literal["stepwise", "real_time", "fast"] | None, typer.Option(help="Instead of rehearsal.pace.")
    ] = None,
    speed: Annotated[float | None, typer.Option(help="Tape seconds per second, instead of rehearsal.speed.")] = None,
    stay: Annotated[
        bool | None, typer.Option(help="Stay up after the tape's end; a stepwise tape does, others do not.")
    ] = None,
    announce: Annotated[Path, typer.Option(help="File that tells others where it is, while it runs.")] = ANNOUNCEMENT,
    as_json: Json = False,
) -> None:
    """Run an exchange on loopback that replays the configured catalog; print where it is, then run."""
    given = overrides(set_)
    given += [f'rehearsal.pace="{pace}"'] if pace is not None else []
    given += [f"rehearsal.speed={speed}"] if speed is not None else []
    asyncio.run(serve(load(config, given), announce, as_json, stay))


async def serve(config: Any, announce: Path, as_json: bool, stay: bool | None) -> None:
    """Run the exchange of a configuration; end with its tape, or at SIGINT or SIGTERM."""
    keys, keys_file = find_keys(announce.parent)
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with RehearsalExchange(config, keys) as rehearsal:
        section = config.rehearsal
        document = {**rehearsal.document(), "keys": keys_file, "pid": os.getpid(), "pace": section.pace}
        write_atomically(announce, msgspec.json.encode(document))
        emit({**document, "announcement": str(announce)}, as_json, lambda: show(document))
        try:
            stays = section.pace == "stepwise" if stay is None else stay
            await _until_stopped(rehearsal, stopped, stays)
        finally:
            announce.unlink(missing_ok=True)
        told = status(rehearsal)
        err.print(f"rehearsal: {told['position']:,} events played, tape at {told['now']}", markup=False)


async def _until_stopped(rehearsal: RehearsalExchange, stopped: asyncio.Event, stay: bool) -> None:
    playing, stopping = asyncio.create_task(rehearsal.run()), asyncio.create_task(stopped.wait())
    await asyncio.wait({playing, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if playing.done():
        playing.result()
        if stay:
            await stopping
    for task in (playing, stopping):
        task.cancel()
    await asyncio.gather(playing, stopping, return_exceptions=True)


def find_keys(folder: Path) -> tuple[Keys, str]:
    """Take the throwaway keys from the environment, or make a pair and keep it in a file that only its owner reads.

    Returns
    -------
    The keys, and where they are: `environment`, or the file's path.
    """
    if os.environ.get(KEY) and os.environ.get(SECRET):
        return Keys(os.environ[KEY], os.environ[SECRET]), "environment"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "keys.json"
    pair = {"api_key": secrets.token_hex(SECRET_BYTES), "secret": secrets.token_hex(SECRET_BYTES)}
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(msgspec.json.encode(pair))
    return Keys(**pair), str(path)


def show(document: dict[str, Any]) -> None:
    """Print where the exchange is."""
    out.print(
        f"rehearsal exchange, {document['pace']}: {', '.join(document['instruments'])} {document['interval']}",
        markup=False,
    )
    for market in ("spot", "usdm"):
        out.print(f"{market:<8} {document['urls'][market]['http']}  {document['urls'][market]['ws']}", markup=False)
    out.print(f"tls      127.0.0.1:{document['ports']['tls']}, authority {document['authority']}", markup=False)
    out.print(f"control  {document['urls']['control']}", markup=False)
    out.print(f"keys     {document['keys']}", markup=False)
