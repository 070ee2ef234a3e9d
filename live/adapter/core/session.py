"""The one ccxt session of an account: REST and websockets, shared by data and execution, with hooks where something is received."""

import asyncio
import importlib
import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import aiohttp
import ccxt.pro
import msgspec
from ccxt.base.errors import BadSymbol, BaseError, ExchangeNotAvailable, InvalidNonce, RequestTimeout

from engine.contract.errors import ConfigError, EnvironmentFault, broken
from live.adapter.core.capabilities import Ability, require, table_of
from live.adapter.core.clock import VenueClock
from live.adapter.core.notes import Notes, Recorder
from live.adapter.core.outcomes import FAILURES, describe
from live.adapter.core.pause import Pause

ANSWER_ERRORS: tuple[type[Exception], ...] = (BaseError, aiohttp.ClientError, *FAILURES)
"""Everything a call through ccxt may raise."""

Market = Literal["spot", "usdm", "coinm"]
HttpFactory = Callable[[], aiohttp.ClientSession]

_TYPES: dict[str, tuple[str, str | None, str]] = {
    "spot": ("spot", None, "spot"),
    "usdm": ("swap", "linear", "linear"),
    "coinm": ("swap", "inverse", "inverse"),
}
_LISTEN_KEY = re.compile(r'("listenKey"\s*:\s*")[^"]+')
SERVER_ERROR = 500
LISTS_BY_TYPE = frozenset({"binance", "bybit"})
"""Exchanges whose markets ccxt can list by these types; all markets of the others are listed."""
SECRET_NAMES = {"apiKey": "API_KEY", "secret": "API_SECRET", "password": "API_PASSPHRASE"}


class SessionSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which account, and how patiently.

    Attributes
    ----------
    exchange
        Name in ccxt, `binance`.
    market
        `spot`, `usdm` (linear perpetuals), `coinm` (inverse perpetuals).
    private
        Whether keys are needed; they come from the environment, see `credentials`.
    rest_timeout_secs
        After which a REST answer counts as lost.
    keep_alive_secs
        Between pings of a websocket; two unanswered ones end it.
    silence_secs
        After which a stream of market data that said nothing is opened anew.
    cross_check_secs
        Between questions over REST for what the private stream should have said.
    receive_window_secs
        Where the venue refuses requests that are older: what was not found so long after it was lost never arrived.
    replayed
        Whether the venue's time is that of what it replays, as of the rehearsal exchange; see `VenueClock`.
    rate_limit
        Whether ccxt paces the requests; only a venue that has no limits may do without.
    """

    exchange: str
    market: Market = "spot"
    private: bool = False
    rest_timeout_secs: float = 10.0
    keep_alive_secs: float = 10.0
    silence_secs: float = 15.0
    cross_check_secs: float = 10.0
    receive_window_secs: float = 5.0
    replayed: bool = False
    rate_limit: bool = True

    @property
    def venue(self) -> str:
        """Name of the venue in instrument ids: the exchange in capitals."""
        return self.exchange.upper()


def credentials(exchange: str, environment: dict[str, str] | None = None) -> dict[str, str]:
    """Read the keys of an exchange from `HURACAN_<EXCHANGE>_API_KEY`, `…_API_SECRET` and, where there is one, `…_API_PASSPHRASE`.

    Raises
    ------
    EnvironmentFault
        Key or secret is not set; the message names the variable, never a value.
    """
    environment = dict(os.environ) if environment is None else environment
    found = {}
    for field, suffix in SECRET_NAMES.items():
        name = f"HURACAN_{exchange.upper()}_{suffix}"
        value = environment.get(name, "")
        if value:
            found[field] = value
        elif field != "password":
            raise EnvironmentFault(broken(f"environment variable {name}", "be set", "absent", remedy="export it"))
    return found


class ExchangeSession:
    """Opens ccxt once for whoever acquires it, and closes it with the last who releases it.

    Parameters
    ----------
    settings
        Which account.
    notes
        Where the adapter writes what happened.
    http
        Makes the aiohttp session, inside the running loop; None makes an ordinary one. It is closed here.
    recorder
        Is handed everything received, as it came.
    environment
        Where keys are read; None means the process's own.
    """

    def __init__(
        self,
        settings: SessionSettings,
        notes: Notes | None = None,
        http: HttpFactory | None = None,
        recorder: Recorder | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        if settings.exchange not in ccxt.pro.exchanges and not hasattr(
            importlib.import_module("ccxt.async_support"), settings.exchange
        ):
            raise ConfigError(
                broken("live.exchange", "be an exchange of ccxt", settings.exchange, remedy="see ccxt.exchanges")
            )
        self.settings = settings
        self.notes = Notes() if notes is None else notes
        self.recorder = recorder
        self.clock = VenueClock(follows=settings.replayed)
        self.pause = Pause(self.notes)
        self.exchange: Any = None
        self.abilities: dict[str, Ability] = {}
        self.closed_bars: set[tuple[str, str, int]] = set()
        self.frames = 0
        self._http = http
        self._own: aiohttp.ClientSession | None = None
        self._keys = credentials(settings.exchange, environment) if settings.private else {}
        self._users = 0
        self._lock = asyncio.Lock()
        self._signs: dict[str, int] = {}
        self._frame_at: dict[str, float] = {}

    def __repr__(self) -> str:
        return f"ExchangeSession({self.settings.exchange} {self.settings.market})"

    @property
    def markets(self) -> dict[str, Any]:
        """ccxt's markets of the chosen kind, by unified symbol."""
        kind, sub_type, _ = _TYPES[self.settings.market]
        return {
            symbol: market
            for symbol, market in (self.exchange.markets or {}).items()
            if market["type"] == kind and (sub_type is None or market[sub_type])
        }

    async def acquire(self) -> None:
        """Open the session, or count one more user of it."""
        async with self._lock:
            self._users += 1
            if self._users > 1:
                return
            try:
                await self._open()
            except BaseException:
                self._users = 0
                await self._close()
                raise

    async def release(self) -> None:
        """Count one user less, and close with the last."""
        async with self._lock:
            if self._users == 0:
                return
            self._users -= 1
            if self._users == 0:
                await self._close()

    async def _open(self) -> None:
        kind, sub_type, listed = _TYPES[self.settings.market]
        self._own = _plain_http() if self._http is None else self._http()
        options: dict[str, Any] = {
            "defaultType": kind,
            "fetchCurrencies": False,
            "fetchMargins": False,
            "warnOnFetchOpenOrdersWithoutSymbol": False,
        }
        if self.settings.exchange in LISTS_BY_TYPE:
            options["fetchMarkets"] = {"types": [listed]}
        if sub_type is not None:
            options["defaultSubType"] = sub_type
        made = _hooked(self.settings.exchange, self)(
            {
                "session": self._own,
                "asyncio_loop": asyncio.get_running_loop(),
                "enableRateLimit": self.settings.rate_limit,
                "timeout": int(self.settings.rest_timeout_secs * 1000),
                "options": options,
                **self._keys,
            }
        )
        made.streaming = {**made.streaming, "keepAlive": int(self.settings.keep_alive_secs * 1000)}
        made.timeout_on_exit = 10
        if "recvWindow" in made.options:
            made.options["recvWindow"] = int(self.settings.receive_window_secs * 1000)
        self.exchange = made
        self.abilities = table_of(made.has, self.settings.exchange, self.settings.market)
        await self.synchronise()
        await self.call("load_markets")
        self.notes.write("open", "", f"{self.settings.exchange} {self.settings.market}, {len(self.markets)} markets")

    async def _close(self) -> None:
        made, self.exchange = self.exchange, None
        if made is not None:
            await made.close()
        if self._own is not None:
            await self._own.close()
            self._own = None
        self.notes.write("close")

    async def synchronise(self) -> None:
        """Measure the venue's clock and let ccxt sign with it; a venue that does not tell its time is taken to be right."""
        if self.exchange.has.get("fetchTime") is not True:
            return
        offset = await self.clock.synchronise(lambda: self.call("fetch_time"))
        self.exchange.options["timeDifference"] = -offset // 1_000_000
        self.notes.write(
            "clock", "", f"venue minus local {offset / 1e6:.0f} ms, round trip {self.clock.round_trip_ns / 1e6:.0f} ms"
        )

    async def call(self, method: str, *args: Any, **named: Any) -> Any:
        """Call one method of ccxt behind the pause.

        After a request that the venue found ill-timed the clock is set anew; a question is asked once more, nothing else is.
        """
        await self.pause.wait()
        try:
            answer = await getattr(self.exchange, method)(*args, **named)
        except InvalidNonce:
            await self._clock_again()
            if not method.startswith("fetch_"):
                raise
            answer = await getattr(self.exchange, method)(*args, **named)
        self._signs["rest"] = self.clock.now_ns()
        return answer

    async def _clock_again(self) -> None:
        try:
            await self.synchronise()
        except ANSWER_ERRORS as error:
            self.notes.write("clock failed", "", describe(error))

    @property
    def receive_window_secs(self) -> float | None:
        """Seconds after which the venue refuses a request for its age; None where it has no such rule."""
        return self.settings.receive_window_secs if "recvWindow" in self.exchange.options else None

    def ability(self, feature: str) -> Ability:
        """Return how a feature is had; see `capabilities.require`."""
        return require(self.abilities, feature, self.settings.exchange)

    def market_of(self, symbol: str) -> Any:
        """Return ccxt's market of a unified symbol.

        Raises
        ------
        BadSymbol
            There is none.
        """
        if symbol not in (self.exchange.markets or {}):
            raise BadSymbol(symbol)
        return self.exchange.markets[symbol]

    def alive(self, name: str) -> None:
        """Note a sign of life of a link at the venue's present time."""
        self._signs[name] = self.clock.now_ns()

    def links(self) -> dict[str, int]:
        """Return the links to the venue and when each last gave a sign of life, the venue's time, UTC ns; the breaker reads it.

        `market` is any stream of market data; `account` the private stream or a REST answer that confirmed it.
        """
        names = ("market", "account") if self.settings.private else ("market",)
        return {name: self._signs[name] for name in names if name in self._signs}

    def revive(self, silent_secs: float, symbol: str) -> list[str]:
        """Break the websockets beneath a stream of market data that said nothing, so that it is opened anew; return their addresses.

        Of the connections that wait for something of the symbol, those that were silent for so long; all of them where none was: then
        the connection lives and the stream on it does not.
        """
        now = time.monotonic()
        waiting = {
            url: client
            for url, client in (self.exchange.clients or {}).items()
            if not _private(url) and client.connection is not None and any(symbol in str(key) for key in client.futures)
        }
        silent = [url for url in waiting if now - self._frame_at.get(url, 0.0) >= silent_secs]
        return self._break({url: waiting[url] for url in silent} or waiting, f"no frame for {silent_secs:g} s")

    def revive_private(self, reason: str) -> list[str]:
        """Break the websockets of the account and log in anew; return their addresses."""
        chosen = {url: client for url, client in (self.exchange.clients or {}).items() if _private(url)}
        self.forget_login()
        return self._break({url: client for url, client in chosen.items() if client.connection is not None}, reason)

    def _break(self, clients: dict[str, Any], reason: str) -> list[str]:
        for client in clients.values():
            client.on_error(RequestTimeout(reason))
        return [url.partition("?")[0] for url in clients]

    def forget_login(self) -> None:
        """Let ccxt ask for a new listen key: the venue may have dropped the old one without a word."""
        for value in self.exchange.options.values():
            if isinstance(value, dict) and "lastAuthenticatedTime" in value:
                value["lastAuthenticatedTime"] = 0

    def hear_connection(self, url: str) -> None:
        """Take in that a websocket was opened."""
        self._frame_at[url] = time.monotonic()

    def hear_frame(self, url: str, message: Any) -> None:
        """Take in a websocket message before ccxt does."""
        self.frames += 1
        self._frame_at[url] = time.monotonic()
        if self.settings.replayed and isinstance(message, dict):
            event = message.get("event") or message.get("data") or message
            stamp = event.get("E") if isinstance(event, dict) else None
            if isinstance(stamp, int):
                self.clock.hear(stamp * 1_000_000)
        self.alive("account" if _private(url) else "market")
        if isinstance(message, dict) and message.get("e") == "kline" and message["k"].get("x") is True:
            self.closed_bars.add((message["s"], message["k"]["i"], int(message["k"]["t"])))
        if self.recorder is not None:
            self.recorder("frame", time.time_ns(), {"url": url.partition("?")[0], "message": message})

    def hear_answer(self, status: int, url: str, method: str, headers: Any, body: str) -> None:
        """Take in a REST answer before ccxt does.

        Raises
        ------
        ExchangeNotAvailable
            The status is 500 or more: whatever the body says, what became of the request is not known.
        """
        self.pause.hear(status, headers)
        if self.recorder is not None:
            path = url.partition("?")[0]
            payload = {"method": method, "path": path, "status": status, "body": _LISTEN_KEY.sub(r"\1…", body)}
            self.recorder("rest", time.time_ns(), payload)
        if status >= SERVER_ERROR:
            raise ExchangeNotAvailable(
                f"{self.settings.exchange} {method} {url.partition('?')[0]} {status} {body[:200]}"
            )


def _private(url: str) -> bool:
    return "/private" in url or "ws-api" in url or "listenKey" in url


def _hooked(name: str, session: ExchangeSession) -> Callable[[dict[str, Any]], Any]:
    base: Any = getattr(ccxt.pro, name, None) or getattr(importlib.import_module("ccxt.async_support"), name)

    class Hooked(base):
        """ccxt's exchange, with everything received shown to the session first."""

        def handle_message(self, client: Any, message: Any) -> Any:
            session.hear_frame(client.url, message)
            return super().handle_message(client, message)

        def on_connected(self, client: Any, message: Any = None) -> Any:
            session.hear_connection(client.url)
            return super().on_connected(client, message)

        def on_rest_response(
            self, code: int, reason: str, url: str, method: str, response_headers: Any, response_body: str, *rest: Any
        ) -> str:
            session.hear_answer(code, url, method, response_headers, response_body)
            return response_body.strip()

    return Hooked


def _plain_http() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(trust_env=True)


def recorder_to(path: Path) -> Recorder:
    """Return a recorder that appends JSON lines to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a", encoding="utf-8")

    def record(kind: str, ts_ns: int, payload: Any) -> None:
        file.write(json.dumps([kind, ts_ns, payload], default=str) + "\n")

    return record
