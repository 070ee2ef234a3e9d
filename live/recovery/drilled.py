"""The strategy of the drills: it decides by the number of the turn alone, and uses every kind of order.

Whatever it would have done at a turn it does at that turn, also when it was killed in between: what differs then is the fault of the
recovery. Beside its targets it rests limit orders near and far from the price and stop orders beyond it, and cancels them a few turns
later.
"""

from collections.abc import Sequence
from random import Random
from typing import Any

import msgspec
import numpy as np
from nautilus_trader.model import ClientOrderId, OrderSide, Price, Quantity, TriggerType
from numpy.typing import NDArray

from engine.contract.messages import Turn
from strategies.base import Choice, GatedStrategy
from strategies.mandate import Mandate
from strategies.parameters import checked

TARGETS = (-0.3, -0.15, 0.0, 0.15, 0.3)
LIFE_TURNS = 3
"""Turns after which an order that rests is cancelled."""


class DrilledParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands beside `strategy.name`.

    Attributes
    ----------
    rests
        Whether it rests orders.
    """

    rests: bool = True


class Drilled(GatedStrategy):
    """Draws its targets and its resting orders from the seed and the number of the turn."""

    name = policy_name = "drilled"

    def __init__(self, mandate: Mandate, parameters: dict[str, Any]) -> None:
        super().__init__(mandate, parameters)
        self._rests = checked(DrilledParameters, parameters, self.name).rests
        self._resting_since: dict[str, int] = {}

    def state(self) -> dict[str, Any]:  # type: ignore[override]
        """Return everything that `restore` needs."""
        return {**super().state(), "resting_since": dict(self._resting_since)}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        super().restore(state)
        self._resting_since = dict(state["resting_since"])

    def decide(self, turn: Turn, present: Sequence[int], exposure: NDArray[np.float64]) -> list[Choice]:
        """Cancel what has rested long enough, rest something now and then, and draw the targets."""
        draw = Random(f"{self.mandate.seed}/{turn.seq}")
        for client_id, since in list(self._resting_since.items()):
            if turn.seq - since >= LIFE_TURNS:
                del self._resting_since[client_id]
                self._give_up(client_id)
        choices = []
        for index in present:
            held = float(exposure[index])
            target = draw.choice(TARGETS) if draw.random() < 0.6 else held
            choices.append(Choice(index, target, target, target))
            kind = draw.random()
            if self._rests and kind < 0.6:
                self._rest(turn.seq, index, draw, "stop" if kind < 0.2 else "limit")
        return choices

    def _give_up(self, client_id: str) -> None:
        order: Any = self.cache.order(ClientOrderId(client_id))
        if order is not None and not order.is_closed:
            self.cancel_order(order.client_order_id)

    def _rest(self, seq: int, index: int, draw: Random, kind: str) -> None:
        spec = self.mandate.instruments[index]
        close = float(self.account.close[index])
        bought = draw.random() < 0.5
        away = draw.choice((0.0005, 0.002, 0.03)) * (1.0 if bought == (kind == "stop") else -1.0)
        price = Price(round(close * (1.0 + away), spec.price_precision), spec.price_precision)
        lots = max(spec.lot, round(0.02 * float(self.budget[index]) / close / spec.lot) * spec.lot)
        side = OrderSide.BUY if bought else OrderSide.SELL
        size = Quantity(lots, spec.size_precision)
        named = {"client_order_id": ClientOrderId(self._next_id(index))} if self.mandate.order_prefix else {}
        make: Any = self.order_factory
        if kind == "stop":
            last = {"trigger_type": TriggerType.LAST_PRICE}
            order = make.stop_market(self.instrument_ids[index], side, size, price, **last, **named)
        else:
            order = make.limit(self.instrument_ids[index], side, size, price, **named)
        self.submit_order(order)
        if str(order.client_order_id) in self._order_keys:
            self._resting_since[str(order.client_order_id)] = seq
