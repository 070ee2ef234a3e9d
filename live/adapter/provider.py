"""The instrument provider: every market of the session that has a name here, or those asked for."""

from collections.abc import Sequence

from nautilus_trader.live import InstrumentProvider, InstrumentProviderConfig
from nautilus_trader.model import InstrumentId

from engine.contract.errors import DataError
from engine.contract.instrument import InstrumentSpec
from live.adapter.core.session import ExchangeSession
from live.adapter.core.symbols import Symbols
from live.adapter.instruments import check_precision, instrument_of, spec_of
from live.adapter.mapping import Rounding


class CcxtInstrumentProvider(InstrumentProvider):
    """Makes instruments of a session's markets.

    Parameters
    ----------
    session
        Acquired before instruments are asked for.
    instrument_ids
        Those that are wanted; empty means all.

    Attributes
    ----------
    refused
        Instrument id or unified symbol to the reason why it is none.
    """

    def __init__(self, session: ExchangeSession, instrument_ids: Sequence[str] = ()) -> None:
        super().__init__(InstrumentProviderConfig(load_all=True))
        self._session = session
        self._wanted = tuple(instrument_ids)
        self._rounding: dict[str, Rounding] = {}
        self.symbols: Symbols | None = None
        self.refused: dict[str, str] = {}

    async def load_all_async(self, filters: dict | None = None) -> None:
        """Make the instruments.

        Raises
        ------
        DataError
            The exchange's precision is not a step size, or a market that was asked for cannot be had.
        """
        session = self._session
        check_precision(session.exchange.precisionMode, session.settings.exchange)
        self.symbols = names = Symbols(session.markets, session.settings.venue)
        self.refused = dict(names.refused)
        for instrument_id in self._wanted or tuple(names):
            market = session.market_of(names.unified(instrument_id))
            try:
                instrument = instrument_of(market, instrument_id, session.clock.now_ns())
            except DataError as error:
                if self._wanted:
                    raise
                self.refused[instrument_id] = str(error)
                continue
            self.add(instrument)
            self._rounding[instrument_id] = Rounding(instrument)

    @property
    def names(self) -> Symbols:
        """The names of the markets, once loaded."""
        assert self.symbols is not None, "the provider is loaded by the client's connect"
        return self.symbols

    def rounding(self, instrument_id: InstrumentId | str) -> Rounding:
        """Return how prices and sizes of an instrument are written."""
        return self._rounding[str(instrument_id)]

    def unified(self, instrument_id: InstrumentId | str) -> str:
        """Return ccxt's symbol of an instrument."""
        return self.names.unified(str(instrument_id))

    def spec(self, instrument_id: str) -> InstrumentSpec:
        """Return the terms of an instrument, for sizing and the mandate."""
        return spec_of(self._session.market_of(self.unified(instrument_id)), instrument_id)
