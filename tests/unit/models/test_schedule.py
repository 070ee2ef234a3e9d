"""Learning rates by hand: the line, the restarts, what plateaus and breaks do, and that a restored schedule goes on."""

import math

import msgspec
import pytest

from engine.contract.config import Schedule
from models.schedule import HIGHEST, LOWEST, PAST_NEEDED, LearningRate, cosine, linear


@pytest.mark.parametrize(("iteration", "wanted"), [(0, 1.0), (5, 0.55), (10, 0.1)])
def test_line_falls_evenly_to_its_lowest(iteration: int, wanted: float) -> None:
    assert linear(iteration, 10, 0.1) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("iteration", "wanted"),
    [
        (0, 1.0),
        (1, 0.1 + 0.9 * 0.5 * (1.0 + math.sqrt(0.5))),
        (2, 0.55),
        (3, 0.1 + 0.9 * 0.5 * (1.0 - math.sqrt(0.5))),
        (4, 1.0),
        (8, 0.55),
        (12, 1.0),
        (20, 0.55),
        (28, 1.0),
    ],
)
def test_cosine_of_four_restarts_after_four_then_eight_then_sixteen(iteration: int, wanted: float) -> None:
    assert cosine(iteration, first_cycle=4, growth=2, lowest=0.1) == pytest.approx(wanted)


def adaptive(**keys: object) -> LearningRate:
    settings = {"kind": "adaptive", "first_cycle": 1, "cycle_growth": 1, "patience": 3, "margin": 0.01, **keys}
    return LearningRate(msgspec.convert(settings, Schedule), 0.002, 100)


def test_rate_of_every_kind_is_the_factor_times_the_first_rate() -> None:
    for kind, wanted in (("constant", 0.002), ("linear", 0.0011), ("cosine", 0.0011)):
        schedule = msgspec.convert({"kind": kind, "first_cycle": 10}, Schedule)
        assert LearningRate(schedule, 0.002, 10).at(5) == pytest.approx(wanted)


def test_win_rate_that_stands_still_halves_the_rate_after_patience_and_again() -> None:
    rate = adaptive()
    found = []
    for _ in range(8):
        rate.observe(0.5, 0.0)
        found.append(rate.at(7))
    # the first sets the best; the fourth is the third that did not beat it
    assert found == pytest.approx([0.002, 0.002, 0.002, 0.001, 0.001, 0.001, 0.0005, 0.0005])


def test_win_rate_that_rises_by_less_than_the_margin_is_a_plateau_and_by_more_is_none() -> None:
    slow, fast = adaptive(), adaptive()
    for index in range(4):
        slow.observe(0.5 + 0.002 * index, 0.0)
        fast.observe(0.5 + 0.02 * index, 0.0)
    assert (slow.factor, fast.factor) == (0.5, 1.0)


def test_reward_far_below_its_past_doubles_the_rate_and_forgets_the_best_win_rate() -> None:
    rate = adaptive(patience=100)
    for index in range(PAST_NEEDED):
        rate.observe(0.6, 1.0 + 0.1 * (-1) ** index)
    rate.observe(0.4, -1.0)
    assert rate.factor == 2.0
    assert rate.best == 0.4
    rate.observe(0.4, -1.0)
    assert rate.factor == 2.0


def test_reward_far_above_its_past_is_no_new_regime() -> None:
    rate = adaptive(patience=100)
    for index in range(PAST_NEEDED):
        rate.observe(0.6, 1.0 + 0.1 * (-1) ** index)
    rate.observe(0.6, 3.0)
    assert rate.factor == 1.0


def test_factor_stays_within_its_bounds() -> None:
    rate = adaptive(patience=1)
    for _ in range(20):
        rate.observe(0.5, 0.0)
    assert rate.factor == LOWEST
    rate.factor = 3.0
    rate.seen, rate.mean, rate.variance = PAST_NEEDED, 0.0, 1.0
    rate.observe(0.5, -10.0)
    assert rate.factor == HIGHEST


def test_restored_schedule_goes_on_as_the_first_one() -> None:
    first, second = adaptive(), adaptive()
    observed = [(0.5, 0.1), (0.5, 0.2), (0.49, 0.0), (0.5, 0.1), (0.52, 0.3), (0.5, -9.0)] * 3
    for pair in observed[:9]:
        first.observe(*pair)
    second.restore(first.state())
    for index, pair in enumerate(observed[9:]):
        first.observe(*pair)
        second.observe(*pair)
        assert second.at(index) == first.at(index)
    assert {name: float(value) for name, value in first.state().items()} == {
        name: float(value) for name, value in second.state().items()
    }
