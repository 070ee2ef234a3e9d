"""Proximal policy optimisation with masked answers, on a market that lives in tensors.

Schulman et al., "Proximal Policy Optimization Algorithms" (2017): the clipped objective, equation 7, with a value loss and an entropy
bonus, equation 9; generalised advantages (Schulman et al., "High-Dimensional Continuous Control Using Generalized Advantage Estimation",
2016, equation 16) are TorchRL's. `truncated` ends an episode without ending the account: the value of the last observation stands for
what would have followed.

Departure: advantages are normalised over the whole rollout, not over a minibatch. The loss is written out: TorchRL's draws an answer from
torch's global generator for every minibatch and throws it away.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torchrl.objectives.value.functional import generalized_advantage_estimate

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
from models.features import STEPS
from models.market import Market
from models.networks import SIZE_COLUMN, PolicyGraph, mask_logits
from models.schedule import LearningRate

ENTROPY_OF_UNIT_NORMAL = 0.5 * math.log(2.0 * math.pi * math.e)


class Rollout(NamedTuple):
    """What the accounts saw and did: tensors of shape (S, B), `account` of shape (S, B, A).

    `row` is int32: windows are not stored, they are gathered again from the rows on which they end. `cut_value` is the value of the
    last observation of an episode that was cut short, and 0 elsewhere: what was seen there is not stored either.
    """

    row: Tensor
    account: Tensor
    action: Tensor
    log_prob: Tensor
    value: Tensor
    reward: Tensor
    terminated: Tensor
    truncated: Tensor
    cut_value: Tensor


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
        self._width = decisions_per_step(market)
        self.iterations = iterations(training.env_steps, self.steps_per_iteration)
        self.generator = torch.Generator(market.device).manual_seed(seed)
        with torch.no_grad():
            self._table = graph.trunk.table(graph.normaliser(market.tape.features))
        self._rate = LearningRate(training.schedule, training.learning_rate, self.iterations)
        self._named = dict(graph.trunk.named_parameters())
        self._optimiser = adam(self._named, training.learning_rate)

    @property
    def steps_per_iteration(self) -> int:
        """Decisions in one rollout."""
        return self._width * self.training.rollout_steps

    @property
    def done(self) -> bool:
        """Whether every iteration was made."""
        return self.iteration >= self.iterations

    def iterate(self) -> Progress:
        """Collect one rollout and learn from it."""
        if self.iteration == 0:
            self.market.reset()
        rate = self._rate.at(self.iteration)
        set_rate(self._optimiser, rate)
        with torch.no_grad():
            rollout = self._collect()
            advantage, target = self._advantages(rollout)
        self.iteration += 1
        entropy, policy, critic = self._learn(rollout, advantage, target)
        reward, wins = float(rollout.reward.mean()), win_rate(rollout.reward)
        self._rate.observe(wins, reward)
        return Progress(reward, wins, entropy, policy, critic, rate)

    def _context(self, row: Tensor) -> Tensor:
        return self._table.index_select(0, row - (STEPS - 1))

    def _judge(self, context: Tensor, account: Tensor) -> tuple[Tensor, Tensor]:
        """Return logarithms of the answers' probabilities (B, 7), or the mean of a continuous answer (B, 1), and the value (B,)."""
        logits, value = self.graph.trunk.judge(context, account)
        if self.graph.spec.kind == "discrete7":
            return mask_logits(self.graph.spec, logits, account[:, SIZE_COLUMN]).log_softmax(-1), value
        return torch.tanh(logits), value

    def _log_prob(self, judged: Tensor, action: Tensor) -> Tensor:
        """Return the logarithm of the probability, or of the density, of answers (B,)."""
        if self.graph.spec.kind == "discrete7":
            return judged.gather(-1, action[:, None]).squeeze(-1)
        spread = self.graph.trunk.spread
        away = (action - judged.squeeze(-1)) / spread
        return -0.5 * (away * away + math.log(2.0 * math.pi)) - spread.log()

    def _entropy(self, judged: Tensor) -> Tensor:
        """Return the entropy of the answers, nats, mean."""
        if self.graph.spec.kind == "discrete7":
            return -(judged.exp() * judged).sum(-1).mean()
        return ENTROPY_OF_UNIT_NORMAL + self.graph.trunk.spread.log()

    def _collect(self) -> Rollout:
        market, rollout = self.market, self._empty()
        observation = market.observation()
        for number in range(self.training.rollout_steps):
            judged, value = self._judge(self._context(observation.row), observation.account)
            action = self._draw(judged)
            answer = action if self.graph.spec.kind == "discrete7" else action.clamp(-1.0, 1.0)
            step = market.step(answer)
            made = (*observation, action, self._log_prob(judged, action), value)
            for column, values in zip(rollout, (*made, step.reward, step.terminated, step.truncated)):
                column[number] = values
            cut = step.truncated.nonzero().squeeze(-1)
            if len(cut) > 0:
                final = self._judge(self._context(step.final.row[cut]), step.final.account[cut])[1]
                rollout.cut_value[number, cut] = final
            observation = market.observation()
        self._after = observation
        return rollout

    def _empty(self) -> Rollout:
        """Make room for a rollout: 82 bytes a decision."""
        shape, device = (self.training.rollout_steps, self._width), self.market.device
        answer = torch.int64 if self.graph.spec.kind == "discrete7" else torch.float32
        return Rollout(
            row=torch.empty(shape, dtype=torch.int32, device=device),
            account=torch.empty((*shape, self.graph.trunk.account_width), device=device),
            action=torch.empty(shape, dtype=answer, device=device),
            log_prob=torch.empty(shape, device=device),
            value=torch.empty(shape, device=device),
            reward=torch.empty(shape, device=device),
            terminated=torch.empty(shape, dtype=torch.bool, device=device),
            truncated=torch.empty(shape, dtype=torch.bool, device=device),
            cut_value=torch.zeros(shape, device=device),
        )

    def _draw(self, judged: Tensor) -> Tensor:
        """Draw answers (B,): of the discrete ones by the largest of their log-probabilities plus Gumbel noise."""
        if self.graph.spec.kind == "discrete7":
            uniform = torch.rand(judged.shape, device=judged.device, generator=self.generator)
            return (judged - torch.log(-torch.log(uniform.clamp(min=1e-20)))).argmax(-1)
        noise = torch.randn(judged.shape, device=judged.device, generator=self.generator)
        return (judged + self.graph.trunk.spread * noise).squeeze(-1)

    def _advantages(self, rollout: Rollout) -> tuple[Tensor, Tensor]:
        """Generalised advantages, and the values that they imply; episodes that were cut short go on in their last value."""
        last = self._judge(self._context(self._after.row), self._after.account)[1]
        following = torch.cat([rollout.value[1:], last[None]])
        following = torch.where(rollout.truncated, rollout.cut_value, following)
        done = rollout.terminated | rollout.truncated
        flat = (rollout.value, following, rollout.reward, done, rollout.terminated)
        advantage, target = generalized_advantage_estimate(
            self.training.discount, self.training.gae_lambda, *(tensor.T[..., None] for tensor in flat)
        )
        return advantage[..., 0].T, target[..., 0].T

    def _learn(self, rollout: Rollout, advantage: Tensor, target: Tensor) -> list[float]:
        """Make the updates of one rollout; return means of entropy, policy loss and critic loss."""
        training, count = self.training, advantage.numel()
        advantage = ((advantage - advantage.mean()) / (advantage.std() + 1e-8)).flatten()
        row, account, action = rollout.row.flatten(), rollout.account.flatten(0, 1), rollout.action.flatten()
        before, target = rollout.log_prob.flatten(), target.flatten()
        size = -(-count // training.minibatches)
        sums, updates = torch.zeros(3, device=action.device), 0
        for _ in range(training.epochs):
            order = torch.randperm(count, device=action.device, generator=self.generator)
            for part in order.split(size):
                judged, value = self._judge(self._context(row[part]), account.index_select(0, part))
                ratio = (self._log_prob(judged, action[part]) - before[part]).exp()
                gain = advantage[part]
                clipped = ratio.clamp(1.0 - training.clip, 1.0 + training.clip)
                policy = -torch.minimum(ratio * gain, clipped * gain).mean()
                critic = nn.functional.mse_loss(value, target[part])
                entropy = self._entropy(judged)
                loss = policy + training.value_coefficient * critic - training.entropy * entropy
                descend(self._optimiser, self._named, loss, training.gradient_norm)
                sums += torch.stack([entropy.detach(), policy.detach(), critic.detach()])
                updates += 1
        return (sums / updates).tolist()

    def state(self) -> State:
        """Everything that `restore` needs, as tensors with flat names."""
        return {
            **prefixed("weights.", self.graph.state_dict()),
            **prefixed("optimiser.", optimiser_state(self._optimiser, self._named)),
            **prefixed("market.", self.market.state()),
            **prefixed("rate.", self._rate.state()),
            "generator": self.generator.get_state(),
            "iteration": torch.tensor(self.iteration),
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state: what follows is what would have followed."""
        self.iteration = int(state["iteration"])
        self.generator.set_state(state["generator"].cpu())
        self.market.restore(below("market.", state))
        self.graph.load_state_dict(below("weights.", state))
        self._rate.restore(below("rate.", state))
        restore_optimiser(self._optimiser, self._named, below("optimiser.", state))
