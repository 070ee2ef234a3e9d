"""What one trial of a search does: learn with the settings that were chosen, step by step, and say what validation measured."""

import shutil
import statistics
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from engine.contract.config import Config, dump, parse, sha256
from engine.contract.errors import ConfigError, DataError
from engine.evaluation.ledger import Ledger
from engine.evaluation.trials import family_name
from engine.journal.run import read_json, write_json
from models.degeneracy import breaches
from models.training import TrainingResult, train
from strategies.folds import Training, fold_config

TRIALS, SCRATCH = "trials", "training"


@dataclass(frozen=True)
class Asked:
    """A trial.

    Attributes
    ----------
    number
        From 0, in the order in which trials were chosen.
    config
        What all trials have in common; its data and its training end where the held-out bars begin.
    values
        Key to value.
    objective
        Figure of validation.
    trainings
        The folds whose training spans are learned on; none for the span of [training] itself.
    least
        By step: the mean so far below which the trial is given up; empty where none is.
    """

    number: int
    config: Config
    values: Mapping[str, Any]
    objective: str
    trainings: tuple[Training, ...] = ()
    least: tuple[float, ...] = ()

    @property
    def name(self) -> str:
        """For messages, and for its files."""
        return f"trial-{self.number:04d}"


def with_values(config: Config, values: Mapping[str, Any]) -> Config:
    """Return a configuration with other values under dotted keys.

    Raises
    ------
    ConfigError
        A key is unknown, or a value is out of its range or contradicts another.
    """
    document = tomllib.loads(dump(config))
    for key, value in values.items():
        *sections, last = key.split(".")
        place = document
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = value
    return parse(document, f"search, {', '.join(f'{key} = {value}' for key, value in values.items())}")


def steps(config: Config, trainings: tuple[Training, ...]) -> Iterator[Config]:
    """Yield what is trained: every fold and seed by itself, folds in the order of time."""
    replace = msgspec.structs.replace
    for seed in config.training.seeds:
        if not trainings:
            yield replace(config, training=replace(config.training, seeds=[seed]))
    for one in trainings:
        for seed in config.training.seeds:
            step = fold_config(config, one, one.tests[0], seed)
            yield replace(step, data=replace(step.data, start=step.training.start, end=step.training.end))


def carry_out(folder: Path, ledger: Ledger, asked: Asked) -> dict[str, Any]:
    """Make a trial, unless it was made before.

    Parameters
    ----------
    folder
        Of the study.
    ledger
        Every replay of a validation span is a row in it before it is made.

    Returns
    -------
    dict
        `state` (`complete`, `pruned`, `failed`), `value` (mean of the objective over the steps that were made), `steps`, `reason`.
    """
    path = folder / TRIALS / f"{asked.name}.json"
    if path.is_file():
        return read_json(path)
    scratch = folder / TRIALS / SCRATCH / asked.name
    found: dict[str, Any] = {"state": "complete", "value": None, "steps": [], "reason": None}
    try:
        config = with_values(asked.config, asked.values)
        for number, step in enumerate(steps(config, asked.trainings)):
            result = train(step, root=scratch, ledger=ledger, path="search")
            found["steps"].append(_measured(step, result, asked.objective, ledger))
            found["value"] = statistics.fmean(one["value"] for one in found["steps"])
            if number < len(asked.least) and found["value"] < asked.least[number]:
                found["state"], found["reason"] = (
                    "pruned",
                    f"below the median, {asked.least[number]:.6g}, after step {number + 1}",
                )
                break
    except (ConfigError, DataError) as error:
        found |= {"state": "failed", "value": None, "reason": str(error)}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, found)
    shutil.rmtree(scratch, ignore_errors=True)
    return found


def _measured(config: Config, result: TrainingResult, objective: str, ledger: Ledger) -> dict[str, Any]:
    """A step's figures, and the ledger's row of the policy that its validation chose."""
    best, universe = result.best, config.universe
    digest = sha256(config)
    named = digest, best.seed, f"{config.run.name} after {best.best_env_steps}"
    rows = ledger.rows(family_name("policy", universe.instruments, universe.bar))
    row = [one for one in rows if (one.config_sha256, one.seed, one.policy) == named and one.status == "done"][-1]
    return {
        "value": best.validation[objective],
        "seed": best.seed,
        "training_end": result.data["instruments"][0]["validation"][1],
        "evaluations": result.trials,
        "degenerate": [str(one) for one in breaches(best.validation)],
        "sharpe_per_period": row.sharpe_per_period,
        "periods": row.periods,
        "skew": row.skew,
        "kurtosis": row.kurtosis,
    }
