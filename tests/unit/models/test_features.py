"""Values of features by hand, their names, and bars at the edge of what is possible."""

import itertools
import math
import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

from models.features import FLOOR, LIMIT, RECIPES, Features, Recipe, lookback, names, window

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "reference" / "features.md"


def staircase() -> Tensor:
    """73 bars: 71 flat at 100, then +1 % and +1 %, opened at the last close; float32 (73, 5)."""
    close = torch.full((73,), 100.0, dtype=torch.float64)
    close[71], close[72] = 101.0, 102.01
    opening = torch.cat([close[:1], close[:-1]])
    volume = torch.full_like(close, 10.0)
    volume[72] = 82.0
    return torch.stack(
        [opening, torch.maximum(opening, close), torch.minimum(opening, close), close, volume], -1
    ).float()


def row(bars: Tensor, recipe: Recipe = "higher_order") -> dict[str, float]:
    """The last row of features, by name."""
    features = Features(recipe)
    return dict(zip(features.names, features(bars)[-1].tolist()))


def test_base_recipe_has_23_features_and_the_higher_order_one_68_and_80_derived() -> None:
    base, wide = names("base"), names("higher_order")
    assert (len(base), len(wide)) == (23, 148)
    derived = [name for name in wide if re.search(r"_lag_\d+$|[*/^]", name)]
    assert len(wide) - len(derived) == 68, derived
    assert wide[:23] == base
    assert len(set(wide)) == 148


def test_windows_hold_the_steps_and_the_lookback_before_the_first_of_them() -> None:
    assert (lookback("base"), window("base")) == (73, 96)
    assert (lookback("higher_order"), window("higher_order")) == (85, 108)
    assert Features("base")(torch.ones(5, 96, 5)).shape == (5, 24, 23)


def test_features_of_two_rises_of_one_percent_are_those_worked_by_hand() -> None:
    found = row(staircase(), "base")
    rise = math.log(1.01)
    daily, whole = rise * math.sqrt(2 / 24), rise * math.sqrt(2 / 72)
    assert found["volatility_24"] == pytest.approx(daily, rel=1e-5)
    assert found["volatility_72"] == pytest.approx(whole, rel=1e-5)
    assert found["volatility_ratio_6_72"] == pytest.approx(0.5 * math.log(72 / 6), rel=1e-5)
    assert found["return_1"] == pytest.approx(6.0, rel=1e-4)
    assert found["return_3"] == pytest.approx(2 * rise / (whole * math.sqrt(3)), rel=1e-4)
    assert found["return_72"] == pytest.approx(2 * rise / (whole * math.sqrt(72)), rel=1e-4)
    assert found["rsi_14"] == pytest.approx(1.0, abs=1e-6)
    assert found["stochastic_24"] == pytest.approx(1.0, abs=1e-6)
    assert found["drawdown_72"] == 0.0
    assert found["range_1"] == pytest.approx(6.0, rel=1e-4)
    assert found["range_24"] == pytest.approx(2 * rise / 24 / whole, rel=1e-4)
    assert found["close_location"] == 1.0
    assert found["autocorrelation_24"] == pytest.approx(0.5, rel=1e-4)
    assert found["skewness_72"] == pytest.approx(2 / 72 * 6.0**3, rel=1e-4)
    usual = (71 * 10.0 + 82.0) / 72
    assert found["volume_1"] == pytest.approx(math.log(82.0 / usual + 1 / 64), rel=1e-5)
    traded = 23 * 10.0 + 82.0
    assert found["volume_flow_24"] == pytest.approx((10.0 + 82.0) / traded, rel=1e-5)


def test_exponential_gaps_of_two_rises_are_those_of_a_direct_mean() -> None:
    bars = staircase()
    bars[1::2, :4] *= 1.005
    found = row(bars, "base")
    logs = [math.log(float(close)) for close in bars[:, 3]]
    unit = math.sqrt(sum((b - a) ** 2 for a, b in itertools.pairwise(logs)) / 72)

    def mean(span: int) -> float:
        decay = 1 - 2 / (span + 1)
        weights = [decay ** (72 - i) for i in range(73)]
        return sum(w * x for w, x in zip(weights, logs)) / sum(weights)

    assert found["ema_gap_12"] == pytest.approx((logs[-1] - mean(12)) / unit, rel=1e-4)
    assert found["ema_gap_36"] == pytest.approx((logs[-1] - mean(36)) / unit, rel=1e-4)
    assert found["macd"] == pytest.approx((mean(12) - mean(26)) / unit, rel=1e-4)


