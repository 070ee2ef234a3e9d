"""[search]: which settings are tried, how many times, and by which validation measure one of them is the best."""

import datetime as dt
import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from engine.contract.errors import ConfigError, broken
from engine.contract.section import Count, Section

if TYPE_CHECKING:
    from engine.contract.config import Config

VARIED = ("training", "actors", "limits")
"""Sections whose keys may be varied; data, costs and folds are what a trial is judged on."""
FIXED = ("training.start", "training.end", "training.seeds", "training.validation_frac", "training.device")
"""Keys of them that may not."""


class Range(Section, frozen=True):
    """Numbers from `low` to `high`, both included; whole ones where both are.

    Attributes
    ----------
    log
        Drawn evenly in the logarithm.
    step
        Between numbers, counted from `low`; None: 1 of whole numbers, none of others.
    """

    low: int | float
    high: int | float
    log: bool = False
    step: int | float | None = None

    @property
    def whole(self) -> bool:
        """Whether its numbers are whole."""
        return all(isinstance(value, int) for value in (self.low, self.high, self.step or 1))


class Search(Section, frozen=True):
    """[search]: nothing that it sees lies behind its end.

    Attributes
    ----------
    vary
        Key to `{low = 1e-4, high = 1e-2, log = true}` or to a list of choices, as "training.learning_rate".
    trials
        Settings that are tried, in all; the same command with more goes on with the study.
    over
        `training`: each setting is learned on the span of [training]; `walkforward`: on the training span of every fold of [walkforward]
        that ends before `end`. No test is traded.
    objective
        Mean over seeds and folds of this figure of the validation span, after costs.
    end
        Where the held-out bars begin, UTC; None: training.end. One of the two must be given.
    seed
        Of what is drawn.
    sampler
        `tpe`: near settings that did well; `random`.
    startup_trials
        Random ones before `tpe` learns from them.
    batch
        Trials that are chosen before any of them is known, and are made side by side. What is chosen depends on it, and on no number of
        workers.
    pruner
        `median`: a trial of several steps (a fold and a seed each) is given up after a step when the mean so far is below the median of
        what earlier batches had there.
    prune_after
        Finished trials of earlier batches before any is given up.
    timeout_minutes
        No further batch is begun after it; None: all trials are made.
    workers
        Processes beside the one of the command; 0: all in the command's own.
    """

    vary: dict[str, Range | list[Any]] = msgspec.field(default_factory=dict)
    trials: Count = 20
    over: Literal["training", "walkforward"] = "training"
    objective: Literal["log_growth", "sharpe"] = "log_growth"
    end: dt.datetime | None = None
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**31)] = 1
    sampler: Literal["tpe", "random"] = "tpe"
    startup_trials: Count = 8
    batch: Annotated[int, msgspec.Meta(ge=1, le=1_024)] = 4
    pruner: Literal["none", "median"] = "none"
    prune_after: Count = 4
    timeout_minutes: Annotated[float, msgspec.Meta(gt=0)] | None = None
    workers: Annotated[int, msgspec.Meta(ge=0, le=1_024)] = 1


def check_search(config: "Config", where: str) -> None:
    """Refuse what [search] cannot mean.

    Raises
    ------
    ConfigError
        A key may not be varied, or its range is empty.
    """
    for key, values in config.search.vary.items():
        _check_key(key, where)
        name = f'search.vary."{key}"'
        if isinstance(values, Range):
            _check_range(name, values, where)
        elif not values:
            raise ConfigError(broken(name, "have a choice", "an empty list", where))
        elif len({msgspec.json.encode(value) for value in values}) < len(values):
            raise ConfigError(broken(name, "name each choice once", values, where))


def _check_key(key: str, where: str) -> None:
    section, dot, rest = key.partition(".")
    if section not in VARIED or not dot or not rest:
        rule = f"be a key of {', '.join(f'[{one}]' for one in VARIED)}"
        raise ConfigError(broken("key of search.vary", rule, key, where, 'write "training.learning_rate" = ...'))
    if key in FIXED:
        remedy = "trials that are judged on other bars or seeds cannot be compared"
        raise ConfigError(broken("key of search.vary", f"be none of {', '.join(FIXED)}", key, where, remedy))


def _check_range(name: str, values: Range, where: str) -> None:
    low, high = values.low, values.high
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ConfigError(broken(name, "have a finite low below its high", f"{low} and {high}", where))
    if values.log and low <= 0:
        raise ConfigError(broken(f"{name}.low", "be above 0 where log = true", low, where))
    if values.step is not None and (values.log or not 0 < values.step <= high - low):
        rule = f"be above 0 and at most high - low, {high - low:g}, and absent where log = true"
        raise ConfigError(broken(f"{name}.step", rule, values.step, where))
