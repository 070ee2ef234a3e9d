"""Markets so simple that the best way to trade them is known, and what that way earns in the training market.

`bandit`: two instruments, one whose price drifts up and one whose price drifts down; the best is to hold the whole budget of the first, and
none of the second (or to be short, where that is allowed). `sign`: the sign of a bar's return is that of the one before, five times in
six; the best is to be in after a gain and out (or short) after a loss. `cost_trap`: returns are noise and a trade costs more than any bar
moves; the best is to hold cash, which earns exactly 0.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from catalogs.arrays import Bars
from engine.contract.action import ActionSpec, Discrete7
from engine.contract.config import Limits, Venue
from engine.contract.instrument import InstrumentSpec
from models.features import names
from models.networks import PolicyGraph, Trunk, describe

HOUR_NS = 3_600_000_000_000
START_PRICE = 100.0
NAMES = ("bandit", "sign", "cost_trap")

SOLVED_SHARE = 0.9
"""A policy solves a toy that has something to find when it earns this share of the best log growth."""

CASH_LOSS = 0.002
"""A policy solves `cost_trap` when it loses less log growth than this, which a single round trip exceeds."""

CHEAP = Venue(balance="100000 USDT", taker_bps=1.0, half_spread_bps=0.0)
DEAR = Venue(balance="100000 USDT", taker_bps=60.0, half_spread_bps=20.0)
LIMITS = Limits(max_position_frac=1.0, max_gross_frac=2.0)


@dataclass(frozen=True)
class Toy:
    """One market: its instruments' bars, and what trading costs in it."""

    name: str
    bars: tuple[Bars, ...]
    venue: Venue
    limits: Limits = LIMITS


def toy(name: str, bars: int, seed: int) -> Toy:
    """Make a toy by name; the same arguments give the same bytes."""
    rng = np.random.default_rng([seed, NAMES.index(name)])
    match name:
        case "bandit":
            noise = 0.002 * rng.standard_normal((2, bars))
            returns = {"UP": 0.002 + noise[0], "DOWN": -0.002 + noise[1]}
        case "sign":
            stays = np.where(rng.random(bars) < 5.0 / 6.0, 1.0, -1.0)
            returns = {"SIGN": 0.01 * np.cumprod(stays)}
        case _:
            returns = {"NOISE": 0.003 * rng.standard_normal(bars)}
    made = tuple(_bars(symbol, values) for symbol, values in returns.items())
    return Toy(name, made, DEAR if name == "cost_trap" else CHEAP)


def _bars(symbol: str, log_returns: NDArray[np.float64]) -> Bars:
    """Bars that open where the last one closed, so that the next open is the price that was decided on."""
    close = np.round(START_PRICE * np.exp(np.cumsum(log_returns)), 6)
    opening = np.append(START_PRICE, close[:-1])
    ts = HOUR_NS * np.arange(len(close), dtype=np.int64)
    spec = InstrumentSpec(f"{symbol}USDT.TOY", "spot", symbol, "USDT", price_precision=6, size_precision=6)
    high, low = np.maximum(opening, close), np.minimum(opening, close)
    return Bars(spec, "1-HOUR", ts, ts + HOUR_NS, opening, high, low, close, np.full(len(close), 10.0))


class KnownTrunk(Trunk):
    """The best rule of a toy, in the place of what a policy would have learned: it looks at one feature of the last bar.

    Parameters
    ----------
    spec
        The action space.
    feature
        Its sign tells the side; without one, cash is the side.
    adds
        With discrete answers: whether to add to a position wherever that is valid.
    """

    def __init__(self, spec: ActionSpec, feature: str | None, adds: bool) -> None:
        super().__init__("mlp", len(names("base")), [1], LIMITS.max_position_frac, spec)
        self._column = None if feature is None else names("base").index(feature)
        self._adds = adds

    def judge(self, context: Tensor, account: Tensor) -> tuple[Tensor, Tensor]:
        """Score answers, and value nothing."""
        return self.score(context, account), torch.zeros(len(account))

    def score(self, context: Tensor, account: Tensor) -> Tensor:
        """Score answers so that the best one that is valid is chosen."""
        side = torch.zeros(len(account)) if self._column is None else context[:, self._column].sign()
        if self.spec.kind == "continuous":
            wanted = torch.where((side == 0.0) | (side > 0.0) | self.spec.short, side, -1.0)
            return 20.0 * wanted[:, None]
        rises = torch.zeros(7)
        rises[Discrete7.BUY_LARGE], rises[Discrete7.ADD] = 4.0, 3.0 if self._adds else -3.0
        rises[[Discrete7.SELL_HALF, Discrete7.SELL_ALL, Discrete7.BUY_SMALL, Discrete7.BUY_MEDIUM]] = -4.0
        falls = torch.zeros(7)
        falls[Discrete7.SELL_ALL] = 4.0
        falls[[Discrete7.BUY_SMALL, Discrete7.BUY_MEDIUM, Discrete7.BUY_LARGE, Discrete7.ADD]] = -4.0
        return torch.where(side[:, None] > 0.0, rises, falls)


def best_rules(name: str, spec: ActionSpec) -> list[PolicyGraph]:
    """Make the best rule of a toy as policies, to be replayed like any other; the better of them is the best there is."""
    feature = {"bandit": "return_72", "sign": "return_1"}.get(name)
    rules = []
    for adds in (True, False):
        rule = PolicyGraph(describe("mlp", "base", [1], LIMITS.max_position_frac), spec)
        rule.trunk = KnownTrunk(spec, feature, adds)
        rules.append(rule.eval())
    return rules


def solves(name: str, log_growth: float, best: float) -> bool:
    """Tell whether a validation log growth is close enough to the best one."""
    return log_growth > -CASH_LOSS if name == "cost_trap" else log_growth >= SOLVED_SHARE * best
