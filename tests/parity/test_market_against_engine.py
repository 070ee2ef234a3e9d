"""The training market and NautilusTrader's engine, given the same answers, hold the same lots and the same equity, step by step."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from catalogs.arrays import Funding
from engine.contract.action import ActionSpec, target_exposure
from engine.contract.config import parse
from engine.contract.messages import Turn
from models.market import Market
from models.tape import make_tape
from strategies.backtest import run
from strategies.base import Choice, GatedStrategy
from strategies.feed import InstrumentMarket
from strategies.feed import Market as EngineMarket
from tests.unit.strategies.conftest import HOUR, T0, bars

BARS = 1_200
ANSWERS: dict[str, np.ndarray] = {}


class Played(GatedStrategy):
    """Gives prepared answers, one a turn."""

    policy_name = "played"

    def __init__(self, mandate: Any, parameters: dict[str, Any]) -> None:
        super().__init__(mandate, parameters)
        self._spec = ActionSpec(kind=parameters["kind"], short=parameters["short"])
        self._answers = ANSWERS[parameters["kind"]]

    def decide(self, turn: Turn, present: Sequence[int], exposure: np.ndarray) -> list[Choice]:
        answer = np.array([self._answers[turn.seq]])
        return [Choice(0, float(target_exposure(self._spec, answer, exposure)[0]), float(answer[0]), float(answer[0]))]


def walk(instrument: str, gaps: Sequence[int]) -> Any:
    generator = np.random.default_rng(8)
    close = 30_000 * np.exp(np.cumsum(generator.standard_t(4, BARS) * 0.006))
    opened = np.concatenate([[30_000.0], close[:-1]]) * (1 + generator.normal(0, 0.0005, BARS))
    edge = np.abs(generator.normal(0, 0.002, (BARS, 2)))
    table = np.stack(
        [opened, np.maximum(opened, close) * (1 + edge[:, 0]), np.minimum(opened, close) * (1 - edge[:, 1]), close], 1
    )
    return bars(instrument, np.round(table, 2), absent=gaps, lot=5)


@pytest.mark.parametrize("fill", ["next_open", "next_close", "this_close"])
@pytest.mark.parametrize("kind", ["discrete7", "continuous"])
@pytest.mark.parametrize("instrument", ["BTCUSDT.SIM", "BTCUSDT-PERP.SIM"])
def test_same_answers_give_the_same_lots_and_equity(fill, kind, instrument):
    history = walk(instrument, gaps=[300, 301, 302, 700])
    perpetual = "-PERP" in instrument
    every = np.arange(T0 + 8 * HOUR, T0 + BARS * HOUR, 8 * HOUR)
    rates = np.round(np.random.default_rng(2).normal(0.0001, 0.0003, len(every)), 8)
    funding = Funding(every, rates) if perpetual else Funding(np.zeros(0, np.int64), np.zeros(0))
    spec = ActionSpec(kind=kind, short=kind == "continuous")
    generator = np.random.default_rng(4)
    answers = generator.integers(0, 7, BARS).astype(float) if kind == "discrete7" else generator.uniform(-1, 1, BARS)
    ANSWERS[kind] = answers
    config = parse(
        {
            "universe": {"instruments": [instrument]},
            "venue": {"fill": fill, "balance": "10000 USDT", "half_spread_bps": 2.0},
            "strategy": {"name": f"{__name__}:Played", "kind": kind, "short": spec.short},
            "limits": {"max_position_frac": 0.8, "max_gross_frac": 3.0},
        }
    )
    tape = make_tape([(history, funding if perpetual else None)], config.venue, "base")
    first = tape.segments[0].ready
    played = np.zeros(len(history))
    played[first:] = answers[first : len(history)]
    ANSWERS[kind] = played

    outcome = run(config, EngineMarket((InstrumentMarket(history, funding),), T0, (T0, T0 + BARS * HOUR)), None)
    engine = outcome.blotter.equity_table()

    market = Market(tape, config.venue, config.limits, spec, 1, len(history) + 2, 0)
    market.begin(first)
    equity, lots = [10_000.0], [0.0]
    for row in range(first, len(history) - 1):
        answer = torch.tensor([played[row]])
        market.advance(answer.long() if kind == "discrete7" else answer)
        equity.append(float(market.equity[0]))
        lots.append(float(market.lots[0]))

    held = np.round(engine[f"quantity:{instrument}"].to_numpy()[first:] / history.instrument.lot)
    assert np.array_equal(held, np.array(lots))
    assert np.unique(held).size > 20
    np.testing.assert_allclose(np.array(equity), engine["equity"].to_numpy()[first:], rtol=1e-9)
    if perpetual:
        assert abs(outcome.funding) > 1.0
