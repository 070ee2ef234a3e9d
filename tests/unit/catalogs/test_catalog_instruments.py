"""Instruments: ids, inferred terms, and the margin that follows from them."""

from decimal import Decimal

import numpy as np
import pytest

from catalogs.instruments import currency, infer_spec, nautilus_instrument, size_precision, split_id
from engine.contract.errors import UsageError


@pytest.mark.parametrize(
    ("instrument_id", "parts"),
    [
        ("BTCUSDT.BINANCE", ("spot", "BTC", "USDT")),
        ("BTCUSDT-PERP.BINANCE", ("perpetual", "BTC", "USDT")),
        ("1000PEPEUSDT-PERP.BINANCE", ("perpetual", "1000PEPE", "USDT")),
        ("XRPETH.BINANCE", ("spot", "XRP", "ETH")),
        ("BTCUSD.COINBASE", ("spot", "BTC", "USD")),
        ("ETHBTC.BINANCE", ("spot", "ETH", "BTC")),
        ("BTCBUSD.BINANCE", ("spot", "BTC", "BUSD")),
    ],
)
def test_id_splits_into_kind_base_and_quote(instrument_id: str, parts: tuple[str, str, str]) -> None:
    assert split_id(instrument_id) == parts


@pytest.mark.parametrize(
    ("price", "decimals"),
    [(20_000.0, 5), (100_000.0, 5), (100_001.0, 6), (1_500.0, 4), (1.0, 0), (0.4, 0), (1e-5, 0), (1e9, 8)],
)
def test_lot_is_the_coarsest_worth_at_most_one_quote_unit(price: float, decimals: int) -> None:
    assert size_precision(price) == decimals


@pytest.mark.parametrize("options", [{"price_precision": 9}, {"size_decimals": -1}, {"min_notional": -1.0}])
def test_terms_out_of_range_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="must be"):
        infer_spec("BTCUSDT.BINANCE", np.ones(1), **options)  # type: ignore[arg-type]


def test_spot_becomes_a_currency_pair_and_perp_a_perpetual() -> None:
    spot = nautilus_instrument(infer_spec("BTCUSDT.BINANCE", np.array([20_000.25])))
    perpetual = nautilus_instrument(infer_spec("BTCUSDT-PERP.BINANCE", np.array([20_000.25])))
    assert (type(spot).__name__, type(perpetual).__name__) == ("CurrencyPair", "CryptoPerpetual")
    assert (str(spot.price_increment), str(spot.size_increment), str(spot.min_notional)) == (
        "0.01",
        "0.00001",
        "5.00000000 USDT",
    )
    assert (str(perpetual.raw_symbol), str(perpetual.settlement_currency)) == ("BTCUSDT", "USDT")


def test_a_currency_that_the_library_does_not_know_is_registered() -> None:
    code = currency("NEVERSEEN")
    assert (code.code, code.precision) == ("NEVERSEEN", 8)
    assert currency("NEVERSEEN") == code


@pytest.mark.parametrize("instrument_id", ["BTCUSDT.BINANCE", "BTCUSDT-PERP.BINANCE"])
@pytest.mark.parametrize("leverage", [1, 3, 10])
def test_margin_is_notional_over_leverage_and_maintenance_a_twentieth_of_that(
    instrument_id: str, leverage: int
) -> None:
    """The library divides both margins by the leverage; so `margin_init` 1.0 is notional / leverage, and nothing else is."""
    from nautilus_trader.core import UUID4
    from nautilus_trader.model import (
        AccountBalance,
        AccountId,
        AccountState,
        AccountType,
        MarginAccount,
        Money,
        Price,
        Quantity,
    )

    instrument = nautilus_instrument(infer_spec(instrument_id, np.array([20_000.25])))
    usdt = currency("USDT")
    balance = AccountBalance(Money(100_000, usdt), Money(0, usdt), Money(100_000, usdt))
    state = AccountState(AccountId("BINANCE-001"), AccountType.MARGIN, [balance], [], True, UUID4(), 0, 0, usdt)
    account = MarginAccount(state, True)
    account.set_leverage(instrument.id, Decimal(leverage))
    quantity, price = Quantity(2.0, 5), Price(20_000.0, 2)
    initial = account.calculate_initial_margin(instrument, quantity, price)
    maintenance = account.calculate_maintenance_margin(instrument, quantity, price)
    assert float(initial) == pytest.approx(40_000 / leverage, abs=1e-6)
    assert float(maintenance) == pytest.approx(0.05 * 40_000 / leverage, abs=1e-6)
