"""`huracan runs`: what was run, newest last."""

from typing import Any

from engine.console import emit, out, table
from engine.journal.run import MANIFEST, METRICS, RUNS, read_json, runs
from strategies.commands.options import Json, application

app = application("Runs.")


@app.command()
def list_runs(as_json: Json = False) -> None:
    """List the runs under var/runs."""
    rows = [{**read_json(folder / MANIFEST), "metrics": read_json(folder / METRICS)["metrics"]} for folder in runs()]
    keys = ("run_id", "mode", "strategy", "policy", "start", "end", "decisions", "decisions_sha256")
    documents: list[dict[str, Any]] = [{**{key: row[key] for key in keys}, "metrics": row["metrics"]} for row in rows]
    emit({"runs": documents}, as_json, lambda: _show(documents))


def _show(documents: list[dict[str, Any]]) -> None:
    if not documents:
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


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:+.1%}"
