"""The learned baselines: what reinforcement learning has to beat, on the same features, network, costs and spans."""

from pathlib import Path
from typing import Literal

import msgspec

from engine.contract.config import Config
from models.training import CHECKPOINTS, Report, TrainingResult, train

Baseline = Literal["supervised", "direct_sharpe"]


def as_baseline(config: Config, algorithm: Baseline) -> Config:
    """Return a configuration whose [training] learns a baseline instead, everything else equal.

    Answers become continuous, without smoothing; whether shorts are allowed stays as it is.
    """
    training = msgspec.structs.replace(config.training, algorithm=algorithm, action="continuous", smoothing=0.0)
    return msgspec.structs.replace(config, training=training)


def train_supervised(
    config: Config, report: Report = lambda steps, text: None, root: Path = CHECKPOINTS, fresh: bool = False
) -> TrainingResult:
    """Train the forecast of the next return of a configuration; see `models.training.train`."""
    return train(as_baseline(config, "supervised"), report, root, fresh)


def train_direct_sharpe(
    config: Config, report: Report = lambda steps, text: None, root: Path = CHECKPOINTS, fresh: bool = False
) -> TrainingResult:
    """Train the exposures with the largest Sharpe ratio of a configuration; see `models.training.train`."""
    return train(as_baseline(config, "direct_sharpe"), report, root, fresh)
