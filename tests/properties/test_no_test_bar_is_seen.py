"""Over thousands of configurations: no test bar, nor any within the embargo, is seen by training, normaliser, choice or regime fit.

Configurations are drawn by a seeded generator, which is fast enough to lay the real plan, the real configurations of its folds and the real
split of what they read for each of them.
"""

from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from catalogs.arrays import Bars
from engine.contract.calendar import bar_ns, to_ns
from engine.contract.config import Config, parse
from engine.contract.errors import ConfigError, DataError
from engine.contract.instrument import InstrumentSpec
from engine.contract.walkforward import WalkForward
from engine.evaluation.splits import check_embargo, combinatorial_purged, purged_k_fold, walk_forward
from models.features import window
from models.training import split_histories
from strategies.folds import HORIZON_BARS, fold_config, plan

HOUR = bar_ns("1-HOUR")
BEGIN = 1_577_836_800_000_000_000
WALKS, WALKS_WITH_VALIDATION, SPLITS = 2_500, 1_500, 1_500
NAMES = ["XUSDT.SIM", "YUSDT.SIM"]


def base(instruments: int, recipe: str) -> Config:
    return parse(
        {
            "universe": {"instruments": NAMES[:instruments]},
            "actors": {"regime": {"fit_end": "2030-01-01T00:00:00Z"}},
            "limits": {"max_position_frac": 0.5},
            "training": {"recipe": recipe, "episode_bars": 8},
        }
    )


CONFIGS = {(count, recipe): base(count, recipe) for count in (1, 2) for recipe in ("base", "higher_order")}


def closes(rng: np.random.Generator, bars: int) -> NDArray[np.int64]:
    """Hourly closes with some gaps, int64 (bars,)."""
    steps = np.ones(bars, dtype=np.int64)
    for _ in range(rng.integers(0, 5)):
        steps[rng.integers(bars)] += rng.integers(1, 40)
    return BEGIN + HOUR * np.cumsum(steps)


def read(ts: NDArray[np.int64], span: tuple[int | None, int | None]) -> NDArray[np.int64]:
    """What the catalog hands out of a span of open times: start included, end not."""
    start, end = span
    return ts[(ts - HOUR >= (start or 0)) & (ts - HOUR < (end or 2**62))]


def history(ts: NDArray[np.int64], name: str) -> Bars:
    value = np.ones(len(ts))
    spec = InstrumentSpec(name, "spot", "X", "USDT", price_precision=2, size_precision=3)
    return Bars(
        spec,
        "1-HOUR",
        ts - HOUR,
        ts,
        value,
        value,
        value,
        value,
        value,
    )


def drawn(rng: np.random.Generator) -> tuple[Config, list[NDArray[np.int64]], NDArray[np.int64], int]:
    """A configuration, the closes of its instruments, those that they have in common, and the window."""
    count, recipe = int(rng.integers(1, 3)), ["base", "higher_order"][rng.integers(2)]
    train, test = int(rng.integers(220, 500)), int(rng.integers(5, 150))
    reach = window(recipe)
    embargo = None if rng.random() < 0.5 else int(reach + HORIZON_BARS + rng.integers(0, 30))
    section = WalkForward(
        train_bars=train,
        test_bars=test,
        step_bars=None if rng.random() < 0.5 else int(test + rng.integers(0, 30)),
        embargo_bars=embargo,
        window=["rolling", "expanding"][rng.integers(2)],
        retrain_every=int(rng.integers(1, 4)),
    )
    bars = train + (embargo or reach + HORIZON_BARS) + test + int(rng.integers(40, 400))
    own = [closes(rng, bars) for _ in range(count)]
    config = CONFIGS[count, recipe]
    training = msgspec.structs.replace(config.training, validation_frac=float(rng.choice([0.05, 0.2, 0.35, 0.5])))
    config = msgspec.structs.replace(config, walkforward=section, training=training)
    common = own[0] if count == 1 else np.intersect1d(*own)
    return config, own, common, reach


