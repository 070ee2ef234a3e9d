"""One account stepped by hand: fills, fees, funding, entry prices, endings."""

import math
import shutil

import numpy as np
import pytest
import torch

from catalogs.arrays import Bars, Funding
from engine.contract.action import ActionSpec, Discrete7
from engine.contract.config import Limits, Venue
from engine.contract.instrument import InstrumentSpec
from engine.contract.observation import PORTFOLIO_COLUMNS, POSITION_COLUMNS
from engine.execution.tracker import AccountTracker
from models.market import Market, Transition
from models.networks import SIZE_COLUMN, mask_logits
from models.rewards import REWARD_LIMIT
from models.tape import Tape, make_tape
from tests.unit.models.conftest import FIRST, HOUR, PERPETUAL, VENUE, opened, scripted

OPENS, CLOSES = [102.0, 105.0, 103.0, 101.0, 100.0], [104.0, 103.0, 102.0, 100.0, 99.0]


def do(market: Market, action: Discrete7) -> Transition:
    return market.advance(torch.tensor([int(action)]))


def answer(market: Market, action: float) -> Transition:
    return market.advance(torch.tensor([action]))


def one(tensor: torch.Tensor) -> float:
    return float(tensor[0])


def test_buy_fills_at_the_next_open_a_half_spread_up_and_pays_the_fee_on_its_value() -> None:
    market = opened(scripted(OPENS, CLOSES))
    do(market, Discrete7.BUY_MEDIUM)
    # budget 5,000; 0.60 of it at the close of 100 is 30 units; ask 102 * 1.0005 = 102.051, to the tick 102.05
    assert one(market.quantity) == 30.0
    assert one(market.account.entry) == 102.05
    assert one(market.happened.fee) == pytest.approx(3.0615, abs=1e-9)
    assert one(market.account.balance) == pytest.approx(10_000 - 3.0615, abs=1e-9)
    assert one(market.account.equity) == pytest.approx(10_000 - 3.0615 + 30 * (104 - 102.05), abs=1e-9)
    assert one(market.account.held) == 1.0


def test_buy_fills_at_the_next_close_where_that_is_assumed() -> None:
    venue = Venue(balance="10000 USDT", taker_bps=10.0, half_spread_bps=5.0, fill="next_close")
    market = opened(scripted(OPENS, CLOSES, venue), venue)
    do(market, Discrete7.BUY_MEDIUM)
    # ask 104 * 1.0005 = 104.052, to the tick 104.05; fee 30 * 104.05 / 1000
    assert one(market.account.entry) == 104.05
    assert one(market.account.equity) == pytest.approx(10_000 - 3.1215 - 30 * 0.05, abs=1e-9)


def test_buy_fills_at_the_close_of_its_decision_where_that_is_assumed() -> None:
    venue = Venue(balance="10000 USDT", taker_bps=10.0, half_spread_bps=5.0, fill="this_close")
    market = opened(scripted(OPENS, CLOSES, venue), venue)
    do(market, Discrete7.BUY_MEDIUM)
    # ask 100 * 1.0005 = 100.05
    assert one(market.account.entry) == 100.05
    assert one(market.account.equity) == pytest.approx(10_000 - 3.0015 + 30 * (104 - 100.05), abs=1e-9)


