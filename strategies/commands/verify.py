"""`huracan verify`: prove a property by running, or name the first difference."""

from typing import Annotated

import msgspec
import typer

from engine.console import emit, out, progress
from engine.contract.config import load
from engine.contract.errors import CheckFailed, broken
from strategies import verification
from strategies.commands.options import ConfigFile, Json, PolicyOption, Set, application, overrides
from strategies.verification import Verdict

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
def breakers(config: ConfigFile, set_: Set = None, as_json: Json = False) -> None:
    """Drill every breaker and every control of the gate; name what was not exercised."""
    report("breakers", "controls drilled", verification.breakers(load(config, overrides(set_, None))), as_json)


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
