"""What the account owns: spot balances, or a margin wallet with its positions."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from live.rehearsal.order import ZERO, Order, Position
from live.rehearsal.refusals import Refused, insufficient
from live.rehearsal.terms import Terms

CENT = Decimal("0.00000001")


class Ledger(ABC):
    """Balances of an account.

    Every amount is a `Decimal`; nothing is rounded but commissions and realised profit, to 8 decimals.
    """

    @abstractmethod
    def reserve(self, order: Order, terms: Terms, price: Decimal) -> None:
        """Hold back what an order needs if it fills at `price`; raises `Refused` where the account has too little."""

    @abstractmethod
    def release(self, order: Order) -> None:
        """Give back what an order that ended still holds."""

    @abstractmethod
    def settle(
        self, order: Order, terms: Terms, price: Decimal, quantity: Decimal, fee_frac: Decimal
    ) -> tuple[Decimal, str, Decimal]:
        """Book a fill; return commission, its asset, and realised profit."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Everything, as plain values."""

    @abstractmethod
    def restore(self, state: dict[str, Any]) -> None:
        """Become what `state` told."""


class SpotLedger(Ledger):
    """Balances per asset, each free or locked under open orders.

    Parameters
    ----------
    commission_in_quote
        Whether buyers pay commission in quote rather than in what they receive.
    """

    def __init__(self, balances: Mapping[str, Decimal], commission_in_quote: bool) -> None:
        self.free: dict[str, Decimal] = dict(balances)
        self.locked: dict[str, Decimal] = {}
        self.commission_in_quote = commission_in_quote

    def reserve(self, order: Order, terms: Terms, price: Decimal) -> None:
        asset, amount = (terms.quote, order.rest * price) if order.side == "BUY" else (terms.base, order.rest)
        if amount > self.free.get(asset, ZERO):
            raise insufficient("spot")
        self.free[asset] = self.free.get(asset, ZERO) - amount
        self.locked[asset] = self.locked.get(asset, ZERO) + amount
        order.locked, order.locked_asset = amount, asset

    def release(self, order: Order) -> None:
        if order.locked:
            self.locked[order.locked_asset] -= order.locked
            self.free[order.locked_asset] += order.locked
            order.locked = ZERO

    def settle(
        self, order: Order, terms: Terms, price: Decimal, quantity: Decimal, fee_frac: Decimal
    ) -> tuple[Decimal, str, Decimal]:
        value = price * quantity
        paid, received = (terms.quote, terms.base) if order.side == "BUY" else (terms.base, terms.quote)
        outgoing, incoming = (value, quantity) if order.side == "BUY" else (quantity, value)
        from_lock = order.locked if quantity >= order.rest else order.locked * quantity / order.rest
        order.locked -= from_lock
        self.locked[paid] = self.locked.get(paid, ZERO) - from_lock
        self.free[paid] = self.free.get(paid, ZERO) + from_lock - outgoing
        self.free[received] = self.free.get(received, ZERO) + incoming
        asset = terms.quote if self.commission_in_quote else received
        commission = ((value if asset == terms.quote else quantity) * fee_frac).quantize(CENT)
        self.free[asset] -= commission
        return commission, asset, ZERO

    def state(self) -> dict[str, Any]:
        return {"free": _texts(self.free), "locked": _texts(self.locked)}

    def restore(self, state: dict[str, Any]) -> None:
        self.free, self.locked = _decimals(state["free"]), _decimals(state["locked"])


