"""Tiny markets whose numbers can be worked out by hand."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from catalogs.arrays import Bars, Funding
from engine.contract.calendar import NS_PER_SEC
from engine.contract.config import Config, parse
from engine.contract.instrument import InstrumentSpec
from engine.contract.messages import Turn
from strategies.base import Choice, GatedStrategy
from strategies.feed import InstrumentMarket, Market

HOUR = 3_600 * NS_PER_SEC
T0 = 1_704_067_200 * NS_PER_SEC

TABLE = np.array(
    [
        [100, 110, 90, 105],
        [200, 210, 190, 205],
        [300, 310, 290, 305],
        [400, 410, 390, 405],
        [500, 510, 490, 505],
        [600, 610, 590, 605],
    ],
    dtype=float,
)


class Planned(GatedStrategy):
    """Takes the exposures of a plan: turn number to target exposure per instrument; holds in between."""

    policy_name = "planned"

    def decide(self, turn: Turn, present: Sequence[int], exposure: Any) -> list[Choice]:
        plan = self.parameters["plan"].get(str(turn.seq), {})
        return [Choice(i, float(plan.get(str(i), exposure[i])), 0.0, 0.0) for i in present]


def bars(instrument: str = "BTCUSDT.SIM", table: np.ndarray = TABLE, absent: Sequence[int] = (), lot: int = 3) -> Bars:
    kind = "perpetual" if "-PERP" in instrument else "spot"
    spec = InstrumentSpec(instrument, kind, instrument.split("USDT")[0], "USDT", 2, lot)
    keep = np.array([k for k in range(len(table)) if k not in absent])
    opened = T0 + keep * HOUR
    rows = table[keep]
    return Bars(spec, "1-HOUR", opened, opened + HOUR, *(rows[:, k] for k in range(4)), np.full(len(keep), 5.0))


def market(*parts: Bars, funding: Funding | None = None) -> Market:
    none = Funding(np.zeros(0, np.int64), np.zeros(0))
    return Market(tuple(InstrumentMarket(part, funding or none) for part in parts), T0, (T0, T0 + 6 * HOUR))


@pytest.fixture
def configuration() -> Callable[..., Config]:
    def make(
        plan: dict[int, float | dict[int, float]], instruments: Sequence[str] = ("BTCUSDT.SIM",), **sections: Any
    ) -> Config:
        written = {
            str(seq): {str(k): v for k, v in (wish if isinstance(wish, dict) else {0: wish}).items()}
            for seq, wish in plan.items()
        }
        document: dict[str, Any] = {
            "universe": {"instruments": list(instruments)},
            "venue": {"balance": "1000000 USDT", "half_spread_bps": 20.0, "leverage": 10.0},
            "strategy": {"name": "tests.unit.strategies.conftest:Planned", "plan": written},
            "limits": {"max_position_frac": 1.0},
        }
        for name, values in sections.items():
            document.setdefault(name, {}).update(values)
        return parse(document)

    return make
