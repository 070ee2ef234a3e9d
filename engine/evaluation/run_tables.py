"""What the report draws on: the tables of one run folder, read again."""

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from engine.contract.calendar import bars_per_year
from engine.evaluation.metrics import simple_returns
from engine.evaluation.proven import proven
from engine.evaluation.samples import NO_DEVIATION
from engine.evaluation.sharpe import LEAST, estimate
from engine.journal import run as folder_format
from engine.journal.blotter import BreakerChange


class RunTables:
    """Everything in a run folder that the report draws on.

    Parameters
    ----------
    folder
        A run folder.

    Attributes
    ----------
    manifest, config : mappings
        Facts of the run; its resolved configuration (`config_text` as written).
    metrics, baselines
        Metrics of the run, and of each baseline by name.
    known
        What `engine.evaluation.appraisal.appraise` found; empty of a folder that was written without it.
    equity, fills, orders, journal : pyarrow tables
        As `engine.journal` writes them; of the journal, `action` and `gate`.
    changes
        What the breaker tripped, released and reset, in order; empty where it did nothing.
    name
        The policy, or the rule where there is none.
    proven
        HTML: what its certificate of parity proves.
    curves
        Name to (decision times int64 (n,), equity float64 (n,)); the run first, then its baselines.
    """

    def __init__(self, folder: Path) -> None:
        self.manifest = folder_format.read_json(folder / folder_format.MANIFEST)
        document = folder_format.read_json(folder / folder_format.METRICS)
        self.metrics: dict[str, Any] = document["metrics"]
        self.baselines: dict[str, dict[str, Any]] = document["baselines"]
        self.known = {name: value for name, value in document.items() if name not in ("metrics", "baselines")}
        self.config_text = (folder / folder_format.CONFIG).read_text(encoding="utf-8")
        self.config: dict[str, Any] = tomllib.loads(self.config_text)
        self.equity = pq.read_table(folder / folder_format.EQUITY)
        self.fills = pq.read_table(folder / folder_format.FILLS)
        self.orders = pq.read_table(folder / folder_format.ORDERS)
        self.journal = pq.read_table(folder / folder_format.JOURNAL, columns=["action", "gate"])
        breaker = folder / folder_format.BREAKER
        rows = pq.read_table(breaker).to_pylist() if breaker.is_file() else []
        self.changes = [BreakerChange(**row) for row in rows]
        beside = pq.read_table(folder / folder_format.BASELINES)
        names = np.array(beside["baseline"].to_pylist(), dtype=object)
        ts, values = beside["ts_event"].to_numpy(), beside["equity"].to_numpy()
        self.name: str = self.manifest["policy"] or self.manifest["strategy"]
        self.proven = proven(folder, self.manifest)
        self.curves = {self.name: (self.ts, self.equity["equity"].to_numpy())}
        self.curves |= {name: (ts[names == name], values[names == name]) for name in self.baselines}

    @property
    def ts(self) -> NDArray[np.int64]:
        """Decision times, UTC ns, int64 (n,)."""
        return self.equity["ts_event"].to_numpy()

    @property
    def instruments(self) -> list[str]:
        """Instrument ids, in configuration order."""
        return self.config["universe"]["instruments"]

    @property
    def currency(self) -> str:
        """Currency code of the account."""
        return self.config["venue"]["balance"].split()[1]

    @property
    def bars_per_year(self) -> float:
        """Bars in a year of the market's calendar."""
        return bars_per_year(self.config["universe"]["bar"])

    @property
    def years(self) -> float:
        """Length of the equity curve in years of the market's calendar."""
        return max(0, len(self.ts) - 1) / self.bars_per_year

    @property
    def all_metrics(self) -> dict[str, dict[str, Any]]:
        """Metrics by name: the run first, then its baselines."""
        return {self.name: self.metrics, **self.baselines}

    def standard_error(self, name: str) -> float | None:
        """Return the standard error of the annualised Sharpe ratio of the run or a baseline, autocorrelation allowed for."""
        returns = simple_returns(self.curves[name][1])
        if len(returns) < LEAST or float(returns.std(ddof=1)) <= NO_DEVIATION:
            return None
        return estimate(returns, self.bars_per_year).error_annualised

    def series(self, kind: str, instrument_id: str) -> NDArray[np.float64]:
        """Return `quantity`, `exposure`, `target` or `close` of one instrument at every decision, float64 (n,)."""
        return self.equity[f"{kind}:{instrument_id}"].to_numpy()
