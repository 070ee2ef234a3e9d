"""A back test as a user wants it: the run, its baselines on equal terms, its metrics, its folder and its report."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from catalogs.manifest import read_manifest
from engine.contract.calendar import bars_per_year, iso
from engine.contract.config import Config, dump, sha256
from engine.contract.version import code_version
from engine.evaluation.appraisal import appraise
from engine.evaluation.chance import matched
from engine.evaluation.ledger import Ledger, Trial
from engine.evaluation.metrics import EquityCurve, Fills, compute_metrics, simple_returns
from engine.evaluation.report import write_report
from engine.journal import run as folder_format
from engine.journal.blotter import Blotter
from engine.journal.certificate import adopt
from engine.journal.resumed import ResumedJournal
from engine.journal.store import Store
from engine.policy.session import PolicySession
from strategies.assembly import pinned, warm_up_bars
from strategies.backtest import Outcome, load, run, with_strategy
from strategies.counting import Counted, ledger_beside
from strategies.feed import Market, coverage_rows
from strategies.policy.records import drop_shadow_store, shadow_journal, write_lineup
from strategies.recording import record_of

TURNS_PER_COMMIT = 256
"""A killed back test runs again from its start, so that turns need not be durable one by one."""
RANDOM_SEEDS = 5
"""Random runs of matched turnover; the report shows the median one by total return."""
IN_MANIFEST = ("trials", "dsr", "psr", "sharpe_error", "p_value")
"""Figures of `metrics.json` that the manifest repeats: whoever lists runs reads them beside the span and the hash."""

Metrics = dict[str, Any]


@dataclass(frozen=True)
class Baseline:
    """One strategy beside the run: its equity (ts_event int64, equity float64) and its metrics."""

    ts_event: NDArray[np.int64]
    equity: NDArray[np.float64]
    metrics: Metrics


def execute(
    config: Config,
    advance: Any = None,
    runs: Path = folder_format.RUNS,
    baselines: bool = True,
    ledger: Ledger | None = None,
) -> tuple[Path, dict[str, Any]]:
    """Run a configuration, then its baselines, and write the run folder.

    Parameters
    ----------
    advance
        Called with (1, text) after each strategy, for a progress bar.
    baselines
        Whether the baselines run too.
    ledger
        Where the run is counted as a trial before it begins; None means the one beside the runs folder.

    Returns
    -------
    The run folder, and the document that `huracan backtest --json` prints.

    Raises
    ------
    engine.journal.run.Interrupted
        Ctrl-C; `strategies.resuming.resume` goes on with the run of its id.
    """
    market, session = load(config)
    config = pinned(config, session)
    document: dict[str, Any] = {}

    def fill(folder: Path, run_id: str) -> None:
        (folder / folder_format.CONFIG).write_text(dump(config), encoding="utf-8")
        begun = {**identity(run_id, config, market, session), "baselines": baselines}
        folder_format.write_json(folder / folder_format.MANIFEST, begun)
        counted = Counted(ledger or ledger_beside(runs), config, market.span_ns, folder)
        with counted.failing():
            document.update(carry_out(folder, run_id, config, market, session, advance, baselines, counted))

    return folder_format.create_run(config.run.name, fill, runs), document


def carry_out(
    folder: Path,
    run_id: str,
    config: Config,
    market: Market,
    session: PolicySession | None,
    advance: Any,
    baselines: bool,
    counted: Counted,
) -> dict[str, Any]:
    """Run with the journal in the folder's store, a new one or one that was cut short; then write every file, and drop the store.

    The run is a trial from when it is assembled; it is completed when the baselines have ended too, and before it is judged among the
    trials of its family.

    Raises
    ------
    engine.journal.resumed.ReplayDiffers
        What was stored did not come again; the folder is as it was.
    """
    step = advance or (lambda *_: None)
    log, path = folder / folder_format.LOG, folder / folder_format.STORE
    log.touch()
    with (
        Store(path, turns_per_commit=TURNS_PER_COMMIT) as store,
        shadow_journal(folder, config, turns_per_commit=TURNS_PER_COMMIT) as shadow,
    ):
        journal = ResumedJournal(store)
        outcome = run(config, market, session, log=log, prepare=counted.begin, journal=journal, shadow=shadow)
        step(1, config.strategy_name)
        beside = _baselines(config, market, outcome, step) if baselines else {}
        record = record_of(outcome, warm_up_bars(session))
        known = appraise(record, counted.finish(simple_returns(record.equity), record.bars_per_year))
        document = write(folder, run_id, outcome, session, beside, known, counted.trial)
    for left in (path, *path.parent.glob(f"{path.name}-*")):
        left.unlink()
    drop_shadow_store(folder)
    return document


def metrics_of(outcome: Outcome) -> Metrics:
    """Compute the metrics of an outcome."""
    equity = outcome.blotter.equity_table()
    curve = EquityCurve(equity["ts_event"].to_numpy(), equity["equity"].to_numpy(), equity["gross_frac"].to_numpy())
    return compute_metrics(
        curve, fills_of(outcome.blotter), outcome.funding, bars_per_year(outcome.config.universe.bar)
    )


def fills_of(blotter: Blotter) -> Fills:
    """Return the fills as arrays."""
    table = blotter.fills_table()
    return Fills(
        table["ts_event"].to_numpy(),
        table["instrument_id"].to_pylist(),
        table["side"].to_numpy(),
        table["quantity"].to_numpy(),
        table["price"].to_numpy(),
        table["fee"].to_numpy(),
        table["reference_price"].to_numpy(),
    )


def _baselines(config: Config, market: Market, outcome: Outcome, step: Any) -> dict[str, Baseline]:
    found: dict[str, Baseline] = {}
    for name in ("cash", "buy_and_hold", "volatility_target", "trend"):
        if name != config.strategy_name:
            found[name] = _baseline(run(with_strategy(config, name), market, None))
        step(1, name)
    parameters = random_parameters(outcome)
    draws = []
    for seed in range(RANDOM_SEEDS):
        seeded = msgspec.structs.replace(
            config, run=msgspec.structs.replace(config.run, seed=config.run.seed * 1_000 + seed)
        )
        draws.append(_baseline(run(with_strategy(seeded, "random", **parameters), market, None)))
        step(1, "random")
    draws.sort(key=lambda draw: draw.metrics["total_return"])
    found["random"] = draws[len(draws) // 2]
    return found


def random_parameters(outcome: Outcome) -> dict[str, float]:
    """Return the parameters of a random strategy with the time in the market, exposure and turnover of a run."""
    config, equity, fills = outcome.config, outcome.blotter.equity_table(), outcome.blotter.fills_table()
    exposure = np.stack([equity[f"exposure:{name}"].to_numpy() for name in config.universe.instruments], 1)
    value = float((fills["quantity"].to_numpy() * fills["price"].to_numpy()).sum())
    budget = config.limits.max_position_frac * float(equity["equity"].to_numpy().mean())
    return matched(exposure, value / budget / max(1, len(outcome.journal)))


def _baseline(outcome: Outcome) -> Baseline:
    equity = outcome.blotter.equity_table()
    return Baseline(equity["ts_event"].to_numpy(), equity["equity"].to_numpy(), metrics_of(outcome))


def write(
    folder: Path,
    run_id: str,
    outcome: Outcome,
    session: PolicySession | None,
    beside: dict[str, Baseline],
    known: dict[str, Any],
    trial: Trial | None,
    begun: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Write every file of a run folder; return the document of the command.

    Parameters
    ----------
    known
        As `engine.evaluation.appraisal.appraise` returns it.
    trial
        The run's row in the ledger.
    begun
        What the manifest says of the run besides its result; None: the identity of a back test.
    """
    config, journal, blotter = outcome.config, outcome.journal, outcome.blotter
    refusals: dict[str, int] = {}
    for entry in journal:
        if entry.gate.startswith("refused: "):
            reason = entry.gate.removeprefix("refused: ").split()[0]
            refusals[reason] = refusals.get(reason, 0) + 1
    for order in blotter.orders.values():
        word, _, reason = order.status.partition(": ")
        if word in ("denied", "rejected", "refused"):
            kind = f"{word} {reason.split(':')[0].split(' ')[0]}"
            refusals[kind] = refusals.get(kind, 0) + 1
    (folder / folder_format.CONFIG).write_text(dump(config), encoding="utf-8")
    journal.write(folder / folder_format.JOURNAL)
    blotter.write(folder)
    write_lineup(folder, outcome.strategy)
    _write_baselines(folder / folder_format.BASELINES, beside)
    metrics = {
        "metrics": metrics_of(outcome),
        "baselines": {name: one.metrics for name, one in beside.items()},
        **known,
    }
    folder_format.write_json(folder / folder_format.METRICS, metrics)
    manifest = {
        **(begun or identity(run_id, config, outcome.market, session)),
        **_result(outcome, refusals),
        "baselines": bool(beside),
        "trial": None if trial is None else trial.id,
        **{name: known[name] for name in IN_MANIFEST},
    }
    folder_format.write_json(folder / folder_format.MANIFEST, manifest)
    adopt(folder, folder.parent)
    write_report(folder)
    return {
        "run_id": run_id,
        "events": outcome.events,
        "events_per_second": round(outcome.events / outcome.seconds, 1) if outcome.seconds else None,
        "decisions": len(journal),
        "decisions_sha256": journal.decisions_sha256,
        "orders": len(blotter.orders),
        "refusals": sum(refusals.values()),
        **metrics,
    }


