"""`huracan verify`: prove a property by running, or name the first difference."""

from typing import Annotated

import msgspec
import typer

from engine.console import emit, out, progress, table
from engine.contract.config import load
from engine.contract.errors import CheckFailed, broken
from strategies import crisis_runs, verification
from strategies.commands.options import ConfigFile, Json, PolicyOption, Set, application, overrides
from strategies.crisis_runs import Case, crises_of, rehearse, strategies
from strategies.verification import Verdict

CASE_COLUMNS = (
    "crisis", "strategy", "budget", "tripped", "first", "return with", "without", "saved", "drawdown with", "without", "false", "cost",
)  # fmt: skip

app = application(
    "Prove a property by running, or name the first difference; verify export compares the graph with torch, verify env the "
    "training market with the engine."
)


@app.command("lookahead")
def lookahead(
    config: ConfigFile,
    set_: Set = None,
    policy: PolicyOption = None,
    times: Annotated[int, typer.Option(min=1, help="How many times to alter the future after.")] = 5,
    as_json: Json = False,
) -> None:
    """Alter every bar after a time; no decision before it may change."""
    with progress("verify lookahead", times) as advance:
        verdict = verification.lookahead(load(config, overrides(set_, policy)), times, advance)
    report("lookahead", "decisions compared", verdict, as_json)


@app.command("warmup")
def warmup(
    config: ConfigFile,
    set_: Set = None,
    policy: PolicyOption = None,
    starts: Annotated[int, typer.Option(min=1, help="How many bars to start cold at.")] = 5,
    as_json: Json = False,
) -> None:
    """Start cold at any bar; the observation must be the one that a warm run saw."""
    with progress("verify warmup", starts) as advance:
        verdict = verification.warmup(load(config, overrides(set_, policy)), starts, advance=advance)
    report("warmup", "observations compared", verdict, as_json)


@app.command("breakers")
def breakers(
    config: ConfigFile,
    set_: Set = None,
    crises: Annotated[
        bool, typer.Option("--crises", help="Also run through the crises that the catalog holds.")
    ] = False,
    budget: Annotated[
        list[float] | None, typer.Option(min=0.001, help="With --crises: a limits.max_position_frac. Repeatable.")
    ] = None,
    most: Annotated[
        int, typer.Option(min=0, help="With --crises: trips of each run to replay at most.")
    ] = crisis_runs.MOST,
    as_json: Json = False,
) -> None:
    """Drill every breaker and every control of the gate; name what was not exercised."""
    resolved = load(config, overrides(set_, None))
    verdict = verification.breakers(resolved)
    cases = []
    if crises:
        count = len(crises_of(resolved)) * len(budget or [1.0]) * len(strategies(resolved))
        with progress("verify breakers", count) as advance:
            cases = rehearse(resolved, budget or (), most, advance)
    document = msgspec.to_builtins(verdict)
    if crises:
        document["crises"] = msgspec.to_builtins(cases)

    def show() -> None:
        lines("breakers", "controls drilled", verdict)
        if crises:
            show_cases(cases)

    emit(document, as_json, show)
    failing("breakers", verdict)


def show_cases(cases: list[Case]) -> None:
    """Print what the breaker did in the crises, a row per case."""
    rows = []
    for case in cases:
        totals = case.totals
        replayed = totals.episodes - totals.not_replayed
        rows.append(
            (
                case.crisis,
                case.strategy,
                f"{case.budget:g}",
                ", ".join(f"{name} {count}" for name, count in case.tripped.items()) or "nothing",
                "-" if case.first is None else case.first[1][5:16],
                f"{case.return_with:+.1%}",
                f"{case.return_without:+.1%}",
                f"{totals.saved_frac:+.1%}",
                f"{totals.max_drawdown_with:.1%}",
                f"{totals.max_drawdown_without:.1%}",
                f"{totals.false} of {replayed}",
                f"{totals.false_cost:,.0f}",
            )
        )
    table(CASE_COLUMNS, rows)
    names = len({case.crisis for case in cases})
    out.print(
        f"{names} crises, chosen after the fact: they prove little. saved: equity at the end with the breaker less that without all of it,"
        " of the equity at the start; false: without the trip, equity at the end is at or above that at the trip; cost: of the false ones"
        " together, account currency",
        markup=False,
    )


def report(name: str, unit: str, verdict: Verdict, as_json: bool) -> None:
    """Print a verdict; a failed one ends with exit code 3."""
    emit(msgspec.to_builtins(verdict), as_json, lambda: lines(name, unit, verdict))
    failing(name, verdict)


def lines(name: str, unit: str, verdict: Verdict) -> None:
    """Print a verdict for a person."""
    word = "passed" if verdict.passed else "FAILED"
    out.print(f"verify {name}: {word}, {verdict.checked:,} {unit}, {verdict.differences:,} differ", markup=False)
    if verdict.first_difference is not None:
        out.print(f"  first: {verdict.first_difference}", markup=False)
    for item in verdict.not_exercised:
        out.print(f"  not exercised: {item}", markup=False)


def failing(name: str, verdict: Verdict) -> None:
    """Raise, with exit code 3, where a verification found a difference."""
    if not verdict.passed:
        found, first = f"{verdict.differences} differences", str(verdict.first_difference)
        raise CheckFailed(broken(f"verify {name}", "find no difference", found, first))
