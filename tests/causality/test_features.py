"""Features of a recipe are functions of their own window: of no later bar, and of no earlier one."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from models.features import RECIPES, Features, Recipe

ROWS = 400


def walk(rows: int = ROWS, seed: int = 7) -> Tensor:
    """A random walk of bars, float32 (rows, 5)."""
    generator = torch.Generator().manual_seed(seed)
    draw = torch.randn(4, rows, generator=generator, dtype=torch.float64)
    close = 20_000.0 * torch.exp(0.006 * draw[0].cumsum(0))
    opening = torch.cat([close[:1], close[:-1]]) * torch.exp(0.0005 * draw[1])
    high = torch.maximum(opening, close) * torch.exp(0.002 * draw[2].abs())
    low = torch.minimum(opening, close) * torch.exp(-0.002 * draw[3].abs())
    volume = 100.0 * torch.rand(rows, generator=generator, dtype=torch.float64)
    return torch.stack([opening, high, low, close, volume], -1).float()


def leaks(series: Callable[[Tensor], Tensor], lookback: int, bars: Tensor) -> int:
    """Count rows that change when later bars are cut off or altered."""
    whole, changed = series(bars), 0
    for end in (lookback, lookback + 1, 150, 277, ROWS - 1):
        known = end - lookback + 1
        altered = torch.cat([bars[:end], bars[end:] * 3.0])
        for other in (series(bars[:end]), series(altered)[:known]):
            changed += int((other != whole[:known]).any(-1).sum())
    return changed


@pytest.mark.parametrize("recipe", RECIPES)
def test_features_with_the_future_cut_off_or_altered_are_the_same_to_the_last_bit(recipe: Recipe) -> None:
    features = Features(recipe)
    assert leaks(features, features.lookback, walk()) == 0


def test_a_planted_leak_is_caught_by_the_same_comparison() -> None:
    features = Features("base")

    def leaking(bars: Tensor) -> Tensor:
        rows = features(bars).clone()
        rows[:-1, 0] = rows[1:, 0]
        return rows

    assert leaks(leaking, features.lookback, walk()) > 0


def test_a_feature_scaled_by_the_whole_series_is_caught_by_the_same_comparison() -> None:
    features = Features("base")

    def standardised(bars: Tensor) -> Tensor:
        rows = features(bars)
        return rows / rows.abs().amax(0)

    assert leaks(standardised, features.lookback, walk()) > 0


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_cold_start_at_any_bar_sees_what_a_warm_one_sees(recipe: Recipe) -> None:
    features, bars = Features(recipe), walk()
    whole = features(bars)
    for begin in (1, 50, 123, ROWS - features.lookback):
        assert torch.equal(features(bars[begin:]), whole[begin:])


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_row_is_the_same_alone_in_a_batch_and_on_a_tape(recipe: Recipe) -> None:
    features, bars = Features(recipe), walk()
    whole = features(bars)
    batch = torch.stack([bars[i : i + features.lookback] for i in range(64)])
    assert torch.equal(features(batch)[:, 0], whole[:64])
    assert torch.equal(features(bars[9 : 9 + features.lookback])[0], whole[9])


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_row_does_not_change_with_bars_before_its_lookback_and_does_with_the_first_of_it(recipe: Recipe) -> None:
    features, bars = Features(recipe), walk(120)
    last = features(bars)[-1]
    before, first = bars.clone(), bars.clone()
    before[: 120 - features.lookback] *= 2.0
    first[120 - features.lookback] *= 2.0
    assert torch.equal(features(before)[-1], last)
    assert not torch.equal(features(first)[-1], last)


def test_a_tape_longer_than_a_chunk_has_the_rows_of_its_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    features, bars = Features("higher_order"), walk()
    whole = features(bars)
    monkeypatch.setattr("models.features.CHUNK", 37)
    assert torch.equal(features(bars), whole)
