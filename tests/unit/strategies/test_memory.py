"""The desk's memory: written before an order leaves, and heard again behind the restored state."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from nautilus_trader.model import OrderType, TimeInForce

from engine.contract.config import parse
from engine.contract.instrument import InstrumentSpec
from engine.journal.order_log import CANCEL, INTENT, OrderLog, Traded
from engine.journal.state import decode, encode
from engine.journal.store import Store
from engine.risk.gate import Intent
from strategies.assembly import assemble
from strategies.base import GatedStrategy

NAME = "TESTUSDT-PERP.SIM"


def desk() -> GatedStrategy:
    instrument = InstrumentSpec(NAME, "perpetual", "TEST", "USDT", 2, 3)
    config = parse(
        {
            "run": {"name": "memory", "seed": 1},
            "data": {"catalog": "nowhere"},
            "universe": {"instruments": [NAME]},
            "strategy": {"name": "cash"},
            "limits": {"max_position_frac": 1.0},
        }
    )
    bar = f"{NAME}-1-HOUR-LAST-EXTERNAL"
    return assemble(config, (instrument,), [bar], 0, None, holds_orders=False, order_prefix="H", mode="live").strategy


def order(client_order_id: str, kind: Any = OrderType.MARKET, price: str | None = None) -> Any:
    return SimpleNamespace(
        client_order_id=client_order_id,
        order_type=kind,
        time_in_force=TimeInForce.GTC,
        is_reduce_only=False,
        price=price,
    )


def intend(strategy: GatedStrategy, key: str, quantity: float, one: Any) -> None:
    strategy._admit(0, one, key, Intent(NAME, quantity, 100.0, key))


def trade(key: str, client_id: str, number: int, quantity: float, price: float = 100.0) -> Traded:
    return Traded(key, client_id, f"t{number}", 0, quantity, price, 0.1, 50 + number)


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with Store(tmp_path / "store") as made:
        yield made


def test_order_of_a_turn_leaves_only_when_the_turn_is_durable(store: Store) -> None:
    strategy, left = desk(), list[str]()
    strategy.keep(OrderLog(store))
    strategy._send = lambda one, key: left.append(key)  # type: ignore[method-assign]
    strategy._deciding = True
    intend(strategy, "1:A", 0.5, order("H-1"))
    strategy._deciding = False
    assert (left, store.open_turn) == ([], True)
    store.commit()
    strategy.send_decided()
    assert left == ["1:A"]
    strategy.send_decided()
    assert left == ["1:A"]


def test_order_beside_a_turn_is_durable_before_it_leaves(store: Store) -> None:
    strategy, durable = desk(), list[bool]()
    strategy.keep(OrderLog(store))
    strategy._send = lambda one, key: durable.append(not store.open_turn)  # type: ignore[method-assign]
    intend(strategy, "stray1:A", 0.5, order("H-1", OrderType.LIMIT, "99.5"))
    assert durable == [True]
    assert next(kind for _, kind, _ in OrderLog(store).rows()) == INTENT


def test_what_was_logged_behind_the_state_is_heard_again_and_once(store: Store) -> None:
    strategy = desk()
    strategy.keep(OrderLog(store))
    strategy._send = lambda one, key: None  # type: ignore[method-assign]
    intend(strategy, "1:A", 0.5, order("H-1"))
    strategy.hear_missed(trade("1:A", "H-1", 1, 0.5))
    strategy.hear_ended("1:A", "filled")
    state = decode(encode(strategy.state()))
    intend(strategy, "2:A", -0.8, order("H-2"))
    intend(strategy, "stray1:A", -0.4, order("H-3", OrderType.LIMIT, "101.0"))
    strategy.hear_missed(trade("2:A", "H-2", 2, -0.8, 110.0))
    strategy.hear_ended("2:A", "filled")
    strategy.hear_missed(trade("stray1:A", "H-3", 3, -0.1, 101.0))

    again = desk()
    again.restore(state)
    again.go_on(OrderLog(store), state["logged"])
    assert encode(again.state()) == encode(strategy.state())
    assert again.account.orders_today == 3
    np.testing.assert_allclose(again.account.quantity, [-0.4], rtol=1e-12)
    assert again._resting == {"stray1:A": (0, -0.3)}
    assert again._on_their_way == {}
    assert again._closed == pytest.approx([0.5 * 10.0 - 0.1 - 0.1 * 0.5 / 0.8])
    for name in ("orders_table", "fills_table"):
        assert getattr(again.mandate.blotter, name)() == getattr(strategy.mandate.blotter, name)(), name
    assert not again.hear_missed(trade("stray1:A", "H-3", 3, -0.1, 101.0))


def test_closing_counts_what_is_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    strategy, made = desk(), list[tuple[float, bool]]()
    strategy._send = lambda one, key: None  # type: ignore[method-assign]

    def market(index: int, signed: float, key: str, reduce_only: bool = False) -> Any:
        made.append((signed, reduce_only))
        return order(f"H-{key}")

    strategy._market = market  # type: ignore[method-assign, assignment]
    strategy.account.hear_position(0, 2.298, 100.0)
    intend(strategy, "1:A", -2.298, order("H-1"))
    strategy.market_exit()
    assert made == []
    intend(strategy, "2:A", -0.5, order("H-2"))
    strategy.market_exit()
    assert made == [(0.5, True)]
    strategy.market_exit()
    assert made == [(0.5, True)]


def test_cancel_is_written_before_it_is_asked_for(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    strategy = desk()
    strategy.keep(OrderLog(store))
    strategy._deciding = True
    strategy.cancel_order("H-7")  # type: ignore[arg-type]
    assert [(kind, fields) for _, kind, fields in OrderLog(store).rows()] == [(CANCEL, ["H-7"])]
    assert len(strategy._leaving) == 1
