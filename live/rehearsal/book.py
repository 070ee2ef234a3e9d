"""The published order book: levels spread out from the best bid and offer, and the differences between two of them."""

from decimal import Decimal

from live.rehearsal.matching import Best
from live.rehearsal.terms import Terms

ENDLESS = Decimal(1_000_000_000)
"""Published size of a quote that no order exhausts."""

Levels = dict[Decimal, Decimal]


class Book:
    """Levels of one symbol; every quote replaces them under the next update id.

    Level k lies k ticks behind the best price and has its size: a drawing of a book, not one.

    Attributes
    ----------
    update_id
        Of the last change.
    """

    def __init__(self, terms: Terms, levels: int) -> None:
        self.terms = terms
        self.count = levels
        self.update_id = 1
        self.bids: Levels = {}
        self.asks: Levels = {}

    def move(self, best: Best) -> tuple[Levels, Levels]:
        """Take a new quote; return what changed, removed levels with size 0."""
        bids = self._side(best.bid, -self.terms.tick, best.bid_size)
        asks = self._side(best.ask, self.terms.tick, best.ask_size)
        changed = _difference(self.bids, bids), _difference(self.asks, asks)
        self.bids, self.asks = bids, asks
        self.update_id += 1
        return changed

    def top(self, limit: int) -> tuple[list[list[str]], list[list[str]]]:
        """The first levels of each side, best first, as texts."""
        return _rows(list(self.bids.items())[:limit], self.terms), _rows(list(self.asks.items())[:limit], self.terms)

    def rows(self, levels: Levels) -> list[list[str]]:
        """Levels as texts."""
        return _rows(list(levels.items()), self.terms)

    def _side(self, price: Decimal, step: Decimal, size: Decimal | None) -> Levels:
        quantity = ENDLESS if size is None else size
        return {price + k * step: quantity for k in range(self.count) if price + k * step > 0}


def _difference(old: Levels, new: Levels) -> Levels:
    changed = {price: size for price, size in new.items() if old.get(price) != size}
    return changed | {price: Decimal(0) for price in old if price not in new}


def _rows(levels: list[tuple[Decimal, Decimal]], terms: Terms) -> list[list[str]]:
    return [[f"{price:.{terms.price_precision}f}", f"{size:.{terms.size_precision}f}"] for price, size in levels]
