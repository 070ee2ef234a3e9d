"""What the two learned baselines have in common: the bars of the training span as one table, and an update without an account."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from engine.contract.config import Training
from models.algorithms.learner import (
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
from models.exposure import followed
from models.features import STEPS
from models.market import Market
from models.networks import ACCOUNT_WIDTH, PolicyGraph
from models.schedule import LearningRate
from models.tape import ASK, BID, BUDGET, CEILING, CLOSE, DECIDES, NEXT_CLOSE, ROW, VOLATILITY


class Table(NamedTuple):
    """The decisions of a span, n turns of K instruments.

    Attributes
    ----------
    row : int64 (n, K), where the window ends on the tape
    said : float32 (n, K, C), what the policy sees of the signals
    hears : bool (n, K), where the instrument has a bar
    earned : float64 (n, K)
        Simple return from the mid of the quote that fills the turn's decision to that of the next turn's.
    ahead : float32 (n, K)
        Log return to the next close, in the volatility known at the turn.
    volatility : float64 (n, K), of a bar, known at the turn
    weight : float64 (n, K), equity behind an exposure of 1, fraction
    ceiling : float64 (n, K), largest exposure
    """

    row: Tensor
    said: Tensor
    hears: Tensor
    earned: Tensor
    ahead: Tensor
    volatility: Tensor
    weight: Tensor
    ceiling: Tensor

    def part(self, index: Tensor | slice) -> "Table":
        """Return some of the turns."""
        return Table(*(column[index] for column in self))


def table_of(market: Market, span: tuple[int, int]) -> Table:
    """Lay out a span [first, last) of a market's tape; its last two turns have no following fill in it and are left out."""
    tape, (first, last) = market.tape, span
    here, after = tape.turns[first : last - 2], tape.turns[first + 1 : last - 1]
    mid, next_mid = (0.5 * (turns[..., BID] + turns[..., ASK]) for turns in (here, after))
    frac = market.terms.limits.max_position_frac
    return Table(
        row=here[..., ROW].long(),
        said=tape.context[first : last - 2],
        hears=here[..., DECIDES] > 0,
        earned=next_mid / mid - 1.0,
        ahead=((here[..., NEXT_CLOSE] / here[..., CLOSE]).log() / here[..., VOLATILITY]).float(),
        volatility=here[..., VOLATILITY],
        weight=here[..., BUDGET] if market.terms.bounded else torch.full_like(mid, frac),
        ceiling=here[..., CEILING] if market.terms.bounded else torch.full_like(mid, math.inf),
    )


