"""[walkforward]: how a history is cut into spans to learn on and spans to be judged on, and who does the work."""

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from engine.contract.errors import ConfigError, broken
from engine.contract.section import Count, Section

if TYPE_CHECKING:
    from engine.contract.config import Config

Seed = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class WalkForward(Section, frozen=True):
    """[walkforward]: lengths are turns between [data] start and end at which every instrument has a bar.

    Attributes
    ----------
    train_bars
        To learn on; validation is its last `training.validation_frac`.
    test_bars
        To be judged on, in every fold.
    step_bars
        From one fold to the next; None: those of a test, so that tests lie end to end.
    embargo_bars
        Between training and test; None: the least allowed, the window of the strategy and one bar.
    window
        `rolling`: every fold learns on `train_bars`; `expanding`: from the beginning.
    retrain_every
        Folds that one training serves.
    seeds
        One policy is trained per seed and training; None: those of [training]. Of rule-based strategies, only `random` has more than one.
    workers
        Processes beside the one of the command; 0: all in the command's own.
    """

    train_bars: Count = 8_760
    test_bars: Count = 2_190
    step_bars: Count | None = None
    embargo_bars: Annotated[int, msgspec.Meta(ge=0)] | None = None
    window: Literal["rolling", "expanding"] = "rolling"
    retrain_every: Count = 1
    seeds: Annotated[list[Seed], msgspec.Meta(min_length=1)] | None = None
    workers: Annotated[int, msgspec.Meta(ge=0, le=1_024)] = 1


def check_walk_forward(config: "Config", where: str) -> None:
    """Refuse what [walkforward] cannot mean.

    Raises
    ------
    ConfigError
        Tests would overlap, or a seed is named twice.
    """
    section = config.walkforward
    if section.step_bars is not None and section.step_bars < section.test_bars:
        rule = f"be at least walkforward.test_bars, {section.test_bars}, or tests overlap"
        raise ConfigError(broken("walkforward.step_bars", rule, section.step_bars, where, "raise it, or leave it out"))
    if section.seeds is not None and len(set(section.seeds)) != len(section.seeds):
        raise ConfigError(broken("walkforward.seeds", "differ from each other", section.seeds, where))
