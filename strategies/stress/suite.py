"""All stresses of a strategy over its spans, beside the run without any."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from strategies.stress.conditions import InCrisis, InRegime, by_regime, in_crises
from strategies.stress.nulls import SEEDS, Directionless, directionless
from strategies.stress.terms import Costs, costs, delayed
from strategies.stress.track import Figures, Span, Track, figures, prepared, traded


class Stresses(msgspec.Struct, frozen=True):
    """What a strategy survived.

    Attributes
    ----------
    unstressed, delay
        As configured; and with every decision carried out one turn late.
    costs, directionless
        See `strategies.stress.terms` and `strategies.stress.nulls`.
    regimes
        By label; None where too little history lies before the spans to fit a filter.
    crises
        Those that lie inside the spans.
    """

    unstressed: Figures
    costs: Costs
    delay: Figures
    directionless: Directionless
    regimes: dict[str, InRegime] | None
    crises: list[InCrisis]

    def document(self) -> dict[str, Any]:
        """Return plain values, as JSON has them."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


@dataclass(frozen=True)
class Stressed:
    """The figures, and the paths they were measured on.

    Attributes
    ----------
    paths
        `unstressed`, `costs 0`, `costs 2`, `costs 4`, `delay`, and `random_signs SEED` and `shuffled SEED`.
    """

    stresses: Stresses
    paths: dict[str, Track]


def stress(
    spans: Sequence[Span],
    seeds: Sequence[int] = SEEDS,
    advance: Callable[[int, str], None] = lambda *_: None,
    workers: int = 0,
) -> Stressed:
    """Put a strategy through everything; the same spans and seeds give the same numbers.

    Parameters
    ----------
    spans
        Configuration and policy of each span, in order of time: the folds of a walk forward, or one back test.
    seeds
        One draw of each market without a direction per seed.
    advance
        Called with (1, name) after each of the 5 + 2 * seeds runs or measurements.
    workers
        Local processes for the markets without a direction; 0 does all here, with the same numbers.

    Raises
    ------
    UsageError
        There is no span or no seed, or spans overlap.
    """
    ready = prepared(spans)
    bar = ready[0].config.universe.bar
    base = traded(ready)
    advance(1, "unstressed")
    priced, by_cost = costs(ready, base)
    advance(1, "costs")
    late = delayed(ready)
    advance(1, "delay")
    nulls, drawn = directionless(ready, seeds, lambda name: advance(1, name), workers)
    labelled = by_regime(ready, base)
    advance(1, "regimes")
    found = Stresses(
        unstressed=figures(base, bar),
        costs=priced,
        delay=figures(late, bar),
        directionless=nulls,
        regimes=labelled,
        crises=in_crises(ready, base),
    )
    advance(1, "crises")
    other = {f"costs {name}": path for name, path in by_cost.items() if path is not base}
    return Stressed(found, {"unstressed": base, **other, "delay": late, **drawn})
