"""How a fold of a walk forward learns: one seed of [training], exported as a policy whatever it learned, and marked where it collapsed."""

import os
import shutil
from pathlib import Path
from typing import Any

import msgspec

from engine.contract.config import Config
from engine.contract.version import code_version
from engine.evaluation.ledger import Ledger
from engine.risk.drift import parse as parse_drift
from models.degeneracy import breaches
from models.export import Description, export_policy
from models.features import window
from models.reference import reference_of
from models.training import TrainingResult, check_span, train
from strategies.units import POLICY, Learned
from strategies.walking import Learner


def learner(config: Config) -> Learner:
    """Return what `strategies.walking.walk_forward` needs to learn policies as [training] says."""
    return Learner(learn, window(config.training.recipe), check_span)


def learn(config: Config, folder: Path, scratch: Path, ledger: Ledger) -> Learned:
    """Train the one seed of a fold's configuration and export it to `folder/policy`.

    Parameters
    ----------
    scratch
        Folder of checkpoints, from which a killed run goes on.
    ledger
        Every evaluation of the validation span is a trial in it.
    """
    result = train(config, root=scratch, ledger=ledger)
    degenerate = tuple(str(one) for one in breaches(result.best.validation))
    described = _described(config, result, degenerate)
    reference = reference_of(config) if parse_drift(config.actors) is not None else None
    made = export_policy(result.graph, config.universe.bar, result.windows, described, folder, reference)
    os.replace(made, folder / POLICY)
    shutil.rmtree(made.parent)
    figures: dict[str, Any] = {
        "validation": result.best.validation,
        "best_env_steps": result.best.best_env_steps,
        "evaluations": result.trials,
        "buy_and_hold_log_growth": result.benchmark,
    }
    return Learned(result.best.validation["log_growth"], degenerate, figures)


def _described(config: Config, result: TrainingResult, degenerate: tuple[str, ...]) -> Description:
    training = msgspec.to_builtins(config.training)
    for key in ("start", "end"):
        training.pop(key)
    name = f"{config.run.name}-{config.training.start:%Y%m%dT%H%M}-{result.best.seed}"
    validation = result.best.validation
    lines = [
        f"# {name}",
        "",
        "Learned in one fold of a walk forward, for that fold alone; the walk's result.json says what it earned afterwards.",
        "",
        *[
            f"- {one['instrument']}: learned on closes {one['training'][0]} to {one['training'][1]}, validated on "
            f"{one['validation'][0]} to {one['validation'][1]}"
            for one in result.data["instruments"]
        ],
        f"- validation log growth {validation['log_growth']:.4f}, chosen from {result.trials} evaluations; contract {{digest}}",
        *[f"- **Degenerate:** {line}" for line in degenerate],
        "",
    ]
    return Description(
        name=name,
        training=training | {"exported_seed": result.best.seed},
        data=result.data,
        costs=msgspec.to_builtins(config.venue) | {"max_position_frac": config.limits.max_position_frac},
        evaluation={
            "seeds": [{"seed": one.seed, **one.validation} for one in result.seeds],
            "trials": result.trials,
            "degenerate": list(degenerate),
        },
        code_version=code_version(),
        card="\n".join(lines),
        signals=result.signals,
    )
