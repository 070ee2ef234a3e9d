"""How an exchange is reached: the real one by its names, a rehearsal exchange on loopback, one of our own that waits to be told."""

import os
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec

from engine.contract.config import Config
from engine.contract.errors import EnvironmentFault, broken

RUNNING = Path("var/rehearsal/exchange.json")
"""Where a rehearsal exchange in a process of its own says how it is reached."""

MARKETS = ("spot", "usdm")
REHEARSAL_KEY, REHEARSAL_SECRET = "HURACAN_REHEARSAL_KEY", "HURACAN_REHEARSAL_SECRET"


class Moved(NamedTuple):
    """What a step of a stepped exchange published of the instruments of the session; `whole`: all of its time."""

    quotes: int
    bars: int
    funding: bool
    whole: bool = False


class Stepped(Protocol):
    """An exchange that moves when it is told."""

    async def step(self) -> Moved | None:
        """Publish the next event; None at the end."""


class Venue(Protocol):
    """Entered before a session is opened on it.

    Attributes
    ----------
    private
        Whether the session signs.
    environment
        Where keys are read; None means the process's own.
    document
        How other processes reach it; no secret is in it.
    stepped
        Set while it is entered, where it waits to be told.
    http
        Makes the HTTP session; None: an ordinary one.
    """

    @property
    def private(self) -> bool: ...

    @property
    def environment(self) -> dict[str, str] | None: ...

    @property
    def document(self) -> dict[str, str]: ...

    @property
    def stepped(self) -> Stepped | None: ...

    @property
    def http(self) -> Callable[[], Any] | None: ...

    async def __aenter__(self) -> Any: ...

    async def __aexit__(self, *exception: object) -> None: ...


class RealVenue:
    """The exchange itself.

    Parameters
    ----------
    private
        Whether the session signs.
    """

    environment: dict[str, str] | None = None
    stepped: Stepped | None = None
    http: Callable[[], Any] | None = None

    def __init__(self, private: bool) -> None:
        self.private = private
        self.document: dict[str, str] = {}

    async def __aenter__(self) -> "RealVenue":
        return self

    async def __aexit__(self, *_: object) -> None:
        return None


class RunningRehearsal:
    """A rehearsal exchange in another process.

    Parameters
    ----------
    document
        As `running` returns it.
    private
        Whether the session signs, with the throwaway keys that the exchange was started with.
    exchange
        Its name, `binance`: keys are named by it.
    instruments
        Those whose data a step is counted by.
    """

    def __init__(
        self, document: dict[str, str], private: bool, exchange: str = "binance", instruments: Sequence[str] = ()
    ) -> None:
        self.document, self.private = document, private
        self.stepped: Stepped | None = None
        self.environment = _throwaway(document, exchange) if private else None
        self._instruments = tuple(instruments)
        self._http: Any = None

    def http(self) -> Any:
        """Open a session whose names lead to the exchange."""
        from live.rehearsal.redirect import loopback_session

        return loopback_session(int(self.document["tls"]), self.document["authority"])

    async def step(self) -> Moved | None:
        """Let the exchange play one event."""
        async with self._http.post(f"{self.document['control']}/step", json={"count": 1}) as answer:
            told = await answer.json()
        if not told["played"]:
            return None
        quotes, bars = (sum(told[kind].get(name, 0) for name in self._instruments) for kind in ("quotes", "bars"))
        funding = any(
            one["kind"] == "FundingRate" and one["instrument_id"] in self._instruments for one in told["events"]
        )
        return Moved(quotes, bars, funding)

    async def __aenter__(self) -> "RunningRehearsal":
        import aiohttp

        self._http = aiohttp.ClientSession()
        if self.document["pace"] == "stepwise" and self._instruments:
            self.stepped = self
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()


