"""Advantages by hand, the loss's own draws, and a market whose best answers are known."""

import msgspec
import numpy as np
import pytest
import torch

from engine.contract.action import ActionSpec
from engine.contract.config import Limits, Training, Venue
from models.algorithms.ppo import Ppo
from models.market import Market
from models.networks import PolicyGraph, describe, mask_logits
from models.tape import Tape
from models.validation import replay
from tests.unit.models.conftest import FIRST, scripted

FREE = Venue(balance="10000 USDT", taker_bps=0.0, half_spread_bps=0.0)
SMALL = Training(env_steps=2_048, envs=64, rollout_steps=16, minibatches=2, epochs=2, hidden=[16], episode_bars=8)


def learner(tape: Tape, training: Training = SMALL, venue: Venue = FREE, short: bool = False, seed: int = 1) -> Ppo:
    spec = ActionSpec(kind=training.action, short=short)
    network = describe(training.network, training.recipe, training.hidden, 1.0)
    graph = PolicyGraph(network, spec, torch.Generator().manual_seed(seed))
    graph.normaliser.fit(tape.features[FIRST:])
    market = Market(tape, venue, Limits(max_position_frac=1.0), spec, training.envs, training.episode_bars, seed)
    return Ppo(graph, market, training, seed)


@torch.no_grad()
def test_advantages_stop_at_every_end_and_bootstrap_only_where_the_episode_was_cut_short(wandering: Tape) -> None:
    ppo = learner(wandering)
    ppo.market.reset()
    rollout = ppo._collect()
    ended = rollout.terminated.clone()
    ended[5, :8] = True
    rollout = rollout._replace(terminated=ended, truncated=rollout.truncated & ~ended)
    advantage, target = ppo._advantages(rollout)
    steps, envs = rollout.reward.shape
    discount, trace = SMALL.discount, SMALL.gae_lambda
    last = ppo._judge(ppo._context(ppo._after.row), ppo._after.account)[1]
    assert bool(rollout.truncated.any())
    for env in range(envs):
        following = 0.0
        for step in reversed(range(steps)):
            next_value = float(last[env] if step == steps - 1 else rollout.value[step + 1, env])
            if rollout.truncated[step, env]:
                next_value = float(rollout.cut_value[step, env])
            if rollout.terminated[step, env]:
                next_value = 0.0
            if rollout.truncated[step, env] or rollout.terminated[step, env]:
                following = 0.0
            error = float(rollout.reward[step, env]) + discount * next_value - float(rollout.value[step, env])
            following = error + discount * trace * following
            assert float(advantage[step, env]) == pytest.approx(following, abs=1e-4)
            assert float(target[step, env]) == pytest.approx(following + float(rollout.value[step, env]), abs=1e-4)


@torch.no_grad()
def test_value_of_a_cut_is_that_of_the_last_observation_and_not_of_the_next_episode(wandering: Tape) -> None:
    ppo = learner(wandering)
    ppo.market.reset()
    other = learner(wandering)
    other.market.restore({name: value.clone() for name, value in ppo.market.state().items()})
    rollout = ppo._collect()
    for step in range(SMALL.rollout_steps):
        seen = other.market.step(rollout.action[step])
        value = ppo._judge(ppo._context(seen.final.row), seen.final.account)[1]
        assert torch.equal(seen.truncated, rollout.truncated[step])
        torch.testing.assert_close(rollout.cut_value[step], torch.where(seen.truncated, value, 0.0))
    assert bool(rollout.truncated.any())


@pytest.mark.parametrize("action", ["discrete7", "continuous"])
@torch.no_grad()
def test_rollout_holds_the_log_probability_that_the_loss_would_give_its_draws(action: str, wandering: Tape) -> None:
    ppo = learner(wandering, msgspec.structs.replace(SMALL, action=action), short=action == "continuous")
    ppo.market.reset()
    rollout = ppo._collect()
    context, account = ppo._context(rollout.row.flatten()), rollout.account.flatten(0, 1)
    logits = ppo.graph.trunk.judge(context, account)[0]
    action_ = rollout.action.flatten()
    if action == "discrete7":
        masked = mask_logits(ppo.graph.spec, logits, account[:, 1])
        wanted = torch.distributions.Categorical(logits=masked).log_prob(action_)
        assert float(wanted.min()) > -50.0
    else:
        wanted = torch.distributions.Normal(torch.tanh(logits[:, 0]), ppo.graph.trunk.spread).log_prob(action_)
    torch.testing.assert_close(rollout.log_prob.flatten(), wanted)


@torch.no_grad()
def test_draws_follow_the_probabilities_and_never_take_a_masked_answer(wandering: Tape) -> None:
    ppo = learner(wandering)
    ppo.graph.trunk.actor[-1].weight.mul_(50.0)
    row, account = torch.full((20_000,), 200), torch.zeros(20_000, 13)
    action = ppo._draw(ppo._judge(ppo._context(row), account)[0])
    share = torch.bincount(action, minlength=7) / 20_000
    wanted = ppo._judge(ppo._context(row[:1]), account[:1])[0][0].exp()
    assert share[4:].tolist() == [0.0, 0.0, 0.0]
    torch.testing.assert_close(share, wanted, atol=0.015, rtol=0.0)


def zigzag(bars: int = 1_200) -> Tape:
    """Twelve bars up by 1 %, twelve down, again and again."""
    sign = np.where(np.arange(bars) // 12 % 2 == 0, 1.0, -1.0)
    close = np.round(100.0 * np.exp(np.cumsum(0.01 * sign)), 2)
    return scripted(np.append(100.0, close[:-1]), close, FREE)


@pytest.mark.slow
@pytest.mark.parametrize(("action", "short"), [("discrete7", False), ("continuous", False), ("continuous", True)])
def test_policy_on_a_zigzag_market_learns_to_be_long_on_the_way_up_and_out_or_short_on_the_way_down(
    action: str, short: bool
) -> None:
    tape = zigzag()
    training = Training(env_steps=100_000, envs=128, rollout_steps=32, action=action, hidden=[32], learning_rate=1e-3)
    ppo = learner(tape, training, short=short)
    while not ppo.done:
        ppo.iterate()
    found = replay([ppo.graph.eval()], tape, FREE, Limits(max_position_frac=1.0), FIRST + 24, len(tape.close))[0]
    growth = float(torch.log(found.equity[-1] / found.equity[0]))
    bars = len(found.action)
    perfect = 0.01 * bars * (1.0 if short else 0.5)
    assert growth > 0.6 * perfect


@pytest.mark.parametrize("network", ["mlp", "transformer"])
def test_learning_twice_from_one_seed_gives_the_same_weights(network: str, wandering: Tape) -> None:
    training = msgspec.structs.replace(SMALL, network=network)

    def weights() -> torch.Tensor:
        ppo = learner(wandering, training)
        while not ppo.done:
            progress = ppo.iterate()
            assert all(np.isfinite(progress))
        return torch.cat([parameter.detach().flatten() for parameter in ppo.graph.parameters()])

    first = weights()
    torch.rand(3)
    assert torch.equal(first, weights())
