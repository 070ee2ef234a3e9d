"""Names of instruments: ccxt's unified symbols and ours, both ways, with the venue's own id beside.

`BTC/USDT` is `BTCUSDT`, `BTC/USDT:USDT` (settled in quote) and `BTC/USD:BTC` (settled in base) are `BTCUSDT-PERP` and `BTCUSD-PERP`; where
a perpetual settles in anything else, that comes between: `BTC/USD:USDC` is `BTCUSD-USDC-PERP`.
"""

import re
from collections.abc import Mapping
from typing import Any

from engine.contract.errors import DataError, broken

CODE = re.compile(r"[A-Z0-9]+")
PERPETUAL = "-PERP"


def name_of(market: Mapping[str, Any]) -> str | None:
    """Return the symbol of a ccxt market, without its venue; None for what is neither spot nor perpetual, or not in plain capitals.

    >>> name_of({"type": "swap", "base": "BTC", "quote": "USDT", "settle": "USDT"})
    'BTCUSDT-PERP'
    """
    base, quote, settle = market["base"], market["quote"], market.get("settle")
    if not (CODE.fullmatch(base) and CODE.fullmatch(quote)):
        return None
    if market["type"] == "spot":
        return f"{base}{quote}"
    if market["type"] != "swap":
        return None
    between = "" if settle in (base, quote) else f"-{settle}"
    return f"{base}{quote}{between}{PERPETUAL}"


class Symbols:
    """The names of one venue's markets, both ways.

    Parameters
    ----------
    markets
        ccxt's markets by unified symbol.
    venue
        Part after the dot, `BINANCE`.

    Attributes
    ----------
    refused
        Unified symbol to the reason why it has no name here.
    """

    def __init__(self, markets: Mapping[str, Mapping[str, Any]], venue: str) -> None:
        self.venue = venue
        self.refused: dict[str, str] = {}
        self._ours: dict[str, str] = {}
        self._theirs: dict[str, str] = {}
        self._native: dict[str, str] = {}
        for unified, market in markets.items():
            name = name_of(market)
            if name is None:
                self.refused[unified] = f"{market['type']} of {market['base']} and {market['quote']} has no name here"
                continue
            instrument_id = f"{name}.{venue}"
            if instrument_id in self._theirs:
                self.refused[unified] = f"{instrument_id} already names {self._theirs[instrument_id]}"
                continue
            self._ours[unified], self._theirs[instrument_id] = instrument_id, unified
            self._native[instrument_id] = str(market["id"])

    def ours(self, unified: str) -> str:
        """Return the instrument id of a unified symbol.

        Raises
        ------
        DataError
            The venue has no such market, or it was refused a name.
        """
        found = self._ours.get(unified)
        if found is None:
            reason = self.refused.get(unified, "not a market of the venue")
            raise DataError(broken("symbol", "have an instrument id", f"{unified}: {reason}", self.venue))
        return found

    def unified(self, instrument_id: str) -> str:
        """Return the unified symbol of an instrument id.

        Raises
        ------
        DataError
            The venue has no such market.
        """
        found = self._theirs.get(instrument_id)
        if found is None:
            raise DataError(
                broken("instrument", f"be a market of {self.venue}", instrument_id, remedy="check universe.instruments")
            )
        return found

    def native(self, instrument_id: str) -> str:
        """Return the venue's own id, as `unified` does."""
        self.unified(instrument_id)
        return self._native[instrument_id]

    def __iter__(self) -> Any:
        return iter(self._theirs)
