"""What a strategy may trade, for which account, under which limits, and where it writes down what it does."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from engine.contract.config import Limits, Venue
from engine.contract.instrument import InstrumentSpec
from engine.journal.blotter import Blotter
from engine.journal.journal import Journal
from engine.risk.breaker import Breaker
from engine.signals.settings import SignalSettings


@dataclass(frozen=True)
class Mandate:
    """Everything the strategy base needs; `strategies.assembly` makes it from the configuration.

    Attributes
    ----------
    instruments
        In configuration order: the order of decisions.
    bar
        Bar specification, `1-HOUR`.
    venue, limits
        The account with its costs, and what the gate holds orders to.
    catalog
        Where history can be read; whoever reads it is held to the look-ahead check like everything else.
    seed
        Seed of everything random in the strategy.
    holds_orders
        True in back test and replay: an order waits for the first later quote of its instrument. Live submits at once.
    breaker
        What the gate asks before new risk; None where none is configured.
    signals
        What bounds the positions besides the limits: the sections of the actors that speak in every turn.
    measured_quotes
        Whether quotes that are replayed were measured at a venue. False in a back test: there they are bars with the assumed half-spread,
        and the spread of that is no measurement. Live quotes always are measured.
    order_prefix
        Begins the ids of orders, so that those of a session are its own and are the same when it is replayed; "" leaves them to the
        engine, which puts the clock into them.
    links
        Connections to the venue and the event time, UTC ns, of the last sign of life of each; None where there are none to watch.
    mode
        In a back test a component's clock has the event time; in paper and live it is the wall clock, and the event time is that of the
        market data that was heard last. The simulated venue of paper stamps fills with the wall clock and settles no funding: the desk
        does both there.
    drift_bounds
        Whether the ceilings of [actors.drift] bound positions.
    """

    instruments: tuple[InstrumentSpec, ...]
    bar: str
    venue: Venue
    limits: Limits
    catalog: Path
    seed: int
    holds_orders: bool
    journal: Journal
    blotter: Blotter
    breaker: Breaker | None = None
    signals: SignalSettings = field(default_factory=SignalSettings)
    measured_quotes: bool = False
    order_prefix: str = ""
    links: Callable[[], Mapping[str, int]] | None = None
    mode: Literal["backtest", "paper", "live"] = "backtest"
    drift_bounds: bool = False
