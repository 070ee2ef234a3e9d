"""A sleeve: an account on paper that holds exactly what one policy wants, so that policies are compared on equal terms.

It begins as a copy of the real account. What is wanted at a close is filled at the next bar's open, worse by the half-spread, for the
taker's fee. Departure from the real account: no lots, no minimum, no gate, no funding.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.contract.messages import BarRow
from engine.execution.tracker import AccountTracker

Floats = NDArray[np.float64]
OPEN, CLOSE = 0, 3


class Sleeve:
    """One policy's own account.

    Parameters
    ----------
    account
        What it begins as; it is copied.
    fee_frac, half_spread_frac
        Costs of a fill, fractions of its value and of its price.

    Attributes
    ----------
    account
        As the policy sees it.
    earned
        Simple return since the decision before; 0 at the first.
    """

    def __init__(self, account: AccountTracker, fee_frac: float, half_spread_frac: float) -> None:
        self.account = AccountTracker(len(account.quantity), account.equity)
        self.account.restore(account.state())
        self._fee_frac, self._half_spread_frac = fee_frac, half_spread_frac
        self._cash = account.equity - float((account.quantity * account.close).sum())
        self._ordered: Floats = np.zeros(len(account.quantity))
        self.earned = 0.0

    @property
    def equity(self) -> float:
        """Cash and positions at the last closes, quote."""
        return self._cash + float(self.account.notional.sum())

    def hear(self, rows: Sequence[BarRow | None]) -> None:
        """Fill at the opens what was ordered, then mark at the closes; an instrument without a bar waits."""
        for index, row in enumerate(rows):
            if row is None:
                continue
            if self._ordered[index] != 0.0:
                self._fill(index, float(self._ordered[index]), row[OPEN])
                self._ordered[index] = 0.0
            self.account.hear_close(index, row[CLOSE])

    def _fill(self, index: int, quantity: float, opening: float) -> None:
        account = self.account
        price = opening * (1.0 + self._half_spread_frac * (1.0 if quantity > 0.0 else -1.0))
        held, entry = float(account.quantity[index]), float(account.entry_price[index])
        after = held + quantity
        if held * quantity > 0.0:
            entry = (entry * held + price * quantity) / after
        elif held * after <= 0.0:
            entry = price
        notional = abs(quantity) * price
        self._cash -= quantity * price + self._fee_frac * notional
        account.hear_position(index, after, entry)
        account.hear_fill(notional)

    def decide_at(self, ts_event: int) -> None:
        """Advance to a decision."""
        equity = self.equity
        self.earned = equity / self.account.equity - 1.0
        self.account.decide_at(ts_event, equity)

    def exposure(self, budget: Floats) -> Floats:
        """Signed fraction of the budget held, float64 (instruments,)."""
        return self.account.notional / budget

    def order(self, index: int, target: float, exposure: float, budget: float) -> None:
        """Want an exposure from the next open on; the present one, to the last bit, wants nothing."""
        self._ordered[index] = 0.0
        if target == 0.0:
            self._ordered[index] = -self.account.quantity[index]
        elif target != exposure:
            self._ordered[index] = (target - exposure) * budget / self.account.close[index]

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs."""
        return {
            "account": self.account.state(),
            "cash": self._cash,
            "ordered": self._ordered.copy(),
            "earned": self.earned,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.account.restore(state["account"])
        self._cash, self.earned = float(state["cash"]), float(state["earned"])
        self._ordered = np.array(state["ordered"], dtype=np.float64)