def _write_baselines(path: Path, beside: dict[str, Baseline]) -> None:
    names = [name for name, one in beside.items() for _ in one.equity]
    columns = {
        "baseline": pa.array(names, type=pa.string()),
        "ts_event": pa.array(np.concatenate([np.zeros(0, np.int64), *(one.ts_event for one in beside.values())])),
        "equity": pa.array(np.concatenate([np.zeros(0), *(one.equity for one in beside.values())])),
    }
    pq.write_table(pa.table(columns), path, compression="zstd")


def identity(run_id: str, config: Config, market: Market, session: PolicySession | None) -> dict[str, Any]:
    """Return the part of the manifest that is known before a back test: who decides, on which data, with which code."""
    span = {"start": iso(market.span_ns[0]), "end": iso(market.span_ns[1])}
    return {**decider(run_id, "backtest", config, session), **span, "datasets": dataset_digests(config)}


def dataset_digests(config: Config) -> dict[str, str]:
    """Return instrument and bar (or kind) to the digest of what the catalog holds of it."""
    held = read_manifest(config.data.catalog)
    return {
        f"{one.instrument_id} {one.bar or one.kind}": one.sha256
        for one in held.datasets
        if one.instrument_id in config.universe.instruments
        and (one.bar == config.universe.bar or one.kind == "funding")
    }


def decider(run_id: str, mode: str, config: Config, session: PolicySession | None) -> dict[str, Any]:
    """Return what a manifest says of who decides, and with which code."""
    return {
        "run_id": run_id,
        "mode": mode,
        "strategy": config.strategy_name,
        "policy": None if session is None else session.name,
        "policy_digest": None if session is None else session.manifest.digest,
        "contract_digest": None if session is None else session.manifest.contract_digest,
        "action": None if session is None else session.contract.action.kind,
        "inference": None if session is None else session.inference,
        "config_sha256": sha256(config),
        "code_version": code_version(),
    }


def _result(outcome: Outcome, refusals: dict[str, int]) -> dict[str, Any]:
    return {
        "decisions": len(outcome.journal),
        "decisions_sha256": outcome.journal.decisions_sha256,
        "events": outcome.events,
        "funding": outcome.funding,
        "refusals": refusals,
        "coverage": coverage_rows(outcome.market),
    }
