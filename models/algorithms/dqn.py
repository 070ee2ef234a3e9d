"""Deep Q-learning with masked answers, and the parts that were added to it, each a switch of [training.dqn].

Mnih et al., "Human-level control through deep reinforcement learning" (2015), algorithm 1, with

- double: van Hasselt et al., "Deep Reinforcement Learning with Double Q-learning" (2016), equation 4;
- dueling: Wang et al., "Dueling Network Architectures" (2016), equation 9, in `Trunk.scores`;
- twin: the smaller of two targets, Fujimoto et al., "Addressing Function Approximation Error in Actor-Critic Methods" (2018), equation 10;
- prioritised and n_step: in `models.algorithms.replay`;
- distributional: Bellemare et al., "A Distributional Perspective on Reinforcement Learning" (2017), algorithm 1 (C51);
- noisy: Fortunato et al., "Noisy Networks for Exploration" (2018), in `models.layers.NoisyLinear`.

The first two make D3QN; all but twin, with n_step = 3, make Rainbow: Hessel et al., "Rainbow: Combining Improvements in Deep Reinforcement
Learning" (2018). Answers that are not valid are neither chosen, nor explored, nor the best of a target.

Departure: target networks follow by `target_rate` after each update instead of being copied every so often. Priorities of distributions are
their divergence from the target, as in Rainbow.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.contract.config import Training
from models.algorithms.learner import follow
from models.algorithms.offpolicy import OffPolicy, Update
from models.algorithms.replay import Batch
from models.market import Market
from models.networks import SIZE_COLUMN, Head, PolicyGraph, mask_logits, matching_trunk


def head(training: Training) -> Head:
    """Return what the network must answer for these switches."""
    dqn = training.dqn
    limit = dqn.support * training.reward_scale / max(1.0 - training.discount, 1e-3)
    atoms, limit = (dqn.atoms, limit) if dqn.distributional else (1, 0.0)
    return Head("values", dqn.dueling, atoms, limit, dqn.noisy)


class Dqn(OffPolicy):
    """Values of answers, learned from what is remembered; see `OffPolicy` for the parameters.

    The graph's head must be that of `head(training)`.
    """

    def __init__(self, graph: PolicyGraph, market: Market, training: Training, seed: int) -> None:
        dqn = training.dqn
        super().__init__(graph, market, training, seed, dqn.n_step, dqn.prioritised)
        self._online = [graph.trunk]
        if dqn.twin:
            self._online.append(matching_trunk(graph, self.generator))
            self.keeps("twin", self._online[1])
        self._targets = [copy.deepcopy(trunk).requires_grad_(False) for trunk in self._online]
        for index, target in enumerate(self._targets):
            self.keeps(f"target.{index}", target)
        self.optimises("values", nn.ModuleList(self._online))

    @property
    def random_share(self) -> float:
        """Share of answers that are drawn at random now."""
        dqn = self.training.dqn
        if dqn.noisy:
            return 0.0
        fallen = min(self.past / dqn.random_frac, 1.0)
        return dqn.first_random + (dqn.last_random - dqn.first_random) * fallen

    def act(self, context: Tensor, account: Tensor) -> Tensor:
        """Take the best valid answer, or, in a share of the decisions, any valid one."""
        trunk = self._online[0]
        trunk.draw_noise(self.generator)
        values, _ = trunk.judge(context, account)
        best = mask_logits(self.graph.spec, values, account[:, SIZE_COLUMN]).argmax(-1)
        uniform = torch.rand(best.shape, device=best.device, generator=self.generator)
        return torch.where(uniform < self.random_share, self.random_answers(account), best)

    def update(self, batch: Batch, context: Tensor, final_context: Tensor) -> Update:
        """Move the values of the answers that were given towards reward plus discounted value of what followed."""
        for trunk in (*self._online, *self._targets):
            trunk.draw_noise(self.generator)
        with torch.no_grad():
            target = self._target(batch, final_context)
        losses, errors = [], []
        for trunk in self._online:
            scores = _chosen(trunk.scores(trunk.state(context, batch.account)), batch.action)
            loss, error = _distance(scores, target)
            losses.append((batch.weight * loss).mean())
            errors.append(error)
        total = torch.stack(losses).sum()
        self.descend("values", total)
        for followed, trunk in zip(self._targets, self._online):
            follow(followed, trunk, self.training.replay.target_rate)
        loss, none = total.detach() / len(losses), torch.zeros((), device=total.device)
        return Update(none, loss, none, torch.stack(errors).mean(0))

    def _target(self, batch: Batch, context: Tensor) -> Tensor:
        """Return what the answers should have been worth (B, 1), or the probabilities of the atoms (B, atoms)."""
        account, size = batch.final_account, batch.final_account[:, SIZE_COLUMN]
        scores = [trunk.scores(trunk.state(context, account)) for trunk in self._targets]
        first = self._online[0]
        values = first.judge(context, account)[0] if self.training.dqn.double else first.expected(scores[0])
        best = mask_logits(self.graph.spec, values, size).argmax(-1)
        chosen = torch.stack([_chosen(score, best) for score in scores])
        reward, discount = batch.reward[:, None], batch.discount[:, None]
        if first.head.atoms == 1:
            return reward + discount * chosen.amin(0)
        probability = chosen.softmax(-1)
        smaller = (probability * first.atoms).sum(-1).argmin(0)
        probability = probability[smaller, torch.arange(len(smaller), device=smaller.device)]
        return project(probability, reward + discount * first.atoms, first.head.limit)


def project(probability: Tensor, place: Tensor, limit: float) -> Tensor:
    """Move probabilities from any places to evenly spaced atoms in [-limit, limit]: Bellemare et al. (2017), algorithm 1.

    Parameters
    ----------
    probability, place : float32 (B, atoms)

    Returns
    -------
    float32 (B, atoms)
        The mean is kept, except of what lay outside.
    """
    count = probability.shape[-1]
    index = (place.clamp(-limit, limit) + limit) * ((count - 1) / (2.0 * limit))
    lower = index.floor().clamp(max=count - 2)
    share = index - lower
    moved = torch.zeros_like(probability).scatter_add(-1, lower.long(), probability * (1.0 - share))
    return moved.scatter_add(-1, lower.long() + 1, probability * share)


def _chosen(scores: Tensor, answer: Tensor) -> Tensor:
    """Pick the scores (B, atoms) of one answer (B,) each."""
    return scores.gather(1, answer[:, None, None].expand(-1, 1, scores.shape[-1])).squeeze(1)


def _distance(scores: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return loss (B,) and error (B,): Huber's and the size of the difference, or cross-entropy and divergence."""
    if target.shape[-1] == 1:
        loss = functional.huber_loss(scores, target, reduction="none").squeeze(-1)
        return loss, (scores.detach() - target).abs().squeeze(-1)
    loss = -(target * scores.log_softmax(-1)).sum(-1)
    return loss, (loss.detach() - torch.special.entr(target).sum(-1)).clamp(min=0.0)
