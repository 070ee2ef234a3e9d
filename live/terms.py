"""The terms of a session: its mode, its name, where it writes, and when it ends."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.journal.journal import Journal
from strategies.assembly import Assembly

Say = Callable[[str], None]


@dataclass
class Terms:
    """How a session is to go.

    Attributes
    ----------
    mode
        `paper`: simulated fills; `live`: real orders.
    run_id
        Its name; the ids of its orders begin with a part of it.
    folder
        Where it writes.
    latch
        File that stops it.
    bars
        Decided turns after which it ends; None: only when it is told to.
    say
        Called with a line for a person.
    before
        Called with the assembly before the node runs.
    resumed
        Whether the folder holds what a session that was killed left: of paper its tape is played first, of live its states are restored.
    shadow
        Where decisions of candidates are written; None keeps them in memory.
    adopt
        Whether a live session that goes on takes over a position that nothing explains.
    """

    mode: Literal["paper", "live"]
    run_id: str
    folder: Path
    latch: Path
    bars: int | None = None
    say: Say = lambda _: None
    before: Callable[[Assembly], None] = lambda _: None
    resumed: bool = False
    shadow: Journal | None = None
    adopt: bool = False


def order_prefix(run_id: str) -> str:
    """Return what the ids of a run's orders begin with: at most 13 characters that venues allow.

    >>> order_prefix("btc-1h-0007")
    'H-btc-1h-0007'
    """
    name, _, number = run_id.rpartition("-")
    return f"H-{name[:6].replace('.', '_')}-{number}"
