"""The account as decisions see it: equity statistics, positions, the observation's columns, the gate's view."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.contract.account import portfolio_columns, position_columns, update_statistics

NS_PER_DAY = 86_400 * 1_000_000_000

Floats = NDArray[np.float64]


class AccountTracker:
    """Follows one account from decision to decision; holds no position of its own making.

    Quantities and entry prices are told to it by whoever owns the fills; equity is told at each decision.

    Parameters
    ----------
    instruments
        Number of instruments.
    start_equity
        Equity before the first decision, quote.
    """

    def __init__(self, instruments: int, start_equity: float) -> None:
        self.quantity: Floats = np.zeros(instruments)
        self.entry_price: Floats = np.ones(instruments)
        self.close: Floats = np.ones(instruments)
        self.bars_held: Floats = np.zeros(instruments)
        self.start_equity = self.equity = self.peak_equity = self.day_equity = start_equity
        self.orders_today = 0
        self._day = -1
        self._traded = 0.0
        self._statistics = (0.0, 0.0, 0.0, 0.0)

    def hear_position(self, index: int, quantity: float, entry_price: float) -> None:
        """Take over a position as its owner states it; opening or flipping starts the holding time anew."""
        if quantity == 0.0 or self.quantity[index] * quantity <= 0.0:
            self.bars_held[index] = 0.0
        self.quantity[index] = quantity
        self.entry_price[index] = entry_price

    def hear_fill(self, notional: float) -> None:
        """Count traded value, quote, non-negative."""
        self._traded += notional

    def hear_close(self, index: int, close: float) -> None:
        """Take over the last close of an instrument, quote."""
        self.close[index] = close

    def decide_at(self, ts_event: int, equity: float) -> None:
        """Advance to a decision: statistics, peak, UTC day, holding times."""
        day = ts_event // NS_PER_DAY
        if day != self._day:
            self._day, self.day_equity, self.orders_today = day, equity, 0
        mean, square, downside, turnover = self._statistics
        self._statistics = update_statistics(
            mean, square, downside, turnover, equity / self.equity - 1.0, self._traded / equity
        )
        self._traded = 0.0
        self.equity = equity
        self.peak_equity = max(self.peak_equity, equity)
        self.bars_held += self.quantity != 0.0

    @property
    def notional(self) -> Floats:
        """Signed value of the positions at the last closes, float64 (instruments,), quote."""
        return self.quantity * self.close

    @property
    def gross_notional(self) -> float:
        """Sum of absolute positions, quote."""
        return float(np.abs(self.notional).sum())

    def position(self, budget: float | Floats) -> NDArray[np.float32]:
        """Position columns, float32 (instruments, 5); budgets in quote."""
        columns = position_columns(self.quantity, self.entry_price, self.close, self.bars_held, budget, self.equity)
        return np.stack(columns, -1).astype(np.float32)

    def portfolio(self) -> NDArray[np.float32]:
        """Portfolio columns, float32 (8,)."""
        unrealised = float((self.quantity * (self.close - self.entry_price)).sum())
        values = (self.equity, self.start_equity, self.peak_equity, self.gross_notional, unrealised, *self._statistics)
        return np.asarray(portfolio_columns(*(np.float64(value) for value in values)), dtype=np.float32)

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs."""
        return {key: value.copy() if isinstance(value, np.ndarray) else value for key, value in vars(self).items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        for key, value in state.items():
            setattr(self, key, value.copy() if isinstance(value, np.ndarray) else value)
