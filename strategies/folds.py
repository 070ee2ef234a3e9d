"""The folds of a walk forward as times, and the configuration of each.

A turn of the walk is a close at which every instrument of the universe has a bar, so that an embargo of so many turns holds at least as
many bars of each. Training ends at a close, and so does what is fitted for it; the test begins an embargo later.
"""

import datetime as dt
from dataclasses import dataclass
from functools import reduce

import msgspec
import numpy as np
from numpy.typing import NDArray

from catalogs.arrays import read_bars
from engine.contract.calendar import NS_PER_SEC, bar_ns, iso
from engine.contract.config import Config
from engine.contract.errors import DataError, broken
from engine.contract.walkforward import WalkForward
from engine.evaluation.splits import Span, check_embargo, walk_forward

HORIZON_BARS = 1
"""Bars after a decision that decide its reward."""


@dataclass(frozen=True)
class Test:
    """A test.

    Attributes
    ----------
    number
        Of the fold, from 1.
    turns
        First, included, and last, excluded.
    start_ns, end_ns
        Open of the first bar and close of the last, UTC ns.
    """

    __test__ = False

    number: int
    turns: Span
    start_ns: int
    end_ns: int


@dataclass(frozen=True)
class Training:
    """A training, and the tests that it serves.

    Attributes
    ----------
    number
        Of its fold, the first that it serves.
    turns, start_ns, end_ns
        As of a test. Learning, the choice among checkpoints and seeds, and every fit are inside.
    fit_end_ns
        A close before the validation part, at which whatever is fitted for the whole fold ends, UTC ns.
    tests
        One, or as many as a training serves.
    """

    number: int
    turns: Span
    start_ns: int
    end_ns: int
    fit_end_ns: int
    tests: tuple[Test, ...]


@dataclass(frozen=True)
class Plan:
    """A walk forward over a catalog.

    Attributes
    ----------
    trainings
        In the order of time.
    window_bars, embargo_bars
        What a decision looks back, and the turns between training and test.
    turns
        How many there are.
    untested
        Turns at the end in which no further test fits.
    """

    trainings: tuple[Training, ...]
    window_bars: int
    embargo_bars: int
    turns: int
    untested: Span

    @property
    def tests(self) -> tuple[Test, ...]:
        """All tests, in the order of time."""
        return tuple(test for training in self.trainings for test in training.tests)


def common_turns(config: Config) -> NDArray[np.int64]:
    """Return the closes between [data] start and end at which every instrument has a bar, int64 (G,), UTC ns.

    Raises
    ------
    DataError
        The catalog lacks an instrument, or they have no bar in common.
    """
    start, end = config.span_ns
    catalog, bar = config.data.catalog, config.universe.bar
    closes = [read_bars(catalog, name, bar, start, end).ts_close for name in config.universe.instruments]
    turns: NDArray[np.int64] = reduce(np.intersect1d, closes)
    if not len(turns):
        raise DataError(broken("instruments", "have bars at the same times", "none", str(catalog), "change [data]"))
    return turns


def plan(turns: NDArray[np.int64], bar: str, settings: WalkForward, window_bars: int, validation_frac: float) -> Plan:
    """Lay the folds over turns.

    Parameters
    ----------
    turns : int64 (G,), closes, UTC ns, ascending
    bar
        Bar specification.
    window_bars
        Bars that one decision looks back.
    validation_frac
        Last part of a training span by time that nothing may be fitted on; 0 for a strategy that is not validated.

    Raises
    ------
    ConfigError
        The embargo is less than the window and one bar, or not one fold fits.
    """
    least = window_bars + HORIZON_BARS
    embargo = least if settings.embargo_bars is None else settings.embargo_bars
    check_embargo(embargo, window_bars, HORIZON_BARS)
    walk = walk_forward(
        len(turns),
        settings.train_bars,
        settings.test_bars,
        embargo_bars=embargo,
        step_bars=settings.step_bars,
        kind=settings.window,
    )
    length = bar_ns(bar)

    def times(span: Span) -> tuple[int, int]:
        return int(turns[span.first]) - length, int(turns[span.stop - 1])

    trainings = []
    for first in range(0, len(walk.folds), settings.retrain_every):
        served = walk.folds[first : first + settings.retrain_every]
        span = served[0].train
        tests = tuple(Test(fold.number, fold.test, *times(fold.test)) for fold in served)
        fit_end = _fit_end(turns[span.first : span.stop], validation_frac)
        trainings.append(Training(served[0].number, span, *times(span), fit_end, tests))
    return Plan(tuple(trainings), window_bars, embargo, len(turns), walk.untested)


def _fit_end(turns: NDArray[np.int64], validation_frac: float) -> int:
    """Last close of a training span that lies before its validation part.

    `models.training.split_tape` measures the part from the first full window on, so its split comes no earlier than this one.
    """
    moment = int(turns[-1]) - int(int(turns[-1] - turns[0]) * validation_frac)
    return int(turns[max(0, int(np.searchsorted(turns, moment, side="right")) - 1)])


def fold_config(config: Config, training: Training, test: Test, seed: int) -> Config:
    """Return the configuration of one seed's training and test; a regime is fitted on the training part before its validation.

    Parameters
    ----------
    seed
        The one of [training], and of whatever is random in the run.
    """
    replace = msgspec.structs.replace
    actors = config.actors
    if actors.regime is not None:
        span = {"fit_start": moment(training.start_ns), "fit_end": moment(training.fit_end_ns)}
        actors = replace(actors, regime=actors.regime | span)
    return replace(
        config,
        run=replace(config.run, seed=seed),
        data=replace(config.data, start=moment(test.start_ns), end=moment(test.end_ns)),
        training=replace(config.training, start=moment(training.start_ns), end=moment(training.end_ns), seeds=[seed]),
        actors=actors,
    )


def moment(ns: int) -> dt.datetime:
    """Return UTC nanoseconds as a datetime.

    Raises
    ------
    DataError
        They are no whole microseconds.
    """
    if ns % 1_000:
        raise DataError(broken("time of a bar", "be whole microseconds", iso(ns)))
    seconds, rest = divmod(ns, NS_PER_SEC)
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds, microseconds=rest // 1_000)


def document(plan: Plan) -> dict[str, object]:
    """Return a plan as plain values, times as ISO 8601."""

    def spans(one: Training | Test) -> dict[str, object]:
        return {"turns": list(one.turns), "start": iso(one.start_ns), "end": iso(one.end_ns)}

    return {
        "window_bars": plan.window_bars,
        "embargo_bars": plan.embargo_bars,
        "turns": plan.turns,
        "untested": list(plan.untested),
        "trainings": [
            {
                "number": one.number,
                **spans(one),
                "fit_end": iso(one.fit_end_ns),
                "tests": [{"number": test.number, **spans(test)} for test in one.tests],
            }
            for one in plan.trainings
        ],
    }
