"""The ways in which the training market is held against the engine: fill assumptions, action spaces, limits as configured and strained."""

from dataclasses import dataclass

import msgspec
import numpy as np

from engine.contract.action import ActionSpec
from engine.contract.config import CASH_REACH_FRAC, Config, Limits
from engine.execution.costs import FILL_ASSUMPTIONS

STRAIN_ACCOUNTS, STRAIN_STEPS = 12, 250
STRAIN = 0.95
"""Part of the leverage that accounts under strain may use, so that refusals, denials and liquidations occur."""


@dataclass(frozen=True)
class Setting:
    """One way to play: fill assumption, action space, limits, first turns, number of turns each."""

    config: Config
    spec: ActionSpec
    starts: tuple[int, ...]
    steps: int
    name: str


def settings(config: Config, turns: tuple[int, int], steps: int, spec: ActionSpec | None = None) -> list[Setting]:
    """Compose the settings: each fill assumption and action space as configured, and under strain.

    With the configured fill assumption one account lives for all `steps`, with the others four for a quarter each.

    Parameters
    ----------
    turns
        First turn at which every instrument is ready, and the number of turns.
    spec
        Compose the configured fill assumption with this action space only.
    """
    first, count = turns
    steps = min(steps, count - 1 - first)
    smoothing, margin = config.training.smoothing, config.venue.account == "margin"
    specs = [ActionSpec(), ActionSpec(kind="continuous", short=margin, smoothing=smoothing)]
    fills = [config.venue.fill, *(fill for fill in FILL_ASSUMPTIONS if fill != config.venue.fill)]
    if spec is not None:
        specs, fills = [spec], fills[:1]
    found = []
    for fill in fills:
        venue = msgspec.structs.replace(config.venue, fill=fill)
        usual = msgspec.structs.replace(config, venue=venue)
        strained = msgspec.structs.replace(usual, limits=strain(config))
        own = fill == config.venue.fill
        length = steps if own else max(steps // 4, 1)
        for one in specs:
            starts = _spread(first, count, length, 1 if own else 4)
            found.append(Setting(usual, one, starts, length, f"{fill}, {one.kind}"))
        short = min(STRAIN_STEPS, steps)
        starts = _spread(first, count, short, min(STRAIN_ACCOUNTS, max(steps // 100, 2)))
        found.append(Setting(strained, specs[-1], starts, short, f"{fill}, {specs[-1].kind}, strained"))
    return found


def strain(config: Config) -> Limits:
    """Limits that let positions grow to what the venue can bear."""
    reach = STRAIN * config.venue.leverage if config.venue.account == "margin" else CASH_REACH_FRAC
    each = reach / len(config.universe.instruments)
    return Limits(max_position_frac=each * (1.0 if config.venue.account == "cash" else 1.03), max_gross_frac=reach)


def _spread(first: int, count: int, steps: int, accounts: int) -> tuple[int, ...]:
    last = max(count - 1 - steps, first)
    return tuple(int(turn) for turn in np.unique(np.linspace(first, last, accounts).astype(int)))