def test_adding_weights_the_entry_price_and_reducing_leaves_it() -> None:
    market = opened(scripted(OPENS, CLOSES))
    do(market, Discrete7.BUY_MEDIUM)
    do(market, Discrete7.ADD)
    # equity 10,055.4385, budget 5,027.71925: 3,120 held + 0.3 of the budget 1,508.315775 = 4,628.315775, at 104 44.503 units
    # ask 105 * 1.0005 = 105.0525, to the tick 105.05; fee 14.503 * 105.05 / 1000 = 1.52354015
    assert one(market.quantity) == 44.503
    entry = (30 * 102.05 + 14.503 * 105.05) / 44.503
    assert one(market.account.entry) == pytest.approx(entry, abs=1e-10)
    assert one(market.account.balance) == pytest.approx(9_996.9385 - 1.52354015, abs=1e-8)
    assert one(market.account.equity) == pytest.approx(9_994.18380985, abs=1e-7)
    assert one(market.account.held) == 2.0
    do(market, Discrete7.SELL_HALF)
    # half of 44,503 lots towards zero is 22,251; 22.252 units sold at bid 103 * 0.9995 = 102.9485, to the tick 102.95
    assert one(market.quantity) == 22.251
    assert one(market.account.entry) == pytest.approx(entry, abs=1e-10)
    realised = 22.252 * (102.95 - entry)
    fee = 22.252 * 102.95 / 1_000
    assert one(market.account.balance) == pytest.approx(9_995.41495985 + realised - fee, abs=1e-7)
    assert one(market.account.held) == 3.0


def test_closing_leaves_cash_alone_and_holding_then_changes_nothing() -> None:
    market = opened(scripted(OPENS, CLOSES))
    do(market, Discrete7.BUY_MEDIUM)
    do(market, Discrete7.SELL_ALL)
    # sold at bid 105 * 0.9995 = 104.9475, to the tick 104.95; fee 30 * 104.95 / 1000
    wanted = 9_996.9385 + 30 * (104.95 - 102.05) - 3.1485
    assert one(market.account.lots) == 0.0
    assert one(market.account.equity) == one(market.account.balance) == pytest.approx(wanted, abs=1e-8)
    assert one(market.account.held) == 0.0
    step = do(market, Discrete7.HOLD)
    assert one(market.account.equity) == pytest.approx(wanted, abs=1e-8)
    assert one(step.reward) == 0.0
    assert one(market.happened.fee) == one(market.happened.traded) == 0.0


def test_short_gains_when_the_price_falls_and_covers_at_the_ask() -> None:
    spec = ActionSpec(kind="continuous", short=True)
    market = opened(scripted(OPENS, CLOSES), spec=spec)
    answer(market, -0.5)
    # 25 units short at bid 102 * 0.9995 = 101.949, to the tick 101.95; fee 2.54875
    assert one(market.quantity) == -25.0
    assert one(market.account.entry) == 101.95
    assert one(market.account.equity) == pytest.approx(10_000 - 2.54875 - 25 * (104 - 101.95), abs=1e-9)
    answer(market, 1.0)
    # covered at ask 105.05; fee 25 * 105.05 / 1000 = 2.62625
    assert one(market.account.lots) == 0.0
    assert one(market.account.balance) == pytest.approx(10_000 - 2.54875 - 25 * (105.05 - 101.95) - 2.62625, abs=1e-8)


def test_fill_through_zero_realises_the_old_side_and_enters_the_new_one_at_its_price() -> None:
    market = opened(scripted(OPENS, CLOSES))
    do(market, Discrete7.BUY_MEDIUM)
    market.account.pending.fill_(-50_000.0)
    do(market, Discrete7.HOLD)
    # 50 units sold at bid 105 * 0.9995 = 104.9475, to the tick 104.95: 30 of them close, 20 open; fee 50 * 104.95 / 1000
    assert one(market.quantity) == -20.0
    assert one(market.account.entry) == 104.95
    assert one(market.account.held) == 1.0
    assert one(market.account.balance) == pytest.approx(9_996.9385 + 30 * (104.95 - 102.05) - 5.2475, abs=1e-8)


def test_order_below_the_minimum_notional_is_not_traded() -> None:
    tape = scripted(OPENS, CLOSES)
    spec = ActionSpec(kind="continuous", hold_zone=0.0)
    market = opened(tape, spec=spec, frac=0.005)
    answer(market, 0.0999)
    # budget 50, 0.0999 of it is 4.995, below 5
    assert one(market.account.lots) == 0.0
    assert one(market.account.equity) == 10_000.0
    market = opened(tape, spec=spec, frac=0.005)
    answer(market, 0.101)
    # 5.05 at 100 is 0.0505 units, to lots 0.050, worth 5.00
    assert one(market.quantity) == 0.05


