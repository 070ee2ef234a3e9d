"""A strategy over spans of time, one after the other, as one path of returns."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.contract.calendar import bars_per_year, iso
from engine.contract.config import Config
from engine.contract.errors import ConfigError, UsageError, broken
from engine.evaluation.drawdown import max_drawdown
from engine.evaluation.samples import NO_DEVIATION
from engine.evaluation.sharpe import LEAST, SharpeEstimate, estimate
from engine.policy.session import PolicySession
from strategies import signals
from strategies.assembly import Assembly, warm_up_bars
from strategies.backtest import Outcome, run
from strategies.feed import Market, read_market

Floats = NDArray[np.float64]
Span = tuple[Config, PolicySession | None]
"""What is traded over [data] of the configuration, and by which policy; None for a rule."""

Look = Callable[[Assembly], None]


@dataclass(frozen=True)
class Prepared:
    """A span with its market, so that every stress hears the same one."""

    config: Config
    session: PolicySession | None
    market: Market


@dataclass(frozen=True)
class Track:
    """Returns from turn to turn, all spans end to end; row t is what was held between two turns.

    Every span begins flat with `venue.balance`. What is open at its end is valued at the last close; closing it is not charged.

    Attributes
    ----------
    from_ns, to_ns : int64 (T,)
        UTC nanoseconds of the two turns; the row is known at `to_ns`.
    returns : float64 (T,)
        Simple return of equity; -1 where it was lost, and 0 from there to the end of the span.
    turnover : float64 (T,)
        Value of the fills in between over equity at `from_ns`.
    exposure : float64 (T,)
        Sum of absolute positions over equity at `to_ns`, before its orders.
    market : float64 (T,)
        Simple return of the first instrument, close to close.
    """

    from_ns: NDArray[np.int64]
    to_ns: NDArray[np.int64]
    returns: Floats
    turnover: Floats
    exposure: Floats
    market: Floats

    def __len__(self) -> int:
        return len(self.returns)

    @property
    def equity(self) -> Floats:
        """Growth of 1, float64 (T + 1,)."""
        return np.append(1.0, np.cumprod(1.0 + self.returns))

    def where(self, rows: NDArray[np.bool_]) -> "Track":
        """Return the rows of a mask."""
        return Track(*(getattr(self, field.name)[rows] for field in fields(self)))


class Figures(msgspec.Struct, frozen=True):
    """A path in numbers; None is what has no value.

    Attributes
    ----------
    total_return
        Spans compounded, less one.
    sharpe, sharpe_error
        Annualised, with its standard error, which allows for autocorrelation.
    max_drawdown
        A non-negative fraction of the peak.
    volatility, turnover
        Annualised; a round trip of the whole equity counts two.
    exposure
        Mean.
    """

    turns: int
    total_return: float
    sharpe: float | None
    sharpe_error: float | None
    max_drawdown: float
    volatility: float | None
    turnover: float
    exposure: float


def prepared(spans: Sequence[Span]) -> tuple[Prepared, ...]:
    """Read the markets of spans.

    Raises
    ------
    UsageError
        There is no span, they overlap, or are not in order of time.
    ConfigError
        They do not trade the same instruments and bars.
    """
    if not spans:
        raise UsageError(broken("spans", "be 1 or more", 0))
    found: list[Prepared] = []
    for config, session in spans:
        if config.universe != spans[0][0].universe:
            raise ConfigError(broken("universe", "be the same in all spans", config.universe.instruments))
        market = read_market(config, max(warm_up_bars(session), signals.warm_up_bars(signals.signals_of(config))))
        signals.check_fit_precedes(config, market.first_decision_ns, "the first decision")
        if found and market.span_ns[0] < found[-1].market.span_ns[1]:
            rule = f"begin at or after the end of the one before, {iso(found[-1].market.span_ns[1])}"
            raise UsageError(broken("span", rule, iso(market.span_ns[0])))
        found.append(Prepared(config, session, market))
    return tuple(found)


def traded(spans: Sequence[Prepared], look: Look | None = None) -> Track:
    """Trade every span in the engine, and chain what came of it.

    Parameters
    ----------
    look
        Called with every assembly before its run.
    """
    parts = [_path(run(one.config, one.market, one.session, prepare=look)) for one in spans]
    return Track(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Track)))


def _path(outcome: Outcome) -> Track:
    table, fills = outcome.blotter.equity_table(), outcome.blotter.fills_table()
    ts, equity, gross = (table[name].to_numpy() for name in ("ts_event", "equity", "gross_frac"))
    close = table[f"close:{outcome.config.universe.instruments[0]}"].to_numpy()
    count = max(len(ts) - 1, 0)
    alive = int(np.argmax(equity <= 0.0)) if (equity <= 0.0).any() else len(equity)
    returns, turnover = np.zeros(count), np.zeros(count)
    returns[: alive - 1] = np.diff(equity[:alive]) / equity[: alive - 1]
    if alive <= count:
        returns[alive - 1 : alive] = -1.0
    row = np.searchsorted(ts, fills["ts_event"].to_numpy(), side="left") - 1
    value = fills["quantity"].to_numpy() * fills["price"].to_numpy()
    counted = (row >= 0) & (row < min(count, alive))
    np.add.at(turnover, row[counted], value[counted] / equity[row[counted]])
    known = close[:-1] > 0.0
    market = np.where(known, close[1:] / np.where(known, close[:-1], 1.0) - 1.0, 0.0)
    return Track(ts[:-1], ts[1:], returns, turnover, gross[1:], market)


def sharpe_of(path: Track, bar: str) -> SharpeEstimate | None:
    """Estimate the Sharpe ratio of a path; None where it is too short or does not vary."""
    if len(path) < LEAST or float(path.returns.std(ddof=1)) <= NO_DEVIATION:
        return None
    return estimate(path.returns, bars_per_year(bar))


def figures(path: Track, bar: str) -> Figures:
    """Measure a path of bars of a length."""
    per_year, count = bars_per_year(bar), len(path)
    ratio, equity = sharpe_of(path, bar), path.equity
    return Figures(
        turns=count,
        total_return=float(equity[-1]) - 1.0,
        sharpe=None if ratio is None else float(ratio.annualised),
        sharpe_error=None if ratio is None else float(ratio.error_annualised),
        max_drawdown=max_drawdown(equity),
        volatility=float(path.returns.std(ddof=1)) * math.sqrt(per_year) if count > 1 else None,
        turnover=float(path.turnover.mean()) * per_year if count else 0.0,
        exposure=float(path.exposure.mean()) if count else 0.0,
    )
