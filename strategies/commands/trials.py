"""`huracan trials`: every evaluation that was begun, and what each family's number of trials makes of its best Sharpe ratio."""

from typing import Annotated, Any

import typer

from engine.console import emit, out, table
from engine.contract.calendar import iso
from engine.evaluation.ledger import TRIALS, Ledger
from engine.evaluation.sharpe import PerPeriod, annualise
from engine.evaluation.trials import Row, count
from strategies.commands.options import Json, application

app = application("Trials.")

SHOWN = 20
"""Rows of a family that a person sees, the newest ones."""


@app.command()
def list_trials(
    family: Annotated[str | None, typer.Option("--family", help="One family, as the list names it.")] = None,
    as_json: Json = False,
) -> None:
    """List the families of the trial ledger with their number of trials, or the rows of one family."""
    rows = Ledger().rows(family)
    families = [_family([row for row in rows if row.family == name]) for name in _names(rows)]
    document = {"ledger": str(TRIALS), "families": families, "trials": [_trial(row) for row in rows]}
    emit(document, as_json, lambda: _show(families, rows if family is not None else []))


def _names(rows: list[Row]) -> list[str]:
    return list(dict.fromkeys(row.family for row in rows))


def _family(rows: list[Row]) -> dict[str, Any]:
    """Numbers of one family; its best Sharpe ratio is that of a trial with a result."""
    done = [row for row in rows if row.sharpe_per_period is not None and row.periods_per_year]
    per_year = done[-1].periods_per_year if done else None
    counted = count(rows, per_year or 1.0)
    best = max((_annualised(row) for row in done), default=None)
    return {
        "family": rows[0].family,
        "trials": counted.number,
        "rows": counted.rows,
        "open": counted.unfinished,
        "failed": counted.failed,
        "best_sharpe": best,
        "variance_per_period": counted.variance_per_period,
        "periods_per_year": per_year,
    }


def _trial(row: Row) -> dict[str, Any]:
    document = row._asdict()
    document["start"], document["end"] = iso(document.pop("start_ns")), iso(document.pop("end_ns"))
    document["sharpe"] = _annualised(row) if row.sharpe_per_period is not None else None
    return document


def _annualised(row: Row) -> float:
    return annualise(PerPeriod(row.sharpe_per_period or 0.0), row.periods_per_year or 1.0)


def _show(families: list[dict[str, Any]], rows: list[Row]) -> None:
    if not families:
        out.print(f"no trials in {TRIALS}; every evaluation writes one", markup=False)
        return
    table(
        ("family", "trials", "rows", "open", "failed", "best Sharpe"),
        [
            (*(one[key] for key in ("family", "trials", "rows", "open", "failed")), _ratio(one["best_sharpe"]))
            for one in families
        ],
    )
    if not rows:
        return
    out.print()
    table(
        ("id", "path", "status", "Sharpe", "periods", "seed", "from", "to", "policy", "run", "config"),
        [
            (
                row.id,
                row.path,
                row.status,
                "-" if row.sharpe_per_period is None else _ratio(_annualised(row)),
                row.periods or "-",
                row.seed,
                iso(row.start_ns)[:10],
                iso(row.end_ns)[:10],
                row.policy or "-",
                row.run_id or "-",
                row.config_sha256[:12],
            )
            for row in rows[-SHOWN:]
        ],
    )
    if len(rows) > SHOWN:
        out.print(f"the newest {SHOWN} of {len(rows)} rows; --json prints all", markup=False)


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