class MarginLedger(Ledger):
    """One wallet in the margin asset, and positions in one-way mode under cross margin.

    Parameters
    ----------
    mark
        Current mark price of a symbol, quote.
    """

    def __init__(
        self, asset: str, wallet: Decimal, terms: Mapping[str, Terms], leverage: int, mark: Callable[[str], Decimal]
    ) -> None:
        self.asset = asset
        self.wallet = wallet
        self.terms = terms
        self.positions = {symbol: Position(symbol=symbol, leverage=leverage) for symbol in terms}
        self.order_margin: dict[int, Decimal] = {}
        self.mark = mark

    def unrealized(self, symbol: str) -> Decimal:
        """Profit of a position at its mark price, quote."""
        position = self.positions[symbol]
        return (self.mark(symbol) - position.entry_price) * position.quantity

    def notional(self, symbol: str) -> Decimal:
        """Value of a position at its mark price, quote, signed."""
        return self.mark(symbol) * self.positions[symbol].quantity

    def initial_margin(self, symbol: str) -> Decimal:
        """What a position ties up at its leverage."""
        return abs(self.notional(symbol)) / self.positions[symbol].leverage

    def maintenance_margin(self, symbol: str) -> Decimal:
        """What a position must keep."""
        return abs(self.notional(symbol)) * self.terms[symbol].maintenance_frac

    @property
    def total_unrealized(self) -> Decimal:
        """Profit of all positions."""
        return sum((self.unrealized(symbol) for symbol in self.positions), ZERO)

    @property
    def equity(self) -> Decimal:
        """Wallet and unrealised profit."""
        return self.wallet + self.total_unrealized

    @property
    def total_initial(self) -> Decimal:
        """Initial margin of positions and open orders."""
        return sum((self.initial_margin(symbol) for symbol in self.positions), ZERO) + sum(
            self.order_margin.values(), ZERO
        )

    @property
    def total_maintenance(self) -> Decimal:
        """Maintenance margin of all positions."""
        return sum((self.maintenance_margin(symbol) for symbol in self.positions), ZERO)

    @property
    def available(self) -> Decimal:
        """What new orders may tie up."""
        return max(ZERO, self.equity - self.total_initial)

    def reserve(self, order: Order, terms: Terms, price: Decimal) -> None:
        position = self.positions[order.symbol]
        held = -position.quantity * order.sign
        opening = max(ZERO, order.rest - max(ZERO, held))
        if order.reduce_only or not opening:
            return
        needed = opening * price / position.leverage
        released = min(max(ZERO, held), order.rest) * self.mark(order.symbol) / position.leverage
        if needed > self.available + released:
            raise insufficient("usdm")
        self.order_margin[order.order_id] = needed

    def release(self, order: Order) -> None:
        self.order_margin.pop(order.order_id, None)

    def settle(
        self, order: Order, terms: Terms, price: Decimal, quantity: Decimal, fee_frac: Decimal
    ) -> tuple[Decimal, str, Decimal]:
        position = self.positions[order.symbol]
        if order.order_id in self.order_margin and order.rest:
            self.order_margin[order.order_id] *= 1 - quantity / order.rest
        signed = quantity * order.sign
        before, after = position.quantity, position.quantity + signed
        realized = ZERO
        if before * signed >= 0:
            position.entry_price = (position.entry_price * abs(before) + price * quantity) / abs(after)
        else:
            closed = min(abs(before), quantity)
            realized = ((price - position.entry_price) * closed * (1 if before > 0 else -1)).quantize(CENT)
            if not after:
                position.entry_price = ZERO
            elif after * before < 0:
                position.entry_price = price
        position.quantity = after
        position.realized += realized
        commission = (price * quantity * fee_frac).quantize(CENT)
        self.wallet += realized - commission
        return commission, self.asset, realized

    def pay_funding(self, symbol: str, rate: Decimal) -> Decimal:
        """Settle a funding rate on a position at its mark price; return what the wallet received (negative: paid)."""
        amount = (-self.notional(symbol) * rate).quantize(CENT)
        self.wallet += amount
        return amount

    def set_leverage(self, symbol: str, leverage: int) -> None:
        """Change a symbol's leverage; raises `Refused` where its margin would not suffice."""
        position, old = self.positions[symbol], self.positions[symbol].leverage
        position.leverage = leverage
        if self.equity < self.total_initial and leverage < old:
            position.leverage = old
            raise Refused(-2027, "Exceeded the maximum allowable position at current leverage.")

    def state(self) -> dict[str, Any]:
        positions = [msgspec.to_builtins(position) for position in self.positions.values()]
        return {
            "wallet": format(self.wallet, "f"),
            "positions": positions,
            "order_margin": {str(k): format(v, "f") for k, v in self.order_margin.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.wallet = Decimal(state["wallet"])
        for document in state["positions"]:
            position = msgspec.convert(document, Position)
            if position.symbol in self.positions:
                self.positions[position.symbol] = position
        self.order_margin = {int(key): Decimal(value) for key, value in state["order_margin"].items()}


def _texts(amounts: Mapping[str, Decimal]) -> dict[str, str]:
    return {asset: format(amount, "f") for asset, amount in amounts.items()}


def _decimals(texts: Mapping[str, str]) -> dict[str, Decimal]:
    return {asset: Decimal(text) for asset, text in texts.items()}
