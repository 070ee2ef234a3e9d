"""Masks, choices, confidence, normalisation: what the graph answers."""

from collections.abc import Callable

import pytest
import torch

from engine.contract.action import ActionSpec, Discrete7, valid_actions
from engine.contract.observation import contract
from models.export import sample_inputs
from models.features import STEPS, names, window
from models.networks import NORMALISED_LIMIT, Normaliser, PolicyGraph, choose, mask_logits

Make = Callable[..., PolicyGraph]


def asked(graph: PolicyGraph, count: int = 64, seed: int = 1) -> tuple[torch.Tensor, ...]:
    terms = contract("1-HOUR", window(graph.network["recipe"]), graph.spec)
    return tuple(torch.from_numpy(value) for value in sample_inputs(terms, count, seed).values())


def test_masked_answers_have_probability_exactly_zero() -> None:
    spec = ActionSpec()
    size = torch.tensor([0.0, 0.5, 0.95])
    logits = 30.0 * torch.randn(3, 7, generator=torch.Generator().manual_seed(1))
    probability = torch.softmax(mask_logits(spec, logits, size), -1)
    valid = valid_actions(spec, size)
    assert bool((probability[~valid] == 0.0).all())
    assert valid.tolist() == [
        [True, True, True, True, False, False, False],
        [True, False, False, False, True, True, True],
        [True, False, False, False, True, True, False],
    ]


@pytest.mark.parametrize("network", ["mlp", "transformer"])
def test_graph_never_answers_what_the_account_forbids(network: str, policy: Make) -> None:
    graph = policy(network)
    bars, position, portfolio = asked(graph, 512)
    with torch.no_grad():
        answer = graph(bars, position, portfolio)
    valid = valid_actions(graph.spec, position[:, 1])
    assert answer.action.dtype == torch.int64
    assert bool(valid.gather(1, answer.action[:, None]).all())
    assert len(set(answer.action.tolist())) > 3
    chosen = torch.softmax(answer.logits, -1).gather(1, answer.action[:, None]).squeeze(1)
    torch.testing.assert_close(answer.confidence, chosen)


def test_continuous_answer_is_the_squashed_mean_and_confidence_grows_with_it_and_falls_with_the_spread() -> None:
    spec = ActionSpec(kind="continuous")
    logits = torch.tensor([[0.0], [0.3], [-1.0], [3.0]])
    action, mean, confidence = choose(spec, logits, torch.zeros(4), torch.tensor(0.5))
    torch.testing.assert_close(action, torch.tanh(logits[:, 0]))
    assert action.dtype == torch.float32
    assert torch.equal(mean[:, 0], action)
    assert float(confidence[0]) == 0.0
    # 2 P(N(tanh 0.3, 0.5) > 0) - 1 = 2 Phi(0.5826) - 1
    assert float(confidence[1]) == pytest.approx(0.4398, abs=1e-4)
    assert bool((confidence[1:] > confidence[:-1]).all())
    surer = choose(spec, logits, torch.zeros(4), torch.tensor(0.1))[2]
    assert bool((surer[1:] > confidence[1:]).all())
    assert float(surer.max()) <= 1.0


def test_normaliser_centres_and_scales_what_it_was_fitted_on_and_clips_the_rest() -> None:
    rows = torch.tensor([[1.0, 5.0], [3.0, 5.0]])
    normaliser = Normaliser(2)
    normaliser.fit(rows)
    assert normaliser.centre.tolist() == [2.0, 5.0]
    assert normaliser.scale.tolist() == pytest.approx([2.0**0.5, 1.0])
    assert normaliser(rows)[:, 0].tolist() == pytest.approx([-(0.5**0.5), 0.5**0.5])
    assert normaliser(torch.tensor([[1e9, -1e9]])).tolist() == [[NORMALISED_LIMIT, -NORMALISED_LIMIT]]


@pytest.mark.parametrize("network", ["mlp", "transformer"])
@pytest.mark.parametrize("recipe", ["base", "higher_order"])
def test_graph_over_bars_answers_as_its_trunk_over_the_tape(network: str, recipe: str, policy: Make) -> None:
    graph = policy(network, recipe=recipe)
    length = window(graph.network["recipe"])
    generator = torch.Generator().manual_seed(2)
    close = 100.0 * torch.exp(0.01 * torch.randn(length + 40, generator=generator).cumsum(0))
    bars = torch.stack([close, close * 1.01, close * 0.99, close, torch.rand(length + 40, generator=generator)], -1)
    _, position, portfolio = asked(graph, 41)
    windows = torch.stack([bars[i : i + length] for i in range(41)])
    with torch.no_grad():
        answer = graph(windows, position, portfolio)
        table = graph.trunk.table(graph.normaliser(graph.features(bars)))
        logits, value = graph.trunk.judge(table, torch.cat([position, portfolio], -1))
        action, logits, _ = choose(graph.spec, logits, position[:, 1], graph.trunk.spread)
    assert table.shape[0] == 41
    assert torch.equal(action, answer.action)
    torch.testing.assert_close(logits, answer.logits)
    torch.testing.assert_close(value, answer.value)


def test_same_seed_gives_the_same_weights_whatever_the_global_generator_did() -> None:
    network = {"network": "mlp", "recipe": "base", "hidden": [8], "budget_frac": 0.1}

    def weights(seed: int) -> torch.Tensor:
        graph = PolicyGraph(network, ActionSpec(), torch.Generator().manual_seed(seed))
        return torch.cat([parameter.flatten() for parameter in graph.parameters()])

    first = weights(1)
    torch.rand(7)
    assert torch.equal(first, weights(1))
    assert not torch.equal(first, weights(2))


def test_untrained_policy_is_nearly_indifferent(policy: Make) -> None:
    network = {"network": "mlp", "recipe": "base", "hidden": [64, 64], "budget_frac": 0.1}
    graph = PolicyGraph(network, ActionSpec(), torch.Generator().manual_seed(4))
    window_ = torch.randn(32, STEPS, len(names("base")), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        logits, _ = graph.trunk(window_, torch.zeros(32, 13))
    masked = torch.softmax(mask_logits(graph.spec, logits, torch.zeros(32)), -1)
    assert float(masked[:, int(Discrete7.HOLD)].min()) > 0.2
    assert float(masked[:, int(Discrete7.HOLD)].max()) < 0.3
