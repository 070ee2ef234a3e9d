"""Instruments: their terms from an id and its prices, then the NautilusTrader object from the terms."""

import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from catalogs.columns import Floats, decimals_needed
from engine.contract.errors import UsageError, broken
from engine.contract.instrument import InstrumentSpec

if TYPE_CHECKING:
    from nautilus_trader.model import CryptoPerpetual, Currency, CurrencyPair

QUOTES = ("USDT", "USDC", "BUSD", "USD", "BTC", "ETH", "EUR")
PERPETUAL = "-PERP"
ID = re.compile(r"([A-Z0-9]+)(-PERP)?\.([A-Z0-9_-]+)")
RESERVED_VENUE = "SYNTH"
CURRENCY_PRECISION = 8
MOST_DECIMALS = 8


def split_id(instrument_id: str) -> tuple[str, str, str]:
    """Kind, base and quote of an instrument id.

    >>> split_id("BTCUSDT-PERP.BINANCE")
    ('perpetual', 'BTC', 'USDT')

    Raises
    ------
    UsageError
        The id is not SYMBOL.VENUE, or the symbol does not end with a known quote currency.
    """
    match = ID.fullmatch(instrument_id)
    if not match:
        rule = "be SYMBOL.VENUE in capitals"
        raise UsageError(
            broken("instrument", rule, instrument_id, remedy="write BTCUSDT.BINANCE, or BTCUSDT-PERP.BINANCE")
        )
    if match[3] == RESERVED_VENUE:
        raise UsageError(
            broken("venue", "be another, NautilusTrader keeps this one for synthetics", match[3], instrument_id)
        )
    symbol = match[1]
    for quote in QUOTES:
        if symbol.endswith(quote) and symbol != quote:
            return "perpetual" if match[2] else "spot", symbol.removesuffix(quote), quote
    raise UsageError(broken("instrument", f"end its symbol with one of {', '.join(QUOTES)}", instrument_id))


def size_precision(median_price: float) -> int:
    """Decimals of the coarsest lot, from 1 down to 1e-8, that is worth at most one unit of quote at the median price.

    >>> size_precision(20_000.0), size_precision(0.4)
    (5, 0)
    """
    return next((k for k in range(MOST_DECIMALS) if 10.0**-k * median_price <= 1.0 + 1e-12), MOST_DECIMALS)


def infer_spec(
    instrument_id: str,
    prices: Floats,
    price_precision: int | None = None,
    size_decimals: int | None = None,
    min_notional: float | None = None,
) -> InstrumentSpec:
    """Terms of an instrument; what is not given is inferred from its prices.

    Price precision is the smallest number of decimals, up to 8, that reproduces every price; size precision follows
    `size_precision`; the minimum notional is 5 units of quote.

    Parameters
    ----------
    prices : float64 of any shape
        Positive prices in quote units.
    """
    kind, base, quote = split_id(instrument_id)
    for name, value in (("price precision", price_precision), ("size precision", size_decimals)):
        if value is not None and not 0 <= value <= MOST_DECIMALS:
            raise UsageError(broken(name, f"be from 0 to {MOST_DECIMALS}", value, instrument_id))
    if min_notional is not None and not (min_notional >= 0 and math.isfinite(min_notional)):
        raise UsageError(broken("minimum notional", "be 0 or more", min_notional, instrument_id))
    return InstrumentSpec(
        instrument_id=instrument_id,
        kind="perpetual" if kind == "perpetual" else "spot",
        base=base,
        quote=quote,
        price_precision=decimals_needed(prices.ravel(), MOST_DECIMALS)[0]
        if price_precision is None
        else price_precision,
        size_precision=size_precision(float(np.median(prices))) if size_decimals is None else size_decimals,
        min_notional=5.0 if min_notional is None else min_notional,
    )


def currency(code: str) -> "Currency":
    """Currency of a code; one that NautilusTrader does not know is registered as a crypto currency with 8 decimals."""
    from nautilus_trader.model import Currency, CurrencyType

    try:
        return Currency.from_str(code, True)
    except ValueError:
        Currency.register(Currency(code, CURRENCY_PRECISION, 0, code, CurrencyType.CRYPTO))
        return Currency.from_str(code, True)


def nautilus_instrument(spec: InstrumentSpec, minimum: bool = True) -> "CurrencyPair | CryptoPerpetual":
    """The one place where terms become a NautilusTrader instrument.

    Fees are not part of it: a venue's fee model holds them.

    Parameters
    ----------
    minimum
        Whether the instrument carries its minimum notional. NautilusTrader denies orders below it without exception; whoever sizes by
        `engine.execution.sizing`, which lets an order that closes a position pass, leaves it out.
    """
    from nautilus_trader.model import CryptoPerpetual, CurrencyPair, InstrumentId, Money, Price, Quantity, Symbol

    instrument_id = InstrumentId.from_str(spec.instrument_id)
    raw_symbol = Symbol(spec.instrument_id.rpartition(".")[0].removesuffix(PERPETUAL))
    base, quote = currency(spec.base), currency(spec.quote)
    increments: dict[str, Any] = {
        "price_precision": spec.price_precision,
        "size_precision": spec.size_precision,
        "price_increment": Price.from_str(f"{Decimal(1).scaleb(-spec.price_precision):f}"),
        "size_increment": Quantity.from_str(f"{Decimal(1).scaleb(-spec.size_precision):f}"),
        "ts_event": 0,
        "ts_init": 0,
    }
    limits: dict[str, Any] = {
        "min_notional": Money(spec.min_notional, quote) if minimum else None,
        "margin_init": Decimal(repr(spec.margin_init)),
        "margin_maint": Decimal(repr(spec.margin_maint)),
    }
    if spec.kind == "spot":
        return CurrencyPair(instrument_id, raw_symbol, base, quote, **increments, **limits)
    return CryptoPerpetual(instrument_id, raw_symbol, base, quote, quote, False, **increments, **limits)
