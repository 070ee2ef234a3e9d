"""The reward of a decision: named terms, each with a weight.

`growth` alone is the default: what the account gained, after costs, in units of the risk that the largest position would have had, so
that a quiet bar and a wild one weigh alike (Zhang, Zohren & Roberts, "Deep Reinforcement Learning for Trading", 2020). The other seven
shape it; each is a number of the order of 1 at most decisions. `u` below is equity times the volatility of one bar times the budget's
fraction of equity.

`pnl`       result of the instrument before fees and funding, over u.
`cost`      - (fees + funding), over u.
`time`      - turns held / 64, at most 1, while the position is at a loss.
`sharpe`    change of the account's exponentially weighted Sharpe ratio.
`drawdown`  - increase of the account's drawdown, over volatility times the budget's fraction.
`sizing`    - half the square of the exposure (a quadratic price of risk).
`holding`   + 1 for keeping a position that is at a gain, - 1 for keeping one at a loss.

A shaped reward has another optimum than growth: choose on validation growth, as `huracan train` does.
"""

import torch
from torch import Tensor

from engine.contract.account import RATIO_LIMIT, STATISTICS_SPAN
from engine.contract.config import Reward
from models.accounting import Account, Columns, Happened, Terms
from models.tape import NEXT_CLOSE, VOLATILITY

REWARD_LIMIT = 10.0
"""Growth, pnl, cost and drawdown are clipped to this size."""


class Shaping:
    """Composes rewards.

    Parameters
    ----------
    weights
        [training.reward].
    terms
        Constants of the accounts.
    scale
        Factor on the sum.
    """

    def __init__(self, weights: Reward, terms: Terms, scale: float) -> None:
        self._terms, self._scale = terms, scale
        values = {name: getattr(weights, name) for name in weights.__struct_fields__}
        self._weights = {name: weight for name, weight in values.items() if weight > 0}

    def __call__(self, before: Account, after: Account, now: Columns, happened: Happened) -> Tensor:
        """Return float32 (N, K). Known at: the next turn."""
        total = torch.zeros_like(happened.result)
        for name, weight in self._weights.items():
            total = total + weight * getattr(self, f"_{name}")(before, after, now, happened)
        return (self._scale * total).float()

    def _risk(self, now: Columns) -> Tensor:
        return now[VOLATILITY] * self._terms.limits.max_position_frac

    def _growth(self, before: Account, _after: Account, now: Columns, happened: Happened) -> Tensor:
        equity = before.equity[:, None]
        return _clip(torch.log(self._terms.alive(equity + happened.result) / equity) / self._risk(now))

    def _pnl(self, before: Account, _after: Account, now: Columns, happened: Happened) -> Tensor:
        gained = happened.result + happened.fee + happened.funding
        return _clip(gained / (before.equity[:, None] * self._risk(now)))

    def _cost(self, before: Account, _after: Account, now: Columns, happened: Happened) -> Tensor:
        return _clip(-(happened.fee + happened.funding) / (before.equity[:, None] * self._risk(now)))

    def _time(self, _before: Account, after: Account, now: Columns, _happened: Happened) -> Tensor:
        return -(after.held / STATISTICS_SPAN).clamp(max=1.0) * (_gain(after, now) < 0)

    def _sharpe(self, before: Account, after: Account, now: Columns, _happened: Happened) -> Tensor:
        return (_ratio(after) - _ratio(before))[:, None].expand_as(after.lots)

    def _drawdown(self, before: Account, after: Account, now: Columns, _happened: Happened) -> Tensor:
        deeper = before.equity / before.peak_equity - after.equity / after.peak_equity
        return _clip(-deeper.clamp(min=0.0)[:, None] / self._risk(now))

    def _sizing(self, _before: Account, after: Account, now: Columns, _happened: Happened) -> Tensor:
        value = after.lots / self._terms.lots_per_unit * now[NEXT_CLOSE]
        budget = self._terms.budget(now, self._terms.alive(after.equity))
        return -0.5 * (value / budget) ** 2

    def _holding(self, before: Account, after: Account, now: Columns, happened: Happened) -> Tensor:
        kept = (happened.traded == 0) & (before.lots != 0)
        return torch.sign(_gain(after, now)) * kept


def _clip(value: Tensor) -> Tensor:
    return value.clamp(-REWARD_LIMIT, REWARD_LIMIT)


def _gain(after: Account, now: Columns) -> Tensor:
    """Sign of the unrealised result at the next closes, times lots."""
    return after.lots * (now[NEXT_CLOSE] - after.entry)


def _ratio(account: Account) -> Tensor:
    variance = account.square - account.mean**2
    quiet = variance <= 1e-18
    ratio = torch.where(quiet, 0.0, account.mean / torch.sqrt(torch.where(quiet, 1.0, variance)))
    return ratio.clamp(-RATIO_LIMIT, RATIO_LIMIT)
