"""Harder terms on the same market: other costs, and decisions that are carried out late."""

from collections.abc import Sequence

import msgspec

from engine.evaluation.breakeven import break_even_bps
from strategies.assembly import Assembly
from strategies.delay import Delay
from strategies.stress.track import Figures, Prepared, Track, figures, traded

MULTIPLES = (0.0, 1.0, 2.0, 4.0)


class Costs(msgspec.Struct, frozen=True):
    """What costs do to a strategy.

    Attributes
    ----------
    multiples
        Figures at fees and half-spread times so much, by the factor as text; funding is as it was.
    charged_bps
        Taker fee and half-spread of the configuration.
    break_even_bps
        Cost, fee and half-spread together, at which the mean return is zero, from the run without costs; None where it never traded.
    cost_multiple
        Break-even over charged; None where nothing was charged or traded.
    """

    multiples: dict[str, Figures]
    charged_bps: float
    break_even_bps: float | None
    cost_multiple: float | None


def costs(spans: Sequence[Prepared], base: Track) -> tuple[Costs, dict[str, Track]]:
    """Trade at 0, 2 and 4 times the fees and the half-spread.

    Parameters
    ----------
    base
        The run at the configured costs.

    Returns
    -------
    The figures, and the paths by factor.
    """
    bar, venue = spans[0].config.universe.bar, spans[0].config.venue
    paths = {f"{k:g}": base if k == 1.0 else traded([_priced(one, k) for one in spans]) for k in MULTIPLES}
    charged = venue.taker_bps + venue.half_spread_bps
    even = break_even_bps(paths["0"].returns, paths["0"].turnover)
    measured = {name: figures(path, bar) for name, path in paths.items()}
    return Costs(measured, charged, even, even / charged if even is not None and charged > 0.0 else None), paths


def _priced(span: Prepared, multiple: float) -> Prepared:
    venue = span.config.venue
    changed = msgspec.structs.replace(
        venue,
        taker_bps=multiple * venue.taker_bps,
        maker_bps=multiple * venue.maker_bps,
        half_spread_bps=multiple * venue.half_spread_bps,
    )
    return Prepared(msgspec.structs.replace(span.config, venue=changed), span.session, span.market)


def delayed(spans: Sequence[Prepared], turns: int = 1) -> Track:
    """Trade with every decision carried out so many turns late."""

    def look(assembly: Assembly) -> None:
        assembly.strategy.delay = Delay(turns)

    return traded(spans, look)
