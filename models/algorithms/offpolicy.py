"""The loop of every algorithm that learns from what it remembers: act, remember, draw, update."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from engine.contract.action import valid_actions
from engine.contract.config import Training
from models.algorithms.learner import (
    Named,
    Progress,
    State,
    adam,
    below,
    decisions_per_step,
    descend,
    iterations,
    optimiser_state,
    prefixed,
    restore_optimiser,
    set_rate,
    win_rate,
)
from models.algorithms.replay import Batch, Replay
from models.features import STEPS
from models.market import Market
from models.networks import SIZE_COLUMN, PolicyGraph
from models.schedule import LearningRate


class Update(NamedTuple):
    """What one update measured, 0-d tensors, and the errors (B,) that become priorities."""

    loss_policy: Tensor
    loss_critic: Tensor
    entropy: Tensor
    error: Tensor


class OffPolicy(ABC):
    """A policy that learns on a market from what it remembers.

    A subclass builds its networks, registers them and their optimisers, and says how to act and how to update.

    Parameters
    ----------
    graph
        The policy, its normaliser fitted, on the market's device.
    market
        Where it learns.
    training
        Hyperparameters.
    seed
        Seed of draws, of batches and of the networks that stay here.
    n_step, prioritised
        As in `Replay`.
    """

    def __init__(
        self,
        graph: PolicyGraph,
        market: Market,
        training: Training,
        seed: int,
        n_step: int = 1,
        prioritised: bool = False,
    ) -> None:
        self.graph, self.market, self.training = graph, market, training
        self.iteration = 0
        self._width = decisions_per_step(market)
        self.iterations = iterations(training.env_steps, self.steps_per_iteration)
        self.generator = torch.Generator(market.device).manual_seed(seed)
        with torch.no_grad():
            self._table = graph.trunk.table(graph.normaliser(market.tape.features))
        self._discrete = graph.spec.kind == "discrete7"
        dtype = torch.int64 if self._discrete else torch.float32
        self.memory = Replay(
            training.replay,
            self._width,
            training.discount,
            n_step,
            prioritised,
            dtype,
            market.device,
            graph.trunk.account_width,
        )
        self._rate = LearningRate(training.schedule, training.learning_rate, self.iterations)
        self._modules: dict[str, nn.Module] = {"weights": graph}
        self._optimisers: dict[str, tuple[torch.optim.Optimizer, Named]] = {}
        self._updates_per_step = max(1, round(training.replay.reuse * self._width / training.replay.batch))
        self.updates = 0

    @property
    def steps_per_iteration(self) -> int:
        """Decisions in one iteration."""
        return self._width * self.training.rollout_steps

    @property
    def done(self) -> bool:
        """Whether every iteration was made."""
        return self.iteration >= self.iterations

    @property
    def past(self) -> float:
        """Share of the run that is over."""
        return min(self.iteration / self.iterations, 1.0)

    @property
    def warm(self) -> bool:
        """Whether enough is remembered to learn from."""
        return self.memory.added >= max(self.training.replay.warm_up, 1)

    @abstractmethod
    def act(self, context: Tensor, account: Tensor) -> Tensor:
        """Answer as the policy does while it learns: int64 or float32 (N,), valid for the account."""

    @abstractmethod
    def update(self, batch: Batch, context: Tensor, final_context: Tensor) -> Update:
        """Learn from one batch, whose contexts (B, K) were looked up."""

    def optimises(self, name: str, module: nn.Module) -> None:
        """Give the parameters of a module an optimiser."""
        named = {key: parameter for key, parameter in module.named_parameters() if parameter.requires_grad}
        self._optimisers[name] = (adam(named, self.training.learning_rate), named)

    def descend(self, name: str, loss: Tensor) -> None:
        """Make one update of the parameters that were given an optimiser under this name."""
        optimiser, named = self._optimisers[name]
        descend(optimiser, named, loss, self.training.gradient_norm)

    def keeps(self, name: str, module: nn.Module) -> None:
        """Write a module into checkpoints, beside the graph."""
        self._modules[name] = module

    def iterate(self) -> Progress:
        """Make `rollout_steps` steps of all markets, with updates after each."""
        if self.iteration == 0:
            self.market.reset()
        rate = self._rate.at(self.iteration)
        for optimiser, _ in self._optimisers.values():
            set_rate(optimiser, rate)
        rewards = []
        sums, updates = torch.zeros(3, device=self.market.device), 0
        for _ in range(self.training.rollout_steps):
            rewards.append(self._step())
            if not self.warm:
                continue
            for _ in range(self._updates_per_step):
                sums += self._learn()
                updates += 1
        self.iteration += 1
        reward = torch.stack(rewards)
        mean, wins = float(reward.mean()), win_rate(reward)
        self._rate.observe(wins, mean)
        policy, critic, entropy = (sums / max(updates, 1)).tolist()
        return Progress(mean, wins, entropy, policy, critic, rate)

    @torch.no_grad()
    def _step(self) -> Tensor:
        observation = self.market.observation()
        if not self.warm:
            action = self.random_answers(observation.account)
        else:
            action = self.act(self.context(observation.row), observation.account)
        step = self.market.step(action)
        self.memory.add(observation, action, step)
        return step.reward

    def _learn(self) -> Tensor:
        batch = self.memory.draw(self.training.replay.batch, self.generator, self.past)
        found = self.update(batch, self.context(batch.row), self.context(batch.final_row))
        self.memory.rate(batch.place, found.error)
        self.updates += 1
        return torch.stack([found.loss_policy, found.loss_critic, found.entropy])

    def context(self, row: Tensor) -> Tensor:
        """Look up the windows that end at rows (N,): (N, K)."""
        return self._table.index_select(0, row - (STEPS - 1))

    def random_answers(self, account: Tensor) -> Tensor:
        """Draw evenly among the valid answers, or evenly in [-1, 1]."""
        device, generator = account.device, self.generator
        if not self._discrete:
            return 2.0 * torch.rand(len(account), device=device, generator=generator) - 1.0
        valid = valid_actions(self.graph.spec, account[:, SIZE_COLUMN])
        uniform = torch.rand(valid.shape, device=device, generator=generator)
        return torch.where(valid, uniform, -1.0).argmax(-1)

    def state(self) -> State:
        """Everything that `restore` needs, as tensors with flat names."""
        state = {"generator": self.generator.get_state()}
        state |= {"iteration": torch.tensor(self.iteration), "updates": torch.tensor(self.updates)}
        for name, module in self._modules.items():
            state |= prefixed(f"{name}.", module.state_dict())
        for name, (optimiser, named) in self._optimisers.items():
            state |= prefixed(f"optimiser.{name}.", optimiser_state(optimiser, named))
        state |= prefixed("market.", self.market.state())
        state |= prefixed("rate.", self._rate.state())
        return state | prefixed("memory.", self.memory.state())

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state: what follows is what would have followed."""
        self.iteration, self.updates = int(state["iteration"]), int(state["updates"])
        self.generator.set_state(state["generator"].cpu())
        for name, module in self._modules.items():
            module.load_state_dict(below(f"{name}.", state))
        for name, (optimiser, named) in self._optimisers.items():
            restore_optimiser(optimiser, named, below(f"optimiser.{name}.", state))
        self.market.restore(below("market.", state))
        self._rate.restore(below("rate.", state))
        self.memory.restore(below("memory.", state))
