"""Funding of a simulated venue: amounts by hand, rounded as money."""

from decimal import Decimal

from engine.contract.instrument import InstrumentSpec
from strategies.settling import FundingLedger

PERP = InstrumentSpec("BTCUSDT-PERP.BINANCE", "perpetual", "BTC", "USDT", 2, 5)


def settled(ledger: FundingLedger) -> list[str]:
    return [str(amount) for _, _, amount in ledger.settlements]


def test_short_receives_and_long_pays_what_the_engine_settles() -> None:
    """The first amount is the engine's: 1.2032 short, a rate of 0.0001, a mark of 47186.83."""
    ledger = FundingLedger([PERP], 8)
    ledger.settle(1, 0, -1.2032, Decimal("0.0001"), Decimal("47186.83"))
    ledger.settle(2, 0, 1.2032, Decimal("0.0001"), Decimal("47186.83"))
    assert settled(ledger) == ["5.67751939", "-5.67751939"]
    assert ledger.total == 0


def test_flat_position_settles_nothing() -> None:
    ledger = FundingLedger([PERP], 8)
    ledger.settle(1, 0, 0.0, Decimal("0.0001"), Decimal(100))
    assert settled(ledger) == []


def test_quantity_with_the_dust_of_floats_is_the_lots_it_stands_for() -> None:
    ledger = FundingLedger([PERP], 8)
    ledger.settle(1, 0, -1.8897000000000002, Decimal("0.0001"), Decimal("45000"))
    assert settled(ledger) == ["8.50365000"]


def test_closed_position_takes_its_own_funding_and_no_more() -> None:
    ledger = FundingLedger([PERP], 8)
    ledger.settle(1, 0, -1.0, Decimal("0.001"), Decimal(100))
    assert (ledger.close(0), ledger.close(0)) == (Decimal("0.1"), Decimal(0))
    assert ledger.total == Decimal("0.1")


def test_state_restored_goes_on_with_the_same_digits() -> None:
    ledger, other = FundingLedger([PERP], 8), FundingLedger([PERP], 8)
    ledger.settle(1, 0, -1.2032, Decimal("0.0001"), Decimal("47186.83"))
    other.restore(ledger.state())
    assert (other.state(), other.total) == (ledger.state(), ledger.total)
