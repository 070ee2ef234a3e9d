"""Every way out of a strategy passes the gate, and a failing component stops the run."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from nautilus_trader.model import OrderSide, Price, Quantity

from engine.contract.messages import Turn
from strategies.backtest import RunFailure, run
from strategies.base import Choice, GatedStrategy
from tests.unit.strategies.conftest import bars, market


class Rogue(GatedStrategy):
    """Sends orders of its own making, by the way that its parameter names."""

    policy_name = "rogue"

    def decide(self, turn: Turn, present: Sequence[int], exposure: Any) -> list[Choice]:
        instrument_id, way, size = self.instrument_ids[0], self.parameters["way"], self.parameters.get("size", 10_000.0)
        if turn.seq == 1 and way == "submit":
            self.submit_order(self.order_factory.market(instrument_id, OrderSide.BUY, Quantity(size, 3)))
        if turn.seq == 1 and way == "list":
            self.submit_order_list(
                [self.order_factory.market(instrument_id, OrderSide.BUY, Quantity(size, 3)) for _ in range(2)]
            )
        if way == "modify" and turn.seq == 1:
            self.resting = self.order_factory.limit(instrument_id, OrderSide.BUY, Quantity(1.0, 3), Price(10.0, 2))
            self.submit_order(self.resting)
        if way == "modify" and turn.seq == 3:
            self.modify_order(self.resting.client_order_id, Quantity(10_000.0, 3))
        if turn.seq == 1 and way in ("close", "exit"):
            return [Choice(0, 0.01, 0.0, 0.0)]
        if turn.seq == 3 and way == "close":
            self.close_all_positions(instrument_id)
        if turn.seq == 3 and way == "exit":
            self.market_exit()
        return []


class Broken(GatedStrategy):
    """Raises in the middle of a run."""

    def decide(self, turn: Turn, present: Sequence[int], exposure: Any) -> list[Choice]:
        raise ZeroDivisionError("planted")


def rogue(configuration: Any, way: str, **parameters: Any) -> Any:
    config = configuration({}, strategy={"name": f"{__name__}:Rogue", "way": way, **parameters})
    config.strategy.pop("plan")
    return run(config, market(bars()), None)


@pytest.mark.parametrize("way", ["submit", "list"])
def test_order_over_the_position_limit_is_refused_and_nothing_is_sent(configuration, way):
    outcome = rogue(configuration, way)
    assert not outcome.blotter.fills
    (order,) = outcome.blotter.orders.values()
    assert order.status == "refused: max_position_frac 2.05 over 1"
    assert order.ts_submitted == -1


def test_list_that_passes_one_by_one_but_not_together_is_refused_whole(configuration):
    outcome = rogue(configuration, "list", size=3_000.0)
    assert not outcome.blotter.fills
    assert [order.status for order in outcome.blotter.orders.values()] == ["refused: max_position_frac 1.23 over 1"]


def test_order_within_the_limits_is_held_for_its_quote_and_filled(configuration):
    outcome = rogue(configuration, "submit", size=1.0)
    (fill,) = outcome.blotter.fills
    assert fill.price == 300.60
    assert [order.status for order in outcome.blotter.orders.values()] == ["filled"]


def test_modification_over_the_limit_is_not_sent(configuration):
    outcome = rogue(configuration, "modify")
    assert float(outcome.strategy.resting.quantity) == 1.0


@pytest.mark.parametrize("way", ["close", "exit"])
def test_closing_by_nautilus_own_methods_waits_for_the_quote_like_every_order(configuration, way):
    outcome = rogue(configuration, way)
    assert [(fill.side, fill.price) for fill in outcome.blotter.fills] == [(1, 300.60), (-1, 499.00)]
    assert outcome.blotter.fills[0].quantity == outcome.blotter.fills[1].quantity


def test_exception_inside_a_handler_ends_the_run_with_its_cause(configuration):
    config = configuration({}, strategy={"name": f"{__name__}:Broken"})
    with pytest.raises(RunFailure, match="planted") as failure:
        run(config, market(bars()), None)
    assert isinstance(failure.value.__cause__, ZeroDivisionError)


def test_position_never_exceeds_its_limit_when_plans_ask_for_more(configuration):
    config = configuration({0: 1.0, 1: 1.0, 2: -1.0, 3: 1.0}, limits={"max_position_frac": 0.2})
    table = run(config, market(bars()), None).blotter.equity_table()
    quantity, close = np.array(table["quantity:BTCUSDT.SIM"]), np.array(table["close:BTCUSDT.SIM"])
    decided = slice(0, 4)
    held, limit = np.abs(quantity[1:]) * close[:-1], 0.2 * np.array(table["equity"])[:-1]
    assert (held[decided] <= limit[decided] * (1 + 1e-9)).all()
