"""The break-even cost of arrays, charged by the engine: the run then ends where it began."""

import numpy as np
import pytest

from engine.contract.config import parse
from engine.evaluation.breakeven import break_even_compounded_bps
from engine.evaluation.metrics import simple_returns
from strategies.backtest import Outcome, load, run


def traded_back(document: dict, cost_bps: float) -> Outcome:
    venue = {"taker_bps": cost_bps, "half_spread_bps": 0.0}
    config = parse({**document, "venue": venue})
    return run(config, load(config)[0], None)


def test_engine_that_charges_the_break_even_cost_earns_nothing(sample_document):
    free = traded_back(sample_document, 0.0)
    equity, fills = free.blotter.equity_table(), free.blotter.fills_table()
    curve, ts = equity["equity"].to_numpy(), equity["ts_event"].to_numpy()
    value = fills["quantity"].to_numpy() * fills["price"].to_numpy()
    bar = np.searchsorted(ts, fills["ts_event"].to_numpy(), side="left").clip(1, len(ts) - 1) - 1
    turnover = np.bincount(bar, weights=value, minlength=len(ts) - 1) / curve[:-1]
    cost = break_even_compounded_bps(simple_returns(curve), turnover)
    gross = curve[-1] / curve[0] - 1.0
    assert abs(gross) > 0.02
    charged = traded_back(sample_document, cost).blotter.equity_table()["equity"].to_numpy()
    assert charged[-1] / charged[0] - 1.0 == pytest.approx(0.0, abs=0.02 * abs(gross))
