"""A recorded session run again: its tape through a new node, its decisions held to those that it wrote."""

import asyncio
from pathlib import Path

import msgspec

from catalogs.instruments import nautilus_instrument
from catalogs.storage import bar_type
from engine.contract.config import load
from engine.contract.errors import UsageError, broken
from engine.contract.instrument import InstrumentSpec
from engine.journal.journal import Journal
from engine.journal.run import CONFIG, MANIFEST, read_json
from live.feeding import Feeder
from live.node import Client, Running, node_of
from live.recording.tape import INSTRUMENTS, read_tape
from live.replay.client import ReplayConfig, ReplayFactory
from live.session import NEVER, order_prefix
from strategies.assembly import Assembly, assemble, load_session


def replay_run(folder: Path, log: Path | None = None) -> Assembly:
    """Feed what a paper session received to a new node, and return its assembly, with journal and blotter.

    Raises
    ------
    UsageError
        The run is no paper session.
    DataError
        The tape is missing or damaged.
    """
    manifest = read_json(folder / MANIFEST)
    if manifest["mode"] != "paper":
        raise UsageError(broken(f"run {manifest['run_id']}", "be a paper session", manifest["mode"]))
    config = load(folder / CONFIG)
    specs = tuple(msgspec.json.decode((folder / INSTRUMENTS).read_bytes(), type=list[InstrumentSpec]))
    journal = Journal()
    assembly = assemble(
        config,
        specs,
        [bar_type(spec.instrument_id, config.universe.bar) for spec in specs],
        NEVER,
        load_session(config),
        deadline_ns=None,
        journal=journal,
        measured_quotes=not config.live.rehearsal,
        order_prefix=order_prefix(manifest["run_id"]),
        mode="paper",
    )
    source = ReplayConfig(specs[0].venue, tuple(nautilus_instrument(spec, minimum=False) for spec in specs))

    async def run() -> None:
        async with Running(node_of(config, assembly, Client(ReplayFactory, source), log=log)):
            assert source.client is not None
            feeder = Feeder(assembly, source.client.send)
            for item in read_tape(folder):
                await feeder.take(item)

    asyncio.run(run())
    return assembly
