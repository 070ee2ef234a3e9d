"""Sums of rewards by hand, what ends them, the ring, priorities, and that a restored memory draws the same."""

import pytest
import torch

from engine.contract.config import Replay as ReplaySettings
from models.algorithms.replay import Replay
from models.market import Observation, Transition

DISCOUNT = 0.5


def memory(n_step: int = 1, prioritised: bool = False, capacity: int = 8, width: int = 2, **keys: float) -> Replay:
    settings = ReplaySettings(capacity=capacity, batch=4, **keys)  # type: ignore[arg-type]
    return Replay(settings, width, DISCOUNT, n_step, prioritised, torch.int64, torch.device("cpu"))


def step(
    kept: Replay, at: int, rewards: list[float], terminated: tuple[int, ...] = (), truncated: tuple[int, ...] = ()
) -> None:
    """Add one step of two markets, at rows `at` and 100 + at; accounts carry the row."""
    row = torch.tensor([at, 100 + at])
    flags = [torch.tensor([index in ended for index in range(2)]) for ended in (terminated, truncated)]
    final = Observation(row + 1, (row + 1)[:, None].expand(2, 13).float())
    observation = Observation(row, row[:, None].expand(2, 13).float())
    kept.add(observation, torch.tensor([at % 7, 6]), Transition(torch.tensor(rewards), *flags, final))


def column(kept: Replay, name: str) -> list[float]:
    return kept._columns[name][: len(kept)].tolist()


def test_one_step_keeps_reward_discount_and_what_followed() -> None:
    kept = memory()
    step(kept, 10, [1.0, 2.0], terminated=(1,))
    assert column(kept, "row") == [10, 110]
    assert column(kept, "reward") == [1.0, 2.0]
    assert column(kept, "discount") == [0.5, 0.0]
    assert column(kept, "final_row") == [11, 111]
    assert column(kept, "action") == [3, 6]


def test_three_steps_are_summed_and_the_value_after_them_counts_discount_cubed() -> None:
    kept = memory(n_step=3)
    for at, reward in ((10, 1.0), (11, 2.0), (12, 4.0), (13, 8.0)):
        step(kept, at, [reward, 0.0])
    # 1 + 2/2 + 4/4 = 3, and 2 + 4/2 + 8/4 = 6
    assert column(kept, "reward") == [3.0, 0.0, 6.0, 0.0]
    assert column(kept, "discount") == [0.125] * 4
    assert column(kept, "final_row") == [13, 113, 14, 114]


def test_episode_cut_short_within_the_steps_ends_the_sum_at_its_last_observation_and_still_bootstraps() -> None:
    kept = memory(n_step=3)
    step(kept, 10, [1.0, 1.0])
    step(kept, 11, [2.0, 2.0], truncated=(0,), terminated=(1,))
    step(kept, 50, [100.0, 100.0])
    assert column(kept, "reward") == [2.0, 2.0]
    assert column(kept, "discount") == [0.25, 0.0]
    assert column(kept, "final_row") == [12, 112]
    assert kept._columns["final_account"][:2, 0].tolist() == [12.0, 112.0]
    step(kept, 51, [100.0, 100.0])
    assert column(kept, "reward")[2:] == [2.0, 2.0]
    assert column(kept, "discount")[2:] == [0.5, 0.0]


def test_death_in_the_episode_that_follows_a_cut_does_not_reach_back() -> None:
    kept = memory(n_step=2)
    step(kept, 10, [1.0, 1.0], truncated=(0,))
    step(kept, 50, [9.0, 9.0], terminated=(0, 1))
    assert column(kept, "reward") == [1.0, 5.5]
    assert column(kept, "discount") == [0.5, 0.0]


def test_oldest_decisions_are_forgotten_first() -> None:
    kept = memory(capacity=7)
    for at in range(4):
        step(kept, at, [float(at), 0.0])
    # 7 hold 3 steps of 2 markets
    assert len(kept) == kept.capacity == 6
    assert column(kept, "row") == [3, 103, 1, 101, 2, 102]


def test_draws_follow_priorities_and_weights_undo_them() -> None:
    kept = memory(prioritised=True, priority_exponent=1.0, importance=1.0)
    step(kept, 0, [0.0, 0.0])
    step(kept, 1, [0.0, 0.0])
    kept.rate(torch.arange(4), torch.tensor([1.0, 2.0, 0.0, 5.0]))
    batch = kept.draw(8_000, torch.Generator().manual_seed(1), 1.0)
    share = torch.bincount(batch.place, minlength=4) / 8_000
    torch.testing.assert_close(share, torch.tensor([0.125, 0.25, 0.0, 0.625]), atol=1e-3, rtol=0.0)
    # in proportion to 1 / priority, the rarest of those drawn weighs 1
    first = {int(place): float(weight) for place, weight in zip(batch.place, batch.weight)}
    assert [first[index] for index in (0, 1, 3)] == pytest.approx([1.0, 0.5, 0.2], rel=1e-4)


def test_new_decisions_have_the_largest_priority_so_far() -> None:
    kept = memory(prioritised=True, priority_exponent=1.0)
    step(kept, 0, [0.0, 0.0])
    kept.rate(torch.tensor([0]), torch.tensor([7.0]))
    step(kept, 1, [0.0, 0.0])
    assert kept._priority is not None
    assert kept._priority[:4].tolist() == pytest.approx([7.0, 1.0, 7.0, 7.0], rel=1e-5)


def test_even_draws_weigh_one_and_reach_everything() -> None:
    kept = memory()
    for at in range(4):
        step(kept, at, [0.0, 0.0])
    batch = kept.draw(500, torch.Generator().manual_seed(1), 0.0)
    assert set(batch.place.tolist()) == set(range(8))
    assert batch.weight.tolist() == [1.0] * 500
    assert batch.action.dtype == torch.int64


@pytest.mark.parametrize("prioritised", [False, True])
def test_restored_memory_draws_the_same_and_finishes_the_sums_that_were_begun(prioritised: bool) -> None:
    first, second = memory(3, prioritised), memory(3, prioritised)
    for at in range(9):
        step(first, at, [float(at), 1.0], truncated=(0,) if at == 4 else ())
    first.rate(torch.tensor([1, 2]), torch.tensor([3.0, 4.0]))
    second.restore({name: value.clone() for name, value in first.state().items()})
    for kept in (first, second):
        step(kept, 9, [9.0, 1.0])
    one, two = (kept.draw(64, torch.Generator().manual_seed(2), 0.5) for kept in (first, second))
    for value, other in zip(one, two):
        assert torch.equal(value, other)
    assert len(first) == len(second)


def test_checkpoint_of_a_memory_that_is_not_full_holds_only_what_is_there() -> None:
    kept = memory(capacity=1_000)
    step(kept, 0, [0.0, 0.0])
    assert all(len(value) == 2 for name, value in kept.state().items() if name.startswith("columns."))


def test_a_decision_takes_little_memory() -> None:
    kept = memory(capacity=1_000)
    taken = sum(column.element_size() * column[0].numel() for column in kept._columns.values())
    assert taken <= 128
