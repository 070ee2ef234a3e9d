"""What each signal says of an instrument: names, units and order of its columns, which the policy's context is made of.

Every signal ends with `available`: 1 where the columns before it are a belief, 0 where there is none yet and they are 0.
"""

from collections.abc import Sequence
from typing import NamedTuple

AVAILABLE = "available"


class Column(NamedTuple):
    """One column of a signal; values are scaled so that a network can take them as they are."""

    name: str
    unit: str


COLUMNS: dict[str, tuple[Column, ...]] = {
    "regime": (
        *(
            Column(name, "probability")
            for name in (
                "trending_bull",
                "trending_bear",
                "high_volatility_range",
                "low_volatility_range",
                "breakout",
                "reversal",
                "crisis",
            )
        ),
        Column(AVAILABLE, "0 or 1"),
    ),
    "changepoint": (
        Column("recent", "probability of a change within the last bars"),
        Column("expected_run", "log1p of bars, over 5"),
        Column("map_drop", "log1p of bars, over 5"),
        Column(AVAILABLE, "0 or 1"),
    ),
    "risk_budget": (
        Column("weight", "fraction of equity"),
        Column("volatility", "annual, a fraction"),
        Column("mean_correlation", "of the book"),
        Column("rebalanced", "1 at the turn that made it"),
        Column(AVAILABLE, "0 or 1"),
    ),
}
"""Signal name to its columns, in the order in which their actors speak."""

WATCHES: dict[str, tuple[Column, ...]] = {
    "drift": (
        Column("score", "smoothed distance from the bars of training"),
        Column("bound", "distance of the false rate"),
        Column("ceiling", "of the exposure, fraction of the budget"),
        Column("alarm", "0 or 1"),
        Column(AVAILABLE, "0 or 1"),
    ),
}
"""What is said of an instrument for the risk alone: no policy sees it, and training knows nothing of it."""


def names(signal: str) -> tuple[str, ...]:
    """Names of a signal's columns."""
    return tuple(column.name for column in (COLUMNS | WATCHES)[signal])


def context_columns(signals: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names `SIGNAL.COLUMN` and the units of the context that signals make together, in the order given."""
    pairs = [(f"{signal}.{column.name}", column.unit) for signal in signals for column in COLUMNS[signal]]
    return tuple(name for name, _ in pairs), tuple(unit for _, unit in pairs)