def test_funding_is_paid_on_the_position_after_the_fill_at_the_last_mark_known() -> None:
    close_of_first = HOUR * (FIRST + 1)
    times = np.array([close_of_first, close_of_first + HOUR // 2, close_of_first + HOUR, close_of_first + 5 * HOUR])
    funding = Funding(times, np.array([0.5, 0.001, 0.002, 0.1]))
    tape = scripted(OPENS, CLOSES, instrument=PERPETUAL, funding=funding)
    market = opened(tape)
    do(market, Discrete7.BUY_MEDIUM)
    # the first rate came before the decision's own close was past; 0.001 settles at mark 100, 0.002 at mark 104
    paid = 30 * 100 * 0.001 + 30 * 104 * 0.002
    assert one(market.account.balance) == pytest.approx(10_000 - 3.0615 - paid, abs=1e-8)


def test_funding_is_not_paid_where_the_venue_charges_none_or_the_instrument_is_spot() -> None:
    funding = Funding(np.array([HOUR * (FIRST + 2)]), np.array([0.01]))
    without = Venue(balance="10000 USDT", taker_bps=10.0, half_spread_bps=5.0, funding=False)
    for tape in (
        scripted(OPENS, CLOSES, venue=without, instrument=PERPETUAL, funding=funding),
        scripted(OPENS, CLOSES, funding=funding),
    ):
        market = opened(tape)
        do(market, Discrete7.BUY_MEDIUM)
        assert one(market.account.balance) == pytest.approx(10_000 - 3.0615, abs=1e-9)


def test_reward_is_log_growth_over_the_volatility_of_the_largest_position() -> None:
    tape = scripted(OPENS, CLOSES)
    market = opened(tape)
    step = do(market, Discrete7.BUY_MEDIUM)
    returns = np.diff(np.log(tape.close[FIRST - 72 : FIRST + 1].numpy()))
    volatility = math.sqrt(float(np.mean(returns**2)))
    wanted = math.log(10_055.4385 / 10_000) / (volatility * 0.5)
    assert one(step.reward) == pytest.approx(min(wanted, REWARD_LIMIT), rel=1e-5)


def test_account_that_falls_to_a_tenth_of_its_balance_is_terminated_not_truncated() -> None:
    tape = scripted([100.0, 100.0, 5.0], [100.0, 5.0, 5.0])
    market = opened(tape, frac=1.0)
    first = do(market, Discrete7.BUY_LARGE)
    assert not bool(first.terminated)
    market.account.equity.fill_(10_000.0)
    market.account.lots.fill_(99_000.0)
    second = do(market, Discrete7.HOLD)
    assert bool(second.terminated)
    assert not bool(second.truncated)
    assert one(second.reward) == -REWARD_LIMIT


def test_account_below_its_maintenance_margin_at_a_quote_is_liquidated_there_and_terminated() -> None:
    spec = ActionSpec(kind="continuous")
    for opening, liquidated in ((67.30, True), (67.40, False)):
        market = opened(scripted([100.0, opening, 90.0], [100.0, 90.0, 90.0]), spec=spec, frac=2.9)
        answer(market, 1.0)
        # 290 units from 100.05, fee 29.0145: at a bid p equity is 9,970.9855 + 290 (p - 100.05), the margin 290 * 100.05 * 0.05 / 3
        # = 483.575; they meet at 67.335. Bids: 67.30 * 0.9995 = 67.27 and 67.40 * 0.9995 = 67.37
        step = answer(market, 0.0)
        assert bool(step.terminated) == liquidated == bool(market.happened.liquidated), opening


def test_liquidated_account_keeps_its_balance_less_the_loss_and_the_fee() -> None:
    market = opened(scripted([100.0, 67.0, 90.0], [100.0, 90.0, 90.0]), spec=ActionSpec(kind="continuous"), frac=2.9)
    answer(market, 1.0)
    step = answer(market, 0.0)
    # sold at 67 * 0.9995 = 66.9665, to the tick 66.97; fee 290 * 66.97 / 1000 = 19.4213
    assert bool(step.terminated)
    assert one(market.account.lots) == 0.0
    assert one(market.account.equity) == pytest.approx(9_970.9855 - 290 * (100.05 - 66.97) - 19.4213, abs=1e-8)


def test_order_whose_margin_is_not_free_is_denied_and_one_that_reduces_is_not() -> None:
    spec = ActionSpec(kind="continuous", short=True)
    market = opened(scripted([101.0] * 3, [100.0] * 3), spec=spec, frac=2.99)
    answer(market, 1.0)
    # 299 units at ask 101.05 need 10,071.32 at a leverage of 3, more than the balance of 10,000
    assert bool(market.happened.denied)
    assert one(market.account.lots) == 0.0
    answer(market, 0.98)
    # 293.02 units need 9,870: filled
    assert not bool(market.happened.denied)
    assert one(market.quantity) == 293.02
    answer(market, -1.0)
    assert not bool(market.happened.denied)
    assert one(market.account.lots) == 0.0


def test_order_over_a_limit_of_the_gate_is_refused() -> None:
    tape = scripted(OPENS, CLOSES)
    for limits, refused in (
        (Limits(max_position_frac=0.5, max_order_notional=2_999.0), True),
        (Limits(max_position_frac=0.5, max_order_notional=3_001.0), False),
        (Limits(max_position_frac=0.5, max_gross_frac=0.29), True),
        (Limits(max_position_frac=0.5, daily_trades=1), False),
    ):
        market = Market(tape, VENUE, limits, ActionSpec(), 1, 1_000, 0, trace=True)
        market.begin(FIRST)
        do(market, Discrete7.BUY_MEDIUM)
        assert bool(market.happened.refused) == refused, limits
        assert (one(market.account.lots) == 0.0) == refused, limits


def test_orders_beyond_the_days_number_are_refused_until_the_next_utc_day() -> None:
    tape = scripted([100.0] * 30, [100.0] * 30)
    market = Market(tape, VENUE, Limits(max_position_frac=0.5, daily_trades=1), ActionSpec(), 1, 1_000, 0, trace=True)
    market.begin(FIRST)
    do(market, Discrete7.BUY_SMALL)
    refused = []
    for _ in range(26):
        do(market, Discrete7.ADD if one(market.quantity) < 30 else Discrete7.HOLD)
        refused.append(bool(market.happened.refused))
    # the first decision is at hour 96, a midnight; the next one is 24 turns later
    assert refused == [True] * 23 + [False] + [True] * 2
    assert one(market.quantity) > 27.0


def test_episode_ends_truncated_at_its_length_and_at_the_end_of_the_tape(wandering: Tape) -> None:
    hold = torch.zeros(64, dtype=torch.int64)
    market = Market(wandering, VENUE, Limits(), ActionSpec(), 64, 5, 1)
    market.reset()
    ends = []
    for _ in range(5):
        last = market.row == len(wandering.close) - 2
        step = market.step(hold)
        assert torch.equal(step.truncated & (market.left == 5), step.truncated)
        assert bool(step.truncated[last].all())
        ends.append(step.truncated)
    assert bool(torch.stack(ends).any(0).all())
    assert not bool(torch.stack(ends).all())


def test_observation_after_a_cut_is_that_of_the_old_episode_and_the_next_one_is_new(wandering: Tape) -> None:
    market = Market(wandering, VENUE, Limits(), ActionSpec(), 16, 1, 1)
    before = market.reset().row.clone()
    step = market.step(torch.zeros(16, dtype=torch.int64))
    assert torch.equal(step.final.row, before + 1)
    assert bool(step.truncated.all())
    assert not torch.equal(market.observation().row, step.final.row)


def test_starts_lie_in_the_spans_and_every_decision_has_a_fill(wandering: Tape) -> None:
    market = Market(wandering, VENUE, Limits(), ActionSpec(), 4_096, 50, 3, spans=[(200, 260)])
    rows = market.reset().row
    assert (int(rows.min()), int(rows.max())) == (200, 258)
    for _ in range(70):
        step = market.step(torch.zeros(4_096, dtype=torch.int64))
        assert int(step.final.row.max()) <= 259
        assert bool(step.reward.isfinite().all())


def test_same_seed_gives_the_same_episodes_and_another_seed_others(wandering: Tape) -> None:
    def rows(seed: int) -> torch.Tensor:
        market = Market(wandering, VENUE, Limits(), ActionSpec(), 32, 3, seed)
        market.reset()
        taken = [market.step(torch.zeros(32, dtype=torch.int64)).final.account for _ in range(9)]
        return torch.stack(taken)

    assert torch.equal(rows(1), rows(1))
    assert not torch.equal(rows(1), rows(2))


def test_restored_market_goes_on_as_the_one_it_was_saved_from(wandering: Tape) -> None:
    market = Market(wandering, VENUE, Limits(), ActionSpec(), 32, 7, 1)
    market.reset()
    buy = torch.full((32,), int(Discrete7.HOLD))
    for _ in range(4):
        market.step(buy)
    other = Market(wandering, VENUE, Limits(), ActionSpec(), 32, 7, 99)
    other.restore({name: value.clone() for name, value in market.state().items()})
    for _ in range(10):
        one_, two = market.step(buy), other.step(buy)
        assert torch.equal(one_.reward, two.reward)
        assert torch.equal(one_.final.account, two.final.account)


def test_account_columns_are_those_of_the_strategys_tracker_told_of_the_same_fills(wandering: Tape) -> None:
    frac, rng = 0.5, np.random.default_rng(11)
    market = opened(wandering, frac=frac)
    tracker = AccountTracker(1, 10_000.0)
    tracker.hear_close(0, 100.0)
    tracker.decide_at(0, 10_000.0)
    for _ in range(400):
        seen = market.observation().account
        budget = frac * one(market.account.equity)
        wanted = np.concatenate([tracker.position(np.array([budget]), [0])[0], tracker.portfolio()])
        for name, x, y in zip((*POSITION_COLUMNS, *PORTFOLIO_COLUMNS), seen[0].numpy(), wanted):
            assert x == pytest.approx(y, rel=1e-6, abs=1e-9), name
        valid = mask_logits(ActionSpec(), torch.zeros(1, 7), seen[:, SIZE_COLUMN])[0] == 0
        do(market, Discrete7(int(rng.choice(np.flatnonzero(valid.numpy())))))
        if one(market.happened.order) != 0.0:
            tracker.hear_position(0, one(market.quantity), one(market.account.entry))
            tracker.hear_fill(one(market.happened.traded))
        tracker.hear_close(0, float(wandering.close[market.row[0]]))
        tracker.decide_at(int(wandering.ts_close[market.row[0]]), one(market.account.equity))


def pair(absent: int | None = None) -> Tape:
    """A at 100 with lots of 0.001 and B at 7 with lots of 1, 150 bars; B lacks the bar with the number `absent`."""

    def bars(name: str, price: float, size_precision: int, skip: int | None) -> Bars:
        spec = InstrumentSpec(name, "spot", name[0], "USDT", price_precision=2, size_precision=size_precision)
        keep = np.array([k for k in range(150) if k != skip])
        ts, close = HOUR * keep, price + 0.01 * (keep % 2)
        return Bars(spec, "1-HOUR", ts, ts + HOUR, close, close, close, close, np.ones(len(keep)))

    return make_tape(
        [(bars("AUSDT.TEST", 100.0, 3, None), None), (bars("BUSDT.TEST", 7.0, 0, absent), None)], VENUE, "base"
    )


def test_two_instruments_share_one_account_and_keep_their_own_lots_and_windows() -> None:
    tape = pair()
    market = Market(tape, VENUE, Limits(max_position_frac=0.4), ActionSpec(), 3, 400, 1, trace=True)
    market.begin(FIRST)
    assert market.row.tolist() == [95, 245] * 3
    market.advance(torch.tensor([int(Discrete7.BUY_MEDIUM), int(Discrete7.BUY_SMALL)] * 3))
    # budget 4,000: 0.60 of it at 100.01 is 23.997 units of A, 0.25 at 7.01 is 142 of B; asks 100.05 and 7.00
    assert market.quantity.tolist() == [[23.997, 142.0]] * 3
    fees = 23.997 * 100.05 / 1_000 + 142 * 7.00 / 1_000
    assert market.account.balance.tolist() == pytest.approx([10_000 - fees] * 3, abs=1e-8)
    assert market.account.equity.tolist() == pytest.approx([10_000 - fees - 23.997 * 0.05] * 3, abs=1e-8)


def test_results_of_the_instruments_add_up_to_the_growth_of_the_account() -> None:
    market = Market(pair(), VENUE, Limits(max_position_frac=0.4), ActionSpec(), 8, 400, 1, trace=True)
    market.begin(FIRST)
    rng = torch.Generator().manual_seed(1)
    for _ in range(40):
        before = market.account.equity
        market.advance(torch.randint(0, 7, (16,), generator=rng))
        gained = (market.account.equity - before).tolist()
        assert market.happened.result.sum(-1).tolist() == pytest.approx(gained, abs=1e-6)


def test_instrument_without_a_bar_decides_nothing_and_its_order_waits_for_its_next_quote() -> None:
    tape = pair(absent=FIRST + 1)
    market = Market(tape, VENUE, Limits(max_position_frac=0.4), ActionSpec(), 1, 400, 1, trace=True)
    market.begin(FIRST)
    buy = torch.tensor([int(Discrete7.BUY_SMALL)] * 2)
    market.advance(buy)
    assert market.quantity.tolist() == [[9.999, 0.0]]
    assert market.account.pending.tolist() == [[0.0, 142.0]]
    assert market.decides.tolist() == [[True, False]]
    market.advance(torch.tensor([int(Discrete7.HOLD), int(Discrete7.SELL_ALL)]))
    assert market.account.pending.tolist() == [[0.0, 0.0]]
    assert market.quantity.tolist() == [[9.999, 142.0]]


def test_gross_limit_counts_the_orders_of_the_instruments_before() -> None:
    limits = Limits(max_position_frac=0.4, max_gross_frac=0.3)
    market = Market(pair(), VENUE, limits, ActionSpec(), 1, 400, 1, trace=True)
    market.begin(FIRST)
    market.advance(torch.tensor([int(Discrete7.BUY_MEDIUM), int(Discrete7.BUY_SMALL)]))
    # 24 % of equity in A; 10 % in B would make 34 %
    assert market.happened.refused.tolist() == [[False, True]]
    assert market.quantity.tolist() == [[23.997, 0.0]]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Guards may run slower:RuntimeWarning")
@pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler")
def test_compiled_step_gives_the_same_lots_and_the_same_money(wandering: Tape) -> None:
    spec = ActionSpec(kind="continuous", short=True)
    pair_ = [Market(wandering, VENUE, Limits(), spec, 64, 20, 1, compiled=compiled) for compiled in (False, True)]
    for market in pair_:
        market.reset()
    generator = torch.Generator().manual_seed(2)
    for _ in range(60):
        answers = 2.0 * torch.rand(64, generator=generator) - 1.0
        plain, compiled = (market.step(answers) for market in pair_)
        assert torch.equal(pair_[0].account.lots, pair_[1].account.lots)
        assert torch.equal(plain.truncated, compiled.truncated)
        torch.testing.assert_close(pair_[0].account.equity, pair_[1].account.equity, rtol=1e-12, atol=0.0)
        torch.testing.assert_close(plain.reward, compiled.reward)
        torch.testing.assert_close(plain.final.account, compiled.final.account)
        assert torch.equal(plain.final.row, compiled.final.row)
