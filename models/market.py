"""The training market: thousands of accounts stepped side by side as tensors, with the engine's own arithmetic.

An account holds every instrument of the tape. One step is one turn: at its close the policy sees, for each instrument, a window and the
account; the answers become target exposures, whole lots, the gate's verdicts, fills at the quotes of the fill assumption, fees, funding,
liquidation, and a new mark at the next turn; see `models.accounting`. `huracan verify env` holds it to NautilusTrader.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from engine.contract.action import ActionSpec
from engine.contract.config import Limits, Reward, Venue
from models.accounting import RUIN_FRAC, Account, Columns, Happened, Terms, account_columns, advance, fresh, new_day
from models.rewards import Shaping
from models.tape import BUDGET, CLOSE, DECIDES, NEW_DAY, ROW, TURN_COLUMNS, VOLATILITY, Tape

HOLDING_SHARE = 0.25
"""Share of episodes that begin with positions, so that the policy meets positions that it would not have opened."""

AGED_SHARE = 0.5
"""Share of episodes that begin with statistics of an account that has traded before; the others begin at zero, as a new account does."""


class Observation(NamedTuple):
    """What a policy sees, for B = N K decisions, account by account and instrument by instrument.

    `row` int64 (B,), where the window ends on the tape, and `account` float32 (B, 13 + C): position, portfolio, and the tape's context.
    """

    row: Tensor
    account: Tensor


class Transition(NamedTuple):
    """What a step led to, for B decisions.

    Attributes
    ----------
    reward : float32 (B,)
        As `models.rewards` composes it.
    terminated, truncated : bool (B,)
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
        History, on the device where the market shall live; K instruments.
    venue, limits
        Costs, fill assumption, margin, starting balance; the budget of each instrument is `limits.max_position_frac` of equity.
    spec
        The action space.
    envs
        Number of accounts, N.
    episode_bars
        Steps until truncation.
    seed
        Seed of starts and account histories.
    spans
        Turns [first, last) to live in; decisions are made on first .. last - 2. All from `tape.first_turn`, if None.
    reward_scale
        Factor on rewards.
    reward
        Weights of the reward's terms.
    trace
        Keep in `happened` what came of the last answers: fills, costs, refusals.
    compiled
        Compile the step for this device with `torch.compile`: a minute once, then several times the speed. Needs a C++ compiler on a CPU.
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
        reward: Reward | None = None,
        compiled: bool = False,
        trace: bool = False,
    ) -> None:
        self.tape, self.spec, self.envs, self.episode_bars = tape, spec, envs, episode_bars
        self.device = device = tape.turns.device
        self.instruments = len(tape.segments)
        instruments = [part.instrument for part in tape.segments]
        self.terms = Terms(instruments, venue, limits, spec, device, tape.bounded)
        self._shaping = Shaping(reward or Reward(), self.terms, reward_scale)
        self.generator = torch.Generator(device).manual_seed(seed)
        self.spans = spans = [(tape.first_turn, len(tape.ts_turn))] if spans is None else list(spans)
        self._first = torch.tensor([first for first, _ in spans], device=device)
        self._last = torch.tensor([last - 1 for _, last in spans], device=device)
        self._starts = (self._last - self._first).cumsum(0)
        self._table = tape.turns.flatten(1)
        self._trace = trace
        self.happened: Happened | None = None
        self._compiled = torch.compile(self._live_compiled, dynamic=False) if compiled else None
        self._gathered: Tensor | None = None
        self.account = fresh(self.terms, envs, self.instruments, device)
        self.left = torch.zeros(envs, dtype=torch.int64, device=device)
        self.end = torch.zeros_like(self.left)
        self.turn: Tensor
        self._seen: Observation
        self._move(self.left + tape.first_turn)

    @property
    def decisions(self) -> int:
        """Decisions in a step, B."""
        return self.envs * self.instruments

    @property
    def quantity(self) -> Tensor:
        """Signed positions, base units, float64 (N, K)."""
        return self.account.lots / self.terms.lots_per_unit

    @property
    def row(self) -> Tensor:
        """Where the windows end on the tape, int64 (B,)."""
        return self._seen.row

    @property
    def close(self) -> Tensor:
        """Last closes, quote, float64 (N, K)."""
        return self._now[CLOSE]

    @property
    def budget(self) -> Tensor:
        """Value of an exposure of 1, quote, float64 (N, K)."""
        return self.terms.budget(self._now, self.account.equity)

    @property
    def decides(self) -> Tensor:
        """Where an instrument has a bar at this turn, so that its answer is heard, bool (N, K)."""
        return self._now[DECIDES] > 0

    def begin(self, turn: int | Tensor) -> None:
        """Put every account at `turn`, or each at its own (N,), flat, as new as the engine's account is before its first decision."""
        self.account = fresh(self.terms, self.envs, self.instruments, self.device)
        self.left.fill_(len(self.tape.ts_turn))
        self.end.fill_(len(self.tape.ts_turn) - 1)
        self._move(torch.zeros_like(self.turn) + turn)

    def reset(self, where: Tensor | None = None) -> Observation:
        """Begin new episodes where `where`, bool (N,), is true; everywhere, if None. Starts and account histories are random.

        A new episode has the venue's starting balance as its equity; what the account was before, and what it holds now, is drawn, so
        that levels which drift in a long run are not new to the policy.
        """
        index = torch.arange(self.envs, device=self.device) if where is None else where.nonzero().squeeze(-1)
        if len(index) > 0:
            self._start(index)
        return self._seen

    def _start(self, index: Tensor) -> None:
        count, instruments, terms = len(index), self.instruments, self.terms
        uniform = torch.rand(count, 5, dtype=torch.float64, device=self.device, generator=self.generator)
        each = torch.rand(count, instruments, 4, dtype=torch.float64, device=self.device, generator=self.generator)
        normal = torch.randn(count, 3 + instruments, dtype=torch.float64, device=self.device, generator=self.generator)
        ticket = (uniform[:, 0] * self._starts[-1]).long()
        span = torch.searchsorted(self._starts, ticket, right=True)
        passed = torch.where(span > 0, self._starts[(span - 1).clamp(min=0)], 0)
        turn = self._first[span] + ticket - passed
        now = self._columns(turn)
        close, volatility = now[CLOSE], now[VOLATILITY]
        equity = torch.full_like(close[:, 0], terms.balance)
        start = equity * torch.exp(-0.3 * normal[:, 0])
        peak = torch.maximum(equity, start) * torch.exp(0.1 * normal[:, 1].abs())

        frac = terms.limits.max_position_frac
        most = min(frac, terms.limits.max_gross_frac / instruments)
        room = now[BUDGET].clamp(max=most) if terms.bounded else most
        held = (each[..., 0] * 48.0).ceil().clamp(min=1.0)
        side = torch.where(each[..., 1] < 0.5, -1.0, 1.0) if self.spec.short else torch.ones_like(close)
        wanted = each[..., 2] * room * equity[:, None] / (close * terms.lot)
        lots = torch.where(each[..., 3] < HOLDING_SHARE, side * wanted.floor(), 0.0)
        entry = torch.where(lots == 0, 1.0, close * torch.exp(volatility * held.sqrt() * normal[:, 3:]))
        result = (lots / terms.lots_per_unit * (close - entry)).sum(-1)

        aged = (uniform[:, 1] < AGED_SHARE).double()
        deviation = aged * volatility.mean(-1) * frac * uniform[:, 2]
        begun = Account(
            balance=equity - result,
            equity=equity,
            start_equity=start,
            peak_equity=peak,
            day_equity=equity,
            orders_today=torch.zeros_like(equity),
            mean=0.2 * deviation * normal[:, 2],
            square=deviation**2 * 1.25,
            downside=deviation**2 * (0.2 + 0.6 * uniform[:, 3]),
            turnover=aged * frac * 0.3 * uniform[:, 4],
            lots=lots,
            pending=torch.zeros_like(lots),
            entry=entry,
            held=torch.where(lots == 0, 0.0, held),
            smoothed=torch.zeros_like(lots),
        )
        for old, new in zip(self.account, begun):
            old.index_copy_(0, index, new)
        self.left.index_fill_(0, index, self.episode_bars)
        self.end.index_copy_(0, index, self._last[span])
        self.turn.index_copy_(0, index, turn)
        if self._gathered is not None:
            self._gathered.index_copy_(1, index, now)
        rows = (index[:, None] * instruments + torch.arange(instruments, device=self.device)).flatten()
        row = self._seen.row.index_copy(0, rows, now[ROW].long().flatten())
        columns = self._seen.account.T.index_copy(1, rows, self._shown(account_columns(terms, begun, now), turn).T)
        self._seen = Observation(row, columns.T)

    def observation(self) -> Observation:
        """Return what the accounts are shown now. Known at: the close of the turn."""
        return self._seen

    def step(self, action: Tensor) -> Transition:
        """Advance, then begin new episodes where one ended."""
        transition = self.advance(action)
        ended = (transition.terminated | transition.truncated).view(self.envs, -1)[:, 0]
        self.reset(ended)
        return transition

    def advance(self, action: Tensor) -> Transition:
        """Answer a turn and go to the next one.

        Parameters
        ----------
        action : int64 (B,) or float32 (B,)
            As the policy answers; a masked answer is the caller's mistake. Answers of instruments without a bar are not heard.
        """
        answer = action.view(self.envs, self.instruments)
        over = (self.left <= 1) | (self.turn + 1 >= self.end)
        if self._compiled is None:
            following = self._columns(self.turn + 1)
            lived = self._live(self.account, self._now, following, over, answer)
        else:
            following = None
            lived = self._compiled(self._table.view(-1), self.account, self.turn, over, answer)
        self.account, reward, terminated, truncated, row, columns, *traced = lived
        self.turn, self.left, self._gathered = self.turn + 1, self.left - 1, following
        self.happened = traced[0] if traced else None
        self._seen = Observation(row, self._shown(columns, self.turn))
        each = (self.envs, self.instruments)
        return Transition(
            reward.flatten(),
            terminated[:, None].expand(each).flatten(),
            truncated[:, None].expand(each).flatten(),
            self._seen,
        )

    def _live(
        self, account: Account, now: Columns, following: Columns, over: Tensor, action: Tensor
    ) -> tuple[Any, ...]:
        """One step without side effects."""
        after, happened = advance(self.terms, account, now, action)
        after = new_day(after, following[NEW_DAY][:, 0] > 0)
        terminated = happened.liquidated | (after.equity <= RUIN_FRAC * self.terms.balance)
        truncated = ~terminated & over
        reward = self._shaping(account, after, now, happened)
        shown = after._replace(equity=torch.where(terminated, self.terms.alive(after.equity), after.equity))
        columns = account_columns(self.terms, shown, following)
        lived = (after, reward, terminated, truncated, following[ROW].long().flatten(), columns)
        return (*lived, happened) if self._trace else lived

    def _live_compiled(
        self, table: Tensor, account: Account, turn: Tensor, over: Tensor, action: Tensor
    ) -> tuple[Any, ...]:
        """The same step, which gathers its columns one by one: compiled, they are read where they are used and never stored."""
        width = len(TURN_COLUMNS)
        place = torch.arange(self.instruments, device=self.device)

        def gathered(at: Tensor) -> list[Tensor]:
            first = (at[:, None] * self.instruments + place) * width
            return [table[first + column] for column in range(width)]

        return self._live(account, gathered(turn), gathered(turn + 1), over, action)

    def state(self) -> dict[str, Tensor]:
        """Everything that `restore` needs, the generator included."""
        state = {f"account.{name}": value for name, value in self.account._asdict().items()}
        return state | {"turn": self.turn, "left": self.left, "end": self.end, "generator": self.generator.get_state()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a state."""
        moved = {name: value.to(self.device) for name, value in state.items() if name != "generator"}
        self.generator.set_state(state["generator"].cpu())
        self.account = Account(**{name: moved[f"account.{name}"] for name in Account._fields})
        self.left, self.end = moved["left"], moved["end"]
        self._move(moved["turn"])

    def _move(self, turn: Tensor) -> None:
        self.turn, self._gathered = turn, None
        columns = account_columns(self.terms, self.account, self._now)
        self._seen = Observation(self._now[ROW].long().flatten(), self._shown(columns, turn))

    def _shown(self, columns: Tensor, turn: Tensor) -> Tensor:
        """Put the context of turns (N,) beside account columns (B, 13)."""
        context = self.tape.context
        if context.shape[-1] == 0:
            return columns
        return torch.cat([columns, context.index_select(0, turn).flatten(0, 1)], -1)

    @property
    def _now(self) -> Tensor:
        if self._gathered is None:
            self._gathered = self._columns(self.turn)
        return self._gathered

    def _columns(self, turn: Tensor) -> Tensor:
        """Gather turns (N,) as float64 (C, N, K)."""
        rows = self._table.index_select(0, turn).view(len(turn), self.instruments, -1)
        return rows.permute(2, 0, 1).contiguous()
