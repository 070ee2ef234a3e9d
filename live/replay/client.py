"""A data client that hands on what it is given: everything that is subscribed to is already on its way."""

from typing import Any

from nautilus_trader.config import DataClientConfig
from nautilus_trader.live.clients import DataClient, DataClientFactory
from nautilus_trader.model import Venue


class ReplayConfig(DataClientConfig):
    """What a replay client needs.

    Parameters
    ----------
    venue
        Of the instruments.
    instruments
        NautilusTrader's instruments, known to the node before anything else.
    """

    def __init__(self, venue: str, instruments: tuple[Any, ...]) -> None:
        self.venue = venue
        self.instruments = instruments
        self.client: ReplayClient | None = None

    def __new__(cls, *_args: object, **_kwargs: object) -> "ReplayConfig":
        """Hand the base class nothing."""
        return super().__new__(cls)


class ReplayClient(DataClient):
    """Feeds the node from the node's own event loop; `send` is its only source."""

    def __init__(self, *, config: ReplayConfig, **parameters: Any) -> None:
        super().__init__(config=config, **parameters)
        self._replay = config

    async def _connect(self) -> None:
        for instrument in self._replay.instruments:
            self._handle_instrument(instrument)
        self._replay.client = self

    async def _disconnect(self) -> None:
        """Nothing was opened."""

    def send(self, item: Any) -> None:
        """Hand one piece of data to the node; it is heard when the event loop comes to it."""
        self._handle_data(item)

    async def _subscribe_bars(self, command: Any) -> None:
        """Do nothing: whatever is wanted is sent anyway."""

    async def _unsubscribe_bars(self, command: Any) -> None:
        """Do nothing: whatever is wanted is sent anyway."""

    async def _subscribe_quotes(self, command: Any) -> None:
        """Do nothing: whatever is wanted is sent anyway."""

    async def _unsubscribe_quotes(self, command: Any) -> None:
        """Do nothing: whatever is wanted is sent anyway."""

    async def _subscribe_mark_prices(self, command: Any) -> None:
        """Do nothing: whatever is wanted is sent anyway."""

    async def _unsubscribe_mark_prices(self, command: Any) -> None:
        """Do nothing: whatever is wanted is sent anyway."""

    async def _subscribe_funding_rates(self, command: Any) -> None:
        """Do nothing: whatever is wanted is sent anyway."""

    async def _unsubscribe_funding_rates(self, command: Any) -> None:
        """Do nothing: whatever is wanted is sent anyway."""


class ReplayFactory(DataClientFactory):
    """Makes replay clients."""

    @staticmethod
    def create(*, name: str, config: ReplayConfig, cache: Any, clock: Any) -> ReplayClient:  # type: ignore[override]
        """Make the client of a node."""
        return ReplayClient(name=name, config=config, cache=cache, clock=clock, venue=Venue(config.venue))
