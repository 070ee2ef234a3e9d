"""A back test: one configuration over history in NautilusTrader's engine, in chunks of time."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from nautilus_trader.backtest import BacktestEngine, BacktestEngineConfig
from nautilus_trader.common import FileWriterConfig, LoggerConfig, LogLevel
from nautilus_trader.execution import MakerTakerFeeModel
from nautilus_trader.model import AccountType, Money, OmsType, Venue
from nautilus_trader.portfolio import PortfolioConfig

from catalogs.instruments import currency, nautilus_instrument
from catalogs.storage import bar_type
from engine.contract.config import Config
from engine.contract.errors import HuracanError, broken
from engine.contract.messages import Turn
from engine.journal.blotter import Blotter
from engine.journal.journal import Journal
from engine.journal.resumed import ReplayDiffers
from engine.policy.session import PolicySession
from strategies import signals
from strategies.assembly import Assembly, assemble, load_session, warm_up_bars
from strategies.base import GatedStrategy
from strategies.feed import Market, chunks, read_market
from strategies.interruption import Interruption

BPS = Decimal(10_000)


class RunFailure(HuracanError):
    """A component raised inside the event loop; the run was stopped there."""

    exit_code = 4


@dataclass(frozen=True)
class Outcome:
    """What a back test left behind.

    Attributes
    ----------
    events
        Bars, quotes, marks and funding rates that the engine processed.
    seconds
        Wall time inside the engine, without reading and building data.
    settlements
        Every payment of funding: event time (UTC ns), instrument id, amount received (negative is paid) in the account's currency; in
        order of time.
    """

    config: Config
    market: Market
    journal: Journal
    blotter: Blotter
    strategy: GatedStrategy
    events: int
    seconds: float
    settlements: tuple[tuple[int, str, float], ...]

    @property
    def funding(self) -> float:
        """Funding received (negative is paid), account currency."""
        return float(sum((Decimal(repr(amount)) for _, _, amount in self.settlements), Decimal(0)))


def load(config: Config) -> tuple[Market, PolicySession | None]:
    """Verify the policy and read the market of a configuration."""
    session = load_session(config)
    market = read_market(config, max(warm_up_bars(session), signals.warm_up_bars(signals.signals_of(config))))
    signals.check_fit_precedes(config, market.first_decision_ns, "the first decision")
    return market, session


def run(
    config: Config,
    market: Market,
    session: PolicySession | None,
    log: Path | None = None,
    prepare: Any = None,
    journal: Journal | None = None,
    shadow: Journal | None = None,
) -> Outcome:
    """Run one strategy over one market.

    Parameters
    ----------
    log
        File for the engine's warnings and errors; None keeps none.
    prepare
        Called with the assembly before the run, for whoever looks on.
    journal
        Where decisions are written, and turns are ended; None keeps them in memory.
    shadow
        As in `strategies.assembly.assemble`.

    Raises
    ------
    RunFailure
        A component raised; the first exception is its cause.
    ReplayDiffers
        The journal was written before, and something did not come again.
    KeyboardInterrupt
        Ctrl-C; the run was stopped at the end of a turn.
    """
    specs = tuple(part.bars.instrument for part in market.parts)
    bar_types = [bar_type(spec.instrument_id, config.universe.bar) for spec in specs]
    assembly = assemble(config, specs, bar_types, market.first_decision_ns, session, journal=journal, shadow=shadow)
    if prepare is not None:
        prepare(assembly)
    engine = BacktestEngine(_engine_config(log))
    try:
        _add_venue(engine, config, Venue(specs[0].venue))
        for spec in specs:
            engine.add_instrument(nautilus_instrument(spec, minimum=False))
        for actor in assembly.actors:
            engine.add_actor(actor)
        engine.add_strategy(assembly.strategy)
        with Interruption() as interruption:
            assembly.conductor.after = _stopping(assembly, interruption)
            events, seconds = _stream(engine, config, market, assembly, interruption)
        assembly.journal.end()
        settlements = _settlements(engine)
    finally:
        engine.dispose()
        if log is not None and log.with_suffix(".log").is_file():
            log.with_suffix(".log").replace(log)
    return Outcome(config, market, assembly.journal, assembly.blotter, assembly.strategy, events, seconds, settlements)


def _engine_config(log: Path | None) -> BacktestEngineConfig:
    writer = None if log is None else FileWriterConfig(directory=str(log.parent), file_name=log.stem)
    logging = LoggerConfig(
        stdout_level=LogLevel.OFF,
        fileout_level=LogLevel.OFF if log is None else LogLevel.WARNING,
        file_config=writer,
        is_colored=False,
    )
    return BacktestEngineConfig(
        logging=logging, run_analysis=False, shutdown_on_error=True, portfolio=PortfolioConfig(use_mark_prices=True)
    )


def _add_venue(engine: BacktestEngine, config: Config, venue: Venue) -> None:
    terms = config.venue
    engine.add_venue(
        venue,
        OmsType.NETTING,
        AccountType.MARGIN if terms.account == "margin" else AccountType.CASH,
        [Money(terms.starting_balance, currency(terms.currency))],
        default_leverage=Decimal(repr(terms.leverage)) if terms.account == "margin" else None,
        bar_execution=False,
        trade_execution=False,
        fee_model=MakerTakerFeeModel(Decimal(repr(terms.maker_bps)) / BPS, Decimal(repr(terms.taker_bps)) / BPS),
        liquidation_enabled=terms.account == "margin",
    )


def _stopping(assembly: Assembly, interruption: Interruption) -> Callable[[Turn], None]:
    def end(turn: Turn) -> None:
        assembly.end_turn(turn)
        if interruption.noted:
            assembly.conductor.shutdown_system("interrupted")

    return end


def _stream(
    engine: BacktestEngine, config: Config, market: Market, assembly: Assembly, interruption: Interruption
) -> tuple[int, float]:
    events, seconds = 0, 0.0
    for lists in chunks(market, config.venue.fill, config.venue.half_spread_bps):
        filled = [data for data in lists if data]
        if not filled:
            continue
        for data in filled[:-1]:
            engine.add_data(data, sort=False)
        engine.add_data(filled[-1], sort=True)
        events += sum(map(len, filled))
        began = time.perf_counter()
        engine.run(streaming=True)
        seconds += time.perf_counter() - began
        engine.clear_data()
        interruption.check()
        for component in (*assembly.actors, assembly.strategy):
            if isinstance(component.failure, ReplayDiffers):
                raise component.failure
            if component.failure is not None:
                name = type(component).__name__
                raise RunFailure(
                    f"{name} must not raise, was {component.failure!r}; the run stopped there"
                ) from component.failure
    engine.end()
    if assembly.conductor.turns == 0:
        raise RunFailure(
            broken("engine", "deliver the bars of the span", "0 turns", str(config.data.catalog), "read log.txt")
        )
    return events, seconds


def _settlements(engine: BacktestEngine) -> tuple[tuple[int, str, float], ...]:
    paid = [
        (adjustment.ts_event, str(adjustment.instrument_id), float(adjustment.pnl_change.as_decimal()))
        for position in [*engine.cache.positions(), *engine.cache.position_snapshots()]
        for adjustment in position.adjustments()
        if adjustment.pnl_change is not None
    ]
    return tuple(sorted(paid))


def with_strategy(config: Config, name: str, **parameters: Any) -> Config:
    """Return the configuration with another strategy, everything else equal."""
    return msgspec.structs.replace(config, strategy={"name": name, **parameters})