def test_walk_of_any_configuration_learns_fits_and_chooses_an_embargo_before_its_tests() -> None:
    rng = np.random.default_rng(20)
    folds = retrained = refused = paired = 0
    for _ in range(WALKS):
        config, own, common, reach = drawn(rng)
        section = config.walkforward
        try:
            made = plan(common, "1-HOUR", section, reach, config.training.validation_frac)
        except ConfigError as error:
            assert "have" in str(error)  # noqa: PT017 - gaps of two instruments left too few turns
            refused += 1
            continue
        place = {int(ts): number for number, ts in enumerate(common)}
        least = made.embargo_bars
        assert least >= reach + HORIZON_BARS
        retrained += section.retrain_every > 1
        paired += len(own) > 1
        for training in made.trainings:
            first_test = training.tests[0]
            fold = fold_config(config, training, first_test, 1)
            assert (to_ns(fold.data.start), to_ns(fold.data.end)) == (first_test.start_ns, first_test.end_ns)
            handed = [read(ts, fold.training_span_ns) for ts in own]
            # everything that is read for training ends an embargo of turns before the test, and so do as many bars of each instrument
            last = place[training.end_ns]
            assert all(ts[-1] <= training.end_ns for ts in handed)
            for test in training.tests:
                opened = place[test.start_ns + HOUR]
                assert opened - last - 1 >= least
                for ts in own:
                    decided = int(np.searchsorted(ts, common[opened]))
                    assert ts[decided - reach + 1] > training.end_ns + HOUR * (HORIZON_BARS - 1)
                    assert decided - reach + 1 - int(np.searchsorted(ts, training.end_ns)) >= HORIZON_BARS + 1
                folds += 1
            # the regime is fitted inside the training part of the span, before anything that validation looks at
            regime = fold.actors.regime
            assert to_ns(regime["fit_start"]) == training.start_ns
            fitted = to_ns(regime["fit_end"])
            try:
                split = split_histories([(history(ts, name), None) for ts, name in zip(handed, NAMES)], fold)
            except DataError:
                continue
            turns = handed[0] if len(handed) == 1 else np.unique(np.concatenate(handed))
            (_, cut), (begin, end) = split.training, split.validation
            assert end <= len(turns)
            assert fitted <= turns[cut]
            # gradients and the normaliser end with turn cut - 1, whose reward is known at turn cut; validation looks at later bars only
            for ts in handed:
                looked_at = int(np.searchsorted(ts, turns[begin], side="right")) - reach
                assert ts[looked_at] > turns[cut]
    assert folds > 2 * WALKS
    assert min(retrained, paired) > WALKS // 4
    assert refused < WALKS // 4


def test_walk_with_validation_between_keeps_all_of_its_spans_an_embargo_apart() -> None:
    rng = np.random.default_rng(21)
    for _ in range(WALKS_WITH_VALIDATION):
        train, test, validation = (int(rng.integers(1, 80)) for _ in range(3))
        reach, horizon = int(rng.integers(1, 40)), int(rng.integers(1, 5))
        embargo = check_embargo(reach + horizon + int(rng.integers(0, 20)), reach, horizon)
        kind: Any = ["rolling", "expanding"][rng.integers(2)]
        bars = train + 2 * embargo + validation + test + int(rng.integers(0, 300))
        step = test + int(rng.integers(0, 30))
        walk = walk_forward(
            bars, train, test, embargo_bars=embargo, validation_bars=validation, step_bars=step, kind=kind
        )
        for fold in walk.folds:
            assert fold.validation is not None
            assert fold.validation.first - fold.train.stop >= reach + horizon
            assert fold.test.first - fold.validation.stop >= reach + horizon
            # the last answer of training or choice is given before the first bar that the test looks at
            assert fold.validation.stop - 1 + horizon < fold.test.first - reach + 1
            assert fold.train.stop - 1 + horizon < fold.validation.first - reach + 1


@pytest.mark.parametrize("kind", ["purged", "combinatorial"])
def test_no_split_learns_from_a_bar_within_the_embargo_of_what_it_tests(kind: str) -> None:
    rng = np.random.default_rng(22)
    learned = 0
    for _ in range(SPLITS):
        bars, groups = int(rng.integers(20, 300)), int(rng.integers(3, 7))
        reach, horizon = int(rng.integers(1, 8)), int(rng.integers(1, 3))
        embargo = check_embargo(reach + horizon + int(rng.integers(0, 4)), reach, horizon)
        try:
            if kind == "purged":
                splits = purged_k_fold(bars, groups, embargo_bars=embargo)
            else:
                splits = combinatorial_purged(bars, groups, int(rng.integers(1, groups)), embargo_bars=embargo).splits
        except ConfigError as error:
            assert "leave bars to learn from" in str(error)  # noqa: PT017
            continue
        for split in splits:
            after = np.searchsorted(split.test, split.train)
            right = np.append(split.test, 2**40)[after] - split.train
            left = split.train - np.append(-(2**40), split.test)[after]
            assert min(right.min(), left.min()) > embargo
            learned += 1
    assert learned > SPLITS
