"""Soft actor-critic: answers that are worth much and stay varied, for continuous answers and for discrete ones with masks.

Continuous: Haarnoja et al., "Soft Actor-Critic Algorithms and Applications" (2018), algorithm 1: twin critics (equations 5, 6), a Gaussian
squashed by tanh (equation 9 and appendix C), and a temperature that holds the entropy (equation 18). Discrete: Christodoulou, "Soft
Actor-Critic for Discrete Action Settings" (2019), equations 10 to 12: expectations over all answers instead of draws; an answer that is not
valid has probability 0 and counts nowhere.

Departure: the discrete entropy to hold is a share of the largest one among the answers that are valid in each state. The graph's value is
fitted to the soft value (equation 3), which the algorithm itself does not need.
"""

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.contract.action import valid_actions
from engine.contract.config import Training
from models.algorithms.learner import follow
from models.algorithms.offpolicy import OffPolicy, Update
from models.algorithms.replay import Batch
from models.market import Market
from models.networks import SIZE_COLUMN, Critics, Head, PolicyGraph, mask_logits, matching_critics


def head(training: Training) -> Head:
    """Return what the network must answer."""
    return Head("gaussian") if training.action == "continuous" else Head("policy")


class Temperature(nn.Module):
    """The price of entropy, kept as its logarithm."""

    def __init__(self, first: float, device: torch.device) -> None:
        super().__init__()
        self.log = nn.Parameter(torch.tensor(math.log(first), device=device))


class Sac(OffPolicy):
    """A policy of the largest reward and entropy together; see `OffPolicy` for the parameters.

    The graph's head must be that of `head(training)`.
    """

    def __init__(self, graph: PolicyGraph, market: Market, training: Training, seed: int) -> None:
        super().__init__(graph, market, training, seed)
        self._critics: Critics = matching_critics(graph, self.generator)
        self._targets = copy.deepcopy(self._critics).requires_grad_(False)
        self._temperature = Temperature(training.sac.first_temperature, market.device)
        self.keeps("critics", self._critics)
        self.keeps("targets", self._targets)
        self.keeps("temperature", self._temperature)
        self.optimises("policy", graph.trunk)
        self.optimises("critics", self._critics)
        self.optimises("temperature", self._temperature)

    def act(self, context: Tensor, account: Tensor) -> Tensor:
        """Draw from the policy."""
        outputs = self.graph.trunk.judge(context, account)[0]
        if not self._discrete:
            return self._squashed(outputs)[0].squeeze(-1)
        logs = mask_logits(self.graph.spec, outputs, account[:, SIZE_COLUMN])
        uniform = torch.rand(logs.shape, device=logs.device, generator=self.generator)
        return (logs - torch.log(-torch.log(uniform.clamp(min=1e-20)))).argmax(-1)

    def _squashed(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Draw answers (B, 1) through which gradients flow, and the logarithms of their densities (B, 1)."""
        mean, spread = self.graph.trunk.gaussian(outputs)
        noise = torch.randn(mean.shape, device=mean.device, generator=self.generator)
        before = mean + spread * noise
        log_density = -0.5 * (noise * noise + math.log(2.0 * math.pi)) - spread.log()
        squeezed = 2.0 * (math.log(2.0) - before - functional.softplus(-2.0 * before))
        return torch.tanh(before), log_density - squeezed

    def update(self, batch: Batch, context: Tensor, final_context: Tensor) -> Update:
        """Update critics, policy and temperature, once each."""
        trunk, temperature = self.graph.trunk, self._temperature.log.detach().exp()
        with torch.no_grad():
            outputs = trunk.judge(final_context, batch.final_account)[0]
            following, _ = self._soft_value(outputs, final_context, batch.final_account, self._targets, temperature)
            target = batch.reward + batch.discount * following
        action = batch.action[:, None]
        state = self._critics.state(context, batch.account)
        estimates = self._critics(state) if self._discrete else self._critics(state, action)
        if self._discrete:
            estimates = tuple(estimate.gather(-1, action) for estimate in estimates)
        errors = [estimate.squeeze(-1) - target for estimate in estimates]
        critic = sum((error * error).mean() for error in errors)
        self.descend("critics", critic)

        outputs, value = trunk.judge(context, batch.account)
        soft, entropy = self._soft_value(outputs, context, batch.account, self._critics, temperature)
        policy = -soft.mean()
        self.descend("policy", policy + functional.mse_loss(value, soft.detach()))
        gap = (entropy - self._wanted_entropy(batch.account)).detach().mean()
        self.descend("temperature", self._temperature.log * gap)
        follow(self._targets, self._critics, self.training.replay.target_rate)
        return Update(policy.detach(), critic.detach(), entropy.detach().mean(), errors[0].detach().abs())

    def _soft_value(
        self, outputs: Tensor, context: Tensor, account: Tensor, critics: Critics, temperature: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the smaller estimate of the policy's answers plus the price of their entropy (B,), and the entropy (B,)."""
        state = critics.state(context, account)
        if not self._discrete:
            action, log_density = self._squashed(outputs)
            worth = torch.minimum(*critics(state, action))
            return (worth - temperature * log_density).squeeze(-1), -log_density.squeeze(-1)
        logs = mask_logits(self.graph.spec, outputs, account[:, SIZE_COLUMN]).log_softmax(-1)
        share = logs.exp()
        entropy = -(share * logs).sum(-1)
        worth = torch.minimum(*critics(state.detach())).detach()
        return (share * worth).sum(-1) + temperature * entropy, entropy

    def _wanted_entropy(self, account: Tensor) -> Tensor:
        if not self._discrete:
            return torch.full((len(account),), self.training.sac.entropy, device=account.device)
        count = valid_actions(self.graph.spec, account[:, SIZE_COLUMN]).sum(-1)
        return self.training.sac.entropy_frac * count.float().log()
