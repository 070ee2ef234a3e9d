"""`huracan verify parity`: one stream of events gives one journal, in a back test and in a live node; or the first difference is named."""

import time
from pathlib import Path
from typing import Annotated, Literal

import typer

from engine.console import emit, err, out
from engine.contract.config import load
from engine.contract.errors import CheckFailed, UsageError, broken
from engine.evaluation.report import write_report
from engine.journal.certificate import Certificate, encode, place
from engine.journal.run import CERTIFICATE, METRICS, RUNS, find_run
from strategies.commands.options import Json, OptionalConfigFile, PolicyOption, Set, application, overrides

app = application("Prove that a live node decides as the back test does, or that a recorded session decides so again.")

SPEED = 3600.0


@app.command()
def parity(
    config: OptionalConfigFile = None,
    set_: Set = None,
    policy: PolicyOption = None,
    recorded: Annotated[
        str | None,
        typer.Option("--recorded", metavar="RUN", help="A paper or live session: replay what it received instead."),
    ] = None,
    pace: Annotated[
        Literal["deterministic", "real_time"],
        typer.Option(
            help="deterministic: the exchange waits for the decisions; real_time: it moves by itself, and fills are compared as samples."
        ),
    ] = "deterministic",
    speed: Annotated[float, typer.Option(min=0.001, help="Of --pace real_time: seconds of the tape a second.")] = SPEED,
    through: Annotated[
        Literal["exchange", "catalog"],
        typer.Option(help="Where the session's stream comes from: the rehearsal exchange, or the catalog itself."),
    ] = "exchange",
    certificate: Annotated[
        Path | None, typer.Option("--certificate", help="Write the certificate here as well.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Back-test CONFIG, run it again as a paper session on the rehearsal exchange, compare everything that both wrote down."""
    from live.parity.proving import prove
    from live.parity.recorded import prove_recorded

    if (config is None) == (recorded is None):
        raise UsageError(broken("CONFIG or --recorded", "be given, one of them", "both" if config else "neither"))
    began = time.perf_counter()
    if recorded is not None:
        folder = find_run(recorded)
        found = prove_recorded(folder)
        (folder / CERTIFICATE).write_bytes(encode(found))
        places = [folder / CERTIFICATE]
    else:
        resolved = load(Path(str(config)), overrides(set_, policy))
        moving = None if pace == "deterministic" else speed
        found = prove(resolved, through=through, speed=moving, apart=True, say=_say)
        places = place(found, resolved.run.name, RUNS)
    for path in places:
        if (path.parent / METRICS).is_file():
            write_report(path.parent)
    if certificate is not None:
        certificate.parent.mkdir(parents=True, exist_ok=True)
        certificate.write_bytes(encode(found))
        places.append(certificate)
    seconds = round(time.perf_counter() - began, 1)
    document = {
        "passed": found.passed,
        "checked": sum(found.figures.values()),
        "differences": sum(found.differences.values()),
        "first_difference": found.first_difference,
        "not_exercised": found.not_exercised,
        "proof": found.proof,
        "pace": found.pace,
        "decisions": found.figures["decisions"],
        "decisions_sha256": found.was.decisions_sha256,
        "figures": found.figures,
        "differing": found.differences,
        "distributions": found.distributions,
        "certificate": str(places[-1] if certificate is not None else places[0]),
        "certificate_sha256": found.digest,
        "seconds": seconds,
    }
    emit(document, as_json, lambda: _show(found, places, seconds))
    if not found.passed:
        differing = f"{sum(found.differences.values()):,} differences"
        raise CheckFailed(broken("verify parity", "find no difference", differing, str(found.first_difference)))


def _say(line: str) -> None:
    err.print(line, markup=False)


def _show(found: Certificate, places: list[Path], seconds: float) -> None:
    word = "passed" if found.passed else "FAILED"
    rows = ", ".join(f"{count:,} {name}" for name, count in found.figures.items())
    out.print(f"verify parity ({found.proof}, {found.pace}): {word} in {seconds:g} s", markup=False)
    out.print(f"  compared: {rows}", markup=False)
    out.print(f"  decisions: {found.was.decisions_sha256} | {found.became.decisions_sha256}", markup=False)
    for name, count in found.differences.items():
        out.print(f"  differ: {count:,} {name}", markup=False)
    if found.first_difference is not None:
        out.print(f"  first: {found.first_difference}", markup=False)
    for one in found.distributions:
        out.print(f"  {one['measure']}: {one['said']}", markup=False)
    for item in found.not_exercised:
        out.print(f"  not exercised: {item}", markup=False)
    for path in places:
        out.print(f"  certificate: {path}", markup=False)
