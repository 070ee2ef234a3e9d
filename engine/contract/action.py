"""What a policy may answer, and the target exposure that an answer means.

`discrete7` is long-only; `continuous` may also go short where the specification allows it. Exposure is the signed notional of the
position divided by the instrument's budget, in [-1, 1]. The budget is `limits.max_position_frac` of equity, 10 % by default, so that
the default levels 0.25, 0.60, 0.90 and +0.30 are 2.5, 6, 9 and +3 % of equity.
"""

import enum
from typing import Any, Literal

import msgspec

from engine.contract.arrays import namespace


class Discrete7(enum.IntEnum):
    """The seven answers of a `discrete7` policy."""

    HOLD = 0
    BUY_SMALL = 1
    BUY_MEDIUM = 2
    BUY_LARGE = 3
    SELL_HALF = 4
    SELL_ALL = 5
    ADD = 6


class ActionSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How an answer becomes a target exposure; part of the contract digest.

    Attributes
    ----------
    kind
        `discrete7` (int64 index) or `continuous` (float32 in [-1, 1]).
    buy_levels
        Target exposures of the three buys, fractions of the budget.
    add_level
        What ADD adds to the exposure, fraction of the budget.
    full_exposure
        At or above this absolute exposure no buy and no add is valid.
    hold_zone
        Continuous answers of at most this size hold.
    short
        Whether a continuous answer below zero opens a short from flat.
    smoothing
        Weight of the last smoothed answer in the next one, in [0, 1); see `smooth`.
    """

    kind: Literal["discrete7", "continuous"] = "discrete7"
    buy_levels: tuple[float, float, float] = (0.25, 0.60, 0.90)
    add_level: float = 0.30
    full_exposure: float = 0.90
    hold_zone: float = 0.10
    short: bool = False
    smoothing: float = 0.0

    @property
    def size(self) -> int:
        """Width of the graph's `logits`: 7 scores, or 1 mean."""
        return 7 if self.kind == "discrete7" else 1


def valid_actions(spec: ActionSpec, exposure: Any) -> Any:
    """Tell which discrete answers are valid.

    Holding is always valid; buys need a flat position; sells and ADD need a position; buys and ADD need an absolute exposure below
    `spec.full_exposure`.

    Parameters
    ----------
    exposure : array or tensor of shape (...), fraction of the budget

    Returns
    -------
    bool array or tensor of shape (..., 7). Known at: the decision.
    """
    xp = namespace(exposure)
    holding = exposure != 0
    room = abs(exposure) < spec.full_exposure
    buy = ~holding & room
    always = holding | ~holding
    return xp.stack([always, buy, buy, buy, holding, holding, holding & room], -1)


def smooth(spec: ActionSpec, action: Any, previous: Any) -> Any:
    """Smooth a continuous answer exponentially: `smoothing * previous + (1 - smoothing) * action`.

    Of answers that are independent of each other this leaves (1 - smoothing) / (1 + smoothing) of the variance: 60 % at 0.25. The first
    answer of an instrument is smoothed towards 0.

    Parameters
    ----------
    action : float64 array or tensor (...), in [-1, 1]
    previous : float64 array or tensor (...)
        What this returned at the instrument's last decision; 0 before the first.
    """
    return spec.smoothing * previous + (1.0 - spec.smoothing) * action


def target_exposure(spec: ActionSpec, action: Any, exposure: Any) -> Any:
    """Resolve an answer to the target exposure; holding returns `exposure` itself, unchanged to the last bit.

    A continuous answer `a` outside the hold zone moves towards its own side in proportion to the free part of the budget, and shrinks
    a position of the other side in proportion to that position: a flip takes two decisions.

    Parameters
    ----------
    action : array or tensor of shape (...)
        Index of `Discrete7`, or the continuous answer.
    exposure : float64 array or tensor of shape (...)
        Signed exposure now, fraction of the budget.

    Returns
    -------
    float64 array or tensor of shape (...), in [-1, 1] except where a drifted position is held.
    """
    xp = namespace(action, exposure)
    if spec.kind == "continuous":
        same_side = (action > 0) == (exposure > 0)
        grown = exposure + action * (1.0 - abs(exposure))
        shrunk = exposure * (1.0 - abs(action))
        moved = xp.where((exposure == 0) | same_side, grown, shrunk)
        if not spec.short:
            moved = xp.where(moved < 0, 0.0 * exposure, moved)
        over = abs(exposure) > 1.0
        hold = (abs(action) <= spec.hold_zone) | (over & same_side)
        return xp.where(hold, exposure, moved)
    target = exposure
    for index, level in zip((Discrete7.BUY_SMALL, Discrete7.BUY_MEDIUM, Discrete7.BUY_LARGE), spec.buy_levels):
        target = xp.where(action == int(index), level + 0.0 * exposure, target)
    target = xp.where(action == int(Discrete7.SELL_HALF), 0.5 * exposure, target)
    target = xp.where(action == int(Discrete7.SELL_ALL), 0.0 * exposure, target)
    added = exposure + spec.add_level
    added = xp.where(added > 1.0, 1.0 + 0.0 * exposure, added)
    return xp.where(action == int(Discrete7.ADD), added, target)
