"""Histories made by hand, and small policies, for the tests of models."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch

from catalogs.arrays import Bars, Funding
from engine.contract.action import ActionSpec
from engine.contract.config import Limits, Venue
from engine.contract.instrument import InstrumentSpec
from models.features import window
from models.market import Market
from models.networks import PolicyGraph, describe
from models.tape import Tape, make_tape

torch.set_num_threads(1)

HOUR = 3_600_000_000_000
QUIET_BARS = window("base")
FIRST = QUIET_BARS - 1
"""Row of the first decision: the last quiet bar, which closes at 100."""

VENUE = Venue(balance="10000 USDT", taker_bps=10.0, half_spread_bps=5.0)
SPOT = InstrumentSpec("XUSDT.TEST", "spot", "X", "USDT", price_precision=2, size_precision=3)
PERPETUAL = InstrumentSpec("XUSDT-PERP.TEST", "perpetual", "X", "USDT", price_precision=2, size_precision=3)


def scripted(
    opens: Sequence[float],
    closes: Sequence[float],
    venue: Venue = VENUE,
    instrument: InstrumentSpec = SPOT,
    funding: Funding | None = None,
) -> Tape:
    """Quiet bars around 100, the last one closing at 100 exactly, then bars with these opens and closes."""
    quiet = 100.0 + 0.1 * np.sin(np.arange(QUIET_BARS))
    quiet[-1] = 100.0
    close = np.append(quiet, closes)
    opening = np.append(quiet, opens)
    ts = HOUR * np.arange(len(close), dtype=np.int64)
    high, low = np.maximum(opening, close), np.minimum(opening, close)
    bars = Bars(instrument, "1-HOUR", ts, ts + HOUR, opening, high, low, close, np.full(len(close), 10.0))
    return make_tape([(bars, funding)], venue, "base")


def opened(tape: Tape, venue: Venue = VENUE, spec: ActionSpec | None = None, frac: float = 0.5) -> Market:
    """One account at the first decision, flat."""
    market = Market(
        tape, venue, Limits(max_position_frac=frac, max_gross_frac=3.0), spec or ActionSpec(), 1, 1_000, 0, trace=True
    )
    market.begin(FIRST)
    return market


@pytest.fixture
def wandering() -> Tape:
    """600 bars of a seeded random walk."""
    rng = np.random.default_rng(5)
    close = np.round(100.0 * np.exp(np.cumsum(0.01 * rng.standard_normal(600))), 2)
    return scripted(np.append(100.0, close[:-1]), close)


@pytest.fixture
def policy() -> Callable[..., PolicyGraph]:
    """Make an untrained policy with opinions."""

    def make(network: str = "mlp", kind: str = "discrete7", recipe: str = "base", short: bool = False) -> PolicyGraph:
        spec = ActionSpec(kind=kind, short=short)  # type: ignore[arg-type]
        graph = PolicyGraph(
            describe(network, recipe, [16, 16], 0.5),  # type: ignore[arg-type]
            spec,
            torch.Generator().manual_seed(1),
        )
        with torch.no_grad():
            graph.trunk.actor[-1].weight.mul_(100.0)
        return graph.eval()

    return make
