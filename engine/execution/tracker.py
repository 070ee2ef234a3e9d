"""The account as decisions see it: equity statistics, positions, the observation's columns, the gate's view."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.contract.account import portfolio_columns, position_columns, update_statistics
from engine.contract.arrays import FEW
from engine.contract.observation import PORTFOLIO_COLUMNS, POSITION_COLUMNS

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
        self._worth: tuple[float, float] | None = None
        self._traded = 0.0
        self._statistics = (0.0, 0.0, 0.0, 0.0)

    def begin(self, equity: float) -> None:
        """Begin with this equity, quote: a live account holds what it holds, whatever the configuration says."""
        self.start_equity = self.equity = self.peak_equity = self.day_equity = equity

    def hear_position(self, index: int, quantity: float, entry_price: float) -> None:
        """Take over a position as its owner states it; opening or flipping starts the holding time anew."""
        if quantity == 0.0 or self.quantity[index] * quantity <= 0.0:
            self.bars_held[index] = 0.0
        self.quantity[index] = quantity
        self.entry_price[index] = entry_price
        self._worth = None

    def hear_fill(self, notional: float) -> None:
        """Count traded value, quote, non-negative."""
        self._traded += notional

    def hear_close(self, index: int, close: float) -> None:
        """Take over the last close of an instrument, quote."""
        self.close[index] = close
        self._worth = None

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
        if len(self.quantity) > FEW:
            self.bars_held += self.quantity != 0.0
            return
        for index, quantity in enumerate(self.quantity.tolist()):
            if quantity != 0.0:
                self.bars_held[index] += 1.0

    @property
    def notional(self) -> Floats:
        """Signed value of the positions at the last closes, float64 (instruments,), quote."""
        return self.quantity * self.close

    @property
    def gross_notional(self) -> float:
        """Sum of absolute positions, quote."""
        return self._valued()[0]

    @property
    def unrealised(self) -> float:
        """Profit of the open positions at the last closes, quote."""
        return self._valued()[1]

    def _valued(self) -> tuple[float, float]:
        """Gross notional and unrealised profit, made once after each change; NumPy adds up fewer than eight in order too."""
        if self._worth is None and len(self.quantity) > FEW:
            profit = self.quantity * (self.close - self.entry_price)
            self._worth = float(np.abs(self.notional).sum()), float(profit.sum())
        elif self._worth is None:
            gross = unrealised = 0.0
            for quantity, close, entry in zip(self.quantity.tolist(), self.close.tolist(), self.entry_price.tolist()):
                gross += abs(quantity * close)
                unrealised += quantity * (close - entry)
            self._worth = gross, unrealised
        return self._worth

    def position(self, budget: Floats, chosen: Sequence[int]) -> NDArray[np.float32]:
        """Position columns of the chosen instruments, float32 (len(chosen), 5); budgets in quote, one per instrument."""
        held = (self.quantity, self.entry_price, self.close, self.bars_held, budget)
        if len(chosen) > FEW:
            quantity, entry, close, bars, budgets = (one[chosen] for one in held)
            found = position_columns(quantity, entry, close, bars, budgets, self.equity)
            return np.stack(found, -1).astype(np.float32)
        columns = np.empty((len(chosen), len(POSITION_COLUMNS)), dtype=np.float32)
        for row, index in enumerate(chosen):
            own: Any = [float(one[index]) for one in held]
            columns[row] = position_columns(own[0], own[1], own[2], own[3], own[4], self.equity)
        return columns

    def portfolio(self) -> NDArray[np.float32]:
        """Portfolio columns, float32 (8,)."""
        levels = (self.equity, self.start_equity, self.peak_equity, self.gross_notional, self.unrealised)
        columns = np.empty(len(PORTFOLIO_COLUMNS), dtype=np.float32)
        columns[:] = portfolio_columns(*levels, *self._statistics)
        return columns

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs."""
        kept = {key: value for key, value in vars(self).items() if key != "_worth"}
        return {key: value.copy() if isinstance(value, np.ndarray) else value for key, value in kept.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        for key, value in state.items():
            setattr(self, key, value.copy() if isinstance(value, np.ndarray) else value)
        self._worth = None
