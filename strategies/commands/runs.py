"""`huracan runs`: what was run, newest last, and what was not finished."""

from typing import Any

from engine.console import emit, out, table
from engine.contract.calendar import iso
from engine.journal.run import MANIFEST, METRICS, RUNS, STORE, is_running, read_json, runs, unfinished
from engine.journal.store import held
from strategies.commands.options import Json, application

app = application("Runs.")


@app.command()
def list_runs(as_json: Json = False) -> None:
    """List the runs under var/runs; unfinished ones after the others."""
    rows = [{**read_json(folder / MANIFEST), "metrics": read_json(folder / METRICS)["metrics"]} for folder in runs()]
    begun = ("run_id", "mode", "strategy", "policy", "start", "end")
    keys = (*begun, "decisions", "decisions_sha256", "metrics")
    documents: list[dict[str, Any]] = [{key: row[key] for key in keys} for row in rows]
    cut: list[dict[str, Any]] = []
    for folder in unfinished():
        manifest, stored = read_json(folder / MANIFEST), held(folder / STORE)
        reached = iso(stored.ts_event) if stored.decisions else None
        state = {"decisions": stored.decisions, "reached": reached, "running": is_running(folder)}
        cut.append({**{key: manifest[key] for key in begun}, **state})
    emit({"runs": documents, "unfinished": cut}, as_json, lambda: _show(documents, cut))


def _show(documents: list[dict[str, Any]], cut: list[dict[str, Any]]) -> None:
    if not documents and not cut:
        out.print(f"no runs in {RUNS}; huracan backtest CONFIG makes one", markup=False)
        return
    table(
        ("run", "strategy", "from", "to", "return", "Sharpe", "drawdown", "trades", "decisions"),
        [
            (
                row["run_id"],
                row["policy"] or row["strategy"],
                row["start"][:10],
                row["end"][:10],
                _percent(row["metrics"]["total_return"]),
                "-" if row["metrics"]["sharpe"] is None else f"{row['metrics']['sharpe']:.2f}",
                _percent(row["metrics"]["max_drawdown"]),
                row["metrics"]["trades"],
                row["decisions_sha256"][:12],
            )
            for row in documents
        ],
    )
    for row in cut:
        who = row["policy"] or row["strategy"]
        how_far = f"{row['decisions']:,} decisions stored" + (f", to {row['reached']}" if row["reached"] else "")
        on = f"huracan {row['mode']} --resume {row['run_id']} goes on with it"
        on = "huracan live CONFIG begins anew and takes over what the venue has" if row["mode"] == "live" else on
        what = "still running" if row["running"] else on
        out.print(f"unfinished: {row['run_id']}  {who}, {how_far}; {what}", markup=False)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:+.1%}"
