"""Funding of a simulated venue that settles none: what a position receives or pays, to the last digit as the back test's engine does it."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from engine.contract.instrument import InstrumentSpec


class FundingLedger:
    """Every payment of funding on one account.

    Parameters
    ----------
    instruments
        In configuration order.
    precision
        Decimals of the account's currency.

    Attributes
    ----------
    settlements
        Event time (UTC ns), instrument id, amount received (negative is paid) in the account's currency; in order of time.
    total
        Their sum.
    """

    def __init__(self, instruments: Sequence[InstrumentSpec], precision: int) -> None:
        self.settlements: list[tuple[int, str, Decimal]] = []
        self.total = Decimal(0)
        self._cent = Decimal(1).scaleb(-precision)
        self._names = [spec.instrument_id for spec in instruments]
        self._lots = [Decimal(1).scaleb(-spec.size_precision) for spec in instruments]
        self._of_position = [Decimal(0)] * len(instruments)

    def settle(self, ts_event: int, index: int, quantity: float, rate: Decimal, mark: Decimal) -> None:
        """Settle one rate on what is held: -quantity x rate x mark, rounded as money.

        Parameters
        ----------
        quantity
            Signed, base units.
        """
        if quantity == 0.0:
            return
        held = Decimal(repr(quantity)).quantize(self._lots[index])
        amount = (-held * rate * mark).quantize(self._cent)
        self.total += amount
        self._of_position[index] += amount
        self.settlements.append((ts_event, self._names[index], amount))

    def close(self, index: int) -> Decimal:
        """Return what was settled since the position was opened, and begin anew."""
        amount, self._of_position[index] = self._of_position[index], Decimal(0)
        return amount

    def state(self) -> dict[str, Any]:
        """Return everything that `restore` needs."""
        rows = [[ts, name, str(amount)] for ts, name, amount in self.settlements]
        return {"settlements": rows, "of_position": [str(amount) for amount in self._of_position]}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.settlements = [(ts, name, Decimal(amount)) for ts, name, amount in state["settlements"]]
        self.total = sum((amount for _, _, amount in self.settlements), Decimal(0))
        self._of_position = [Decimal(amount) for amount in state["of_position"]]
