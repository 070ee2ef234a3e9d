"""History over REST, page by page."""

from collections.abc import Callable
from typing import Any

from live.adapter.core.bars import Row, row_of
from live.adapter.core.session import ExchangeSession

MS = 1_000_000
PAGE = 1_000
LEAST_PAGE = 2


async def bars(
    session: ExchangeSession, symbol: str, frame: str, bar_ms: int, start_ms: int | None, end_ms: int, limit: int | None
) -> list[Row]:
    """Return the closed bars whose close is at most `end_ms`.

    Parameters
    ----------
    start_ms
        Earliest open; None means as many as `limit` before the end.
    limit
        The newest so many; None means all since `start_ms`, or one page.
    """
    session.ability("bar_history")
    last_open = end_ms - end_ms % bar_ms - bar_ms
    if start_ms is None:
        start_ms = last_open - ((limit or PAGE) - 1) * bar_ms
    since = start_ms + -start_ms % bar_ms
    rows: dict[int, Row] = {}
    while since <= last_open:
        wanted = min(PAGE, (last_open - since) // bar_ms + LEAST_PAGE)
        page = [row_of(values) for values in await session.call("fetch_ohlcv", symbol, frame, since, wanted)]
        fresh = {row.open_ms: row for row in page if since <= row.open_ms <= last_open}
        if not fresh:
            break
        rows |= fresh
        since = max(fresh) + bar_ms
    ordered = [rows[open_ms] for open_ms in sorted(rows)]
    return ordered if limit is None else ordered[-limit:]


async def stamped(
    session: ExchangeSession,
    method: str,
    symbol: str,
    start_ms: int | None,
    end_ms: int,
    limit: int | None,
    name: Callable[[dict[str, Any]], Any],
) -> list[dict[str, Any]]:
    """Return ccxt structures with a timestamp, trades or funding rates, up to `end_ms`, each once.

    Parameters
    ----------
    name
        What makes a structure unique.
    """
    found: dict[Any, dict[str, Any]] = {}
    since = start_ms
    while True:
        page = await session.call(method, symbol, since, PAGE if limit is None else min(limit, PAGE))
        fresh = {name(one): one for one in page if name(one) not in found and one["timestamp"] <= end_ms}
        found |= fresh
        enough = limit is not None and len(found) >= limit and start_ms is None
        if not fresh or since is None or enough or page[-1]["timestamp"] > end_ms:
            break
        since = int(page[-1]["timestamp"])
    ordered = sorted(found.values(), key=lambda one: one["timestamp"])
    return ordered if limit is None else ordered[-limit:]
