"""`huracan trips`: what the breaker of a run did, saved and cost."""

from typing import Annotated

import msgspec
import typer

from engine.console import emit, out, progress, table
from engine.evaluation.trips import HORIZONS
from engine.journal.run import find_run
from strategies.commands.options import Json, application
from strategies.trips import MOST, Account, Trip, account_run

FACTS = ("tripped", "control", "action", "scope", "released", "trips", "refused", "held")

app = application("Account for the breaker of a run.")


@app.command()
def trips(
    run: Annotated[str, typer.Argument(help="Run id, as huracan runs lists it.", show_default=False)],
    most: Annotated[int, typer.Option(min=0, help="Trips to replay at most, halts first; each is a run.")] = MOST,
    as_json: Json = False,
) -> None:
    """Replay a back test without each trip of its breaker, and without the breaker, and compare equity."""
    folder = find_run(run)
    with progress(f"trips of {folder.name}", most + 2) as advance:
        found = account_run(folder, most, advance)
    document = {"run_id": folder.name, **msgspec.to_builtins(found)}
    emit(document, as_json, lambda: show(found))


def show(found: Account) -> None:
    """Print an account for a person."""
    if found.trips:
        table(
            (*FACTS, *(f"saved: {horizon}" for horizon in HORIZONS), "", "instead"),
            [_row(trip) for trip in found.trips],
        )
    totals = found.totals
    out.print(
        f"{totals.trips:,} trips in {totals.episodes:,} episodes (one per control, scope and UTC day), {totals.not_replayed:,} not"
        f" replayed; {totals.false:,} false, which cost {totals.false_cost:,.2f}",
        markup=False,
    )
    out.print(
        f"equity at the end: {totals.equity_with:,.2f} with the breaker, {totals.equity_without:,.2f} without:"
        f" {totals.saved:+,.2f} ({totals.saved_frac:+.2%}); largest drawdown {totals.max_drawdown_with:.1%} against"
        f" {totals.max_drawdown_without:.1%}",
        markup=False,
    )
    out.print("false: without the trip, equity at the end is at or above that at the trip", markup=False)


def _row(trip: Trip) -> tuple[object, ...]:
    at = {one.horizon: f"{one.saved:+,.2f}" for one in trip.horizons}
    verdict = "not replayed" if not trip.replayed else "false" if trip.false else ""
    return (
        trip.tripped[:16],
        trip.control,
        trip.action,
        trip.scope,
        "stands" if trip.released is None else trip.released[:16],
        trip.trips,
        trip.refused,
        f"{trip.gross_frac:.0%}",
        *(at.get(horizon, "-") for horizon in HORIZONS),
        verdict,
        ", ".join(trip.instead),
    )
