"""A connection: what a session needs of an exchange, whichever it is."""

from collections.abc import Callable
from typing import Any, Protocol

from nautilus_trader.model import Bar

from engine.contract.instrument import InstrumentSpec
from live.node import Client
from live.recording.rows import Received
from strategies.assembly import Assembly


class Connection(Protocol):
    """Entered before the node is built, and left after it has stopped.

    Attributes
    ----------
    specs
        Terms of the instruments, in configuration order; known once it is entered.
    data
        The node's data client.
    execution
        The node's execution client; None means simulated fills.
    venue
        Where a rehearsal exchange answers, for other processes; empty for a real exchange.
    """

    @property
    def specs(self) -> tuple[InstrumentSpec, ...]: ...

    @property
    def data(self) -> Client: ...

    @property
    def execution(self) -> Client | None: ...

    @property
    def venue(self) -> dict[str, str]: ...

    async def __aenter__(self) -> "Connection": ...

    async def __aexit__(self, *exception: object) -> None: ...

    def skip_to(self, ns: int) -> None:
        """Let an exchange of our own begin at this time of its tape; called before it is entered."""

    def arm(self, assembly: Assembly) -> None:
        """Make the execution client of a session with real orders."""

    def links(self) -> dict[str, int]:
        """Return the links to the exchange and the last sign of life of each, its time, UTC ns."""

    async def hold_alive(self, secs: float) -> None:
        """Keep the exchange's dead man's switch from striking; return only when cancelled."""

    def listen(self, hear: Callable[[Received], None]) -> None:
        """Hand everything received to `hear` from now on, instead of to the node."""

    def send(self, item: Any) -> None:
        """Let the node hear one piece of data."""

    async def history(self, bars: int) -> list[Bar]:
        """Return the last closed bars of every instrument, so many of each where there are, in order of time."""

    async def drive(self, settled: Callable[[], bool]) -> None:
        """Move an exchange that waits to be told, whenever the node has settled; return when nothing will come any more.

        An exchange that moves by itself never returns.
        """
