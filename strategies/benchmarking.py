"""How fast the full stack runs, as ratios within one process: four actors, gate, journal and orders around one inference a bar."""

import datetime as dt
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from nautilus_trader.backtest import BacktestEngine, BacktestEngineConfig
from nautilus_trader.common import LoggerConfig, LogLevel
from nautilus_trader.execution import MakerTakerFeeModel
from nautilus_trader.model import AccountType, Bar, BarType, Money, OmsType, StrategyId, Venue
from nautilus_trader.trading import Strategy, StrategyConfig

from catalogs.generating import store_markets
from catalogs.instruments import currency, nautilus_instrument
from catalogs.storage import bar_type
from catalogs.synthesis import synthesise
from engine.contract.config import Config, parse
from engine.policy.session import PolicySession
from engine.policy.window import BarWindow
from strategies.backtest import BPS, load, run
from strategies.feed import Market, chunks

INSTRUMENT = "TRENDUSDT.SIM"
REPEATS = 3

BEFORE = 3_000
"""Bars before the span: the regime is fitted on them, and the signals warm up."""

BALANCE = "320 USDT"
"""So little that one decision in twenty clears the minimum notional of an order; with much, the released policy trades at three of five."""

START = dt.datetime(2020, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=BEFORE)
"""The first bar that is decided on; generated markets begin with 2020."""


class Measurement(msgspec.Struct, frozen=True):
    """One figure beside what it is compared with.

    Attributes
    ----------
    value, baseline
        In `unit`; the best of `REPEATS` runs.
    ratio
        value over baseline.
    n
        Bars or calls measured.
    """

    name: str
    value: float
    unit: str
    baseline: float
    ratio: float
    n: int


class Bare(Strategy):
    """Window and inference on the bars that are decided on, nothing else: what any strategy around this policy must at least do."""

    def __new__(cls, *_args: object) -> "Bare":
        """Hand the base class its configuration only."""
        return super().__new__(cls, StrategyConfig(strategy_id=StrategyId("BARE-001"), order_id_tag="001"))  # type: ignore[call-arg]

    def __init__(self, kind: str, session: PolicySession, first_decision_ns: int) -> None:
        super().__init__(StrategyConfig(strategy_id=StrategyId("BARE-001"), order_id_tag="001"))
        self._kind, self._session, self._first_decision_ns = kind, session, first_decision_ns
        self._window = BarWindow(1, session.contract.window)
        self._account = {
            spec.name: np.zeros((1, *spec.shape), np.float32) for spec in session.contract.inputs if spec.name != "bars"
        }

    def on_start(self) -> None:
        """Subscribe to the bars."""
        self.subscribe_bars(BarType.from_str(self._kind))

    def on_bar(self, bar: Bar) -> None:
        """Slide the window and ask."""
        row = (float(bar.open), float(bar.high), float(bar.low), float(bar.close), float(bar.volume))
        self._window.push([row])
        if bar.ts_event > self._first_decision_ns:
            self._session({"bars": self._window.rows([0]), **self._account})


