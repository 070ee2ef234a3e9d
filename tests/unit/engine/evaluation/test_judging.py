"""The judgement of a path: its figures on data whose answers are known, and a reason for every one that it lacks."""

import numpy as np
import pytest

from engine.evaluation.judging import Terms, Track, judge
from engine.evaluation.sharpe import estimate
from engine.evaluation.trials import Row, count

YEAR = 8_760.0
TERMS = Terms(periods_per_year=YEAR, cost_bps=6.0, budget_frac=0.5, window_bars=20, policies=1_000)


def traded(skill: float, bars: int = 4_000, seed: int = 3) -> Track:
    """A path that holds whole blocks of 25 bars, on the right side of a drift as often as skill says."""
    rng = np.random.default_rng(seed)
    drift = np.repeat(rng.choice([-1.0, 1.0], bars // 25), 25)
    market = 0.001 * drift + 0.005 * rng.standard_normal(bars)
    right = np.repeat(rng.random(bars // 25) < skill, 25)
    exposure = np.where(right, drift, -drift)
    traded_value = 0.5 * np.abs(np.diff(exposure, prepend=0.0))
    return Track(0.5 * exposure * market - 6e-4 * traded_value, traded_value, exposure[:, None], market[:, None])


def row(number: int, sharpe: float, periods: int) -> Row:
    values = (sharpe, periods, YEAR, 0.0, 3.0, None, None, None)
    return Row(number, "f", "walkforward", f"c{number}", 1, 0, 1, "", "", "done", *values)


def test_path_with_an_edge_is_told_from_chance_and_one_without_is_not() -> None:
    good, chancy = traded(0.9), traded(0.5)
    found = judge(good, {"a": good.returns, "b": chancy.returns}, TERMS, count([], YEAR))
    assert found["psr"] > 0.99
    assert found["dsr"] > 0.95
    assert found["p_value"] <= 0.01
    assert found["p_value_policies"] == 1_000
    assert found["sharpe"] == pytest.approx(estimate(good.returns, YEAR).annualised)
    assert found["interval"][0] < found["sharpe"] < found["interval"][1]
    assert found["pbo"] == 0.0
    assert found["reasons"] == {}
    nothing = judge(chancy, {"a": good.returns, "b": chancy.returns}, TERMS, count([], YEAR))
    assert nothing["p_value"] > 0.05
    assert nothing["dsr"] < 0.95


def test_break_even_adds_the_cost_that_was_charged() -> None:
    returns, turnover = np.array([0.001, -0.0006, 0.0] * 10), np.array([0.0, 1.0, 0.0] * 10)
    track = Track(returns, turnover, np.ones((30, 1)), np.zeros((30, 1)))
    # 30 bars earned 10 x 4 bps net, after 10 x 6 bps of cost on 10 times the equity
    assert judge(track, {}, TERMS, None)["break_even_bps"] == pytest.approx(10.0)


def test_path_of_cash_has_a_reason_for_every_figure_and_no_error() -> None:
    flat = np.zeros(200)
    found = judge(Track(flat, flat, flat[:, None], flat[:, None]), {"seed:1": flat}, TERMS, None)
    for figure in ("sharpe", "dsr", "p_value", "pbo", "break_even_bps", "intervals"):
        assert found[figure] is None
        assert found["reasons"][figure]
    assert "vary" in found["reasons"]["sharpe"]
    assert "2 columns or more, was 1" in found["reasons"]["pbo"]


@pytest.mark.parametrize("bars", [1, 5, 40])
def test_path_that_is_too_short_is_judged_as_far_as_it_goes(bars: int) -> None:
    whole = traded(0.9)
    short = Track(*(values[:bars] for values in vars(whole).values()))
    found = judge(short, {"a": short.returns, "b": -short.returns}, TERMS, count([], YEAR))
    assert found["p_value"] is None
    assert "50 observations or more" in found["reasons"]["p_value"]
    assert (found["sharpe"] is None) == (bars < 8)


def test_trials_over_short_spans_are_brought_to_the_length_of_the_path_before_they_deflate_it() -> None:
    track = traded(0.7)
    selected = estimate(track.returns, YEAR)
    rng = np.random.default_rng(1)
    lucky = rng.standard_normal(40)
    short = count([row(number, value / np.sqrt(99.0), 100) for number, value in enumerate(lucky)], YEAR)
    whole = count([row(number, value / np.sqrt(3_999.0), 4_000) for number, value in enumerate(lucky)], YEAR)
    assert short.deflate(selected).variance_per_period == pytest.approx(lucky.var(ddof=1) / 3_999.0)
    assert short.deflate(selected) == pytest.approx(whole.deflate(selected))
    assert judge(track, {}, TERMS, short)["trials"] == 40
