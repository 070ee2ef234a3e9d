"""What the venue's answers mean of an order that another process sent, on a session that is played."""

import asyncio
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from ccxt.base.errors import OrderNotFound, RequestTimeout

from live.adapter.core.notes import Notes
from live.adapter.core.session import SessionSettings
from live.recovery import asking
from live.recovery.asking import Asked, Inquiry

SYMBOL = "BTC/USDT"


class Played:
    """Answers of a venue: one order or none, and trades."""

    def __init__(self, order: Any, trades: list[dict[str, Any]]) -> None:
        self.order, self.trades = order, trades
        self.notes = Notes()
        self.settings = SessionSettings(exchange="binance", market="spot")
        self.clock = SimpleNamespace(now_ns=lambda: 9_000_000_000)
        self.receive_window_secs = 0.05
        self.asked: list[str] = []

    async def call(self, method: str, *_arguments: Any) -> Any:
        self.asked.append(method)
        if method == "fetch_my_trades":
            return self.trades
        if isinstance(self.order, Exception):
            raise self.order
        return self.order


def order(status: str, filled: str) -> dict[str, Any]:
    return {
        "id": "77",
        "clientOrderId": "H-1",
        "symbol": SYMBOL,
        "status": status,
        "filled": filled,
        "amount": "2",
        "timestamp": 5_000,
    }


def trade(number: int, amount: str) -> dict[str, Any]:
    fee = {"cost": "0.1", "currency": "USDT"}
    return {
        "id": str(number), "order": "77", "symbol": SYMBOL, "side": "buy", "amount": amount, "price": "50", "fee": fee,
        "timestamp": 6_000 + number,
    }  # fmt: skip


def ask(played: Played, filled: str = "0", trades: tuple[str, ...] = ()) -> Any:
    async def run() -> Any:
        one = Asked("H-1", SYMBOL, Decimal(2), False, Decimal(filled), trades, 4_000)
        session: Any = played
        return (await Inquiry(session).of([one]))["H-1"]

    return asyncio.run(run())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("live.adapter.core.orders.LOOK_UP_SECS", (0.001, 0.01))
    monkeypatch.setattr("live.adapter.core.orders.CLOCK_SLACK_SECS", 0.01)
    monkeypatch.setattr(asking, "TRADES_SECS", (0.0, 0.001))


def test_open_order_with_nothing_new_is_open() -> None:
    found, missed = ask(Played(order("open", "0.5"), [trade(1, "0.5")]), "0.5", ("1",))
    assert (found.standing, found.filled, found.missed, missed) == ("open", Decimal("0.5"), 0, [])


def test_trades_that_were_not_written_down_are_missed_and_those_that_were_are_not_told_again() -> None:
    played = Played(order("closed", "2"), [trade(1, "0.5"), trade(2, "1"), trade(3, "0.5")])
    found, missed = ask(played, "0.5", ("1",))
    assert (found.standing, found.filled, found.missed) == ("filled", 2, Decimal("1.5"))
    assert [(one.trade_id, one.quantity, one.fee) for one in missed] == [
        ("2", Decimal(1), Decimal("0.1")),
        ("3", Decimal("0.5"), Decimal("0.1")),
    ]


def test_cancelled_order_is_ended_with_what_it_had() -> None:
    found, missed = ask(Played(order("canceled", "0.5"), [trade(1, "0.5")]))
    assert (found.standing, found.filled, found.missed, len(missed)) == ("ended", Decimal("0.5"), Decimal("0.5"), 1)


def test_order_that_the_venue_denies_until_its_request_is_too_old_is_absent() -> None:
    played = Played(OrderNotFound("no"), [])
    found, missed = ask(played)
    assert (found.standing, missed) == ("absent", [])
    assert played.asked.count("fetch_order") >= 2


def test_order_whose_trades_the_venue_does_not_give_is_told_as_filled_with_less_missed() -> None:
    found, missed = ask(Played(order("closed", "2"), [trade(1, "0.5")]))
    assert (found.standing, found.filled, found.missed, len(missed)) == ("open", 2, Decimal("0.5"), 1)


def test_order_that_the_venue_never_answers_for_is_uncertain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "LONGEST_SECS", 0.05)
    found, missed = ask(Played(RequestTimeout("slow"), []))
    assert (found.standing, found.reason, missed) == ("uncertain", "no certain answer within 0.05 s", [])
