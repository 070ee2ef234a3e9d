"""The paired test: its evidence by hand and by integration, its error rate by simulation, its state."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from engine.evaluation.sequential import SCALE_PAIRS, PairedTest, log_evidence


def test_evidence_before_any_difference_is_one() -> None:
    test = PairedTest()
    test.update(0.01, 0.01)
    assert (test.pairs, test.total, test.worse, test.better) == (1, 0.0, 1.0, 1.0)


@pytest.mark.parametrize(("total", "variation", "effect"), [(3.0, 10.0, 0.5), (-40.0, 900.0, 0.05), (0.0, 50.0, 0.1)])
def test_evidence_is_the_half_normal_mixture_of_exponentials(total: float, variation: float, effect: float) -> None:
    for sign in (-1.0, 1.0):
        whole, _ = quad(
            lambda size, sign=sign: (
                2.0 * norm.pdf(size, scale=effect) * math.exp(sign * size * total - 0.5 * size**2 * variation)
            ),
            0.0,
            20.0 * effect,
        )
        assert math.exp(log_evidence(total, variation, effect, sign)) == pytest.approx(whole, rel=1e-6)


def test_evidence_of_one_known_sum_is_as_worked_out_by_hand() -> None:
    # effect 1, S = 0, V = 3: 2 / sqrt(4) * 1 * Phi(0) = 0.5
    assert math.exp(log_evidence(0.0, 3.0, 1.0, 1.0)) == pytest.approx(0.5)


def test_differences_are_measured_in_units_of_those_before() -> None:
    small, large = PairedTest(), PairedTest()
    for k in range(60):
        difference = 0.01 * (-1.0) ** k - 0.002
        small.update(difference, 0.0)
        large.update(1_000.0 * difference, 0.0)
    assert small.worse == pytest.approx(large.worse)
    assert small.worse > 1.0 > small.better


def test_first_differences_only_make_the_unit() -> None:
    test = PairedTest()
    for _ in range(SCALE_PAIRS):
        test.update(-0.5, 0.0)
    assert (test.pairs, test.worse) == (SCALE_PAIRS, 1.0)
    # from here each counts as -1: S = -1, V = max(1, (1 + 2) / 3) = 1
    test.update(-0.5, 0.0)
    assert math.log(test.worse) == pytest.approx(log_evidence(-1.0, 1.0, 0.03, -1.0))


def test_test_gone_on_with_from_its_state_says_the_same() -> None:
    rng = np.random.default_rng(4)
    whole, first = PairedTest(), PairedTest()
    pairs = rng.standard_normal((200, 2)).tolist()
    for pair in pairs[:120]:
        first.update(*pair)
    second = PairedTest()
    second.restore(first.state())
    for pair in pairs[120:]:
        second.update(*pair)
    for pair in pairs:
        whole.update(*pair)
    assert second.figures() == whole.figures()


@pytest.mark.parametrize("tails", ["normal", "heavy", "skewed"])
def test_equal_candidate_is_seldom_found_worse_however_often_one_looks(tails: str) -> None:
    rng, found, runs = np.random.default_rng(11), 0, 200
    for _ in range(runs):
        if tails == "normal":
            differences = rng.standard_normal(600)
        elif tails == "heavy":
            differences = rng.standard_t(2, 600)
        else:
            differences = rng.exponential(1.0, 600) - 1.0
        found += _found_worse(differences) is not None
    assert found <= 0.05 * runs


def test_worse_candidate_is_found() -> None:
    rng = np.random.default_rng(12)
    delays = [_found_worse(rng.standard_normal(1_500) - 0.2) for _ in range(20)]
    known = [delay for delay in delays if delay is not None]
    assert len(known) == 20
    assert 100 < float(np.median(known)) < 800


def _found_worse(differences: np.ndarray) -> int | None:
    test = PairedTest()
    for number, difference in enumerate(differences.tolist()):
        test.update(difference, 0.0)
        if test.worse >= 20.0:
            return number
    return None
