"""A back test's market through a live node: the same configuration, the simulated venue, the pace of the decisions."""

import asyncio
import time
from pathlib import Path
from typing import Any

from catalogs.instruments import nautilus_instrument
from catalogs.storage import bar_type
from engine.contract.config import Config
from engine.journal.journal import Journal
from engine.policy.session import PolicySession
from live.feeding import Feeder
from live.node import Client, Running, node_of
from live.replay.client import ReplayConfig, ReplayFactory
from strategies.assembly import assemble
from strategies.backtest import Outcome
from strategies.feed import Market, chunks


def replay(
    config: Config,
    market: Market,
    session: PolicySession | None,
    log: Path | None = None,
    prepare: Any = None,
    journal: Journal | None = None,
) -> Outcome:
    """Run one strategy over one market as `strategies.backtest.run` does, in a live node with simulated fills.

    The venue of a live node settles funding through the strategy, and liquidates nobody.

    Raises
    ------
    RunFailure
        A component raised, or the node did not run.
    """
    specs = tuple(part.bars.instrument for part in market.parts)
    bar_types = [bar_type(spec.instrument_id, config.universe.bar) for spec in specs]
    assembly = assemble(
        config,
        specs,
        bar_types,
        market.first_decision_ns,
        session,
        deadline_ns=None,
        journal=journal,
        mode="paper",
    )
    if prepare is not None:
        prepare(assembly)
    source = ReplayConfig(specs[0].venue, tuple(nautilus_instrument(spec, minimum=False) for spec in specs))

    async def run() -> tuple[int, float]:
        async with Running(node_of(config, assembly, Client(ReplayFactory, source), log=log)):
            assert source.client is not None
            feeder, began = Feeder(assembly, source.client.send), time.perf_counter()
            for lists in chunks(market, config.venue.fill, config.venue.half_spread_bps):
                await feeder.replay(sorted((item for one in lists for item in one), key=lambda item: item.ts_init))
            return feeder.events, time.perf_counter() - began

    events, seconds = asyncio.run(run())
    assembly.journal.end()
    settlements = tuple((ts, name, float(amount)) for ts, name, amount in assembly.strategy.funding.settlements)
    return Outcome(config, market, assembly.journal, assembly.blotter, assembly.strategy, events, seconds, settlements)
