"""The script of misfortunes: which occasion is struck, by what."""

from collections.abc import Sequence
from random import Random
from typing import Any

from engine.contract.calendar import to_ns
from engine.contract.rehearsal import ORDER_FAULTS, PUSH_FAULTS, REQUEST_FAULTS, TAPE_FAULTS, Fault

__all__ = ["ORDER_FAULTS", "PUSH_FAULTS", "REQUEST_FAULTS", "TAPE_FAULTS", "Fault", "FaultScript"]

DEFAULT_ACTION = {
    "rate_limited": "*",
    "banned": "*",
    "maintenance": "*",
    "websocket_drop": "*",
    "mute_socket": "*",
}
"""What a fault strikes that names nothing; the other request faults strike orders that are placed."""

PLACE = "order.place"


class FaultScript:
    """Counts occasions and says which of them a fault strikes.

    The same script, seed and occasions strike the same ones. Of several faults that would strike one occasion, the first of the script does
    and the others count it as theirs.

    Parameters
    ----------
    seed
        Of the draws where `chance` is below 1; every fault draws from a generator of its own.
    """

    def __init__(self, faults: Sequence[Fault] = (), seed: int = 1) -> None:
        self._seed = seed
        self._faults: list[Fault] = []
        self._seen: list[int] = []
        self._struck: list[int] = []
        self._draws: list[Random] = []
        for fault in faults:
            self.add(fault)

    def add(self, fault: Fault) -> None:
        """Append a fault; it counts from now on."""
        self._draws.append(Random(f"{self._seed}/{len(self._faults)}"))
        self._faults.append(fault)
        self._seen.append(0)
        self._struck.append(0)

    def clear(self) -> None:
        """Forget every fault."""
        self._faults, self._seen, self._struck, self._draws = [], [], [], []

    def strike(self, kinds: Sequence[str], action: str | None, now_ns: int) -> Fault | None:
        """Count an occasion, and return the fault that strikes it, if any.

        Parameters
        ----------
        kinds
            The kinds that an occasion of this sort can suffer.
        action
            What is being done, `order.place`; None: nothing in particular, so that what a fault is `on` does not matter.
        now_ns
            Time of the tape.
        """
        chosen: Fault | None = None
        for index, fault in enumerate(self._faults):
            if fault.kind not in kinds or not _meant(fault, action):
                continue
            if fault.at is not None and now_ns < to_ns(fault.at):
                continue
            self._seen[index] += 1
            due = self._seen[index] - fault.nth
            if due < 0 or (fault.count is not None and due >= fault.count):
                continue
            if fault.chance < 1.0 and self._draws[index].random() >= fault.chance:
                continue
            if chosen is None:
                self._struck[index] += 1
                chosen = fault
        return chosen

    def told(self) -> list[dict[str, Any]]:
        """Every fault with how many occasions it saw and struck."""
        rows = zip(self._faults, self._seen, self._struck, strict=True)
        return [
            {"kind": fault.kind, "on": on(fault), "nth": fault.nth, "seen": seen, "struck": struck}
            for fault, seen, struck in rows
        ]


def on(fault: Fault) -> str:
    """The action that a fault strikes."""
    if fault.on is not None:
        return fault.on
    return DEFAULT_ACTION.get(fault.kind, PLACE if fault.kind in REQUEST_FAULTS else "*")


def _meant(fault: Fault, action: str | None) -> bool:
    return action is None or on(fault) in ("*", action)
