"""What a session left behind, here and at the venue, and where two sessions differ."""

import json
import math
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from engine.journal.journal import Entry, read
from engine.journal.run import FILLS, JOURNAL, MANIFEST, ORDERS, read_json

CLOSE = 1e-9
"""Relative difference of numbers that come from prices: the engine's average price after a restart is the venue's."""

ORDER_COLUMNS = ("order_key", "client_order_id", "ts_decided", "instrument_id", "quantity", "decision_price")
FILL_COLUMNS = ("order_key", "instrument_id", "side", "quantity", "price", "fee")
VENUE_ORDER = ("symbol", "side", "kind", "wire_type", "quantity", "price", "stop_price", "status", "filled")
VENUE_TRADE = ("client_order_id", "symbol", "side", "price", "quantity", "commission")


class Left(NamedTuple):
    """What a session left.

    Attributes
    ----------
    told
        Orders, trades, balances and positions as the venue has them; empty for paper.
    """

    journal: list[Entry]
    orders: list[dict[str, Any]]
    fills: list[dict[str, Any]]
    positions: dict[str, float]
    changes: list[dict[str, Any]]
    told: dict[str, Any]


def left_by(folder: Path, told: dict[str, Any]) -> Left:
    """Read what a finished session left."""
    changes = folder / "breaker.parquet"
    return Left(
        read(folder / JOURNAL),
        pq.read_table(folder / ORDERS).to_pylist(),
        pq.read_table(folder / FILLS).to_pylist(),
        dict(read_json(folder / MANIFEST)["positions"]),
        pq.read_table(changes).to_pylist() if changes.is_file() else [],
        told,
    )


def differences(plain: Left, other: Left) -> list[str]:
    """Return what differs, the worst first: orders sent twice, the venue's truth, then this side's record."""
    found = [f"two orders of one intent: {name}" for name, times in _ids(other).items() if times > 1]
    found += _of_rows("order at the venue", _by_id(plain), _by_id(other))
    found += _of_rows("trades at the venue", _trades(plain), _trades(other))
    for key in ("positions", "balances"):
        found += _of_rows(f"{key} at the venue", plain.told.get(key, {}), other.told.get(key, {}))
    found += _of_rows("position", plain.positions, other.positions)
    found += _of_rows("order", _keyed(plain.orders, ORDER_COLUMNS), _keyed(other.orders, ORDER_COLUMNS))
    found += _of_rows("fills", _summed(plain.fills), _summed(other.fills))
    found += _of_rows("decision", _decisions(plain), _decisions(other))
    found += _of_rows("breaker", dict(enumerate(plain.changes)), dict(enumerate(other.changes)))
    return found


def _ids(left: Left) -> Counter[str]:
    return Counter(order["client_order_id"] for order in left.told.get("orders", ()) if not _follows(order, left))


def _follows(order: dict[str, Any], left: Left) -> bool:
    """Tell whether an order is what a conditional one became: the same id, by the venue's own doing."""
    return any(one.get("actual_order_id") == order["order_id"] for one in left.told["orders"])


def _by_id(left: Left) -> dict[str, Any]:
    return {
        f"{order['client_order_id']}{' triggered' if _follows(order, left) else ''}": [
            order[key] for key in VENUE_ORDER
        ]
        for order in left.told.get("orders", ())
    }


def _trades(left: Left) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for trade in left.told.get("trades", ()):
        found.setdefault(trade["client_order_id"], []).append([trade[key] for key in VENUE_TRADE])
    return found


def _keyed(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> dict[str, Any]:
    return {row["order_key"]: [*(row[key] for key in columns), row["status"].split(":")[0]] for row in rows}


def _summed(fills: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for row in fills:
        found.setdefault(row["order_key"], []).append([row[key] for key in FILL_COLUMNS])
    return found


def _decisions(left: Left) -> dict[str, Any]:
    return {f"{one.seq}:{one.instrument_id}": _plain(one) for one in left.journal}


def _plain(entry: Entry) -> dict[str, Any]:
    fields = entry._asdict()
    return {**fields, "context": json.loads(entry.context), "headroom": json.loads(entry.headroom)}


def _of_rows(what: str, left: dict[Any, Any], right: dict[Any, Any]) -> list[str]:
    found = []
    for key in [*left, *(key for key in right if key not in left)]:
        if key not in left or key not in right:
            where = "here" if key in left else "only after the kill"
            found.append(f"{what} {key}: {'missing after the kill' if key in left else where}")
        elif (different := _different(left[key], right[key])) is not None:
            found.append(f"{what} {key}: {different}")
    return found


def _different(left: Any, right: Any, path: str = "") -> str | None:
    """Return the first place at which two values differ; numbers may differ in the last digits."""
    if isinstance(left, dict) and isinstance(right, dict):
        for key in sorted({*left, *right}, key=str):
            if (found := _different(left.get(key), right.get(key), f"{path}.{key}")) is not None:
                return found
        return None
    if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for number, pair in enumerate(zip(left, right)):
            if (found := _different(*pair, f"{path}[{number}]")) is not None:
                return found
        return None
    if isinstance(left, float) and isinstance(right, float):
        same = (
            left == right
            or (left != left and right != right)
            or math.isclose(left, right, rel_tol=CLOSE, abs_tol=CLOSE)
        )
    elif isinstance(left, Decimal) or isinstance(right, Decimal):
        same = Decimal(left) == Decimal(right)
    else:
        same = left == right
    return None if same else f"{path.lstrip('.')} was {left!r}, became {right!r}"
