"""`huracan verify recovery`: kill sessions at sampled steps, go on with them, and hold each to the one that was not killed."""

from typing import Annotated, Literal

import typer

from engine.console import err
from engine.contract.config import load
from engine.contract.live import check_live
from strategies.commands.options import ConfigFile, Json, PolicyOption, Set, application, overrides
from strategies.commands.verify import report

app = application("Prove that a session that is killed at any step goes on as if it never was.")


@app.command()
def recovery(
    config: ConfigFile,
    set_: Set = None,
    policy: PolicyOption = None,
    mode: Annotated[Literal["live", "paper", "both"], typer.Option(help="Which sessions are killed.")] = "both",
    points: Annotated[int, typer.Option(min=1, help="Sessions that are killed, in each mode.")] = 24,
    seed: Annotated[int, typer.Option(min=0, help="Of the sample of steps.")] = 1,
    bars: Annotated[int, typer.Option(min=2, help="Length of a session.")] = 48,
    as_json: Json = False,
) -> None:
    """Run a session of CONFIG on a rehearsal exchange on loopback, then others that are killed at sampled steps, and compare."""
    from live.recovery.drill import Mode
    from live.recovery.verification import recovery as prove

    resolved = load(config, overrides(set_, policy))
    check_live(resolved, str(config))
    modes: list[Mode] = ["live", "paper"] if mode == "both" else ["live"] if mode == "live" else ["paper"]
    verdict = prove(resolved, modes, points, seed, bars, lambda line: err.print(line, markup=False))
    report("recovery", "killed sessions compared", verdict, as_json)