def test_slope_of_a_straight_line_is_its_slope() -> None:
    close = 100.0 * torch.exp(0.001 * torch.arange(90, dtype=torch.float64))
    bars = torch.stack([close, close, close, close, torch.ones_like(close)], -1).float()
    found = row(bars)
    for n in (12, 24, 48, 72):
        assert found[f"slope_{n}"] == pytest.approx(math.sqrt(n), rel=1e-3)
    assert found["downside_72"] == 0.0
    assert found["upside_72"] == pytest.approx(1.0, rel=1e-4)


def test_derived_features_are_the_lags_products_ratios_and_powers_that_their_names_say() -> None:
    generator = torch.Generator().manual_seed(3)
    close = 100.0 * torch.exp(0.01 * torch.randn(120, generator=generator).cumsum(0))
    bars = torch.stack([close, close * 1.01, close * 0.99, close, torch.rand(120, generator=generator)], -1)
    features = Features("higher_order")
    rows = dict(zip(features.names, features(bars).unbind(-1)))
    assert torch.equal(rows["return_1_lag_12"][12:], rows["return_1"][:-12])
    assert torch.equal(rows["volume_1_lag_3"][3:], rows["volume_1"][:-3])
    close_to = {"rtol": 1e-5, "atol": 1e-6}
    torch.testing.assert_close(rows["return_6*return_24"], rows["return_6"] * rows["return_24"], **close_to)
    torch.testing.assert_close(rows["macd^2"], rows["macd"] ** 2, **close_to)
    torch.testing.assert_close(rows["slope_72^3"], rows["slope_72"] ** 3, **close_to)
    ratio = torch.log((rows["range_1"] + FLOOR) / (rows["range_24"] + FLOOR))
    torch.testing.assert_close(rows["range_1/range_24"], ratio, **close_to)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize(
    "case", ["flat", "no volume", "flat without volume", "one trade", "crash", "tiny price", "huge price"]
)
def test_bars_at_the_edge_give_finite_features_within_their_bound(recipe: Recipe, case: str) -> None:
    generator = torch.Generator().manual_seed(1)
    close = 100.0 * torch.exp(0.01 * torch.randn(200, generator=generator, dtype=torch.float64).cumsum(0))
    volume = torch.rand(200, generator=generator, dtype=torch.float64)
    if case.startswith("flat"):
        close = torch.full_like(close, 123.45)
    if case.endswith("volume"):
        volume = torch.zeros_like(volume)
    if case == "one trade":
        close, volume = torch.full_like(close, 5.0), torch.zeros_like(volume)
        close[150:], volume[150] = 5.01, 1e9
    if case == "crash":
        close[100:] *= 1e-4
    close = close * {"tiny price": 1e-9, "huge price": 1e9}.get(case, 1.0)
    bars = torch.stack([close, close, close, close, volume], -1).float()
    found = Features(recipe)(bars)
    assert bool(found.isfinite().all())
    assert float(found.abs().max()) <= LIMIT**3


@pytest.mark.parametrize("recipe", RECIPES)
def test_features_do_not_depend_on_the_unit_of_price_or_of_volume(recipe: Recipe) -> None:
    generator = torch.Generator().manual_seed(2)
    close = 100.0 * torch.exp(0.01 * torch.randn(150, generator=generator).cumsum(0))
    bars = torch.stack([close, close * 1.003, close * 0.998, close, torch.rand(150, generator=generator)], -1)
    scaled = bars * torch.tensor([4.0, 4.0, 4.0, 4.0, 0.125])
    assert torch.equal(Features(recipe)(scaled), Features(recipe)(bars))


def test_reference_page_lists_every_feature_with_its_formula() -> None:
    page = DOCUMENT.read_text(encoding="utf-8")
    for name, formula in RECIPES["higher_order"].items():
        cell = formula.replace("|", "\\|")
        assert f"| `{name}` | {cell} |" in page, name
