"""A live node around an assembly: the same conductor, actors and strategy as in a back test, on NautilusTrader's live engines."""

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from nautilus_trader.adapters.sandbox import SandboxExecutionClientConfig, SandboxExecutionClientFactory
from nautilus_trader.common import Environment, FileWriterConfig, LoggerConfig, LogLevel
from nautilus_trader.execution import MakerTakerFeeModel
from nautilus_trader.live import (
    LiveExecutionEngineConfig,
    LiveNode,
    LiveNodeBuilder,
    LiveNodeConfig,
    LiveRiskEngineConfig,
    PortfolioConfig,
)
from nautilus_trader.model import AccountId, AccountType, Money, OmsType, TraderId
from nautilus_trader.model import Venue as VenueName

from catalogs.instruments import currency
from engine.contract.config import Config, Venue
from engine.contract.errors import broken
from live.adapter.engine_settings import execution_engine_settings
from strategies.assembly import Assembly
from strategies.backtest import BPS, RunFailure

TRADER = "HURACAN-001"
SUBMIT_RATE = "1000000/00:00:01"
"""The engine counts orders on the wall clock, which a paced replay outruns; what limits the rate is the breaker, in event time."""

START_SECS = 30.0
STOP_SECS = 20.0
SETTLE_SECS = 0.3
"""Components start and subscribe shortly after the node says that it runs."""


@dataclass(frozen=True)
class Client:
    """A client of the node: its factory class and its configuration object."""

    factory: Any
    config: Any


def simulated(terms: Venue, venue: str) -> SandboxExecutionClientConfig:
    """Return the simulated venue with the account, the costs and the leverage of the back test; only quotes fill."""
    margin = terms.account == "margin"
    return SandboxExecutionClientConfig(
        VenueName(venue),
        [Money(terms.starting_balance, currency(terms.currency))],
        account_id=AccountId(f"{venue}-001"),
        oms_type=OmsType.NETTING,
        account_type=AccountType.MARGIN if margin else AccountType.CASH,
        default_leverage=Decimal(repr(terms.leverage)) if margin else None,
        bar_execution=False,
        trade_execution=False,
        fee_model=MakerTakerFeeModel(Decimal(repr(terms.maker_bps)) / BPS, Decimal(repr(terms.taker_bps)) / BPS),
    )


def node_of(
    config: Config,
    assembly: Assembly,
    data: Client,
    execution: Client | None = None,
    log: Path | None = None,
    engine: LiveExecutionEngineConfig | None = None,
) -> LiveNode:
    """Build a node.

    Parameters
    ----------
    data
        The data client.
    execution
        The execution client; None means the simulated venue.
    log
        File for the engine's warnings and errors; None keeps none.
    engine
        Settings of the execution engine; None: those of the session's mode.
    """
    venue = assembly.strategy.mandate.instruments[0].venue
    builder = LiveNodeBuilder.from_config("HURACAN", _node_config(execution is not None, log, engine))
    builder = builder.add_data_client(venue, data.factory, data.config)
    if execution is not None:
        builder = builder.add_exec_client(venue, execution.factory, execution.config)
    else:
        simulation = simulated(config.venue, venue)
        builder = builder.add_simulated_exec_client(venue, SandboxExecutionClientFactory(), simulation)
    node = builder.build()
    for actor in assembly.actors:
        node.add_actor(actor)
    node.add_strategy(assembly.strategy)
    return node


def _node_config(live: bool, log: Path | None, engine: LiveExecutionEngineConfig | None) -> LiveNodeConfig:
    writer = None if log is None else FileWriterConfig(directory=str(log.parent), file_name=log.stem)
    logging = LoggerConfig(
        stdout_level=LogLevel.OFF,
        fileout_level=LogLevel.OFF if log is None else LogLevel.WARNING,
        file_config=writer,
        is_colored=False,
    )
    usual = execution_engine_settings() if live else LiveExecutionEngineConfig(reconciliation=False)
    return LiveNodeConfig(
        environment=Environment.LIVE if live else Environment.SANDBOX,
        trader_id=TraderId(TRADER),
        logging=logging,
        timeout_disconnection_secs=10 if live else 1,
        delay_post_stop_secs=0.1,
        risk_engine=LiveRiskEngineConfig(max_order_submit_rate=SUBMIT_RATE),
        exec_engine=engine or usual,
        portfolio=PortfolioConfig(use_mark_prices=True),
    )


def check_components(assembly: Assembly) -> None:
    """Raise the first failure of a component: the engine logs and swallows what a handler raises.

    Raises
    ------
    RunFailure
        A component raised.
    """
    for component in (*assembly.actors, assembly.strategy):
        if component.failure is not None:
            name = type(component).__name__
            raise RunFailure(
                f"{name} must not raise, was {component.failure!r}; the session stopped there"
            ) from component.failure


class Running:
    """A node that runs while this is entered, on the present event loop; it is let go of afterwards, since a thread can have only one.

    Parameters
    ----------
    node
        As `node_of` made it; the caller keeps no reference.
    """

    def __init__(self, node: LiveNode) -> None:
        self.node: LiveNode | None = node
        self.task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Running":
        assert self.node is not None
        self.task = asyncio.ensure_future(self.node.run_async())
        deadline = asyncio.get_running_loop().time() + START_SECS
        while not self.node.is_running:
            if self.task.done() or asyncio.get_running_loop().time() > deadline:
                await self.stop()
                raise RunFailure(broken("node", f"run within {START_SECS:g} s", "not running", "", "read log.txt"))
            await asyncio.sleep(0.01)
        await asyncio.sleep(SETTLE_SECS)
        return self

    async def stop(self) -> None:
        """Stop the node, and wait until it has stopped."""
        if self.task is None:
            return
        if not self.task.done() and self.node is not None:
            self.node.handle().stop()
            await asyncio.wait({self.task}, timeout=STOP_SECS)
        self.node = None
        if self.task.done() and not self.task.cancelled() and self.task.exception() is not None:
            raise RunFailure(f"node must end in order, was {self.task.exception()!r}; read log.txt") from (
                self.task.exception()
            )

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
