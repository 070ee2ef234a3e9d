"""A spot account: what an order can close, and what stays."""

import asyncio
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from engine.contract.instrument import InstrumentSpec
from live.account import Account
from live.venue import RealVenue

BTC, ETH = "BTCUSDT.BINANCE", "ETHUSDT.BINANCE"
SYMBOLS = {BTC: "BTC/USDT", ETH: "ETH/USDT"}
LAST = {"BTC/USDT": 20_000.0, "ETH/USDT": 1_000.0}


def account(monkeypatch: pytest.MonkeyPatch, market: str, btc: str, eth: str = "0") -> Account:
    """An account of lots of 0.0001 and orders of 10 USDT or more, whose venue answers from memory."""
    made = Account("binance", market, [BTC, ETH], RealVenue(private=True))
    made.symbols = dict(SYMBOLS)
    terms = {symbol: {"base": symbol[:3], "precision": {"amount": 0.0001}} for symbol in LAST}
    made.session = SimpleNamespace(market_of=terms.__getitem__)  # type: ignore[assignment]

    async def ask(method: str, *arguments: Any) -> Any:
        match method:
            case "fetch_balance":
                return {"total": {"BTC": float(btc), "ETH": float(eth)}}
            case "fetch_ticker":
                return {"last": LAST[arguments[0]]}
            case "fetch_positions":
                return [{"symbol": "BTC/USDT", "contracts": float(btc), "side": "short"}]
        raise AssertionError(method)

    monkeypatch.setattr(made, "_ask", ask)
    monkeypatch.setattr(
        made, "spec", lambda name: InstrumentSpec(name, "spot", name[:3], "USDT", 2, 4, min_notional=10.0)
    )
    return made


@pytest.mark.parametrize(
    ("held", "closable", "dust"),
    [
        ("0.50004", {BTC: Decimal("0.5000")}, {BTC: Decimal("0.00004")}),
        ("0.5", {BTC: Decimal("0.5000")}, {}),
        ("0.0005", {BTC: Decimal("0.0005")}, {}),
        ("0.00045", {}, {BTC: Decimal("0.00045")}),
        ("0.00004", {}, {BTC: Decimal("0.00004")}),
        ("0", {}, {}),
    ],
)
def test_spot_coins_are_what_an_order_can_sell_and_dust(
    monkeypatch: pytest.MonkeyPatch, held: str, closable: dict[str, Decimal], dust: dict[str, Decimal]
) -> None:
    made = account(monkeypatch, "spot", held)
    assert asyncio.run(made.closable()) == closable
    assert asyncio.run(made.dust()) == dust


def test_each_coin_is_held_to_its_own_price(monkeypatch: pytest.MonkeyPatch) -> None:
    made = account(monkeypatch, "spot", "0.0006", "0.0060")
    assert asyncio.run(made.closable()) == {BTC: Decimal("0.0006")}
    assert asyncio.run(made.dust()) == {ETH: Decimal("0.006")}


def test_perpetual_of_any_size_is_closable_and_leaves_no_dust(monkeypatch: pytest.MonkeyPatch) -> None:
    made = account(monkeypatch, "usdm", "0.0001")
    assert asyncio.run(made.closable()) == {BTC: Decimal("-0.0001")}
    assert asyncio.run(made.dust()) == {}
