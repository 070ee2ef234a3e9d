"""The training market: thousands of single-instrument accounts stepped side by side as tensors, with the engine's own arithmetic.

One step is one decision. At the close of a row the policy sees its window and its account; the answer becomes a target exposure, whole
lots, a fill at the quotes of the fill assumption, a fee, funding, and a new mark at the next close. Money is float64 throughout.

Departure: the limits of the gate that look at a whole day or at a drawdown, partial fills, and other instruments of the same account are
not modelled; the margin of a position is `margin_maint` of its value, leverage or not.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from engine.contract.account import portfolio_columns, position_columns, update_statistics
from engine.contract.action import ActionSpec, target_exposure
from engine.contract.config import Limits, Venue
from engine.execution.sizing import order_lots, target_lots
from models.tape import Tape

MONEY_DECIMALS = 8
"""Commissions, realised results and funding are rounded to this, the precision of USDT in NautilusTrader."""

RUIN_FRAC = 0.1
"""An account at or below this fraction of its starting balance is ended."""

REWARD_LIMIT = 10.0
"""Rewards are clipped to this many times `reward_scale`."""

HOLDING_SHARE = 0.25
"""Share of episodes that begin with a position, so that the policy meets positions that it would not have opened."""

AGED_SHARE = 0.5
"""Share of episodes that begin with statistics of an account that has traded before; the others begin at zero, as a new account does."""

ACCOUNT_STATE = (
    "balance",
    "lots",
    "entry",
    "held",
    "equity",
    "start_equity",
    "peak",
    "mean",
    "square",
    "downside",
    "turnover",
)


class Observation(NamedTuple):
    """What a policy sees: `row` int64 (N,), where the window ends on the tape, and `account` float32 (N, 13)."""

    row: Tensor
    account: Tensor


class Transition(NamedTuple):
    """What a step led to.

    Attributes
    ----------
    reward : float32 (N,)
        Log growth of equity over the volatility that the largest position would have had, times `reward_scale`.
    terminated, truncated : bool (N,)
        The account ended; or its time did, and the value of `final` stands for what would have followed.
    final
        Observation after the step, before any reset.
    """

    reward: Tensor
    terminated: Tensor
    truncated: Tensor
    final: Observation


class Market:
    """Accounts on a tape.

    Parameters
    ----------
    tape
        History, on the device where the market shall live.
    venue, limits
        Costs, fill assumption, starting balance; the budget is `limits.max_position_frac` of equity.
    spec
        The action space.
    envs
        Number of accounts, N.
    episode_bars
        Steps until truncation.
    seed
        Seed of starts and account histories.
    spans
        Rows [first, last) of each segment to live in; decisions are made on first .. last - 2. All that are ready, if None.
    reward_scale
        Factor on rewards.
    """

    def __init__(
        self,
        tape: Tape,
        venue: Venue,
        limits: Limits,
        spec: ActionSpec,
        envs: int,
        episode_bars: int,
        seed: int,
        spans: Sequence[tuple[int, int]] | None = None,
        reward_scale: float = 1.0,
    ) -> None:
        self.tape, self.spec, self.envs, self.episode_bars = tape, spec, envs, episode_bars
        self._venue, self._frac, self._reward_scale = venue, limits.max_position_frac, reward_scale
        self.device = device = tape.close.device
        self.generator = torch.Generator(device).manual_seed(seed)
        spans = [(segment.ready, segment.last) for segment in tape.segments] if spans is None else spans
        terms = [segment.instrument for segment in tape.segments]

        def constant(values: Sequence[float], dtype: torch.dtype = torch.float64) -> Tensor:
            return torch.tensor(values, dtype=dtype, device=device)

        self._first = constant([first for first, _ in spans], torch.int64)
        self._last = constant([last - 1 for _, last in spans], torch.int64)
        self._starts = (self._last - self._first).cumsum(0)
        self._decisions = int(self._starts[-1])
        self._lot = constant([spec_.lot for spec_ in terms])
        self._lots_per_unit = constant([10.0**spec_.size_precision for spec_ in terms])
        self._min_notional = constant([spec_.min_notional for spec_ in terms])
        self._margin = constant([spec_.margin_maint for spec_ in terms])
        self.row = torch.zeros(envs, dtype=torch.int64, device=device)
        self.segment, self.left = torch.zeros_like(self.row), torch.zeros_like(self.row)
        zero = torch.zeros(envs, dtype=torch.float64, device=device)
        self.balance, self.lots, self.entry, self.held, self.equity = (zero.clone() for _ in range(5))
        self.start_equity, self.peak = zero.clone(), zero.clone()
        self.mean, self.square, self.downside, self.turnover = (zero.clone() for _ in range(4))
        self.traded = zero.clone()
        self.fee, self.order = zero.clone(), zero.clone()

    @property
    def quantity(self) -> Tensor:
        """Signed position, base units, float64 (N,)."""
        return self.lots / self._lots_per_unit[self.segment]

    def units(self, segment: int) -> float:
        """Return the base units of one lot of a segment's instrument."""
        return 1.0 / float(self._lots_per_unit[segment])

    def begin(self, row: int, segment: int = 0) -> None:
        """Put every account at `row`, flat, as new as the engine's account is before its first decision."""
        self.row.fill_(row)
        self.segment.fill_(segment)
        self.left.fill_(self.tape.close.shape[0])
        for name in ACCOUNT_STATE:
            getattr(self, name).zero_()
        for value in (self.balance, self.equity, self.start_equity, self.peak):
            value.fill_(self._venue.starting_balance)
        self.entry.fill_(1.0)

    def reset(self, where: Tensor | None = None) -> Observation:
        """Begin new episodes where asked, at random rows with random account histories; the same draws are made whatever `where` is.

        A new episode has the venue's starting balance as its equity; what the account was before, and what it holds now, is drawn, so
        that levels which drift in a long run are not new to the policy.
        """
        where = torch.ones_like(self.row, dtype=torch.bool) if where is None else where
        uniform = torch.rand(8, self.envs, dtype=torch.float64, device=self.device, generator=self.generator)
        normal = torch.randn(4, self.envs, dtype=torch.float64, device=self.device, generator=self.generator)
        ticket = (uniform[0] * self._decisions).long()
        segment = torch.searchsorted(self._starts, ticket, right=True)
        before = torch.where(segment > 0, self._starts[(segment - 1).clamp(min=0)], 0)
        row = self._first[segment] + ticket - before
        close, volatility = self.tape.close[row], self.tape.volatility[row]
        equity = torch.full_like(close, self._venue.starting_balance)
        start = equity * torch.exp(-0.3 * normal[0])
        peak = torch.maximum(equity, start) * torch.exp(0.1 * normal[1].abs())

        held = (uniform[1] * 48.0).ceil().clamp(min=1.0)
        side = torch.where(uniform[2] < 0.5, -1.0, 1.0) if self.spec.short else torch.ones_like(close)
        wanted = uniform[3] * self._frac * equity / (close * self._lot[segment])
        lots = torch.where(uniform[4] < HOLDING_SHARE, side * wanted.floor(), 0.0)
        entry = close * torch.exp(volatility * held.sqrt() * normal[2])
        result = lots / self._lots_per_unit[segment] * (close - entry)

        aged = (uniform[5] < AGED_SHARE).double()
        deviation = aged * volatility * self._frac * uniform[6]
        fresh = {
            "balance": equity - result,
            "lots": lots,
            "entry": torch.where(lots == 0, 1.0, entry),
            "held": torch.where(lots == 0, 0.0, held),
            "equity": equity,
            "start_equity": start,
            "peak": peak,
            "mean": 0.2 * deviation * normal[3],
            "square": deviation**2 * 1.25,
            "downside": deviation**2 * (0.2 + 0.6 * uniform[7]),
            "turnover": aged * self._frac * 0.3 * uniform[7],
        }
        for name, value in fresh.items():
            setattr(self, name, torch.where(where, value, getattr(self, name)))
        self.row = torch.where(where, row, self.row)
        self.segment = torch.where(where, segment, self.segment)
        self.left = torch.where(where, self.episode_bars, self.left)
        return self.observation()

    def observation(self) -> Observation:
        """Return what the accounts are shown now. Known at: the close of `row`."""
        close, quantity = self.tape.close[self.row], self.quantity
        position = position_columns(quantity, self.entry, close, self.held, self._frac * self.equity, self.equity)
        portfolio = portfolio_columns(
            self.equity,
            self.start_equity,
            self.peak,
            (quantity * close).abs(),
            quantity * (close - self.entry),
            self.mean,
            self.square,
            self.downside,
            self.turnover,
        )
        return Observation(self.row, torch.cat([position, portfolio], -1).float())

    def step(self, action: Tensor) -> Transition:
        """Advance, then begin new episodes where one ended."""
        transition = self.advance(action)
        self.reset(transition.terminated | transition.truncated)
        return transition

    def advance(self, action: Tensor) -> Transition:
        """Trade and go to the next row.

        Parameters
        ----------
        action : int64 (N,) or float32 (N,)
            As the policy answers; a masked answer is the caller's mistake.
        """
        tape, row, segment = self.tape, self.row, self.segment
        close, lot = tape.close[row], self._lot[segment]
        budget, before = self._frac * self.equity, self.quantity
        exposure = before * close / budget
        answer = action.double() if self.spec.kind == "continuous" else action
        target = target_exposure(self.spec, answer, exposure)
        wanted = target_lots(target, exposure, self.lots, budget, close, lot)
        order, _ = order_lots(wanted, self.lots, close, lot, self._min_notional[segment])
        price = torch.where(order > 0, tape.ask[row], tape.bid[row])
        self._fill(order, price, before)
        quantity = self.quantity
        between = before if self._venue.fill == "next_close" else quantity
        self.row = row = row + 1
        mark = tape.close[row]
        paid = between * close * tape.funding_between[row - 1] + quantity * mark * tape.funding_at[row - 1]
        self.balance = self.balance - _money(paid)

        last = self.equity
        self.equity = self.balance + quantity * (mark - self.entry)
        alive = self.equity.clamp(min=1e-3 * self._venue.starting_balance)
        self.mean, self.square, self.downside, self.turnover = update_statistics(
            self.mean, self.square, self.downside, self.turnover, self.equity / last - 1.0, self.traded / alive
        )
        self.peak = torch.maximum(self.peak, self.equity)
        self.held = self.held + (self.lots != 0)
        self.left = self.left - 1
        terminated = self.equity <= self._margin[segment] * (quantity * mark).abs()
        terminated = terminated | (self.equity <= RUIN_FRAC * self._venue.starting_balance)
        truncated = ~terminated & ((self.left <= 0) | (row >= self._last[segment]))
        growth = torch.log(alive / last) / (tape.volatility[row - 1] * self._frac)
        reward = self._reward_scale * growth.clamp(-REWARD_LIMIT, REWARD_LIMIT)
        self.equity = torch.where(terminated, alive, self.equity)
        return Transition(reward.float(), terminated, truncated, self.observation())

    def _fill(self, order: Tensor, price: Tensor, before: Tensor) -> None:
        """Book an order of whole lots: result, fee, average entry price, holding time."""
        traded = order / self._lots_per_unit[self.segment]
        lots = self.lots + order
        quantity = lots / self._lots_per_unit[self.segment]
        none, opposite = order == 0, self.lots * order < 0
        price = torch.where(none, self.entry, price)
        closed = torch.where(opposite, torch.minimum(traded.abs(), before.abs()), 0.0) * torch.sign(before)
        self.traded = traded.abs() * price
        self.fee = _money(self.traded * (self._venue.taker_bps / 1e4))
        self.order = order
        self.balance = self.balance + _money(closed * (price - self.entry)) - self.fee
        opened = (lots != 0) & (self.lots * lots <= 0)
        grown = (before.abs() * self.entry + traded.abs() * price) / torch.where(lots == 0, 1.0, quantity.abs())
        added = ~none & ~opposite & ~opened
        self.entry = torch.where(opened, price, torch.where(added, grown, self.entry))
        self.held = torch.where(opened | (lots == 0), 0.0, self.held)
        self.lots = lots

    def state(self) -> dict[str, Tensor]:
        """Everything that `restore` needs, the generator included."""
        state = {name: getattr(self, name) for name in (*ACCOUNT_STATE, "row", "segment", "left")}
        return state | {"generator": self.generator.get_state()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a state."""
        for name, value in state.items():
            if name == "generator":
                self.generator.set_state(value.cpu())
            else:
                setattr(self, name, value.to(self.device))


def _money(amount: Tensor) -> Tensor:
    return torch.round(amount, decimals=MONEY_DECIMALS)
