"""Random intents and accounts never get an order past a limit, and what reduces always passes."""

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.contract.config import Limits
from engine.risk.gate import TOLERANCE, Account, Approved, Intent, judge

money = st.floats(min_value=1e-3, max_value=1e9)
signed = st.floats(min_value=-1e6, max_value=1e6, allow_subnormal=False)


@settings(derandomize=True, deadline=None, max_examples=500)
@given(signed, money, signed, money, money, money, st.integers(0, 200), st.floats(0.01, 3.0), st.floats(0.01, 3.0))
def test_approved_order_keeps_every_limit(
    quantity, price, position, equity, peak, other, orders, position_frac, gross_frac
):
    held = abs(position) * price
    account = Account(equity, max(peak, equity), equity, position, held + other, orders)
    limits = Limits(max_position_frac=position_frac, max_gross_frac=gross_frac, max_drawdown_frac=0.2, daily_trades=100)
    answer = judge(Intent("A", quantity, price), account, limits)
    reduces = position * quantity < 0 and abs(quantity) <= abs(position)
    if reduces:
        assert isinstance(answer, Approved)
    elif isinstance(answer, Approved):
        after = abs(position + quantity) * price
        slack = 1 + 2 * TOLERANCE
        assert after <= position_frac * equity * slack
        assert other + after <= gross_frac * equity * slack + 1e-9 * held
        assert orders < 100
        assert equity > 0.8 * account.peak_equity * (1 - 1e-12)
