"""What the venue knows of a symbol: its market, its steps, its smallest order, its margin."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from catalogs.instruments import PERPETUAL
from engine.contract.instrument import InstrumentSpec

Market = Literal["spot", "usdm"]
MARKETS: tuple[Market, ...] = ("spot", "usdm")


@dataclass(frozen=True)
class Terms:
    """Trading terms of a symbol.

    Attributes
    ----------
    symbol
        As the exchange writes it, `BTCUSDT`; the same in both markets.
    tick, lot
        Steps of price (quote) and quantity (base).
    min_notional
        Smallest value of an order, quote.
    maintenance_frac
        Maintenance margin as a fraction of a position's value, at any leverage.
    """

    instrument_id: str
    symbol: str
    market: Market
    base: str
    quote: str
    tick: Decimal
    lot: Decimal
    min_notional: Decimal
    maintenance_frac: Decimal

    @property
    def price_precision(self) -> int:
        """Decimals of a price."""
        return max(0, -int(self.tick.as_tuple().exponent))

    @property
    def size_precision(self) -> int:
        """Decimals of a quantity."""
        return max(0, -int(self.lot.as_tuple().exponent))


def market_of(instrument_id: str) -> Market:
    """The market that an instrument trades in.

    >>> market_of("BTCUSDT-PERP.BINANCE")
    'usdm'
    """
    return "usdm" if instrument_id.rpartition(".")[0].endswith(PERPETUAL) else "spot"


def terms_of(spec: InstrumentSpec, leverage: float) -> Terms:
    """Terms of a catalog's instrument.

    Parameters
    ----------
    leverage
        Of the account in a back test, which asks `margin_maint / leverage` of a position's value; so does the venue.
    """
    return Terms(
        instrument_id=spec.instrument_id,
        symbol=spec.instrument_id.rpartition(".")[0].removesuffix(PERPETUAL),
        market=market_of(spec.instrument_id),
        base=spec.base,
        quote=spec.quote,
        tick=Decimal(1).scaleb(-spec.price_precision),
        lot=Decimal(1).scaleb(-spec.size_precision),
        min_notional=Decimal(repr(spec.min_notional)),
        maintenance_frac=Decimal(repr(spec.margin_maint)) / Decimal(repr(leverage)),
    )
