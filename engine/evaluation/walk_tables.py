"""What the page of a walk-forward draws on: its document and its paths, read again from its folder."""

import datetime as dt
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from engine.contract.calendar import bars_per_year, to_ns
from engine.contract.errors import DataError, broken
from engine.evaluation.samples import NO_DEVIATION, Floats
from engine.evaluation.sharpe import LEAST, estimate
from engine.journal import run as folder_format

RESULT, PATHS = "result.json", "paths.parquet"
CHOSEN, SEED = "chosen", "seed:"


class Line(NamedTuple):
    """One strategy over all test windows: ts_ns int64 (n,), equity and returns float64 (n,)."""

    ts_ns: NDArray[np.int64]
    equity: Floats
    returns: Floats


class WalkTables:
    """Everything in the folder of a walk-forward that its page draws on.

    Parameters
    ----------
    folder
        With `result.json`, `paths.parquet` and `config.toml`.

    Attributes
    ----------
    document
        The result; any figure may be None, with its reason in `reasons`.
    folds
        In order of their test windows.
    lines
        Name to line: `chosen`, `seed:N`, and the baselines.
    config, config_text
        The resolved configuration, and as it is written.

    Raises
    ------
    DataError
        There is no chosen path.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.document = folder_format.read_json(folder / RESULT)
        self.folds: list[dict[str, Any]] = self.document["folds"]
        self.reasons: dict[str, str] = self.document.get("reasons") or {}
        self.baselines: dict[str, dict[str, Any]] = self.document.get("baselines") or {}
        self.config_text = (folder / folder_format.CONFIG).read_text(encoding="utf-8")
        self.config: dict[str, Any] = tomllib.loads(self.config_text)
        table = pq.read_table(folder / PATHS)
        names = np.array(table["path"].to_pylist(), dtype=object)
        columns = [table[name].to_numpy() for name in ("ts_event", "equity", "return")]
        self.lines = {
            name: Line(*(column[names == name] for column in columns)) for name in dict.fromkeys(names.tolist())
        }
        if CHOSEN not in self.lines:
            known = ", ".join(self.lines) or "no path"
            raise DataError(broken("paths", f"hold {CHOSEN}", known, str(folder / PATHS)))

    @property
    def chosen(self) -> Line:
        """The path that took the chosen seed of every fold."""
        return self.lines[CHOSEN]

    @property
    def seeds(self) -> dict[str, Line]:
        """Lines of the single seeds, by name."""
        return {name: line for name, line in self.lines.items() if name.startswith(SEED)}

    @property
    def beside(self) -> dict[str, Line]:
        """Lines of the baselines, by name."""
        return {name: line for name, line in self.lines.items() if name != CHOSEN and not name.startswith(SEED)}

    @property
    def bar(self) -> str:
        """Bar of the universe."""
        return str(self.config["universe"]["bar"])

    @property
    def years(self) -> float:
        """Length of the chosen path in years of the market's calendar."""
        return len(self.chosen.ts_ns) / bars_per_year(self.bar)

    @property
    def charged_bps(self) -> float | None:
        """Fee and half-spread of the configuration, 1/10,000 of the notional."""
        venue = self.config.get("venue", {})
        parts = [venue.get(name) for name in ("taker_bps", "half_spread_bps")]
        return None if None in parts else float(sum(parts))

    def figure(self, name: str) -> Any:
        """Return a figure of the result; None where it is not there."""
        return self.document.get(name)

    def fold_error(self, fold: dict[str, Any]) -> float | None:
        """Return the standard error of the annualised Sharpe ratio of the chosen path over a fold's test window."""
        first, stop = (moment(fold[edge]) for edge in ("test_start", "test_end"))
        inside = (self.chosen.ts_ns > first) & (self.chosen.ts_ns <= stop)
        return self.error(self.chosen.returns[inside])

    def error(self, returns: Floats) -> float | None:
        """Return the standard error of the annualised Sharpe ratio of returns; None of too few, or where they do not vary."""
        if len(returns) < LEAST or not np.isfinite(returns).all() or float(returns.std(ddof=1)) <= NO_DEVIATION:
            return None
        return estimate(returns, bars_per_year(self.bar)).error_annualised


def moment(text: str) -> int:
    """Return an ISO time as UTC ns; one without a zone is UTC."""
    return to_ns(dt.datetime.fromisoformat(text))
