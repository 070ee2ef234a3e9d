"""`huracan walkforward`: learn, trade what follows, over all of history, and judge what was earned."""

from functools import partial
from typing import Annotated, Any

import typer

from engine.console import emit, out, progress, table
from engine.contract.config import Config, load
from engine.evaluation.ledger import Ledger
from engine.evaluation.walk_page import write_page
from strategies.commands.options import ConfigFile, Json, Set, application
from strategies.walk_stress import STEPS, stressed
from strategies.walking import RANDOM_SEEDS, RULES, Learner, make_plan, units, walk_forward

app = application("Walk forward.")

SHOWN = ("total_return", "sharpe", "max_drawdown", "volatility", "turnover", "exposure", "trades")
PERCENT = {"total_return", "max_drawdown", "volatility", "exposure"}


@app.command()
def walkforward(
    config: ConfigFile,
    set_: Set = None,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Processes; walkforward.workers if not given.", show_default=False)
    ] = None,
    ray: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Use a Ray cluster: local starts one, auto finds one.")
    ] = None,
    stress: Annotated[bool, typer.Option(help="Put the chosen path under stress, and grade it.")] = True,
    as_json: Json = False,
) -> None:
    """Train on one span, trade the next with the real strategy, over all of history, and judge the whole.

    The same command goes on with a walk that was cut short.
    """
    settings = load(config, set_ or [])
    learner = _learner(settings)
    planned = make_plan(settings, learner)
    beside = len([name for name in RULES if name != settings.strategy_name]) + RANDOM_SEEDS
    total = len(units(settings, planned, learner)) + beside + (STEPS if stress else 0)
    with progress(f"walkforward {settings.run.name}", total, "units") as advance:
        count = settings.walkforward.workers if workers is None else workers
        extras = [partial(stressed, advance=advance, workers=count)] if stress else []
        folder, document = walk_forward(
            settings, learner, ledger=Ledger(), workers=workers, ray=ray, advance=advance, extras=extras
        )
        document["report"] = str(write_page(folder))
    emit(document, as_json, lambda: show(document, settings.strategy_name))


def _learner(config: Config) -> Learner | None:
    """How policies are learned; torch is imported only where some are."""
    if config.strategy_name != "policy":
        return None
    from models.walking import learner

    return learner(config)


def show(document: dict[str, Any], name: str) -> None:
    """Print a walk for a person."""
    table(
        ("fold", "trained", "tested", "to", "seed", "Sharpe", "return", "degenerate seeds"),
        [
            (
                str(fold["number"]),
                fold["train_start"][:10],
                fold["test_start"][:10],
                fold["test_end"][:10],
                fold["seed"],
                _number(fold["sharpe"]),
                f"{fold['total_return']:.1%}",
                sum(bool(seed["degenerate"]) for seed in fold["seeds"]),
            )
            for fold in document["folds"]
        ],
    )
    out.print()
    rows = {name: document["metrics"]} | document["baselines"]
    table(
        ("", *(metric.replace("_", " ") for metric in SHOWN)),
        [(title, *(_cell(metric, values[metric]) for metric in SHOWN)) for title, values in rows.items()],
    )
    out.print()
    for line in findings(document):
        out.print(line, markup=False)
    for figure, reason in document["reasons"].items():
        out.print(f"no {figure}: {reason}", markup=False)
    if "grade" in document:
        out.print(f"grade {document['grade']['letter']}", markup=False)
        for one in document["grade"]["reasons"]:
            out.print(f"  {one['verdict']:<8} {one['text']}", markup=False)
    out.print(f"walk      {document['folder']}", markup=False)
    out.print(f"report    {document['report']}", markup=False)


def findings(document: dict[str, Any]) -> list[str]:
    """Say what the statistics are, a line each; those without a value are left out."""
    lines = []
    if document["sharpe"] is not None:
        low, high = document["interval"]
        lines.append(
            f"Sharpe ratio {document['sharpe']:.2f} a year, standard error {document['sharpe_error']:.2f}, 95 % from {low:.2f} to"
            f" {high:.2f}; above zero with probability {document['psr']:.3f}"
        )
    if document["dsr"] is not None:
        lines.append(
            f"deflated by {document['trials']} trials of the family: {document['dsr']:.3f} (0.95 is the usual level)"
        )
    if document["p_value"] is not None:
        lines.append(
            f"p-value against {document['p_value_policies']} random policies of the same turnover {document['p_value']:.4f}"
            f" +- {document['p_value_error']:.4f}"
        )
    if document["pbo"] is not None:
        lines.append(
            f"probability of overfitting, choosing among seeds: {document['pbo']:.2f} (0.5 is choosing at random)"
        )
    if document["break_even_bps"] is not None:
        lines.append(f"break-even cost {document['break_even_bps']:.1f} bps of what is traded")
    if document["untested_bars"]:
        lines.append(f"the last {document['untested_bars']} bars are not tested: no further test fits")
    return lines


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _cell(metric: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1%}" if metric in PERCENT else f"{value:,.2f}"
