"""What a strategy did in a test, turn by turn, and tests joined into one path as if one account had traded them all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine.contract.calendar import bars_per_year
from engine.contract.config import Config
from engine.evaluation.judging import Track
from engine.evaluation.metrics import EquityCurve, Fills, compute_metrics
from engine.execution.costs import reference_prices
from strategies.backtest import Outcome
from strategies.feed import InstrumentMarket

Floats = NDArray[np.float64]
FILLS = ("instrument_id", "ts_event", "side", "quantity", "price", "fee", "reference_price")
OF_TURNS = ("equity", "return", "exposure", "turnover", "held")
"""Columns of a turn beside its time: equity at the close; simple return since the turn before; sum of absolute targets, of equity; value
traded since the turn before, of equity; sum of absolute positions at the close, of equity."""


@dataclass(frozen=True)
class Tested:
    """One test.

    Attributes
    ----------
    turns
        `ts_event` and `OF_TURNS`, then `target:` (signed, fraction of the budget) and `market:` (see `engine.evaluation.judging.Track`)
        per instrument, a row per turn.
    fills
        Those of `FILLS`.
    funding
        Received, account currency.
    """

    turns: pa.Table
    fills: pa.Table
    funding: float


def tested(outcome: Outcome) -> Tested:
    """Read what a back test did.

    Notes
    -----
    A test begins flat, so that the return of its first turn is 0. What is still open at its end is valued at the last close, without the
    cost of closing it; the last turn's target is never held, and counts as 0.
    """
    config, names = outcome.config, outcome.config.universe.instruments
    table = outcome.blotter.equity_table()
    ts = table["ts_event"].to_numpy()
    equity = table["equity"].to_numpy()
    before = np.append(config.venue.starting_balance, equity[:-1])
    returns = np.divide(equity, before, out=np.ones_like(equity), where=before > 0.0) - 1.0
    targets = np.stack([table[f"target:{name}"].to_numpy() for name in names], 1).copy()
    targets[-1:] = 0.0
    fills = outcome.blotter.fills_table().select(list(FILLS))
    traded = np.zeros(len(ts))
    value = fills["quantity"].to_numpy() * fills["price"].to_numpy()
    np.add.at(traded, np.minimum(np.searchsorted(ts, fills["ts_event"].to_numpy()), len(ts) - 1), value)
    columns: dict[str, Any] = {
        "ts_event": ts,
        "equity": equity,
        "return": np.maximum(returns, -1.0),
        "exposure": config.limits.max_position_frac * np.abs(targets).sum(1),
        "turnover": np.divide(traded, before, out=np.zeros_like(traded), where=before > 0.0),
        "held": table["gross_frac"].to_numpy(),
    }
    columns |= {f"target:{name}": targets[:, k] for k, name in enumerate(names)}
    for name, part in zip(names, outcome.market.parts):
        columns[f"market:{name}"] = _between_fills(config, part, ts)
    return Tested(pa.table(columns), fills, outcome.funding)


def _between_fills(config: Config, part: InstrumentMarket, ts: NDArray[np.int64]) -> Floats:
    """Return an instrument's return from the price at which an order of each turn fills to that of the next turn; 0 at the last."""
    bars = part.bars
    price = reference_prices(config.venue.fill, bars.open, bars.close)
    price[-1] = bars.close[-1]
    row = np.maximum(np.searchsorted(bars.ts_close, ts, side="right") - 1, 0)
    return np.append(np.diff(price[row]) / price[row[:-1]], 0.0)


@dataclass(frozen=True)
class Path:
    """Tests joined end to end.

    Attributes
    ----------
    track
        What the statistics are of.
    ts_event : int64 (T,)
    equity, exposure, held : float64 (T,)
        As `OF_TURNS`; equity compounds over the tests.
    fills, funding
        As they would have been on the account that compounds.
    """

    track: Track
    ts_event: NDArray[np.int64]
    equity: Floats
    exposure: Floats
    held: Floats
    fills: Fills
    funding: float

    def metrics(self, bar: str) -> dict[str, Any]:
        """Compute the metrics of a run over all tests."""
        curve = EquityCurve(self.ts_event, self.equity, self.held)
        return compute_metrics(curve, self.fills, self.funding, bars_per_year(bar))

    def table(self, name: str) -> pa.Table:
        """Return `path, ts_event, equity, return, exposure, turnover`."""
        return pa.table(
            {
                "path": pa.array([name] * len(self.ts_event), type=pa.string()),
                "ts_event": self.ts_event,
                "equity": self.equity,
                "return": self.track.returns,
                "exposure": self.exposure,
                "turnover": self.track.turnover,
            }
        )


def join(tests: Sequence[Tested], config: Config) -> Path:
    """Join tests in the order of time: each begins flat, with what the one before left.

    Notes
    -----
    Amounts are scaled by the equity with which a test begins, returns are not. A position that is open at the end of a test is no round
    trip, nor is it carried into the next.
    """
    names, balance = config.universe.instruments, config.venue.starting_balance
    turns = pa.concat_tables([one.turns for one in tests])
    returns = turns["return"].to_numpy()
    equity = balance * np.cumprod(1.0 + returns)
    sizes = np.array([len(one.turns) for one in tests])
    ends = np.cumsum(sizes)
    begins = np.append(balance, equity[ends[:-1] - 1]) / balance
    scale = np.repeat(begins, [len(one.fills) for one in tests])
    fills = pa.concat_tables([one.fills for one in tests])
    ids = [f"{name}/{number}" for number, one in enumerate(tests, 1) for name in one.fills["instrument_id"].to_pylist()]
    track = Track(
        returns,
        turns["turnover"].to_numpy(),
        np.stack([turns[f"target:{name}"].to_numpy() for name in names], 1),
        np.stack([turns[f"market:{name}"].to_numpy() for name in names], 1),
    )
    return Path(
        track,
        turns["ts_event"].to_numpy(),
        equity,
        turns["exposure"].to_numpy(),
        turns["held"].to_numpy(),
        Fills(
            fills["ts_event"].to_numpy(),
            ids,
            fills["side"].to_numpy(),
            fills["quantity"].to_numpy() * scale,
            fills["price"].to_numpy(),
            fills["fee"].to_numpy() * scale,
            fills["reference_price"].to_numpy(),
        ),
        float((np.array([one.funding for one in tests]) * begins).sum()),
    )
