"""`huracan verify export`: the exported graph against torch, and the policy against the signs of collapse."""

from pathlib import Path
from typing import Annotated

import msgspec
import torch
import typer

from engine.console import emit, out
from engine.contract.config import Config, load
from engine.contract.errors import ConfigError, broken
from engine.policy.registry import resolve
from models.context import hear
from models.degeneracy import RULES, breaches
from models.export import load_graph, verify_export
from models.tape import make_tape, read_histories
from models.validation import figures, replay
from strategies.commands.options import ConfigFile, Json, PolicyOption, Set, application, overrides
from strategies.commands.verify import failing, lines
from strategies.verification import Verdict

app = application("Verify an export.")


@app.command()
def export(
    config: ConfigFile,
    set_: Set = None,
    policy: PolicyOption = None,
    inputs: Annotated[int, typer.Option(min=1, help="How many random inputs to compare.")] = 1000,
    allow_degenerate: Annotated[
        bool, typer.Option("--allow-degenerate", help="Pass a policy that has collapsed on the span of [data].")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compare every answer of the graph that trades with torch, and look whether the policy has collapsed.

    The first rebuilds the policy from its weights; the second replays it in the training market over the span of [data].
    """
    resolved = load(config, overrides(set_, policy))
    if resolved.policy is None:
        raise ConfigError(broken("policy.path", "name a policy", "absent", "[policy]", "give --policy NAME@VERSION"))
    folder = resolve(resolved.policy.path)
    checked, differences, first = verify_export(folder, inputs)
    found = figures_on(resolved, folder)
    rules = [] if allow_degenerate else breaches(found)
    if rules and first is None:
        first = {
            "rule": rules[0].figure,
            "value": rules[0].value,
            "bound": rules[0].bound,
            "all": list(map(str, rules)),
        }
    passed = differences == 0 and not rules
    verdict = Verdict(
        passed, checked + len(RULES), differences + len(rules), first, ["other execution providers than the CPU"]
    )
    emit(msgspec.to_builtins(verdict) | {"figures": found}, as_json, lambda: show(verdict, found))
    failing("export", verdict)


def figures_on(config: Config, folder: Path) -> dict[str, float]:
    """Replay a policy over the span of [data] and measure it."""
    torch.set_num_threads(1)
    graph = load_graph(folder)[0].eval()
    histories = read_histories(config, *config.span_ns)
    heard = hear(config, histories, graph.network.get("context", ()))
    tape = make_tape(histories, config.venue, graph.network["recipe"], heard=heard)
    span = (tape.first_turn, len(tape.ts_turn))
    return figures(replay([graph], tape, config.venue, config.limits, *span), graph.spec, config.universe.bar)


def show(verdict: Verdict, found: dict[str, float]) -> None:
    """Print verdict and figures for a person."""
    lines("export", "answers and rules compared", verdict)
    for rule in RULES:
        bound = f">= {rule.at_least:g}" if rule.at_least is not None else f"<= {rule.at_most:g}"
        out.print(f"  {rule.figure:<24} {found[rule.figure]:>10.4g}  {bound:<8} {rule.meaning}", markup=False)
