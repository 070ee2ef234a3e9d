"""What every algorithm is to the training loop, and how what it learned is written down as tensors with flat names."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from models.market import Market
from models.networks import PolicyGraph

State = dict[str, Tensor]
Named = Mapping[str, nn.Parameter]


class Progress(NamedTuple):
    """What an iteration measured.

    Attributes
    ----------
    reward
        Mean over the decisions.
    win_rate
        Share of gains among the rewards that are not 0.
    entropy
        Of the answers that were drawn from, nats, mean; 0 where the policy draws from nothing.
    loss_policy, loss_critic
        Means over the updates; 0 before the first one.
    learning_rate
        Of this iteration.
    """

    reward: float
    win_rate: float
    entropy: float
    loss_policy: float
    loss_critic: float
    learning_rate: float


class Learner(Protocol):
    """A policy that learns on a market."""

    graph: PolicyGraph
    iteration: int

    @property
    def steps_per_iteration(self) -> int:
        """Decisions that an iteration makes."""

    @property
    def done(self) -> bool:
        """Whether every iteration was made."""

    def iterate(self) -> Progress:
        """Make decisions and learn from them."""

    def state(self) -> State:
        """Everything that `restore` needs."""

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state: what follows is what would have followed."""


def decisions_per_step(market: Market) -> int:
    """Return how many decisions one step of a market takes: accounts times instruments."""
    return market.observation().row.numel()


def iterations(env_steps: int, steps_per_iteration: int) -> int:
    """Return the smallest number of iterations that makes `env_steps` decisions."""
    return -(-env_steps // steps_per_iteration)


def adam(parameters: Named, rate: float) -> torch.optim.Adam:
    """Return the optimiser of every algorithm here: Adam, its fused kernel where the parameters lie on a CPU."""
    on_cpu = all(parameter.device.type == "cpu" for parameter in parameters.values())
    return torch.optim.Adam(list(parameters.values()), lr=rate, eps=1e-5, fused=on_cpu)


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of the next updates."""
    for group in optimiser.param_groups:
        group["lr"] = rate


def descend(optimiser: torch.optim.Optimizer, parameters: Named, loss: Tensor, largest_norm: float) -> None:
    """Make one update, the gradient shortened to `largest_norm`."""
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(list(parameters.values()), largest_norm)
    optimiser.step()


@torch.no_grad()
def follow(target: nn.Module, online: nn.Module, rate: float) -> None:
    """Move the weights of a target network by `rate` of the way to those of the network that learns."""
    torch._foreach_lerp_(list(target.parameters()), list(online.parameters()), rate)


def win_rate(reward: Tensor) -> float:
    """Return the share of gains among the rewards that are not 0; a half where all are 0."""
    gains, losses = float((reward > 0).sum()), float((reward < 0).sum())
    return gains / (gains + losses) if gains + losses else 0.5


def prefixed(prefix: str, state: Mapping[str, Tensor]) -> State:
    """Put a prefix before every name."""
    return {f"{prefix}{name}": value for name, value in state.items()}


def below(prefix: str, state: Mapping[str, Tensor]) -> State:
    """Return the part of a state whose names begin with a prefix, which is taken off."""
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def optimiser_state(optimiser: torch.optim.Optimizer, parameters: Named) -> State:
    """Return what an optimiser remembers of every parameter."""
    return {
        f"{name}.{key}": value
        for name, parameter in parameters.items()
        for key, value in optimiser.state[parameter].items()
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, parameters: Named, state: Mapping[str, Tensor]) -> None:
    """Give an optimiser its memory back."""
    for name, parameter in parameters.items():
        kept: dict[str, Any] = below(f"{name}.", state)
        moved = {key: value if key == "step" else value.to(parameter.device) for key, value in kept.items()}
        optimiser.state[parameter] = moved
