"""Proximal policy optimisation with masked answers, on a market that lives in tensors.

Schulman et al., "Proximal Policy Optimization Algorithms" (2017), with the clipped objective, and generalised advantages (Schulman et
al., 2016). Loss and advantages are TorchRL's; the loop is written out, since everything stays on one device and nothing is copied.
`truncated` ends an episode without ending the account: the value of the last observation stands for what would have followed.

Departure: the learning rate falls linearly to a tenth; advantages are normalised over the whole rollout, not over a minibatch.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from tensordict import TensorDict
from tensordict.nn import ProbabilisticTensorDictModule, ProbabilisticTensorDictSequential, TensorDictModule
from torch import Tensor, nn
from torch.distributions import Categorical, Independent, Normal
from torchrl.objectives import ClipPPOLoss
from torchrl.objectives.value.functional import generalized_advantage_estimate

from engine.contract.config import Training
from models.features import STEPS
from models.market import Market
from models.networks import SIZE_COLUMN, PolicyGraph, mask_logits

LAST_LEARNING_RATE_FRAC = 0.1


class Progress(NamedTuple):
    """What an iteration measured, means over its rollout or its updates."""

    reward: float
    entropy: float
    loss_objective: float
    loss_critic: float
    kl: float


class Rollout(NamedTuple):
    """What the accounts saw and did: tensors of shape (S, N), `account` and `final_account` of shape (S, N, 13)."""

    row: Tensor
    account: Tensor
    action: Tensor
    log_prob: Tensor
    value: Tensor
    reward: Tensor
    terminated: Tensor
    truncated: Tensor
    final_row: Tensor
    final_account: Tensor


class Actor(nn.Module):
    """Context and account to the parameters of a distribution over answers, masked where the answer is not valid."""

    def __init__(self, graph: PolicyGraph) -> None:
        super().__init__()
        self.trunk, self.spec = graph.trunk, graph.spec

    def forward(self, context: Tensor, account: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return masked logits (B, 7), or mean (B, 1) and standard deviation (B, 1)."""
        logits = self.trunk.actor(self.trunk.state(context, account))
        if self.spec.kind == "discrete7":
            return mask_logits(self.spec, logits, account[:, SIZE_COLUMN])
        mean = torch.tanh(logits)
        return mean, self.trunk.spread.expand_as(mean)


class Critic(nn.Module):
    """Context and account to a value (B, 1)."""

    def __init__(self, graph: PolicyGraph) -> None:
        super().__init__()
        self.trunk = graph.trunk

    def forward(self, context: Tensor, account: Tensor) -> Tensor:
        """Return the discounted sum of rewards that is expected."""
        return self.trunk.critic(self.trunk.state(context, account))


