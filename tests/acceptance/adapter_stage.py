"""The rehearsal exchange on a small planted catalog, with an adapter's session before it: where the acceptance cases are played."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from live.adapter.core.notes import Notes
from live.adapter.core.session import ExchangeSession, SessionSettings
from live.adapter.drill_ground import IDS, PERPETUAL, SPOT, SYMBOLS, make_catalog, make_config
from live.rehearsal.server import RehearsalExchange
from live.rehearsal.signing import Keys

__all__ = ["IDS", "PERPETUAL", "SPOT", "SYMBOLS", "make_catalog", "make_config", "make_settings", "stage"]
KEYS = Keys("k" * 64, "s" * 64)
ENVIRONMENT = {"HURACAN_BINANCE_API_KEY": KEYS.api_key, "HURACAN_BINANCE_API_SECRET": KEYS.secret}


def make_settings(market: str, private: bool = True, **changes: Any) -> SessionSettings:
    """Return settings that are as impatient as a test must be."""
    known: dict[str, Any] = {
        "exchange": "binance",
        "market": market,
        "private": private,
        "rest_timeout_secs": 1.0,
        "silence_secs": 1.0,
        "cross_check_secs": 0.5,
        "receive_window_secs": 0.5,
        "replayed": True,
        "rate_limit": False,
    }
    return SessionSettings(**{**known, **changes})


@asynccontextmanager
async def stage(
    catalog: Path, market: str, faults: Sequence[dict[str, Any]] = (), private: bool = True, **changes: Any
) -> AsyncIterator[tuple[RehearsalExchange, ExchangeSession]]:
    """Run the exchange, and open a session before it."""
    rehearsal_changes = {
        name: changes.pop(name) for name in ("path", "quote_size", "spot_commission", "state") if name in changes
    }
    async with RehearsalExchange(make_config(catalog, market, faults, **rehearsal_changes), KEYS) as rehearsal:
        session = ExchangeSession(
            make_settings(market, private, **changes), Notes(), http=rehearsal.session, environment=ENVIRONMENT
        )
        await session.acquire()
        try:
            yield rehearsal, session
        finally:
            await session.release()
