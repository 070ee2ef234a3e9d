"""Answers resolve to target exposures by one function for arrays and tensors."""

import numpy as np
import pytest
import torch

from engine.contract.action import ActionSpec, Discrete7, target_exposure, valid_actions
from engine.contract.observation import contract

DISCRETE = ActionSpec()
LONG = ActionSpec(kind="continuous")
SHORT = ActionSpec(kind="continuous", short=True)


@pytest.mark.parametrize(
    ("action", "exposure", "target"),
    [
        (Discrete7.HOLD, 0.37, 0.37),
        (Discrete7.BUY_SMALL, 0.0, 0.25),
        (Discrete7.BUY_MEDIUM, 0.0, 0.60),
        (Discrete7.BUY_LARGE, 0.0, 0.90),
        (Discrete7.SELL_HALF, 0.5, 0.25),
        (Discrete7.SELL_ALL, 0.5, 0.0),
        (Discrete7.ADD, 0.5, 0.8),
        (Discrete7.ADD, 0.85, 1.0),
    ],
)
def test_discrete_answer_resolves_to_its_level(action, exposure, target):
    assert target_exposure(DISCRETE, np.array([int(action)]), np.array([exposure])) == pytest.approx([target])


@pytest.mark.parametrize(
    ("spec", "action", "exposure", "target"),
    [
        (LONG, 0.10, 0.3, 0.3),
        (LONG, 0.50, 0.0, 0.5),
        (LONG, 0.50, 0.6, 0.8),
        (LONG, -0.50, 0.6, 0.3),
        (LONG, -1.00, 0.6, 0.0),
        (LONG, -1.00, 0.0, 0.0),
        (SHORT, -0.50, 0.0, -0.5),
        (SHORT, -0.50, -0.6, -0.8),
        (SHORT, 0.50, -0.6, -0.3),
        (SHORT, 0.50, 1.2, 1.2),
        (SHORT, -0.50, 1.2, 0.6),
    ],
)
def test_continuous_answer_moves_in_proportion_to_what_is_free_or_held(spec, action, exposure, target):
    assert target_exposure(spec, np.array([action]), np.array([exposure])) == pytest.approx([target])


def test_default_levels_are_shares_of_equity_at_the_default_budget():
    assert [round(level * 0.10, 4) for level in (*DISCRETE.buy_levels, DISCRETE.add_level)] == [0.025, 0.06, 0.09, 0.03]


@pytest.mark.parametrize(
    ("exposure", "valid"),
    [
        (0.0, [1, 1, 1, 1, 0, 0, 0]),
        (0.5, [1, 0, 0, 0, 1, 1, 1]),
        (0.9, [1, 0, 0, 0, 1, 1, 0]),
        (-0.5, [1, 0, 0, 0, 1, 1, 1]),
    ],
)
def test_mask_follows_the_position(exposure, valid):
    assert valid_actions(DISCRETE, np.array([exposure]))[0].tolist() == [bool(x) for x in valid]


@pytest.mark.parametrize("spec", [DISCRETE, LONG, SHORT])
def test_arrays_and_tensors_resolve_to_the_same_bits(spec):
    generator = np.random.default_rng(5)
    exposure = np.where(generator.random(500) < 0.3, 0.0, generator.uniform(-1.2, 1.2, 500))
    action = generator.integers(0, 7, 500).astype(float) if spec.kind == "discrete7" else generator.uniform(-1, 1, 500)
    tensor = target_exposure(spec, torch.tensor(action), torch.tensor(exposure))
    assert np.array_equal(tensor.numpy(), target_exposure(spec, action, exposure))
    assert np.array_equal(valid_actions(spec, torch.tensor(exposure)).numpy(), valid_actions(spec, exposure))


def test_contract_digest_changes_with_every_part():
    base = contract("1-HOUR", 96, DISCRETE)
    others = [contract("5-MINUTE", 96, DISCRETE), contract("1-HOUR", 97, DISCRETE), contract("1-HOUR", 96, LONG)]
    assert contract("1-HOUR", 96, DISCRETE).digest == base.digest
    assert len({base.digest, *(other.digest for other in others)}) == 4
