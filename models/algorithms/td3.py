"""Twin delayed deep deterministic policy gradient, for continuous answers.

Fujimoto et al., "Addressing Function Approximation Error in Actor-Critic Methods" (2018), algorithm 1: the smaller of two critics as target
(equation 10), answers smoothed by clipped noise in the target (equation 14), the policy and the targets updated once for every
`policy_delay` updates of the critics.

Departure: the graph's value is fitted to the smaller critic's estimate of its own answer, which the algorithm itself does not need; the
graph's spread, from which its confidence comes, is the noise of exploration.
"""

import copy
import math

import torch
from torch import Tensor
from torch.nn import functional

from engine.contract.config import Training
from models.algorithms.learner import follow
from models.algorithms.offpolicy import OffPolicy, Update
from models.algorithms.replay import Batch
from models.market import Market
from models.networks import Critics, PolicyGraph, matching_critics


class Td3(OffPolicy):
    """A policy of one answer for each state; see `OffPolicy` for the parameters."""

    def __init__(self, graph: PolicyGraph, market: Market, training: Training, seed: int) -> None:
        super().__init__(graph, market, training, seed)
        with torch.no_grad():
            graph.trunk.log_std.fill_(math.log(training.td3.exploration))
        graph.trunk.log_std.requires_grad_(False)
        self._critics: Critics = matching_critics(graph, self.generator)
        self._target_critics = copy.deepcopy(self._critics).requires_grad_(False)
        self._target_trunk = copy.deepcopy(graph.trunk).requires_grad_(False)
        self.keeps("critics", self._critics)
        self.keeps("target_critics", self._target_critics)
        self.keeps("target_trunk", self._target_trunk)
        self.optimises("policy", graph.trunk)
        self.optimises("critics", self._critics)
        self._measured = torch.zeros((), device=market.device)

    def act(self, context: Tensor, account: Tensor) -> Tensor:
        """Answer with noise."""
        answer = torch.tanh(self.graph.trunk.judge(context, account)[0])
        return self._noised(answer, self.training.td3.exploration, math.inf).squeeze(-1)

    def _noised(self, answer: Tensor, deviation: float, largest: float) -> Tensor:
        noise = deviation * torch.randn(answer.shape, device=answer.device, generator=self.generator)
        return (answer + noise.clamp(-largest, largest)).clamp(-1.0, 1.0)

    def update(self, batch: Batch, context: Tensor, final_context: Tensor) -> Update:
        """Update the critics, and every so often the policy and the targets."""
        td3, trunk = self.training.td3, self.graph.trunk
        with torch.no_grad():
            answer = torch.tanh(self._target_trunk.judge(final_context, batch.final_account)[0])
            answer = self._noised(answer, td3.target_noise, td3.target_clip)
            following = torch.minimum(
                *self._target_critics(self._target_critics.state(final_context, batch.final_account), answer)
            )
            target = batch.reward + batch.discount * following.squeeze(-1)
        state = self._critics.state(context, batch.account)
        errors = [estimate.squeeze(-1) - target for estimate in self._critics(state, batch.action[:, None])]
        critic = sum((error * error).mean() for error in errors)
        self.descend("critics", critic)
        if self.updates % td3.policy_delay == 0:
            outputs, value = trunk.judge(context, batch.account)
            first, second = self._critics(self._critics.state(context, batch.account), torch.tanh(outputs))
            policy = -first.mean()
            worth = torch.minimum(first, second).detach().squeeze(-1)
            self.descend("policy", policy + functional.mse_loss(value, worth))
            rate = self.training.replay.target_rate
            follow(self._target_critics, self._critics, rate)
            follow(self._target_trunk, trunk, rate)
            self._measured = policy.detach()
        return Update(self._measured, critic.detach(), torch.zeros_like(self._measured), errors[0].detach().abs())
