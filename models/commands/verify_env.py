"""`huracan verify env`: the training market against the engine, the same answers in both."""

from typing import Annotated

import torch
import typer

from engine.console import emit, out, progress
from engine.contract.config import load
from engine.policy.registry import resolve
from models.equivalence import equivalence, planned_steps
from models.export import load_graph
from models.tape import read_histories
from strategies.commands.options import ConfigFile, Json, PolicyOption, Set, application, overrides
from strategies.commands.verify import failing, lines

app = application("Verify the training market.")


@app.command()
def env(
    config: ConfigFile,
    set_: Set = None,
    policy: PolicyOption = None,
    steps: Annotated[int, typer.Option(min=50, help="Turns of the longest account.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the answers.")] = 1,
    as_json: Json = False,
) -> None:
    """Give the same answers to the training market and to NautilusTrader, and compare lots, money, reward and masks turn by turn.

    Every fill assumption and both action spaces are played over the span of [data], as configured and under strain; with a policy, some
    of the answers are its own.
    """
    torch.set_num_threads(1)
    resolved = load(config, overrides(set_, policy))
    histories = read_histories(resolved, *resolved.span_ns)
    wanted = resolved.policy if policy is not None or resolved.strategy_name == "policy" else None
    graph = None if wanted is None else load_graph(resolve(wanted.path))[0].eval()
    with progress("verify env", planned_steps(resolved, histories, steps), "turns") as advance:
        found = equivalence(resolved, histories, steps, seed, graph, advance)

    def show() -> None:
        lines("env", "values compared", found.verdict)
        played = ", ".join(f"{number:,} {name}" for name, number in found.sequences.items() if number)
        out.print(f"  {found.steps:,} turns, sequences of answers: {played}", markup=False)
        out.print("  occurred: " + ", ".join(f"{n:,} {name}" for name, n in found.occurred.items() if n), markup=False)
        out.print("  largest differences, fractions of equity for money:", markup=False)
        for name, value in found.largest.items():
            out.print(f"    {name:<12} {value:.3g}", markup=False)

    emit(found.document(), as_json, show)
    failing("env", found.verdict)
