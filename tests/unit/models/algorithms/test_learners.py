"""What every algorithm keeps: one seed one result, a killed run that goes on, valid answers, an answer that exports."""

from collections.abc import Callable

import msgspec
import numpy as np
import pytest
import torch

from engine.contract.action import ActionSpec, valid_actions
from engine.contract.config import Dqn as DqnSettings
from engine.contract.config import Limits, Replay, Schedule, Training, Venue
from models.algorithms import choice
from models.algorithms.learner import Learner
from models.algorithms.offpolicy import OffPolicy
from models.market import Market
from models.networks import PolicyGraph, choose, describe
from models.tape import Tape
from tests.unit.models.conftest import FIRST

SMALL = Training(
    env_steps=1_024,
    envs=32,
    rollout_steps=8,
    minibatches=2,
    epochs=2,
    hidden=[16],
    episode_bars=8,
    replay=Replay(capacity=512, batch=32, warm_up=128, reuse=2.0),
    schedule=Schedule(kind="adaptive", first_cycle=2, patience=1),
)
RAINBOW = DqnSettings(prioritised=True, n_step=3, distributional=True, noisy=True)
ALL: dict[str, Training] = {
    name: msgspec.structs.replace(SMALL, **keys)
    for name, keys in {
        "ppo": {},
        "ppo_continuous": {"action": "continuous"},
        "sac": {"algorithm": "sac"},
        "sac_continuous": {"algorithm": "sac", "action": "continuous"},
        "td3": {"algorithm": "td3", "action": "continuous"},
        "dqn": {"algorithm": "dqn", "dqn": DqnSettings(double=False, dueling=False)},
        "d3qn": {"algorithm": "dqn"},
        "twin": {"algorithm": "dqn", "dqn": DqnSettings(twin=True, distributional=True)},
        "rainbow": {"algorithm": "dqn", "dqn": RAINBOW},
        "transformer": {"algorithm": "sac", "network": "transformer"},
    }.items()
}


def made(tape: Tape, training: Training, seed: int = 1) -> Learner:
    """A learner on a tape without costs."""
    spec = ActionSpec(kind=training.action, short=training.short)
    network = describe(training.network, training.recipe, training.hidden, 1.0, choice.head(training))
    graph = PolicyGraph(network, spec, torch.Generator().manual_seed(seed))
    graph.normaliser.fit(tape.features[FIRST:])
    venue = Venue(balance="10000 USDT", taker_bps=0.0, half_spread_bps=0.0)
    market = Market(tape, venue, Limits(max_position_frac=1.0), spec, training.envs, training.episode_bars, seed)
    return choice.learner(graph, market, training, seed)


def copied(learner: Learner) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in learner.state().items()}


def finish(learner: Learner) -> dict[str, torch.Tensor]:
    while not learner.done:
        assert all(np.isfinite(learner.iterate()))
    return copied(learner)


@pytest.mark.parametrize("name", list(ALL))
def test_killed_run_of_any_algorithm_goes_on_to_the_same_state_to_the_bit(name: str, wandering: Tape) -> None:
    first = made(wandering, ALL[name])
    first.iterate()
    first.iterate()
    kept = copied(first)
    second = made(wandering, ALL[name], seed=9)
    second.restore(kept)
    torch.rand(5)
    one, two = finish(first), finish(second)
    assert one.keys() == two.keys()
    for key, value in one.items():
        assert torch.equal(value, two[key]), key
    moved = [key for key in one if key.startswith("weights.trunk.actor") and not torch.equal(one[key], kept[key])]
    assert moved


@pytest.mark.parametrize("name", list(ALL))
def test_answers_in_training_are_valid_for_every_account(name: str, wandering: Tape) -> None:
    learner = made(wandering, ALL[name])
    learner.iterate()
    if not isinstance(learner, OffPolicy):
        pytest.skip("a rollout's answers are tested with PPO")
    size = torch.linspace(0.0, 1.0, 512)
    account = torch.zeros(512, 13)
    account[:, 1] = size
    with torch.no_grad():
        for action in (learner.act(learner.context(torch.full((512,), 200)), account), learner.random_answers(account)):
            if learner.graph.spec.kind == "discrete7":
                assert bool(valid_actions(learner.graph.spec, size).gather(1, action[:, None]).all())
                assert len(set(action.tolist())) > 1
            else:
                assert float(action.abs().max()) <= 1.0
                assert float(action.std()) > 0.05


def test_random_answers_are_even_among_those_that_are_valid(wandering: Tape) -> None:
    learner = made(wandering, ALL["d3qn"])
    assert isinstance(learner, OffPolicy)
    share = torch.bincount(learner.random_answers(torch.zeros(20_000, 13)), minlength=7) / 20_000
    torch.testing.assert_close(share, torch.tensor([0.25] * 4 + [0.0] * 3), atol=0.015, rtol=0.0)


def test_iteration_counts_every_decision_and_the_last_one_ends_the_run(wandering: Tape) -> None:
    learner = made(wandering, msgspec.structs.replace(ALL["d3qn"], env_steps=600))
    assert learner.steps_per_iteration == 256
    done = []
    while not learner.done:
        learner.iterate()
        done.append(learner.iteration)
    assert done == [1, 2, 3]


def test_confidence_of_a_gaussian_answer_is_the_chance_of_its_sign_before_the_squash() -> None:
    spec = ActionSpec(kind="continuous")
    outputs = torch.tensor([[0.0, -0.7], [0.5, 0.0], [0.5, -1.0], [-0.5, -1.0]])
    action, mean, confidence = choose(spec, outputs, torch.zeros(4), torch.tensor(99.0))
    torch.testing.assert_close(action, torch.tanh(outputs[:, 0]))
    assert mean.shape == (4, 1)
    # 2 Phi(0.5 / 1) - 1 and 2 Phi(0.5 e) - 1
    assert confidence.tolist() == pytest.approx([0.0, 0.38292, 0.82588, 0.82588], abs=1e-4)


@pytest.mark.parametrize("name", ["sac_continuous", "rainbow"])
def test_trained_policy_answers_alone_as_in_its_learner(
    name: str, wandering: Tape, policy: Callable[..., PolicyGraph]
) -> None:
    learner = made(wandering, ALL[name])
    finish(learner)
    alone = PolicyGraph(learner.graph.network, learner.graph.spec)
    alone.load_state_dict(learner.graph.state_dict())
    window, account = torch.randn(8, 24, 23, generator=torch.Generator().manual_seed(2)), torch.zeros(8, 13)
    with torch.no_grad():
        one, two = learner.graph.eval().answer(window, account), alone.eval().answer(window, account)
    for value, other in zip(one, two):
        assert torch.equal(value, other)
    assert one.logits.shape == (8, learner.graph.spec.size)
    assert one.value.shape == one.confidence.shape == (8,)
