"""What an instrument is to costs, lots and features, without a trading library."""

from typing import Literal

import msgspec


class InstrumentSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Trading terms of one instrument, as stored in a catalog's manifest.

    Attributes
    ----------
    instrument_id
        Symbol and venue, `BTCUSDT.BINANCE` (spot) or `BTCUSDT-PERP.BINANCE` (linear perpetual).
    kind
        `spot` or `perpetual`.
    base, quote
        Currency codes; settlement is in `quote`.
    price_precision, size_precision
        Decimals of a price and of a quantity; the tick is `10**-price_precision`, the lot is `10**-size_precision`.
    min_notional
        Smallest value of an order, in `quote`; an order that closes a position is exempt.
    margin_init, margin_maint
        Fractions of notional, before leverage.
    """

    instrument_id: str
    kind: Literal["spot", "perpetual"]
    base: str
    quote: str
    price_precision: int
    size_precision: int
    min_notional: float = 5.0
    margin_init: float = 1.0
    margin_maint: float = 0.05

    @property
    def tick(self) -> float:
        """Smallest price step, in quote units."""
        return 10.0**-self.price_precision

    @property
    def lot(self) -> float:
        """Smallest quantity step, in base units."""
        return 10.0**-self.size_precision

    @property
    def venue(self) -> str:
        """The part after the dot."""
        return self.instrument_id.rpartition(".")[2]
