"""The training market and NautilusTrader, given the same answers, are the same market; and a fault on either side is found."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

import models.accounting
from catalogs.arrays import Bars, Funding
from engine.contract.calendar import NS_PER_SEC
from engine.contract.config import Actors, Config, parse
from engine.contract.instrument import InstrumentSpec
from models.equivalence import Equivalence, equivalence

torch.set_num_threads(1)
HOUR = 3_600 * NS_PER_SEC
T0 = 1_704_067_200 * NS_PER_SEC
BARS = 560
STEPS = 160
GAPS = ((130, 131, 132, 133, 134, 135, 136, 137, 138, 139, 300), (135, 136, 250), (300, 301, 302, 303, 304, 305, 306))


def history(instrument: str, number: int, hours: int = 1) -> tuple[Bars, Funding | None]:
    """A seeded walk with gaps; rates every eight hours for a perpetual."""
    rng = np.random.default_rng(8 + number)
    start = 30_000.0 / 10**number
    close = start * np.exp(np.cumsum(rng.standard_t(4, BARS) * 0.006))
    opened = np.append(start, close[:-1]) * (1 + rng.normal(0, 0.0005, BARS))
    prices = np.round(np.stack([opened, np.maximum(opened, close), np.minimum(opened, close), close]), 2)
    keep = np.array([k for k in range(BARS) if k not in GAPS[number]])
    kind = "perpetual" if "-PERP" in instrument else "spot"
    spec = InstrumentSpec(instrument, kind, instrument[:3], "USDT", 2, 5 - number)
    ts = T0 + keep * hours * HOUR
    bars = Bars(spec, f"{hours}-HOUR", ts, ts + hours * HOUR, *prices[:, keep], np.full(len(keep), 5.0))
    if kind == "spot":
        return bars, None
    every = np.arange(T0 + 8 * HOUR, T0 + BARS * hours * HOUR, 8 * HOUR)
    return bars, Funding(every, np.round(np.random.default_rng(2).normal(0.0001, 0.0003, len(every)), 8))


def configured(instruments: Sequence[str], hours: int = 1, frac: float = 0.3, **venue: Any) -> Config:
    return parse(
        {
            "universe": {"instruments": list(instruments), "bar": f"{hours}-HOUR"},
            "venue": {"balance": "10000 USDT", "half_spread_bps": 2.0} | venue,
            "limits": {"max_position_frac": frac, "max_gross_frac": 0.95, "daily_trades": 15, "daily_loss_frac": 0.05},
        }
    )


def compared(instruments: Sequence[str], hours: int = 1, steps: int = STEPS, **rest: Any) -> Equivalence:
    histories = [history(name, number, hours) for number, name in enumerate(instruments)]
    return equivalence(configured(instruments, hours, **rest), histories, steps, seed=3)


@pytest.mark.parametrize(
    ("instruments", "rest"),
    [
        (["BTCUSDT.SIM"], {}),
        (["BTCUSDT.SIM"], {"account": "cash"}),
        (["BTCUSDT-PERP.SIM"], {"leverage": 50.0}),
        (["BTCUSDT-PERP.SIM"], {"hours": 12}),
        (["BTCUSDT-PERP.SIM", "ETHUSDT.SIM", "SOLUSDT-PERP.SIM"], {"leverage": 100.0}),
    ],
    ids=[
        "spot",
        "cash account",
        "perpetual at high leverage",
        "half-day bars with funding inside",
        "three instruments",
    ],
)
def test_same_answers_give_the_same_lots_money_rewards_and_masks(instruments, rest):
    found = compared(instruments, **rest)
    assert found.verdict.passed, found.verdict.first_difference
    assert found.verdict.checked > 20 * found.steps
    assert found.largest["equity"] < 1e-9
    if "leverage" in rest:
        assert found.occurred["liquidations"] > 0
    if "-PERP" in instruments[0]:
        assert found.occurred["funding"] > 0
        assert found.occurred["flips"] > 0
    for name in ("long positions", "partial reductions", "masked answers", "refusals by the gate", "gaps in the data"):
        assert found.occurred[name] > 0, name


def test_signals_that_are_seen_and_that_bound_positions_are_the_same_in_both():
    config = configured(["BTCUSDT-PERP.SIM", "ETHUSDT.SIM"])
    changes = {"reduce_above": 0.3, "exit_above": 0.6}
    actors = Actors(changepoint=changes, risk_budget={"target_volatility": 0.5, "half_life": 100.0})
    training = msgspec.structs.replace(config.training, context=["risk_budget", "changepoint"])
    config = msgspec.structs.replace(config, actors=actors, training=training)
    found = equivalence(config, [history(*one) for one in (("BTCUSDT-PERP.SIM", 0), ("ETHUSDT.SIM", 1))], STEPS, seed=3)
    assert found.verdict.passed, found.verdict.first_difference
    assert found.largest["equity"] < 1e-9
    plain = compared(["BTCUSDT-PERP.SIM", "ETHUSDT.SIM"])
    assert found.verdict.checked - plain.verdict.checked == 2 * 9 * found.steps
    assert found.occurred["long positions"] != plain.occurred["long positions"]


@pytest.mark.parametrize("fault", ["fee on half the turnover", "funding with the wrong sign", "a lot rounded up"])
def test_planted_fault_is_found_and_named(fault, monkeypatch):
    accounting = models.accounting
    if fault == "fee on half the turnover":
        begin = accounting.Terms.__init__

        def cheap(self: Any, *arguments: Any) -> None:
            begin(self, *arguments)
            self.fee_rate *= 0.5

        monkeypatch.setattr(accounting.Terms, "__init__", cheap)
        field = "fee"
    elif fault == "funding with the wrong sign":
        settle = accounting._settle
        monkeypatch.setattr(
            accounting,
            "_settle",
            lambda terms, account, now: settle(terms, account, torch.cat([now[:6], -now[6:7], now[7:]])),
        )
        field = "funding"
    else:
        monkeypatch.setattr(
            accounting,
            "target_lots",
            lambda target, exposure, held, budget, price, lot: torch.where(
                target == exposure, held, target.sign() * torch.ceil(target.abs() * budget / (price * lot))
            ),
        )
        field = "lots"
    found = compared(["BTCUSDT-PERP.SIM"], steps=60)
    assert not found.verdict.passed
    assert found.verdict.differences > 10
    assert found.verdict.first_difference["field"] in (field, "observation"), found.verdict.first_difference
    assert found.largest[field] > 0
