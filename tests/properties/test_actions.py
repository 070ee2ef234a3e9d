"""Answers, masks and sizing over fuzzed accounts: one arithmetic for arrays and tensors, and nothing invalid ever leaves it."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.contract.action import ActionSpec, Discrete7, smooth, target_exposure, valid_actions
from engine.contract.config import Limits
from engine.contract.migration import continuous_answer, discrete_answer
from engine.execution.sizing import order_lots, target_lots
from engine.risk.gate import Account as GateAccount
from engine.risk.gate import Intent, Refusal, judge
from models.accounting import fresh, refuses

SETTINGS = settings(max_examples=300, derandomize=True, deadline=None)
DISCRETE = ActionSpec()
exposures = st.one_of(st.just(0.0), st.floats(1e-4, 1.3))
signed = st.one_of(st.just(0.0), st.floats(-1.3, 1.3).filter(lambda x: abs(x) > 1e-4))


def lots(target: float, exposure: float, held: float, budget: float, price: float) -> float:
    wanted = target_lots(np.float64(target), np.float64(exposure), np.float64(held), budget, price, 0.001)
    return float(order_lots(wanted, np.float64(held), price, 0.001, 5.0)[0])


@given(exposure=signed, answer=st.floats(-1.0, 1.0), short=st.booleans(), zone=st.sampled_from([0.0, 0.1]))
@SETTINGS
def test_arrays_and_tensors_give_the_same_target_to_the_last_bit(exposure, answer, short, zone):
    for spec, action in (
        (ActionSpec(kind="continuous", short=short, hold_zone=zone), answer),
        *((DISCRETE, int(index)) for index in Discrete7),
    ):
        array = target_exposure(spec, np.array([action]), np.array([exposure]))
        tensor = target_exposure(
            spec,
            torch.tensor([action], dtype=torch.float64 if spec is not DISCRETE else None),
            torch.tensor([exposure], dtype=torch.float64),
        )
        assert array[0] == float(tensor[0])
    masks = (
        valid_actions(DISCRETE, np.array([exposure])),
        valid_actions(DISCRETE, torch.tensor([exposure], dtype=torch.float64)),
    )
    assert masks[0].tolist() == masks[1].tolist()


@given(
    held=st.integers(0, 200_000),
    price=st.floats(0.5, 500.0),
    equity=st.floats(100.0, 1e6),
    frac=st.sampled_from([0.1, 1.0]),
)
@SETTINGS
def test_valid_answer_never_asks_for_more_than_the_budget_or_for_less_than_nothing(held, price, equity, frac):
    budget, value = frac * equity, held * 0.001 * price
    exposure = value / budget
    for index in np.flatnonzero(valid_actions(DISCRETE, np.array(exposure))):
        target = float(target_exposure(DISCRETE, np.array(index), np.array(exposure)))
        order = lots(target, exposure, held, budget, price)
        assert order == round(order)
        after = held + order
        assert after >= 0
        if order > 0:
            assert after * 0.001 * price <= budget * (1 + 1e-9)
        if index == Discrete7.SELL_ALL:
            assert after == 0
        if index == Discrete7.HOLD:
            assert order == 0


@given(exposure=signed, answer=st.floats(-1.0, 1.0))
@SETTINGS
def test_continuous_answer_never_crosses_zero_and_never_leaves_the_budget(exposure, answer):
    spec = ActionSpec(kind="continuous", short=True)
    target = float(target_exposure(spec, np.array(answer), np.array(exposure)))
    assert target * exposure >= 0.0
    assert abs(target) <= max(1.0, abs(exposure)) * (1 + 1e-12)
    long_only = float(target_exposure(ActionSpec(kind="continuous"), np.array(answer), np.array(abs(exposure))))
    assert long_only >= 0.0


@given(held=st.integers(0, 200_000), price=st.floats(0.5, 500.0), equity=st.floats(100.0, 1e6))
@SETTINGS
def test_discrete_policy_sends_the_same_orders_through_the_continuous_executor(held, price, equity):
    budget = 0.5 * equity
    exposure = held * 0.001 * price / budget
    executor = ActionSpec(kind="continuous")
    for index in np.flatnonzero(valid_actions(DISCRETE, np.array(exposure))):
        wanted = float(target_exposure(DISCRETE, np.array(index), np.array(exposure)))
        answer = continuous_answer(np.array(wanted), np.array(exposure))
        assert -1.0 <= float(answer) <= 1.0
        reached = float(target_exposure(executor, answer, np.array(exposure)))
        found, own = (lots(target, exposure, held, budget, price) for target in (reached, wanted))
        assert abs(found - own) <= 1.0 or exposure > 1.0, Discrete7(int(index))
        assert abs(reached - wanted) <= 1e-12 or exposure > 1.0


@given(exposure=exposures)
@SETTINGS
def test_discrete_answers_come_back_as_themselves_or_as_one_with_the_same_target(exposure):
    at = np.array(exposure)
    for index in np.flatnonzero(valid_actions(DISCRETE, at)):
        target = target_exposure(DISCRETE, np.array(index), at)
        back = int(discrete_answer(DISCRETE, target, at))
        assert valid_actions(DISCRETE, at)[back]
        assert float(target_exposure(DISCRETE, np.array(back), at)) == float(target)


def test_smoothing_of_a_quarter_cuts_the_variance_of_independent_answers_by_more_than_thirty_percent():
    spec = ActionSpec(kind="continuous", smoothing=0.25)
    rng = np.random.default_rng(3)
    answers = rng.uniform(-1.0, 1.0, 20_000)
    smoothed, last = [], 0.0
    for answer in answers:
        last = smooth(spec, answer, last)
        smoothed.append(last)
    # (1 - 0.25) / (1 + 0.25) = 0.6; of the differences between one answer and the next 0.75 ** 2 * 2 / (2 * 1.25) = 0.45
    assert abs(np.var(smoothed) / np.var(answers) - 0.60) < 0.02
    assert abs(np.var(np.diff(smoothed)) / np.var(np.diff(answers)) - 0.45) < 0.02


@given(
    quantity=st.floats(-1e3, 1e3),
    position=st.one_of(st.just(0.0), st.floats(-1e3, 1e3)),
    price=st.floats(0.1, 1e3),
    equity=st.floats(1.0, 1e6),
    other=st.floats(0.0, 1e6),
    peak=st.floats(1.0, 1.5),
    day=st.floats(0.8, 1.2),
    orders=st.integers(0, 5),
)
@SETTINGS
def test_gate_of_the_training_market_refuses_what_the_gate_refuses(
    quantity, position, price, equity, other, peak, day, orders
):
    limits = Limits(
        max_position_frac=0.5,
        max_gross_frac=1.0,
        max_order_notional=1e5,
        max_drawdown_frac=0.15,
        daily_loss_frac=0.02,
        daily_trades=3,
    )
    gross = abs(position) * price + other
    account = GateAccount(equity, equity * peak, equity * day, position, gross, orders)
    wanted = quantity != 0 and isinstance(judge(Intent("A", quantity, price), account, limits), Refusal)

    class One:
        balance = equity

    def number(value: float) -> torch.Tensor:
        return torch.tensor([value], dtype=torch.float64)

    ours = fresh(One(), 1, 1, torch.device("cpu"))._replace(  # type: ignore[arg-type]
        peak_equity=number(equity * peak), day_equity=number(equity * day), orders_today=number(orders)
    )
    found = refuses(limits, number(quantity), number(position), number(gross), number(price), ours)
    assert bool(found) == wanted
