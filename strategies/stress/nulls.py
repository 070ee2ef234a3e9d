"""Markets without a direction: a strategy that earns there knows what it cannot know."""

import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
from scipy.special import ndtr

from catalogs.altering import write_copy
from catalogs.arrays import Bars, Funding, read_bars
from catalogs.directionless import random_signs, shuffled
from engine.contract.config import Config
from engine.contract.errors import UsageError, broken
from engine.evaluation.workers import Unit, carry_out
from engine.policy.session import PolicySession
from strategies.feed import COLUMNS, InstrumentMarket, Market
from strategies.stress.track import Prepared, Track, prepared, sharpe_of, traded

Kind = Literal["random_signs", "shuffled"]
KINDS: dict[Kind, Callable[[Sequence[Bars], int, int], list[Bars]]] = {
    "random_signs": random_signs,
    "shuffled": shuffled,
}
SEEDS = (1, 2, 3, 4, 5)
LEVEL = 0.05


class Draw(msgspec.Struct, frozen=True):
    """One draw of a market; `errors` is the Sharpe ratio in its standard errors, 0 where nothing was traded."""

    seed: int
    total_return: float
    sharpe: float | None
    errors: float


class Null(msgspec.Struct, frozen=True):
    """What a strategy made of a market without a direction, after costs.

    Attributes
    ----------
    errors
        Sharpe ratio of all draws together, in standard errors: their sum over the root of their number (Stouffer). The draws are
        independent of each other, so it is standard normal, or less for costs, where there is no leak.
    p_value
        One-sided: that chance alone earned so much, over the draws of this market.
    """

    draws: list[Draw]
    errors: float
    p_value: float


class Directionless(msgspec.Struct, frozen=True):
    """Both markets, and the verdict.

    Attributes
    ----------
    markets
        By kind.
    errors
        The larger of their `errors`.
    p_value
        The smaller of their p-values, times their number.
    leak
        Whether it is 0.05 or less.
    """

    markets: dict[str, Null]
    errors: float
    p_value: float
    leak: bool


def directionless(
    spans: Sequence[Prepared],
    seeds: Sequence[int] = SEEDS,
    advance: Callable[[str], None] = lambda _: None,
    workers: int = 0,
) -> tuple[Directionless, dict[str, Track]]:
    """Trade every kind of market without a direction, one draw per seed.

    Each drawn market is a catalog of its own, so that a component that reads the catalog sees it too. Bars before the span are the real
    ones. Funding is left out: to receive it is no foresight.

    Parameters
    ----------
    advance
        Called with the name of each draw that was traded.
    workers
        Local processes that trade the draws; 0 trades them here, with the same numbers.

    Returns
    -------
    The verdict, and the paths by kind and seed, as `random_signs 1`.

    Raises
    ------
    UsageError
        There is no seed.
    """
    if not seeds:
        raise UsageError(broken("seeds", "be 1 or more", 0))
    found: dict[str, Null] = {}
    bar = spans[0].config.universe.bar
    drawn = [(kind, seed) for kind in KINDS for seed in seeds]
    if workers:
        plain = [(one.config, None if one.session is None else one.session.folder) for one in spans]
        units = [Unit(f"{kind} {seed}", _draw_elsewhere, (plain, kind, seed)) for kind, seed in drawn]
    else:
        units = [Unit(f"{kind} {seed}", _draw, (spans, kind, seed)) for kind, seed in drawn]
    paths = dict(zip((unit.name for unit in units), carry_out(units, workers, done=lambda unit: advance(unit.name))))
    for kind in KINDS:
        draws = []
        for seed in seeds:
            path = paths[f"{kind} {seed}"]
            ratio = sharpe_of(path, bar)
            away = 0.0 if ratio is None else ratio.per_period / ratio.error_per_period
            sharpe = None if ratio is None else float(ratio.annualised)
            draws.append(Draw(seed, float(path.equity[-1]) - 1.0, sharpe, away))
        together = sum(draw.errors for draw in draws) / math.sqrt(len(draws))
        found[kind] = Null(draws, together, float(ndtr(-together)))
    p_value = min(1.0, len(found) * min(one.p_value for one in found.values()))
    largest = max(one.errors for one in found.values())
    return Directionless(found, largest, p_value, p_value <= LEVEL), paths


def _draw(spans: Sequence[Prepared], kind: Kind, seed: int) -> Track:
    with tempfile.TemporaryDirectory(prefix="directionless-") as folder:
        return traded([_altered(one, kind, seed, Path(folder) / str(n)) for n, one in enumerate(spans)])


def _draw_elsewhere(plain: Sequence[tuple[Config, Path | None]], kind: Kind, seed: int) -> Track:
    """Draw in another process: what travels is the configuration and the policy's folder."""
    spans = [(config, None if folder is None else PolicySession(folder)) for config, folder in plain]
    return _draw(prepared(spans), kind, seed)


def _altered(span: Prepared, kind: Kind, seed: int, folder: Path) -> Prepared:
    """A span in a catalog of its own, in which it has no direction."""
    config, market = span.config, span.market
    last = max(int(part.bars.ts_open[-1]) for part in market.parts) + 1
    instruments = [part.bars.instrument.instrument_id for part in market.parts]
    whole = [read_bars(config.data.catalog, name, config.universe.bar, None, last) for name in instruments]
    made = KINDS[kind](whole, market.first_decision_ns, seed)
    none = Funding(np.zeros(0, np.int64), np.zeros(0))
    write_copy(folder, [(bars, none) for bars in made])
    parts = []
    for part, bars in zip(market.parts, made):
        begin = int(np.searchsorted(bars.ts_open, part.bars.ts_open[0]))
        columns = {name: getattr(bars, name)[begin:] for name in COLUMNS}
        parts.append(InstrumentMarket(Bars(instrument=bars.instrument, bar=bars.bar, **columns), none))
    changed = msgspec.structs.replace(
        config,
        data=msgspec.structs.replace(config.data, catalog=str(folder)),
        venue=msgspec.structs.replace(config.venue, funding=False),
    )
    return Prepared(changed, span.session, Market(tuple(parts), market.first_decision_ns, market.span_ns))
