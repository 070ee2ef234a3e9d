"""A recorded session run again: its tape through a new node, its decisions held to those that it wrote."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, cast

import msgspec
from nautilus_trader.model import Bar, QuoteTick

from catalogs.instruments import nautilus_instrument
from catalogs.storage import bar_type
from engine.contract.config import Config, load
from engine.contract.errors import UsageError, broken
from engine.contract.instrument import InstrumentSpec
from engine.journal.journal import Journal
from engine.journal.run import CONFIG, MANIFEST, read_json
from engine.policy.session import PolicySession
from live.adapter.engine_settings import execution_engine_settings
from live.feeding import Feeder
from live.node import Client, Running, node_of
from live.recording.rows import Answer, Received, Taken, Worth
from live.recording.tape import INSTRUMENTS, read_tape
from live.replay.client import ReplayConfig, ReplayFactory
from live.replay.execution import AnsweringConfig, AnsweringFactory
from live.session import NEVER
from live.terms import order_prefix
from strategies.assembly import Assembly, assemble, load_session


def replay_run(folder: Path, log: Path | None = None, policy: PolicySession | None = None) -> Assembly:
    """Feed what a session received to a new node, and return its assembly, with journal and blotter.

    The simulated venue of a paper session answers again; that of a live session is given its answers of then.

    Parameters
    ----------
    policy
        As loaded; None loads the one of the run's configuration.

    Raises
    ------
    UsageError
        The run is a back test, or a live session that began with positions of another.
    DataError
        The tape is missing or damaged.
    RunFailure
        The tape answers an order that was not sent again.
    """
    manifest = read_json(folder / MANIFEST)
    mode, name = manifest["mode"], manifest["run_id"]
    if mode not in ("paper", "live"):
        raise UsageError(broken(f"run {name}", "be a paper or a live session", mode))
    config = load(folder / CONFIG)
    specs = tuple(msgspec.json.decode((folder / INSTRUMENTS).read_bytes(), type=list[InstrumentSpec]))
    assembly = assemble(
        config,
        specs,
        [bar_type(spec.instrument_id, config.universe.bar) for spec in specs],
        NEVER,
        policy or load_session(config),
        holds_orders=mode == "paper",
        deadline_ns=None,
        journal=Journal(),
        measured_quotes=not config.live.rehearsal,
        order_prefix=order_prefix(name),
        mode=cast(Literal["paper", "live"], mode),
    )
    source = ReplayConfig(specs[0].venue, tuple(nautilus_instrument(spec, minimum=False) for spec in specs))
    again = _paper if mode == "paper" else _live
    asyncio.run(again(folder, config, assembly, specs, source, log))
    return assembly


async def _paper(
    folder: Path,
    config: Config,
    assembly: Assembly,
    _: tuple[InstrumentSpec, ...],
    source: ReplayConfig,
    log: Path | None,
) -> None:
    async with Running(node_of(config, assembly, Client(ReplayFactory, source), log=log)):
        assert source.client is not None
        feeder = Feeder(assembly, source.client.send)
        for item in read_tape(folder):
            await feeder.take(item)


async def _live(
    folder: Path,
    config: Config,
    assembly: Assembly,
    specs: tuple[InstrumentSpec, ...],
    source: ReplayConfig,
    log: Path | None,
) -> None:
    tape = list(read_tape(folder))
    began_with = [item.instrument_id for item in tape if isinstance(item, Taken)]
    if began_with:
        rule = "begin without positions to be replayed"
        raise UsageError(broken("live session", rule, f"with {', '.join(began_with)}", str(folder)))
    currencies = tuple(dict.fromkeys([config.venue.currency, *(spec.base for spec in specs)]))
    answering = AnsweringConfig(specs[0].venue, currencies, config.live.market == "spot")
    strategy, heard = assembly.strategy, asyncio.Queue[tuple[str, str]]()
    strategy.answered = lambda event: heard.put_nowait((type(event).__name__, str(event.client_order_id)))
    strategy.worth = _worth({item.ts_event: item.equity for item in tape if isinstance(item, Worth)})
    node = node_of(
        config,
        assembly,
        Client(ReplayFactory, source),
        Client(AnsweringFactory, answering),
        log,
        execution_engine_settings(
            reconciliation=False,
            inflight_check_interval_ms=0,
            open_check_interval_secs=None,
            position_check_interval_secs=None,
        ),
    )
    async with Running(node):
        assert source.client is not None
        assert answering.client is not None
        feeder, client = Feeder(assembly, source.client.send), answering.client

        def counts() -> tuple[int, int]:
            return assembly.conductor.heard, strategy.quotes_heard

        told = set[int]()
        for place, item in enumerate(tape):
            if isinstance(item, Worth) or place in told:
                continue
            if isinstance(item, Answer):
                await client.answer(item, heard)
                continue
            before = counts()
            if isinstance(item, Bar | QuoteTick):
                for early, answer in _behind(tape, place, before):
                    told.add(early)
                    await client.answer(answer, heard)
            feeding = asyncio.ensure_future(feeder.take(item))
            while not feeding.done() and counts() == before:
                await asyncio.sleep(0)
            if not feeding.done():
                # Behind a quote the feeder waits until no order is out: what it waits for is next on the tape.
                for late, answer in _behind(tape, place, None):
                    if late in told:
                        continue
                    told.add(late)
                    await client.answer(answer, heard)
            await feeding


def _behind(tape: list[Received], place: int, counts: tuple[int, int] | None) -> Iterator[tuple[int, Answer]]:
    """Find the answers that are written behind an item, before the next one: all, or those heard at these counts of bars and quotes."""
    for behind in range(place + 1, len(tape)):
        item = tape[behind]
        if isinstance(item, Answer):
            if counts is None or (item.bars, item.quotes) == counts:
                yield behind, item
        elif not isinstance(item, Worth):
            return


def _worth(known: dict[int, float]) -> Callable[[int, Callable[[], float]], float]:
    """Return what tells the equity of then; at a turn that had none, the replay has gone another way, and values its own account."""
    return lambda ts_event, value: known[ts_event] if ts_event in known else value()
