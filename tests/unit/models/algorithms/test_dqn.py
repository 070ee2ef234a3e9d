"""Targets by hand: the projection onto atoms, masks, double and twin, and the noise that ends with training."""

import msgspec
import pytest
import torch

from engine.contract.action import ActionSpec
from engine.contract.config import Dqn as DqnSettings
from engine.contract.config import Training
from models.algorithms.dqn import Dqn, head, project
from models.algorithms.replay import Batch
from models.networks import MASKED, PolicyGraph, describe
from models.tape import Tape
from tests.unit.models.algorithms.test_learners import SMALL, made


def test_projection_shares_mass_between_the_two_nearest_atoms() -> None:
    # atoms -1, 0, 1; masses at -0.25, 0.5 and far above
    found = project(torch.tensor([[0.2, 0.3, 0.5]]), torch.tensor([[-0.25, 0.5, 9.0]]), 1.0)
    assert found[0].tolist() == pytest.approx([0.05, 0.15 + 0.15, 0.15 + 0.5])


def test_projection_leaves_mass_that_lies_on_atoms_where_it_is() -> None:
    probability = torch.tensor([[0.1, 0.2, 0.3, 0.15, 0.25]])
    assert project(probability, torch.linspace(-2.0, 2.0, 5)[None], 2.0)[0].tolist() == pytest.approx(
        probability[0].tolist()
    )


def test_projection_keeps_the_mean_of_what_lies_inside() -> None:
    generator = torch.Generator().manual_seed(1)
    probability = torch.rand(64, 11, generator=generator).softmax(-1)
    place = 4.0 * torch.rand(64, 11, generator=generator) - 2.0
    found = project(probability, place, 2.0)
    torch.testing.assert_close((found * torch.linspace(-2.0, 2.0, 11)).sum(-1), (probability * place).sum(-1))
    torch.testing.assert_close(found.sum(-1), torch.ones(64))


class Fixed(torch.nn.Module):
    """A trunk that answers the same values everywhere."""

    def __init__(self, values: list[float]) -> None:
        super().__init__()
        self.values = torch.tensor(values)
        self.head = msgspec.structs.replace(head(Training(algorithm="dqn")), atoms=1)

    def state(self, context: torch.Tensor, account: torch.Tensor) -> torch.Tensor:
        return context

    def scores(self, state: torch.Tensor) -> torch.Tensor:
        return self.values.expand(len(state), 7)[..., None]

    def expected(self, scores: torch.Tensor) -> torch.Tensor:
        return scores.squeeze(-1)

    def judge(self, context: torch.Tensor, account: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.values.expand(len(context), 7), context[:, 0]


def batch(size: float) -> Batch:
    account = torch.zeros(1, 13)
    account[:, 1] = size
    one, place = torch.ones(1), torch.zeros(1, dtype=torch.int64)
    return Batch(place, place, account, place, one, 0.5 * one, place, account, one)


@pytest.mark.parametrize(
    ("double", "twin", "size", "wanted"),
    [
        # flat: hold and the three buys are valid; the target network's best is 4, at BUY_LARGE; its 9 of ADD is masked
        (False, False, 0.0, 1.0 + 0.5 * 4.0),
        # the network that learns would buy small, which the target network values at 2
        (True, False, 0.0, 1.0 + 0.5 * 2.0),
        # the second target network values that at 1
        (True, True, 0.0, 1.0 + 0.5 * 1.0),
        # holding: hold, the sells and ADD; 9
        (False, False, 0.5, 1.0 + 0.5 * 9.0),
        # full: no ADD; the best is selling all, 8
        (False, False, 0.95, 1.0 + 0.5 * 8.0),
    ],
)
def test_target_values_the_best_valid_answer(
    double: bool, twin: bool, size: float, wanted: float, wandering: Tape
) -> None:
    settings = DqnSettings(double=double, twin=twin, dueling=False)
    learner = made(wandering, msgspec.structs.replace(SMALL, algorithm="dqn", dqn=settings))
    assert isinstance(learner, Dqn)
    learner._online[0] = Fixed([0.0, 5.0, 1.0, 1.0, 1.0, 1.0, 6.0])  # type: ignore[assignment]
    learner._targets = [Fixed([0.0, 2.0, 3.0, 4.0, 7.0, 8.0, 9.0]), Fixed([0.0, 1.0, 9.0, 9.0, 9.0, 9.0, 9.0])][  # type: ignore[assignment]
        : 1 + twin
    ]
    assert float(learner._target(batch(size), torch.zeros(1, 1))) == pytest.approx(wanted)


def test_value_of_a_policy_of_values_is_that_of_its_best_valid_answer() -> None:
    switches = Training(algorithm="dqn", dqn=DqnSettings(distributional=True, noisy=True))
    graph = PolicyGraph(
        describe("mlp", "base", [8], 1.0, head(switches)), ActionSpec(), torch.Generator().manual_seed(1)
    )
    with torch.no_grad():
        graph.trunk.actor[-1].weight.mul_(300.0)
        window, account = torch.randn(64, 24, 23, generator=torch.Generator().manual_seed(2)), torch.zeros(64, 13)
        answer = graph.eval().answer(window, account)
    assert torch.equal(answer.value, answer.logits.amax(-1))
    assert bool((answer.logits[:, 4:] == MASKED).all())
    assert float(answer.logits[:, :4].abs().max()) <= head(switches).limit
    assert bool((answer.action < 4).all())


def test_noise_moves_answers_in_training_and_is_gone_after_it() -> None:
    switches = Training(algorithm="dqn", dqn=DqnSettings(noisy=True))
    graph = PolicyGraph(
        describe("mlp", "base", [8], 1.0, head(switches)), ActionSpec(), torch.Generator().manual_seed(1)
    )
    context, account = torch.randn(4, 69, generator=torch.Generator().manual_seed(2)), torch.zeros(4, 13)
    with torch.no_grad():
        quiet = graph.eval().trunk.judge(context, account)[0]
        graph.train().trunk.draw_noise(torch.Generator().manual_seed(3))
        loud = graph.trunk.judge(context, account)[0]
        again = graph.eval().trunk.judge(context, account)[0]
    assert not torch.allclose(quiet, loud)
    assert torch.equal(quiet, again)