class ValidCategorical(Categorical):
    """Categorical without argument checks, which would look at every element of every minibatch."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__(logits=logits, validate_args=False)


class Around(Independent):
    """Normal around a mean answer; the market is given the draw clipped to [-1, 1], the loss sees the draw itself."""

    def __init__(self, loc: Tensor, scale: Tensor) -> None:
        super().__init__(Normal(loc, scale, validate_args=False), 1, validate_args=False)


class Ppo:
    """A policy that learns on a market.

    Parameters
    ----------
    graph
        The policy, its normaliser fitted, on the market's device.
    market
        Where it learns.
    training
        Hyperparameters.
    seed
        Seed of draws and of minibatches.
    """

    def __init__(self, graph: PolicyGraph, market: Market, training: Training, seed: int) -> None:
        self.graph, self.market, self.training = graph, market, training
        self.iteration = 0
        self.iterations = -(-training.env_steps // (training.envs * training.rollout_steps))
        self.generator = torch.Generator(market.device).manual_seed(seed)
        with torch.no_grad():
            self._table = graph.trunk.table(graph.normaliser(market.tape.features))
        self._actor, self._critic = Actor(graph), Critic(graph)
        discrete = graph.spec.kind == "discrete7"
        keys = ["logits"] if discrete else ["loc", "scale"]
        draw = ProbabilisticTensorDictModule(
            in_keys=keys,
            out_keys=["action"],
            distribution_class=ValidCategorical if discrete else Around,
            return_log_prob=True,
        )
        actor = TensorDictModule(self._actor, in_keys=["context", "account"], out_keys=keys)
        critic = TensorDictModule(self._critic, in_keys=["context", "account"], out_keys=["state_value"])
        self._loss = ClipPPOLoss(
            ProbabilisticTensorDictSequential(actor, draw),
            critic,
            clip_epsilon=training.clip,
            entropy_coeff=training.entropy,
            critic_coeff=training.value_coefficient,
            loss_critic_type="l2",
            normalize_advantage=False,
            functional=False,
        )
        self._log_prob_key = self._loss.tensor_keys.sample_log_prob
        self._named = dict(graph.trunk.named_parameters())
        self._optimiser = torch.optim.Adam(self._named.values(), lr=training.learning_rate, eps=1e-5)

    @property
    def steps_per_iteration(self) -> int:
        """Decisions in one rollout."""
        return self.training.envs * self.training.rollout_steps

    @property
    def done(self) -> bool:
        """Whether every iteration was made."""
        return self.iteration >= self.iterations

    def iterate(self) -> Progress:
        """Collect one rollout and learn from it."""
        if self.iteration == 0:
            self.market.reset()
        past = self.iteration / max(self.iterations, 1)
        rate = self.training.learning_rate * (1.0 - (1.0 - LAST_LEARNING_RATE_FRAC) * past)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        with torch.no_grad():
            rollout = self._collect()
            advantage, target = self._advantages(rollout)
        self.iteration += 1
        return self._learn(rollout, advantage, target)

    def _context(self, row: Tensor) -> Tensor:
        return self._table.index_select(0, row - (STEPS - 1))

    def _collect(self) -> Rollout:
        market, columns = self.market, []
        observation = market.observation()
        for _ in range(self.training.rollout_steps):
            context = self._context(observation.row)
            action, log_prob = self._draw(context, observation.account)
            value = self._critic(context, observation.account).squeeze(-1)
            answer = action if self.graph.spec.kind == "discrete7" else action.clamp(-1.0, 1.0)
            step = market.step(answer)
            columns.append(
                (*observation, action, log_prob, value, step.reward, step.terminated, step.truncated, *step.final)
            )
            observation = market.observation()
        self._after = observation
        return Rollout(*(torch.stack(values) for values in zip(*columns)))

    def _draw(self, context: Tensor, account: Tensor) -> tuple[Tensor, Tensor]:
        """Draw answers with the generator, which torch's distributions do not take."""
        if self.graph.spec.kind == "discrete7":
            logits = self._actor(context, account).log_softmax(-1)
            uniform = torch.rand(logits.shape, device=logits.device, generator=self.generator)
            action = (logits - torch.log(-torch.log(uniform.clamp(min=1e-20)))).argmax(-1)
            return action, logits.gather(-1, action[:, None]).squeeze(-1)
        mean, spread = self._actor(context, account)
        action = mean + spread * torch.randn(mean.shape, device=mean.device, generator=self.generator)
        return action.squeeze(-1), Around(mean, spread).log_prob(action)

    def _advantages(self, rollout: Rollout) -> tuple[Tensor, Tensor]:
        """Generalised advantages, and the values that they imply; episodes that were cut short go on in their last value."""
        last = self._critic(self._context(self._after.row), self._after.account).squeeze(-1)
        following = torch.cat([rollout.value[1:], last[None]])
        cut = rollout.truncated.nonzero(as_tuple=True)
        rows, accounts = rollout.final_row[cut], rollout.final_account[cut]
        following[cut] = self._critic(self._context(rows), accounts).squeeze(-1)
        done = rollout.terminated | rollout.truncated
        flat = (rollout.value, following, rollout.reward, done, rollout.terminated)
        advantage, target = generalized_advantage_estimate(
            self.training.discount, self.training.gae_lambda, *(tensor.T[..., None] for tensor in flat)
        )
        return advantage[..., 0].T, target[..., 0].T

    def _learn(self, rollout: Rollout, advantage: Tensor, target: Tensor) -> Progress:
        count = advantage.numel()
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        action = rollout.action.flatten()
        columns = {
            "row": rollout.row.flatten(),
            "account": rollout.account.flatten(0, 1),
            "action": action if self.graph.spec.kind == "discrete7" else action[:, None],
            self._log_prob_key: rollout.log_prob.flatten(),
            "advantage": advantage.reshape(-1, 1),
            "value_target": target.reshape(-1, 1),
        }
        size = -(-count // self.training.minibatches)
        sums, updates = torch.zeros(4, device=action.device), 0
        for _ in range(self.training.epochs):
            order = torch.randperm(count, device=action.device, generator=self.generator)
            for part in order.split(size):
                batch = {name: column.index_select(0, part) for name, column in columns.items()}
                batch["context"] = self._context(batch.pop("row"))
                losses = self._loss(TensorDict(batch, batch_size=[len(part)]))
                loss = losses["loss_objective"] + losses["loss_critic"] + losses["loss_entropy"]
                self._optimiser.zero_grad(set_to_none=True)
                loss.backward()
                nn.utils.clip_grad_norm_(self._named.values(), self.training.gradient_norm)
                self._optimiser.step()
                measured = [losses[key] for key in ("entropy", "loss_objective", "loss_critic", "kl_approx")]
                sums += torch.stack([value.detach() for value in measured])
                updates += 1
        return Progress(float(rollout.reward.mean()), *(sums / updates).tolist())

    def state(self) -> dict[str, Tensor]:
        """Everything that `restore` needs, as tensors with flat names."""
        state = {f"weights.{name}": value for name, value in self.graph.state_dict().items()}
        for name, parameter in self._named.items():
            for key, value in self._optimiser.state[parameter].items():
                state[f"optimiser.{name}.{key}"] = value
        state |= {f"market.{name}": value for name, value in self.market.state().items()}
        return state | {"generator": self.generator.get_state(), "iteration": torch.tensor(self.iteration)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state: what follows is what would have followed."""
        self.iteration = int(state["iteration"])
        self.generator.set_state(state["generator"].cpu())
        self.market.restore(_below("market.", state))
        self.graph.load_state_dict(_below("weights.", state))
        for name, parameter in self._named.items():
            kept: dict[str, Any] = _below(f"optimiser.{name}.", state)
            moved = {key: value if key == "step" else value.to(parameter.device) for key, value in kept.items()}
            self._optimiser.state[parameter] = moved


def _below(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