def _throwaway(document: dict[str, str], exchange: str) -> dict[str, str]:
    """Keys of a rehearsal exchange, under the names that the adapter reads: from the environment, or from the file beside it."""
    key, secret = os.environ.get(REHEARSAL_KEY, ""), os.environ.get(REHEARSAL_SECRET, "")
    if document["keys"] != "environment":
        held = msgspec.json.decode(Path(document["keys"]).read_bytes(), type=dict[str, str])
        key, secret = held["api_key"], held["secret"]
    if not (key and secret):
        name = REHEARSAL_KEY if not key else REHEARSAL_SECRET
        raise EnvironmentFault(broken(f"environment variable {name}", "be that of the rehearsal exchange", "absent"))
    name = exchange.upper()
    return {f"HURACAN_{name}_API_KEY": key, f"HURACAN_{name}_API_SECRET": secret}


class OwnRehearsal:
    """A rehearsal exchange inside this process, started with it, and moved on whenever the session has settled.

    Parameters
    ----------
    config
        What it replays, and how.
    private
        Whether the session signs, with keys made up here.
    """

    def __init__(self, config: Config, private: bool) -> None:
        from live.rehearsal.server import RehearsalExchange
        from live.rehearsal.signing import Keys

        self.private = private
        self._config = config
        key, secret = secrets.token_hex(32), secrets.token_hex(32)
        name = config.live.exchange.upper()
        self.environment: dict[str, str] | None = {
            f"HURACAN_{name}_API_KEY": key,
            f"HURACAN_{name}_API_SECRET": secret,
        }
        self.exchange = RehearsalExchange(config, Keys(key, secret))
        self.document: dict[str, str] = {}
        self.begin_ns: int | None = None
        self.stepped: Stepped | None = self
        self._names = set(config.universe.instruments)

    def http(self) -> Any:
        """Open a session whose names lead to the exchange."""
        return self.exchange.session()

    async def step(self) -> Moved | None:
        """Play one event where orders rest at the exchange, else all events of one time: nothing is decided between them."""
        from live.rehearsal.tape import Candle, FundingRate, Quote

        played = await (self.exchange.step(1) if self.private else self.exchange.moment())
        if not played:
            return None
        market = self._config.live.market
        mine = [event for event in played if event.market == market and self._instrument(event) in self._names]
        quotes = sum(isinstance(event, Quote) for event in mine)
        bars = sum(isinstance(event, Candle) and event.closed for event in mine)
        return Moved(quotes, bars, any(isinstance(event, FundingRate) for event in mine), not self.private)

    def _instrument(self, event: Any) -> str:
        reel = self.exchange.exchange.reels[(event.market, event.symbol)]
        return reel.terms.instrument_id

    async def __aenter__(self) -> "OwnRehearsal":
        await self.exchange.start()
        if self.begin_ns is not None:
            await self.exchange.until(self.begin_ns)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.exchange.stop()


def venue_of(config: Config, private: bool, place: Path = RUNNING) -> RealVenue | RunningRehearsal | OwnRehearsal:
    """Return how the exchange of a configuration is reached.

    Parameters
    ----------
    place
        Where a running rehearsal exchange is looked for; without one, paper starts its own.

    Raises
    ------
    EnvironmentFault
        A session with real orders wants a rehearsal exchange, and none is running.
    """
    if not config.live.rehearsal:
        return RealVenue(private)
    document = running(place)
    if document is not None:
        return RunningRehearsal(document, private, config.live.exchange, config.universe.instruments)
    if private:
        remedy = "start one with huracan rehearse CONFIG"
        raise EnvironmentFault(broken("rehearsal exchange", "be running", "not", str(place), remedy))
    return OwnRehearsal(config, private)


def running(place: Path = RUNNING) -> dict[str, str] | None:
    """Return how a rehearsal exchange in another process is reached; None where none is alive. No secret is in it."""
    try:
        found = msgspec.json.decode(place.read_bytes(), type=dict[str, Any])
        os.kill(int(found["pid"]), 0)
    except (FileNotFoundError, ProcessLookupError, msgspec.DecodeError, KeyError):
        return None
    return {
        "tls": str(found["ports"]["tls"]),
        "control": str(found["urls"]["control"]),
        **{f"{market}_{name}": str(url) for market in MARKETS for name, url in found["urls"][market].items()},
        **{name: str(found[name]) for name in ("authority", "pid", "keys", "pace")},
    }
