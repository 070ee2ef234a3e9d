"""`huracan train`: learn a policy from a configuration and export it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from engine.console import emit, out, progress, table
from engine.contract.config import Config, load
from engine.contract.errors import CheckFailed, broken
from engine.contract.version import code_version
from engine.evaluation.ledger import Ledger
from engine.policy.registry import TRAINED
from models.card import card
from models.degeneracy import Breach, breaches
from strategies.commands.verify import failing

if TYPE_CHECKING:
    from models.equivalence import Equivalence
    from models.export import Description
    from models.training import TrainingResult

app = typer.Typer(help="Train a policy.", add_completion=False, rich_markup_mode=None)


@app.command()
def main(
    config: Annotated[Path, typer.Argument(help="Configuration file (TOML).")],
    set_: Annotated[list[str] | None, typer.Option("--set", help="section.key=value, any number of times.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the policy; run.name if not given.")] = None,
    output: Annotated[Path, typer.Option(help="Folder of policies.")] = TRAINED,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew, even where a killed run could go on.")] = False,
    allow_degenerate: Annotated[
        bool, typer.Option("--allow-degenerate", help="Export a policy that has collapsed, and mark it as such.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Train one policy per seed, validate them all, and export the best; a killed run goes on where it stopped.

    The policy is exported only if it has not collapsed, and if the market that it learned in is the engine's: some of its answers are
    given to both before.
    """
    overrides = list(set_ or [])
    settings = load(config, overrides + ([f'run.name="{name}"'] if name else []))
    from models.equivalence import BRIEF_STEPS, equivalence
    from models.export import (
        export_policy,  # torch takes seconds to import: only after the configuration is known to be right
    )
    from models.reference import reference_of
    from models.tape import read_histories
    from models.training import forget, train

    total = settings.training.env_steps * len(settings.training.seeds)
    with progress(f"training {settings.run.name}", total, "env_steps") as advance:
        result = train(settings, advance, fresh=fresh, ledger=Ledger())
        advance(0, "looking for collapse")
        broken_rules = breaches(result.best.validation)
        if broken_rules and not allow_degenerate:
            raise CheckFailed(refusal(broken_rules, settings.run.name))
        advance(0, "comparing with the engine")
        histories = read_histories(settings, *settings.training_span_ns)
        compared = equivalence(settings, histories, BRIEF_STEPS, graph=result.graph, spec=result.graph.spec)
        failing("env", compared.verdict)
        advance(0, "exporting")
        described = describe(settings, result, command_line(config, overrides, name, allow_degenerate), compared)
        reference = reference_of(settings, histories)
        folder = export_policy(result.graph, settings.universe.bar, result.windows, described, output, reference)
    forget(settings, result.data)
    document = {
        "policy": settings.run.name,
        "version": folder.name,
        "path": str(folder),
        "env_steps": result.env_steps,
        "env_steps_per_second": result.env_steps_per_second,
        "seconds": result.seconds,
        "best_seed": result.best.seed,
        "trials": result.trials,
        "degenerate": described.evaluation["degenerate"],
        "equivalence": described.evaluation["equivalence"],
        "seeds": [{"seed": one.seed, **one.validation} for one in result.seeds],
        "validation": {**result.best.validation, "buy_and_hold_log_growth": result.benchmark},
    }
    emit(document, as_json, lambda: show(document))


def refusal(found: list[Breach], name: str) -> str:
    """Say why a collapsed policy is not exported."""
    remedy = "train otherwise (more entropy, lower costs, another seed), or export it as it is with --allow-degenerate"
    return broken("policy", "not have collapsed", "; ".join(map(str, found)), name, remedy)


def command_line(config: Path, overrides: list[str], name: str | None, allow_degenerate: bool = False) -> str:
    """Return the command that repeats this run; a configuration outside the working folder is named without its path."""
    words = ["huracan train", config.name if config.is_absolute() else str(config)]
    words += [f"--set {override}" for override in overrides]
    words += [f"--name {name}"] if name else []
    return " ".join(words + (["--allow-degenerate"] if allow_degenerate else []))


def describe(config: Config, result: "TrainingResult", command: str, compared: "Equivalence") -> "Description":
    """Compose what manifest and card say of a training run."""
    from models.export import Description

    training = msgspec.to_builtins(config.training)
    for key in ("start", "end"):
        training.pop(key)
    seeds = [{"seed": one.seed, **one.validation} for one in result.seeds]
    evaluation = {
        "seeds": seeds,
        "buy_and_hold_log_growth": result.benchmark,
        "trials": result.trials,
        "best_env_steps": result.best.best_env_steps,
        "degenerate": [str(one) for one in breaches(result.best.validation)],
        "equivalence": summary(compared),
    }
    return Description(
        name=config.run.name,
        training=training | {"exported_seed": result.best.seed, "command": command},
        data=result.data,
        costs={
            "taker_bps": config.venue.taker_bps,
            "half_spread_bps": config.venue.half_spread_bps,
            "fill": config.venue.fill,
            "funding": config.venue.funding,
            "max_position_frac": config.limits.max_position_frac,
            "balance": config.venue.balance,
        },
        evaluation=evaluation,
        code_version=code_version(),
        signals=result.signals,
        card=card(config, result.data, seeds, result.best.seed, evaluation, command),
    )


def summary(compared: "Equivalence") -> dict[str, Any]:
    """Return what the manifest keeps of the comparison with the engine."""
    document = compared.document()
    return {name: document[name] for name in ("passed", "checked", "differences", "steps", "occurred", "largest")}


def show(document: dict[str, Any]) -> None:
    """Print a training run for a person."""
    columns = ["seed", "log_growth", "sharpe", "max_drawdown", "exposure", "turnover", "trades_per_1000"]
    columns += ["commonest_action_share", "action_entropy", "agreement"]
    table(columns, [[one[key] for key in columns] for one in document["seeds"]], "Validation after costs")
    benchmark = document["validation"]["buy_and_hold_log_growth"]
    out.print(f"log growth of cash 0, of buy and hold {benchmark:.4g} before costs")
    rate = f"{document['env_steps']:,} env_steps, {document['env_steps_per_second']:,.0f} a second"
    out.print(
        f"{document['policy']}@{document['version']} of seed {document['best_seed']}: {document['path']}", markup=False
    )
    out.print(rate)
    compared = document["equivalence"]
    out.print(
        f"chosen from {document['trials']} evaluations on the validation span; {compared['checked']:,} values equal to the engine's"
    )
    for line in document["degenerate"]:
        out.print(f"degenerate: {line}", markup=False)