def backtest(policy: str, bars: int, longer: int) -> list[Measurement]:
    """Measure the full stack against the bare strategy at `bars`, and its time per bar at `longer` against that.

    Bars that only warm up are not counted: a run over them alone is subtracted.

    Parameters
    ----------
    policy
        A policy for 1-HOUR bars.
    bars, longer
        Bars of the generated trend market.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        store_markets(Path(folder), synthesise("trend", longer + BEFORE, 11))
        config = _config(folder, policy)
        market, session = load(config)
        assert session is not None
        before = int(np.searchsorted(market.parts[0].bars.ts_close, market.first_decision_ns, side="right"))
        warm_up, short = _first(market, before), _first(market, before + bars)
        runs = [
            [side(config, part, session) for side in (_full, _bare) for part in (warm_up, short)]
            for _ in range(REPEATS)
        ]
        full_before, full_all, bare_before, bare_all = (min(one) * 1e6 for one in zip(*runs))
        full, bare = (full_all - full_before) / bars, (bare_all - bare_before) / bars
        decided = len(market.parts[0].bars) - before
        repeats = 1 if longer > 100_000 else REPEATS
        long = (min(_full(config, market, session) for _ in range(repeats)) * 1e6 - full_before) / decided
        return [
            Measurement(
                "full stack against a bare strategy with the same inference", full, "us/bar", bare, full / bare, bars
            ),
            Measurement(
                f"full stack, time per bar at {longer:,} bars against {bars:,}",
                long,
                "us/bar",
                full,
                long / full,
                decided,
            ),
            *_decisions(session),
        ]


def _config(catalog: str, policy: str) -> Config:
    return parse(
        {
            "data": {"catalog": catalog, "start": START},
            "universe": {"instruments": [INSTRUMENT]},
            "policy": {"path": policy},
            "venue": {"balance": BALANCE},
            "limits": {"max_position_frac": 0.05},
            "actors": {
                "regime": {"fit_end": START},
                "changepoint": {"acts": False},
                "risk_budget": {},
                "breaker": {"confidence": None},
            },
        }
    )


def _first(market: Market, bars: int) -> Market:
    from dataclasses import replace

    (part,) = market.parts
    columns = ("ts_open", "ts_close", "open", "high", "low", "close", "volume")
    cut = replace(part.bars, **{name: getattr(part.bars, name)[:bars] for name in columns})
    return Market((replace(part, bars=cut),), market.first_decision_ns, market.span_ns)


def _full(config: Config, market: Market, session: PolicySession) -> float:
    return run(config, market, session).seconds


def _bare(config: Config, market: Market, session: PolicySession) -> float:
    spec = market.parts[0].bars.instrument
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggerConfig(stdout_level=LogLevel.OFF), run_analysis=False))
    engine.add_venue(
        Venue(spec.venue),
        OmsType.NETTING,
        AccountType.MARGIN,
        [Money(config.venue.starting_balance, currency(config.venue.currency))],
        bar_execution=False,
        fee_model=MakerTakerFeeModel(2 / BPS, 5 / BPS),
    )
    engine.add_instrument(nautilus_instrument(spec))
    engine.add_strategy(Bare(bar_type(spec.instrument_id, config.universe.bar), session, market.first_decision_ns))
    seconds = 0.0
    for lists in chunks(market, config.venue.fill, config.venue.half_spread_bps):
        bars: list[Any] = [item for data in lists for item in data if isinstance(item, Bar)]
        if bars:
            engine.add_data(bars)
            began = time.perf_counter()
            engine.run(streaming=True)
            seconds += time.perf_counter() - began
            engine.clear_data()
    engine.end()
    engine.dispose()
    return seconds


def _decisions(session: PolicySession, calls: int = 5_000) -> list[Measurement]:
    generator = np.random.Generator(np.random.PCG64(5))
    close = 100.0 * np.exp(np.cumsum(generator.normal(0.0, 0.005, session.contract.window)))
    bars = np.stack([close, close * 1.002, close * 0.998, close, np.ones_like(close)], -1)
    inputs = {spec.name: np.zeros((1, *spec.shape), np.float32) for spec in session.contract.inputs}
    inputs["bars"] = bars[None].astype(np.float32)
    took = np.empty(calls)
    for k in range(calls):
        began = time.perf_counter()
        session(inputs)
        took[k] = time.perf_counter() - began
    return [_percentile(took, q, calls) for q in (50, 99)]


def _percentile(took: Sequence[float] | np.ndarray, q: int, calls: int) -> Measurement:
    value, goal = float(np.percentile(took, q)) * 1e3, 0.2
    return Measurement(f"decision, batch 1, p{q}, against the goal of p99", value, "ms", goal, value / goal, calls)
