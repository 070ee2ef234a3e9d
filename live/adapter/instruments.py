"""Instruments of a ccxt market: NautilusTrader's objects with the venue's own steps, and the terms that sizing reads."""

from decimal import ROUND_UP, Decimal
from typing import Any

from nautilus_trader.model import CryptoPerpetual, CurrencyPair, InstrumentId, Price, Quantity, Symbol

from catalogs.instruments import currency
from engine.contract.errors import DataError, broken
from engine.contract.instrument import InstrumentSpec

TICK_SIZE = 4
"""ccxt's precision mode of steps: what is not in it counts significant digits or decimals, and is refused."""

MOST_DECIMALS = 9
MARGIN_INIT, MARGIN_MAINT = Decimal(1), Decimal("0.05")
MIN_NOTIONAL = 5.0


def step(market: dict[str, Any], which: str) -> Decimal:
    """Return the smallest step of `price` or `amount`, exactly as the venue states it.

    Raises
    ------
    DataError
        The venue states none.
    """
    value = market["precision"].get(which)
    found = None if value is None else Decimal(str(value))
    if found is None or not found > 0:
        raise DataError(broken(f"{which} step", "be a positive number", value, market["symbol"]))
    return found.normalize()


def decimals(value: Decimal) -> int:
    """Return the decimals of a step.

    >>> decimals(Decimal("0.50")), decimals(Decimal(10))
    (1, 0)
    """
    return max(0, -int(value.normalize().as_tuple().exponent))


def whole(value: Any, size: Decimal) -> Decimal | None:
    """Return an amount as a multiple of a step, up; None where there is none or it is not positive."""
    if value is None or not Decimal(str(value)) > 0:
        return None
    steps = (Decimal(str(value)) / size).to_integral_value(ROUND_UP)
    return max(steps, Decimal(1)) * size


def check_precision(mode: int, exchange: str) -> None:
    """Refuse an exchange whose precision is not a step size.

    Raises
    ------
    DataError
        It counts decimals or significant digits.
    """
    if mode != TICK_SIZE:
        raise DataError(
            broken(f"precision mode of {exchange}", f"be tick size ({TICK_SIZE})", mode, remedy="it is not supported")
        )


def instrument_of(market: dict[str, Any], instrument_id: str, ts_ns: int) -> CurrencyPair | CryptoPerpetual:
    """Make NautilusTrader's instrument.

    The size of a contract stays in contracts, with its worth as the multiplier. A smallest amount below one step is raised to the step.
    Fees are not part of it, nor is the minimum notional: whoever sizes reads it from the terms, and lets closing orders pass.

    Raises
    ------
    DataError
        A step is missing, or finer than NautilusTrader can hold.
    """
    tick, lot = step(market, "price"), step(market, "amount")
    price_precision, size_precision = decimals(tick), decimals(lot)
    if max(price_precision, size_precision) > MOST_DECIMALS:
        rule = f"have at most {MOST_DECIMALS} decimals"
        raise DataError(broken("steps", rule, f"{tick} and {lot}", market["symbol"]))
    smallest = whole((market["limits"].get("amount") or {}).get("min"), lot) or lot
    largest = (market["limits"].get("amount") or {}).get("max")
    terms: dict[str, Any] = {
        "price_precision": price_precision,
        "size_precision": size_precision,
        "price_increment": Price.from_str(f"{tick:f}"),
        "size_increment": Quantity.from_str(f"{lot:f}"),
        "min_quantity": Quantity.from_str(f"{smallest.quantize(lot):f}"),
        "max_quantity": None if largest is None else _largest(Decimal(str(largest)), lot),
        "margin_init": MARGIN_INIT,
        "margin_maint": MARGIN_MAINT,
        "ts_event": ts_ns,
        "ts_init": ts_ns,
    }
    id_, raw = InstrumentId.from_str(instrument_id), Symbol(str(market["id"]))
    base, quote = currency(market["base"]), currency(market["quote"])
    if market["type"] == "spot":
        return CurrencyPair(id_, raw, base, quote, **terms)
    multiplier = Decimal(str(market.get("contractSize") or 1))
    terms["multiplier"] = Quantity.from_str(f"{multiplier.normalize():f}")
    return CryptoPerpetual(id_, raw, base, quote, currency(market["settle"]), bool(market["inverse"]), **terms)


def _largest(value: Decimal, lot: Decimal) -> Quantity | None:
    steps = (value / lot).to_integral_value()
    return Quantity.from_str(f"{(steps * lot).quantize(lot):f}") if value < Decimal(10) ** 9 else None


def spec_of(market: dict[str, Any], instrument_id: str) -> InstrumentSpec:
    """Return the terms that strategies size and are judged by.

    Raises
    ------
    DataError
        A step is no power of ten, or the market settles in its base: the terms cannot say so.
    """
    tick, lot = step(market, "price"), step(market, "amount")
    if market.get("inverse") or Decimal(str(market.get("contractSize") or 1)) != 1:
        raise DataError(
            broken("market", "be spot or linear with a contract size of 1", market["symbol"], remedy="data only")
        )
    for name, value in (("tick", tick), ("lot", lot)):
        if value != Decimal(1).scaleb(-decimals(value)):
            raise DataError(broken(name, "be a power of ten", value, market["symbol"], "data only"))
    least = (market["limits"].get("cost") or {}).get("min")
    return InstrumentSpec(
        instrument_id=instrument_id,
        kind="spot" if market["type"] == "spot" else "perpetual",
        base=market["base"],
        quote=market["quote"],
        price_precision=decimals(tick),
        size_precision=decimals(lot),
        min_notional=MIN_NOTIONAL if least is None else float(least),
    )
