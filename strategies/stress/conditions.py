"""The same path, cut by what the market was like: figures by regime, and in crises."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from catalogs.arrays import read_bars
from engine.contract.calendar import iso
from engine.evaluation.crises import inside
from engine.evaluation.drawdown import max_drawdown
from engine.regime.filter import RegimeFilter
from engine.regime.fitting import LEAST_BARS, fit
from engine.regime.kinds import Regime
from strategies.signals import WARM_UP_BARS
from strategies.stress.track import Prepared, Track, sharpe_of


class InRegime(msgspec.Struct, frozen=True):
    """The turns of one regime.

    Attributes
    ----------
    turns, share
        How many, and of all.
    log_growth
        What they added to the logarithm of equity; over all regimes it sums to the whole, unless everything was lost.
    sharpe, sharpe_error
        Of their returns, annualised as if the regime lasted; None where they are too few or do not vary.
    exposure
        Mean.
    market_log_growth
        Of the first instrument.
    """

    turns: int
    share: float
    log_growth: float
    sharpe: float | None
    sharpe_error: float | None
    exposure: float
    market_log_growth: float


class InCrisis(msgspec.Struct, frozen=True):
    """One window; see `engine.evaluation.crises`.

    Attributes
    ----------
    start, end
        ISO times, end exclusive.
    total_return, max_drawdown
        Inside the window; the drawdown from the highest equity in it.
    exposure
        Mean.
    market_return
        Of the first instrument.
    """

    crisis: str
    start: str
    end: str
    turns: int
    total_return: float
    max_drawdown: float
    exposure: float
    market_return: float


def regime_labels(spans: Sequence[Prepared], path: Track) -> NDArray[np.int8] | None:
    """Label every row of a path with the regime of the first instrument that was known when it began.

    The filter is fitted on the bars before the first span and goes forward from there: nothing is smoothed, no label is revised.

    Returns
    -------
    int8 (T,), of `Regime`, -1 where none was known; None where fewer than 500 bars lie before the first span.
    """
    config, begin = spans[0].config, spans[0].market.first_decision_ns
    last = max(int(part.bars.ts_open[-1]) for one in spans for part in one.market.parts) + 1
    bars = read_bars(config.data.catalog, config.universe.instruments[0], config.universe.bar, None, last)
    before = int(np.searchsorted(bars.ts_open, begin))
    if before < LEAST_BARS:
        return None
    belief, first = RegimeFilter([fit(bars.close[:before])]), max(0, before - WARM_UP_BARS)
    rows = np.stack([bars.high, bars.low, bars.close], -1)[first:, :, None]
    labels = np.array([belief.update(*row).regime[0] for row in rows], dtype=np.int8)
    place = np.searchsorted(bars.ts_close[first:], path.from_ns, side="right") - 1
    return np.where(place >= 0, labels[np.maximum(place, 0)], np.int8(-1))


def by_regime(spans: Sequence[Prepared], path: Track) -> dict[str, InRegime] | None:
    """Measure a path regime by regime, in the order of `Regime`; None where no filter could be fitted."""
    labels = regime_labels(spans, path)
    if labels is None:
        return None
    bar, found = spans[0].config.universe.bar, {}
    for label in np.unique(labels).tolist():
        part = path.where(labels == label)
        ratio = sharpe_of(part, bar)
        found["unknown" if label < 0 else Regime(label).name.lower()] = InRegime(
            turns=len(part),
            share=len(part) / len(path),
            log_growth=_log_growth(part.returns),
            sharpe=None if ratio is None else float(ratio.annualised),
            sharpe_error=None if ratio is None else float(ratio.error_annualised),
            exposure=float(part.exposure.mean()),
            market_log_growth=_log_growth(part.market),
        )
    return found


def in_crises(spans: Sequence[Prepared], path: Track) -> list[InCrisis]:
    """Measure a path in every window that the spans, joined where they touch, hold wholly."""
    found = []
    for begin, end in _joined([one.market.span_ns for one in spans]):
        for crisis in inside(begin, end):
            start_ns, end_ns = crisis.span_ns
            part = path.where((path.from_ns >= start_ns) & (path.to_ns <= end_ns))
            if len(part):
                found.append(
                    InCrisis(
                        crisis=crisis.name,
                        start=iso(start_ns),
                        end=iso(end_ns),
                        turns=len(part),
                        total_return=float(part.equity[-1]) - 1.0,
                        max_drawdown=max_drawdown(part.equity),
                        exposure=float(part.exposure.mean()),
                        market_return=float(np.prod(1.0 + part.market)) - 1.0,
                    )
                )
    return found


def _joined(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    joined = [spans[0]]
    for begin, end in spans[1:]:
        if begin == joined[-1][1]:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((begin, end))
    return joined


def _log_growth(returns: NDArray[np.float64]) -> float:
    return float(np.log1p(np.maximum(returns, -1.0 + 1e-12)).sum())
