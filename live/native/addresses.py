"""Where the native clients find the exchange: nothing for the real one, which they know, base URLs for a rehearsal exchange."""

from typing import NamedTuple

from nautilus_trader.adapters import binance
from nautilus_trader.model import AccountId

from engine.contract.errors import ConfigError, broken
from live.venue import OwnRehearsal, RealVenue, RunningRehearsal, Venue

EXCHANGE = "binance"
PRODUCTS = {"spot": binance.BinanceProductType.SPOT, "usdm": binance.BinanceProductType.USD_M}


class Addresses(NamedTuple):
    """How one market of the exchange is reached.

    Attributes
    ----------
    http, ws, commands
        Base URLs of REST, streams and the websocket interface for orders; None: the client's own.
    status
        Where a rehearsal exchange tells who listens to what; None for the real one.
    """

    http: str | None
    ws: str | None
    commands: str | None
    status: str | None

    @property
    def rehearsal(self) -> bool:
        """Whether they lead to a rehearsal exchange."""
        return self.http is not None


def addresses_of(venue: Venue, market: str) -> Addresses:
    """Return the addresses of a market; a rehearsal exchange of our own must have been entered.

    Raises
    ------
    ConfigError
        The way of reaching the exchange has no addresses for the native client.
    """
    if isinstance(venue, RealVenue):
        return Addresses(None, None, None, None)
    if isinstance(venue, OwnRehearsal):
        urls = venue.exchange.document()["urls"]
        own = urls[market]
        return Addresses(own["http"], own["ws"], own["commands"], f"{urls['control']}/status")
    if isinstance(venue, RunningRehearsal):
        told = venue.document
        http, ws, commands = (told[f"{market}_{name}"] for name in ("http", "ws", "commands"))
        return Addresses(http, ws, commands, f"{told['control']}/status")
    raise ConfigError(broken("venue of the native client", "be Binance or a rehearsal exchange", type(venue).__name__))


def data_config(addresses: Addresses, market: str) -> binance.BinanceDataClientConfig:
    """Return the native data client's configuration; it needs no keys."""
    return binance.BinanceDataClientConfig(
        product_type=PRODUCTS[market],
        base_url_http=addresses.http,
        base_url_ws=addresses.ws,
        spot_market_data_mode=binance.BinanceSpotMarketDataMode.Json,
        us=speaks_json(addresses, market),
    )


def execution_config(
    addresses: Addresses, market: str, account: str, keys: tuple[str, str], leverage: dict[str, int] | None
) -> binance.BinanceExecutionClientConfig:
    """Return the native execution client's configuration.

    Parameters
    ----------
    account
        Its id, such as `BINANCE-001`.
    keys
        Key and secret, from the environment.
    leverage
        Symbol as the venue writes it to whole leverage; None leaves it as it is.
    """
    key, secret = keys
    return binance.BinanceExecutionClientConfig(
        AccountId(account),
        product_type=PRODUCTS[market],
        base_url_http=addresses.http,
        base_url_ws=addresses.ws,
        base_url_ws_trading=addresses.commands,
        api_key=key,
        api_secret=secret,
        us=speaks_json(addresses, market),
        max_retries=0,
        futures_leverages=leverage,
        use_position_ids=False,
    )


def speaks_json(addresses: Addresses, market: str) -> bool:
    """Tell whether the client must speak as to Binance US: the global spot client asks REST for SBE, not for the rehearsal's JSON."""
    return addresses.rehearsal and market == "spot"
