"""Which bars a strategy learns from, is chosen on, and is judged on.

All spans are half-open, [first, stop), and count bars (turns). An embargo is the number of bars between two spans that neither uses.
A decision at bar i looks back `window` bars, i - window + 1 to i, and is answered for until i + horizon; two decisions share nothing when
they are at least window + horizon bars apart, so an embargo of window + horizon separates any two spans.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Literal, NamedTuple

import numpy as np

from engine.contract.errors import ConfigError, broken
from engine.evaluation.samples import Floats, Indices

Remainder = Literal["drop", "refuse"]
MOST_COMBINATIONS = 100_000


class Span(NamedTuple):
    """Bars from `first`, included, to `stop`, excluded."""

    first: int
    stop: int

    @property
    def bars(self) -> int:
        """How many."""
        return self.stop - self.first

    def indices(self) -> Indices:
        """Return them, int64 (bars,)."""
        return np.arange(self.first, self.stop)


@dataclass(frozen=True)
class Fold:
    """One step of a walk forward, in this order: train, embargo, validation, embargo, test.

    Attributes
    ----------
    number
        From 1.
    train, validation, test
        What gradients see; what checkpoints and seeds are chosen on (None where nothing is); what is reported.
    """

    number: int
    train: Span
    validation: Span | None
    test: Span

    def __str__(self) -> str:
        middle = "" if self.validation is None else f", validate {self.validation.first}-{self.validation.stop}"
        train, test = self.train, self.test
        return f"fold {self.number}: train {train.first}-{train.stop}{middle}, test {test.first}-{test.stop}"


@dataclass(frozen=True)
class Walk:
    """A walk forward.

    Attributes
    ----------
    folds
        In the order of time.
    untested
        Bars at the end that no test covers, because no further window fits; empty where all fits.
    """

    folds: tuple[Fold, ...]
    untested: Span

    def __str__(self) -> str:
        lines = [str(fold) for fold in self.folds]
        if self.untested.bars:
            lines.append(f"the last {self.untested.bars} bars are not tested: no further window fits")
        return "\n".join(lines)


class Split(NamedTuple):
    """One split of cross-validation: bars to learn from and bars to be judged on, each int64 and ascending."""

    train: Indices
    test: Indices


@dataclass(frozen=True)
class Combinations:
    """Combinatorial purged splits.

    Attributes
    ----------
    groups
        Consecutive groups of bars, as even as they can be.
    tested
        For each split, the numbers of the groups it tests.
    splits
        For each split, its bars.
    paths : int64 (n_paths, n_groups)
        Which split gives path p its group g; every path covers all bars, and every tested group is used once.
    """

    groups: tuple[Span, ...]
    tested: tuple[tuple[int, ...], ...]
    splits: tuple[Split, ...]
    paths: Indices

    def assemble(self, results: Floats) -> Floats:
        """Join the splits' results into whole paths.

        Parameters
        ----------
        results : float64 (n_splits, bars)
            A value per bar, of which those of the split's tested groups are read.

        Returns
        -------
        float64 (n_paths, bars).

        Raises
        ------
        ConfigError
            The shape is another.
        """
        expected = (len(self.splits), self.groups[-1].stop)
        if results.shape != expected:
            raise ConfigError(broken("results", f"have the shape {expected}", results.shape))
        return np.concatenate(
            [results[self.paths[:, number], span.first : span.stop] for number, span in enumerate(self.groups)], axis=1
        )


def check_embargo(embargo_bars: int, window_bars: int, horizon_bars: int) -> int:
    """Return the embargo, which must be at least window + horizon.

    Parameters
    ----------
    window_bars
        Bars that one decision looks at, those of all its features and its normaliser included.
    horizon_bars
        Bars after a decision that decide its reward or label; 1 where the next bar does.

    Raises
    ------
    ConfigError
        It is smaller; the message has both values.
    """
    _at_least("window_bars", window_bars, 1)
    _at_least("horizon_bars", horizon_bars, 1)
    if embargo_bars < window_bars + horizon_bars:
        rule = f"be at least window + horizon, {window_bars} + {horizon_bars} = {window_bars + horizon_bars} bars"
        raise ConfigError(broken("embargo_bars", rule, embargo_bars, "", "raise it, or shorten the window"))
    return embargo_bars


def walk_forward(
    bars: int,
    train_bars: int,
    test_bars: int,
    *,
    embargo_bars: int,
    validation_bars: int = 0,
    step_bars: int | None = None,
    kind: Literal["rolling", "expanding"] = "rolling",
    remainder: Remainder = "drop",
) -> Walk:
    """Lay windows over a history, each tested on what follows it.

    Parameters
    ----------
    bars
        Length of the history.
    train_bars
        Bars to learn from; the first window's where the kind is `expanding`.
    test_bars
        Bars of every test.
    embargo_bars
        Bars left out between any two spans of a fold; `check_embargo` says whether they suffice.
    validation_bars
        Bars between training and test on which to choose; 0 for none, and then there is one embargo, not two.
    step_bars
        Bars from one fold to the next; those of a test where None. More leaves bars untested between tests.
    kind
        `rolling`: every fold learns from `train_bars`; `expanding`: from the beginning.
    remainder
        What becomes of bars at the end in which no further window fits: `drop` leaves them out (`Walk.untested` names them),
        `refuse` raises.

    Raises
    ------
    ConfigError
        A length is out of range, not one fold fits, tests would overlap, or there is a remainder that is refused.

    Notes
    -----
    The training span of a later fold contains the tests of earlier ones: by then they are the past.

    Examples
    --------
    >>> print(walk_forward(100, 40, 15, embargo_bars=5, validation_bars=10))
    fold 1: train 0-40, validate 45-55, test 60-75
    fold 2: train 15-55, validate 60-70, test 75-90
    the last 10 bars are not tested: no further window fits
    """
    step = test_bars if step_bars is None else step_bars
    for name, value, least in (
        ("train_bars", train_bars, 1),
        ("test_bars", test_bars, 1),
        ("embargo_bars", embargo_bars, 0),
        ("validation_bars", validation_bars, 0),
    ):
        _at_least(name, value, least)
    if step < test_bars:
        rule = f"be at least test_bars, {test_bars}, or tests overlap"
        raise ConfigError(broken("step_bars", rule, step))
    before = train_bars + embargo_bars + (validation_bars + embargo_bars if validation_bars else 0)
    needed = before + test_bars
    if bars < needed:
        parts = f"train {train_bars}, validation {validation_bars}, test {test_bars}, embargo {embargo_bars}"
        raise ConfigError(broken("history", f"have {needed} bars or more for one fold", bars, parts, "shorten a span"))
    folds = []
    for number in range((bars - needed) // step + 1):
        start = number * step
        train = Span(0 if kind == "expanding" else start, start + train_bars)
        test = Span(start + before, start + needed)
        last = test.first - embargo_bars
        validation = Span(last - validation_bars, last) if validation_bars else None
        folds.append(Fold(number + 1, train, validation, test))
    untested = Span(folds[-1].test.stop, bars)
    if untested.bars and remainder == "refuse":
        rule = f"end with a test of {test_bars} bars every {step}"
        remedy = "change a length, or drop the remainder"
        raise ConfigError(broken("history", rule, f"{untested.bars} bars longer", f"{bars} bars", remedy))
    return Walk(tuple(folds), untested)


def longest_test(bars: int, folds: int, train_bars: int, *, embargo_bars: int, validation_bars: int = 0) -> int:
    """Return the longest test of which `folds` fit end to end behind the first training window.

    Raises
    ------
    ConfigError
        Not even tests of one bar fit.

    Examples
    --------
    >>> longest_test(100, 3, 40, embargo_bars=5, validation_bars=10)
    13
    """
    _at_least("folds", folds, 1)
    before = train_bars + embargo_bars + (validation_bars + embargo_bars if validation_bars else 0)
    if bars - before < folds:
        raise ConfigError(broken("history", f"have {before + folds} bars or more for {folds} folds", bars))
    return (bars - before) // folds


def purged_k_fold(bars: int, folds: int, *, embargo_bars: int) -> tuple[Split, ...]:
    """Split a history into consecutive folds, each tested once, and learn from all bars farther than the embargo from the test.

    Parameters
    ----------
    bars
        Length of the history.
    folds
        2 or more; as even as they can be.
    embargo_bars
        Bars left out on both sides of the test. Before it, a training decision is answered for inside the test; behind it, a training
        decision looks back into the test.

    Raises
    ------
    ConfigError
        A number is out of range, or a split has nothing to learn from.

    Notes
    -----
    Training bars behind a test are its future. That is sound for judging how a method does on a stationary market, never for a
    figure of what one would have earned: use `walk_forward` for that.

    References
    ----------
    López de Prado (2018), Advances in Financial Machine Learning, chapter 7. **Departure**: labels are not tracked one by one; the
    embargo of window + horizon on both sides covers every one of them.

    Examples
    --------
    >>> [(split.train.tolist(), split.test.tolist()) for split in purged_k_fold(6, 3, embargo_bars=1)]
    [([3, 4, 5], [0, 1]), ([0, 5], [2, 3]), ([0, 1, 2], [4, 5])]
    """
    groups = _groups(bars, folds)
    return tuple(_split(bars, groups, (number,), embargo_bars) for number in range(folds))


def combinatorial_purged(bars: int, groups: int, tested: int, *, embargo_bars: int) -> Combinations:
    """Test every combination of `tested` groups out of `groups`, and learn from the rest, purged as in `purged_k_fold`.

    Parameters
    ----------
    groups
        Consecutive groups of bars, 2 or more.
    tested
        Groups tested at once, fewer than `groups`.

    Returns
    -------
    binom(groups, tested) splits, and the binom(groups, tested) * tested / groups whole paths that they make.

    Raises
    ------
    ConfigError
        A number is out of range, there would be more than 100,000 splits, or a split has nothing to learn from.

    References
    ----------
    López de Prado (2018), Advances in Financial Machine Learning, chapter 12: its figure has 6 groups, 2 tested, 15 splits, 5 paths.
    """
    spans = _groups(bars, groups)
    if not 1 <= tested < groups:
        raise ConfigError(broken("tested groups", f"be from 1 to {groups - 1}", tested))
    count = int(np.prod([(groups - k) / (k + 1) for k in range(tested)]) + 0.5)
    if count > MOST_COMBINATIONS:
        raise ConfigError(broken("combinations", f"be at most {MOST_COMBINATIONS}", count, "", "make fewer groups"))
    chosen = tuple(combinations(range(groups), tested))
    splits = tuple(_split(bars, spans, one, embargo_bars) for one in chosen)
    where = [[number for number, one in enumerate(chosen) if group in one] for group in range(groups)]
    return Combinations(spans, chosen, splits, np.array(where, dtype=np.int64).T)


def _split(bars: int, groups: Sequence[Span], tested: tuple[int, ...], embargo_bars: int) -> Split:
    _at_least("embargo_bars", embargo_bars, 0)
    test, near = np.zeros(bars, dtype=bool), np.zeros(bars, dtype=bool)
    for number in tested:
        first, stop = groups[number]
        test[first:stop] = True
        near[max(0, first - embargo_bars) : stop + embargo_bars] = True
    train = np.flatnonzero(~near)
    if not len(train):
        rule = f"leave bars to learn from, testing groups {tested} of {len(groups)}"
        raise ConfigError(
            broken("embargo_bars", rule, embargo_bars, f"{bars} bars", "make fewer groups or a shorter embargo")
        )
    return Split(train, np.flatnonzero(test))


def _groups(bars: int, count: int) -> tuple[Span, ...]:
    if not 2 <= count <= bars:
        raise ConfigError(broken("groups", f"be from 2 to the number of bars, {bars}", count))
    edges = [number * bars // count for number in range(count + 1)]
    return tuple(Span(first, stop) for first, stop in pairwise(edges))


def _at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise ConfigError(broken(name, f"be {least} or more", value))
