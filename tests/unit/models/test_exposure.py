"""A wanted exposure, the band around it, the answer that leads there, and the gradient through a path of them."""

import numpy as np
import pytest
import torch

from engine.contract.action import ActionSpec, target_exposure
from models.exposure import answer, followed, sought
from models.networks import EXPOSURE, PolicyGraph, describe

BAND = torch.tensor(0.1, dtype=torch.float64)


@pytest.mark.parametrize(
    ("wanted", "exposure", "short", "target"),
    [
        (0.5, 0.0, True, 0.4),
        (0.5, 0.45, True, 0.45),
        (0.5, 0.8, True, 0.6),
        (0.05, 0.0, True, 0.0),
        (-0.5, 0.3, True, 0.0),
        (-0.5, 0.0, True, -0.4),
        (-0.5, 0.3, False, 0.1),
        (-0.5, 0.0, False, 0.0),
    ],
)
def test_exposure_moves_to_the_nearer_edge_of_the_band_and_through_zero_in_two_decisions(
    wanted: float, exposure: float, short: bool, target: float
) -> None:
    found = sought(torch.tensor([wanted]).double(), BAND, torch.tensor([exposure]).double(), short)
    assert float(found) == pytest.approx(target)


def test_answer_leads_to_what_is_sought_and_is_exactly_0_inside_the_band() -> None:
    generator = torch.Generator().manual_seed(1)
    wanted, exposure = (2.0 * torch.rand(2_000, generator=generator) - 1.0 for _ in range(2))
    band, spec = torch.tensor(0.1), ActionSpec("continuous", short=True, hold_zone=0.0)
    said = torch.tanh(answer(wanted, band, exposure, True))
    target = sought(wanted, band, exposure, True)
    led = target_exposure(spec, said.double(), exposure.double())
    assert torch.allclose(led, target.double(), atol=1e-6)
    inside = (wanted - exposure).abs() < 0.0999
    assert inside.any()
    assert (said[inside] == 0.0).all()


def _slowly(wanted: torch.Tensor, band: torch.Tensor, hears: torch.Tensor) -> torch.Tensor:
    """One turn after the other, by `sought` itself."""
    held = [wanted[:, 0]]
    for t in range(1, wanted.shape[1]):
        held.append(torch.where(hears[:, t], sought(wanted[:, t], band, held[-1], True), held[-1]))
    return torch.stack(held, 1)


def test_followed_path_and_its_gradients_are_those_of_one_turn_after_the_other() -> None:
    generator = torch.Generator().manual_seed(3)
    wanted = torch.tanh(torch.randn(6, 80, generator=generator, dtype=torch.float64))
    hears = torch.rand(6, 80, generator=generator) < 0.9
    weight = torch.randn(6, 80, generator=generator, dtype=torch.float64)
    results = []
    for follow in (_slowly, followed):
        leaf, band = wanted.clone().requires_grad_(), BAND.clone().requires_grad_()
        held = follow(leaf, band, hears)
        (held * weight).sum().backward()
        assert leaf.grad is not None
        assert band.grad is not None
        results.append((held.detach(), leaf.grad, band.grad))
    for one, other in zip(*results, strict=True):
        assert torch.allclose(one, other, atol=1e-12)
    assert float(results[0][2].abs()) > 0.1


def test_policy_that_wants_an_exposure_looks_at_the_account_for_nothing_but_what_it_holds() -> None:
    spec = ActionSpec("continuous", short=True, hold_zone=0.0)
    graph = PolicyGraph(describe("mlp", "base", [8], 1.0, EXPOSURE), spec, torch.Generator().manual_seed(1)).eval()
    rng = np.random.default_rng(0)
    window = torch.from_numpy(rng.standard_normal((64, 24, 23)).astype(np.float32))
    account = torch.from_numpy(rng.standard_normal((64, 13)).astype(np.float32))
    other = torch.from_numpy(rng.standard_normal((64, 13)).astype(np.float32))
    size = torch.linspace(-0.9, 0.9, 64)
    account[:, 1] = other[:, 1] = size
    with torch.no_grad():
        one, two = graph.answer(window, account), graph.answer(window, other)
        assert torch.equal(one.action, two.action)
        assert torch.equal(one.value, two.value)
        account[:, 1] = 0.0
        assert not torch.equal(graph.answer(window, account).action, one.action)
