"""Laws of the training market and of features, under random prices and answers."""

import math

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from catalogs.arrays import Bars
from engine.contract.action import ActionSpec, target_exposure, valid_actions
from engine.contract.config import Limits, Venue
from engine.contract.instrument import InstrumentSpec
from engine.execution.sizing import order_lots, target_lots
from models.features import RECIPES, Features, Recipe, window
from models.market import Market
from models.tape import ASK, BID, Tape, make_tape

torch.set_num_threads(1)
HOUR = 3_600_000_000_000
FIRST = window("base") - 1
SETTINGS = settings(max_examples=15, derandomize=True, deadline=None)


def history(seed: int, volatility: float, venue: Venue, precision: int) -> Tape:
    rng = np.random.default_rng(seed)
    close = np.round(50.0 * np.exp(np.cumsum(volatility * rng.standard_t(4, 180))), 2).clip(0.05)
    opening = np.round(np.append(50.0, close[:-1]) * np.exp(0.1 * volatility * rng.standard_normal(180)), 2).clip(0.05)
    spec = InstrumentSpec("XUSDT.TEST", "spot", "X", "USDT", price_precision=2, size_precision=precision)
    ts = HOUR * np.arange(180, dtype=np.int64)
    bars = Bars(
        spec,
        "1-HOUR",
        ts,
        ts + HOUR,
        opening,
        np.maximum(opening, close),
        np.minimum(opening, close),
        close,
        ts * 0.0 + 1,
    )
    return make_tape([(bars, None)], venue, "base")


@given(
    seed=st.integers(0, 10_000),
    volatility=st.sampled_from([0.001, 0.01, 0.05]),
    fill=st.sampled_from(["next_open", "next_close", "this_close"]),
    short=st.booleans(),
    precision=st.sampled_from([0, 3, 5]),
    frac=st.sampled_from([0.1, 0.5, 1.0]),
)
@SETTINGS
def test_equity_is_cash_and_position_of_a_ledger_kept_by_hand(
    seed: int, volatility: float, fill: str, short: bool, precision: int, frac: float
) -> None:
    venue = Venue(fill=fill, taker_bps=7.0, half_spread_bps=2.0)  # type: ignore[arg-type]
    tape = history(seed, volatility, venue, precision)
    spec = ActionSpec(kind="continuous", short=True) if short else ActionSpec()
    market = Market(tape, venue, Limits(max_position_frac=frac), spec, 1, 1_000, 0)
    market.begin(FIRST)
    rng = np.random.default_rng(seed)
    held, lot = 0.0, 10.0**-precision
    close, bid, ask = (tensor.numpy() for tensor in (tape.close, tape.turns[:, 0, BID], tape.turns[:, 0, ASK]))
    for row in range(FIRST, len(close) - 1):
        units = held / 10.0**precision
        # The market rounds money to the account's precision: without taking its equity over, a target on the very edge of a lot could
        # fall to the other side.
        equity = float(market.account.equity[0])
        cash = equity - units * close[row]
        budget = frac * equity
        exposure = np.float64(units * close[row] / budget)
        if short:
            action = float(np.float32(rng.uniform(-1.0, 1.0)))
        else:
            action = float(rng.choice(np.flatnonzero(valid_actions(spec, exposure))))
        lots = np.float64(held)
        wanted = target_lots(
            target_exposure(spec, np.float64(action), exposure), exposure, lots, budget, close[row], lot
        )
        order = float(order_lots(wanted, lots, close[row], lot, 5.0)[0])
        traded, price = order / 10.0**precision, ask[row] if order > 0 else bid[row]
        if order != 0.0:
            cash -= traded * price + abs(traded) * price * 7.0 / 1e4
            held += order
        step = market.advance(torch.tensor([action]) if short else torch.tensor([int(action)]))
        wanted_equity = cash + held / 10.0**precision * close[row + 1]
        assert math.isclose(float(market.account.equity[0]), wanted_equity, rel_tol=1e-9, abs_tol=1e-5)
        assert float(market.account.lots[0]) == held
        if bool(step.terminated):
            break


@given(seed=st.integers(0, 10_000), frac=st.sampled_from([0.1, 1.0]))
@SETTINGS
def test_position_is_whole_lots_within_the_budget_after_every_valid_answer(seed: int, frac: float) -> None:
    venue = Venue()
    tape = history(seed, 0.01, venue, 3)
    spec = ActionSpec()
    market = Market(tape, venue, Limits(max_position_frac=frac), spec, 64, 30, seed)
    generator = torch.Generator().manual_seed(seed)
    account = market.reset().account
    for _ in range(60):
        draw = torch.rand(64, 7, generator=generator).masked_fill(~valid_actions(spec, account[:, 1]), -1.0)
        row, equity, before = market.row.clone(), market.account.equity.clone(), market.account.lots.clone()
        step = market.advance(draw.argmax(-1))
        bought = market.account.lots > before
        assert torch.equal(market.account.lots, market.account.lots.round())
        assert bool((market.account.lots >= 0).all())
        value = market.quantity * tape.close[row][:, None]
        assert bool((value <= frac * equity[:, None] * (1 + 1e-9))[bought].all())
        assert bool(step.reward.isfinite().all())
        market.reset(step.terminated | step.truncated)
        account = market.observation().account


@given(
    seed=st.integers(0, 10_000),
    recipe=st.sampled_from(sorted(RECIPES)),
    end=st.integers(100, 179),
    factor=st.sampled_from([0.01, 0.5, 2.0, 100.0]),
)
@SETTINGS
def test_features_of_a_prefix_do_not_depend_on_what_follows(seed: int, recipe: Recipe, end: int, factor: float) -> None:
    bars = history(seed, 0.02, Venue(), 3).bars
    features = Features(recipe)
    known = end - features.lookback + 1
    altered = torch.cat([bars[:end], bars[end:] * factor])
    assert torch.equal(features(altered)[:known], features(bars[:end]))