class Foreseen(ABC):
    """A policy that learns from bars; what is held never enters, so that every turn of the span can be learned from at any time.

    An iteration draws as many decisions as a rollout of PPO has, and makes `minibatches` updates on them, one on each part.

    Parameters
    ----------
    graph
        The policy, its head one of exposures, its normaliser fitted, on the market's device.
    market
        Its tape, span and costs are used; no account is stepped.
    training
        Hyperparameters.
    seed
        Seed of what is drawn.
    """

    def __init__(self, graph: PolicyGraph, market: Market, training: Training, seed: int) -> None:
        self.graph, self.market, self.training = graph, market, training
        self.iteration = 0
        self._width = decisions_per_step(market)
        self.iterations = iterations(training.env_steps, self.steps_per_iteration)
        self.generator = torch.Generator(market.device).manual_seed(seed)
        self.table = table_of(market, market.spans[0])
        self.cost = (market.terms.venue.taker_bps + market.terms.venue.half_spread_bps) * 1e-4
        with torch.no_grad():
            self._contexts = graph.trunk.table(graph.normaliser(market.tape.features))
        graph.trunk.log_std.requires_grad_(False)
        self._rate = LearningRate(training.schedule, training.learning_rate, self.iterations)
        self._named = {name: one for name, one in graph.trunk.named_parameters() if self.learns(name)}
        self._optimiser = adam(self._named, training.learning_rate)

    def learns(self, name: str) -> bool:
        """Tell whether a parameter of the trunk is learned by gradient."""
        return name != "log_std"

    @property
    def steps_per_iteration(self) -> int:
        """Decisions that the updates of an iteration draw."""
        return self._width * self.training.rollout_steps

    @property
    def done(self) -> bool:
        """Whether every iteration was made."""
        return self.iteration >= self.iterations

    @abstractmethod
    def loss(self, decisions: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return the losses of policy and critic on about so many decisions, and what was earned after costs, float64 (...)."""

    @abstractmethod
    def finish(self) -> None:
        """Do what follows the updates of an iteration."""

    def iterate(self) -> Progress:
        """Make the updates of one iteration."""
        training, rate = self.training, self._rate.at(self.iteration)
        set_rate(self._optimiser, rate)
        part = max(2, self.steps_per_iteration // training.minibatches)
        sums, earned = torch.zeros(2, device=self.market.device), []
        for _ in range(training.minibatches):
            policy, critic, net = self.loss(part)
            loss = policy + training.value_coefficient * critic
            descend(self._optimiser, self._named, loss, training.gradient_norm)
            sums += torch.stack([policy.detach(), critic.detach()]).float()
            earned.append(net.detach().flatten())
        self.finish()
        self.iteration += 1
        gained = torch.cat(earned)
        reward, wins = float(gained.mean()), win_rate(gained)
        self._rate.observe(wins, reward)
        policy_loss, critic_loss = (sums / training.minibatches).tolist()
        return Progress(reward, wins, 0.0, policy_loss, critic_loss, rate)

    def outputs(self, part: Table) -> tuple[Tensor, Tensor]:
        """Return what the actor says before gain and tanh, and the value, of turns: float32 (n, K) each."""
        trunk, shape = self.graph.trunk, part.row.shape
        account = part.said.new_zeros(*shape, ACCOUNT_WIDTH + part.said.shape[-1])
        account[..., ACCOUNT_WIDTH:] = part.said
        contexts = self._contexts.index_select(0, part.row.flatten() - (STEPS - 1))
        state = trunk.state(contexts, account.flatten(0, 1))
        return trunk.actor(state).view(shape), trunk.critic(state).view(shape)

    def wanted(self, said: Tensor, part: Table, gain: Tensor | float | None = None) -> Tensor:
        """Turn what the actor says into wanted exposures, float64 (n, K), within what is allowed."""
        wanted = torch.tanh((self.graph.trunk.gain if gain is None else gain) * said).double()
        wanted = wanted if self.graph.spec.short else wanted.clamp(min=0.0)
        return torch.maximum(torch.minimum(wanted, part.ceiling), -part.ceiling)

    def net(self, held: Tensor, part: Table) -> Tensor:
        """Return what exposures (..., L, K) earn of equity after costs, float64 (..., L); the first turn trades nothing."""
        value = held * part.weight
        traded = torch.diff(value, dim=-2, prepend=value[..., :1, :]).abs()
        return (value * part.earned - self.cost * traded).sum(-1)

    @torch.no_grad()
    def earned(self, span: tuple[int, int]) -> Tensor:
        """Simple returns after costs over a span [first, last), float64 (n,): quick, and near what a replay of an account says."""
        part = table_of(self.market, span)
        return self.net(self.followed(self.wanted(self.outputs(part)[0], part), part), part)

    def growth(self, span: tuple[int, int]) -> float:
        """Log growth of what is earned over a span."""
        return float(self.earned(span).log1p().sum())

    def followed(self, wanted: Tensor, part: Table, band: Tensor | None = None) -> Tensor:
        """Follow wanted exposures, float64 (n, K), over n turns that follow each other."""
        band = self.graph.trunk.band if band is None else band
        return followed(wanted.T.contiguous(), band, part.hears.T.contiguous()).T

    def state(self) -> State:
        """Everything that `restore` needs, as tensors with flat names."""
        return {
            **prefixed("weights.", self.graph.state_dict()),
            **prefixed("optimiser.", optimiser_state(self._optimiser, self._named)),
            **prefixed("rate.", self._rate.state()),
            "generator": self.generator.get_state(),
            "iteration": torch.tensor(self.iteration),
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state: what follows is what would have followed."""
        self.iteration = int(state["iteration"])
        self.generator.set_state(state["generator"].cpu())
        self.graph.load_state_dict(below("weights.", state))
        self._rate.restore(below("rate.", state))
        restore_optimiser(self._optimiser, self._named, below("optimiser.", state))


def sharpe(net: Tensor) -> Tensor:
    """Mean over standard deviation of all values, per turn; 0 where they do not vary."""
    deviation = net.std()
    return net.mean() / deviation.clamp(min=1e-12)
