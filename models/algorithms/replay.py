"""What an off-policy learner remembers: decisions as rows of the tape and account columns, the rewards of one or several steps summed.

Windows are not stored: a row finds its window again. A decision is kept with the observation that its rewards end at and the discount of
the value that stands there: `discount**n` after n steps, also where an episode was cut short before (its last observation is kept, and
its value stands for what would have followed), and 0 where the account ended.

Sutton & Barto, "Reinforcement Learning" (2018), section 7.1, for sums of n rewards; Schaul et al., "Prioritized Experience Replay" (2016),
algorithm 1, for priorities.

Departure: draws are made by a search in the cumulative sum of all priorities, float64, with the generator that is passed in. TorchRL's
prioritised sampler is as fast (0.9 ms against 0.8 ms for a draw and an update of 256 among 65,536), but its draws come from a generator
that no seed of ours reaches, and its float32 trees are objects that no tensor file holds: a killed run could not go on to the same weights.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from engine.contract.config import Replay as ReplaySettings
from models.market import Observation, Transition
from models.networks import ACCOUNT_WIDTH

SMALLEST_ERROR = 1e-6
"""Added to every error before it becomes a priority: nothing is forgotten for ever."""


class Batch(NamedTuple):
    """Decisions to learn from: tensors of shape (B,), `account` and `final_account` of shape (B, A).

    Attributes
    ----------
    place
        Where the decisions lie in the memory.
    reward, discount
        Discounted sum of rewards, and what the value of `final_row`, `final_account` counts for.
    weight
        Importance weights, at most 1; they undo what priorities do to the mean.
    """

    place: Tensor
    row: Tensor
    account: Tensor
    action: Tensor
    reward: Tensor
    discount: Tensor
    final_row: Tensor
    final_account: Tensor
    weight: Tensor


class Pending(NamedTuple):
    """One step of all markets, not yet `n_step` steps old: `ended` where the episode stops with it, `carry` what a value counts for."""

    row: Tensor
    account: Tensor
    action: Tensor
    reward: Tensor
    ended: Tensor
    terminated: Tensor
    final_row: Tensor
    final_account: Tensor


class Replay:
    """A ring of decisions.

    Parameters
    ----------
    settings
        [training.replay].
    width
        Decisions of one step of all markets.
    discount
        Of one step.
    n_step
        Rewards that are summed.
    prioritised
        Draw in proportion to priorities, not evenly.
    action_dtype
        int64 or float32.
    device
        Where it lives.
    account_width
        Columns of the account as the policy sees it.
    """

    def __init__(
        self,
        settings: ReplaySettings,
        width: int,
        discount: float,
        n_step: int,
        prioritised: bool,
        action_dtype: torch.dtype,
        device: torch.device,
        account_width: int = ACCOUNT_WIDTH,
    ) -> None:
        self._settings, self._width, self._discount, self._n_step = settings, width, discount, n_step
        self.capacity = settings.capacity // width * width
        self.added = 0
        kept = torch.int8 if action_dtype == torch.int64 else action_dtype
        self._action_dtype = action_dtype
        shapes: dict[str, tuple[torch.dtype, tuple[int, ...]]] = {
            "row": (torch.int32, ()),
            "account": (torch.float32, (account_width,)),
            "action": (kept, ()),
            "reward": (torch.float32, ()),
            "discount": (torch.float32, ()),
            "final_row": (torch.int32, ()),
            "final_account": (torch.float32, (account_width,)),
        }
        self._columns = {
            name: torch.zeros((self.capacity, *shape), dtype=dtype, device=device)
            for name, (dtype, shape) in shapes.items()
        }
        self._priority = torch.zeros(self.capacity, dtype=torch.float64, device=device) if prioritised else None
        self._largest = torch.ones((), dtype=torch.float64, device=device)
        self._pending: list[Pending] = []

    def __len__(self) -> int:
        return min(self.added, self.capacity)

    def add(self, observation: Observation, action: Tensor, step: Transition) -> None:
        """Remember one step of all markets; it can be drawn once `n_step` steps have passed.

        Parameters
        ----------
        observation
            What was decided on.
        action : int64 (N,) or float32 (N,)
        step
            What followed, its `final` before any reset.
        """
        ended = step.terminated | step.truncated
        self._pending.append(Pending(*observation, action, step.reward, ended, step.terminated, *step.final))
        if len(self._pending) < self._n_step:
            return
        first = self._pending[0]
        reward, ended, terminated = first.reward.clone(), first.ended, first.terminated
        discount = torch.full_like(reward, self._discount)
        final_row, final_account = first.final_row, first.final_account
        for later in self._pending[1:]:
            reward = torch.where(ended, reward, reward + discount * later.reward)
            discount = torch.where(ended, discount, discount * self._discount)
            final_row = torch.where(ended, final_row, later.final_row)
            final_account = torch.where(ended[:, None], final_account, later.final_account)
            terminated = torch.where(ended, terminated, later.terminated)
            ended = ended | later.ended
        discount = torch.where(terminated, 0.0, discount)
        self._write(first.row, first.account, first.action, reward, discount, final_row, final_account)
        del self._pending[0]

    def _write(self, *values: Tensor) -> None:
        start = self.added % self.capacity
        for column, value in zip(self._columns.values(), values):
            column[start : start + self._width] = value.to(column.dtype)
        if self._priority is not None:
            self._priority[start : start + self._width] = self._largest
        self.added += self._width

    def draw(self, size: int, generator: torch.Generator, past: float) -> Batch:
        """Draw decisions, one from each of `size` equal parts of all priority, or evenly with repetition.

        Parameters
        ----------
        past
            Share of the run that is over; the importance exponent grows with it to 1.
        """
        count, device = len(self), self._columns["row"].device
        if self._priority is None:
            place = torch.randint(count, (size,), device=device, generator=generator)
            weight = torch.ones(size, device=device)
        else:
            priority = self._priority[:count]
            total = priority.cumsum(0)
            uniform = torch.rand(size, dtype=torch.float64, device=device, generator=generator)
            ticket = (torch.arange(size, device=device) + uniform) / size * total[-1]
            place = torch.searchsorted(total, ticket, right=True).clamp(max=count - 1)
            exponent = self._settings.importance + (1.0 - self._settings.importance) * past
            scarce = (count * priority[place] / total[-1]) ** -exponent
            weight = (scarce / scarce.max()).float()
        found = {name: column.index_select(0, place) for name, column in self._columns.items()}
        found["action"] = found["action"].to(self._action_dtype)
        return Batch(place, **found, weight=weight)

    def rate(self, place: Tensor, error: Tensor) -> None:
        """Give decisions the priority of their errors (B,); without priorities nothing happens."""
        if self._priority is None:
            return
        priority = (error.double() + SMALLEST_ERROR) ** self._settings.priority_exponent
        self._priority[place] = priority
        self._largest = torch.maximum(self._largest, priority.max())

    def state(self) -> dict[str, Tensor]:
        """Everything that `restore` needs; of the ring, only what is filled."""
        count = len(self)
        state = {f"columns.{name}": column[:count] for name, column in self._columns.items()}
        if self._priority is not None:
            state["priority"] = self._priority[:count]
        for index, step in enumerate(self._pending):
            state |= {f"pending.{index}.{name}": value for name, value in step._asdict().items()}
        return state | {"largest": self._largest, "added": torch.tensor(self.added)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state."""
        self.added = int(state["added"])
        count, device = len(self), self._columns["row"].device
        for name, column in self._columns.items():
            column[:count] = state[f"columns.{name}"].to(device)
        if self._priority is not None:
            self._priority[:count] = state["priority"].to(device)
        self._largest = state["largest"].to(device)
        steps = {int(name.split(".")[1]) for name in state if name.startswith("pending.")}
        self._pending = [
            Pending(*(state[f"pending.{index}.{name}"].to(device) for name in Pending._fields))
            for index in sorted(steps)
        ]
