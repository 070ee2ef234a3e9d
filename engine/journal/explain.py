"""Why: a few plain lines about one order, or about a decision that made none."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pyarrow.parquet as pq

from engine.contract.action import Discrete7
from engine.contract.calendar import iso
from engine.contract.errors import UsageError, broken
from engine.journal.blotter import BreakerChange
from engine.journal.journal import APPROVED, Entry, read
from engine.journal.run import BREAKER, EQUITY, FILLS, JOURNAL, MANIFEST, ORDERS, STORE, read_json
from engine.journal.store import Store
from engine.risk.breaker_controls import BY_NAME

REFUSED = "refused: "
BREAKER_ACTOR = "breaker"
"""Name under which the breaker writes its columns into a turn's context."""

SIZING_SLACK = 0.01
"""A position may fall short of the wish by this share for its lots; by more only where the breaker forced it."""

Row = dict[str, Any]


class Explanation(NamedTuple):
    """One decision with all that came of it.

    Attributes
    ----------
    entry
        The journal's row; None for an order that no decision made.
    order, fills
        As in `orders.parquet` and `fills.parquet`.
    lines
        In plain words, the first one flush left, the others indented by two.
    """

    entry: Entry | None
    order: Row | None
    fills: list[Row]
    lines: list[str]

    def document(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "decision": None if self.entry is None else self.entry._asdict(),
            "order": self.order,
            "fills": self.fills,
            "lines": self.lines,
        }


def explain(folder: Path, order: str) -> list[Explanation]:
    """Explain an order, or every decision of a turn.

    Parameters
    ----------
    folder
        A run folder; of a session that runs or was killed, one that holds its store.
    order
        Order key (`SEQ:INSTRUMENT`), client order id, or number of a turn.

    Raises
    ------
    UsageError
        The run knows nothing of that name.
    DataError
        The journal's chain does not follow.
    """
    orders = {row["order_key"]: row for row in _rows(folder / ORDERS)}
    key = {row["client_order_id"]: one for one, row in orders.items()}.get(order, order)
    fills = _rows(folder / FILLS)
    changes = [BreakerChange(**row) for row in _rows(folder / BREAKER)]
    manifest = folder / MANIFEST
    kind = read_json(manifest).get("action") if manifest.is_file() else None
    found = []
    for entry in _entries(folder):
        if key in (entry.order_key, f"{entry.seq}:{entry.instrument_id}", str(entry.seq)):
            made = orders.get(entry.order_key)
            filled = [fill for fill in fills if entry.order_key and fill["order_key"] == entry.order_key]
            position = (
                _held(folder, entry)
                if made is not None and in_force(changes, entry.ts_event, entry.instrument_id)
                else None
            )
            found.append(Explanation(entry, made, filled, describe(entry, made, filled, kind, changes, position)))
    if not found and key in orders:
        filled = [fill for fill in fills if fill["order_key"] == key]
        found.append(Explanation(None, orders[key], filled, _stray(orders[key], filled)))
    if not found:
        known = ", ".join(list(orders)[:3]) or "none"
        raise UsageError(broken("order", f"be in run {folder.name} (its first: {known})", order))
    return found


def _rows(path: Path) -> list[Row]:
    return pq.read_table(path).to_pylist() if path.is_file() else []


def _entries(folder: Path) -> list[Entry]:
    if not (folder / JOURNAL).is_file() and (folder / STORE).is_file():
        with Store(folder / STORE) as store:
            return list(store.entries())
    return read(folder / JOURNAL)


def describe(
    entry: Entry,
    order: Row | None = None,
    fills: Sequence[Row] = (),
    kind: str | None = None,
    changes: Sequence[BreakerChange] = (),
    position: float | None = None,
) -> list[str]:
    """Put one decision into words: what was seen, answered and wanted, what the gate and the breaker said, what became of it.

    Parameters
    ----------
    kind
        `discrete7` names the answers; None and `continuous` show their number.
    changes
        The breaker's changes of the whole run; those that were in force at the decision are shown.
    position
        Held at the decision, signed, base units; None where it is not known, or where nothing was in force.
    """
    who = f"{entry.policy}@{entry.version}" if entry.version else entry.policy
    context = msgspec.json.decode(entry.context or "{}", type=dict[str, dict[str, float | None]])
    lines = [f"{iso(entry.ts_event)}  {entry.instrument_id}  turn {entry.seq}, decided by {who}"]
    if entry.observation_sha:
        lines.append(f"  saw observation {entry.observation_sha}")
    for actor, columns in context.items():
        if actor != BREAKER_ACTOR and columns:
            lines.append(f"  {actor} said: {_listed(columns)}")
    if entry.missing:
        lines.append(f"  bars missing at this time: {entry.missing}")
    lines.append(f"  answered {_answer(entry, kind)}, confidence {entry.confidence:.3f}")
    lines.append(f"  wants an exposure of {entry.target_exposure:+.4f} of a budget of {entry.budget:,.2f}")
    forced = _forced(entry, order, position)
    lines.append("  gate: approved, because it only reduces" if forced else f"  gate: {_gate(entry.gate)}")
    lines += _breaker(entry, context.get(BREAKER_ACTOR), changes)
    left = msgspec.json.decode(entry.headroom or "{}", type=dict[str, float | None])
    if left:
        lines.append(f"  left of the limits before: {_listed(left)}")
    return [*lines, *forced, *_became(order, fills)]


def _held(folder: Path, entry: Entry) -> float | None:
    path, column = folder / EQUITY, f"quantity:{entry.instrument_id}"
    if not path.is_file():
        return None
    rows = pq.read_table(path, columns=[column], filters=[("ts_event", "==", entry.ts_event)])[column].to_pylist()
    return rows[0] if rows else None


def _forced(entry: Entry, order: Row | None, position: float | None) -> list[str]:
    if order is None or position is None:
        return []
    wished, left = entry.target_exposure * entry.budget / order["decision_price"], position + order["quantity"]
    if abs(left) >= (1.0 - SIZING_SLACK) * abs(wished):
        return []
    return [
        f"  forced by the breaker: of the {position:+g} held, this order leaves {left:+g}; the strategy wished for {wished:+.6g}"
    ]


def _listed(columns: Mapping[str, float | None]) -> str:
    return ", ".join(f"{name} {'nan' if value is None else f'{value:.6g}'}" for name, value in columns.items())


def _answer(entry: Entry, kind: str | None) -> str:
    def named(value: float) -> str:
        known = kind == "discrete7" and value in tuple(Discrete7)
        return f"{Discrete7(int(value)).name} ({value:g})" if known else f"{value:g}"

    if entry.raw_action == entry.action:
        return named(entry.action)
    return f"{named(entry.action)}, made of {named(entry.raw_action)}"


def _gate(verdict: str) -> str:
    if verdict == APPROVED:
        return "approved, within every limit"
    if not verdict.startswith(REFUSED):
        return f"{verdict}: nothing to trade" if verdict == "hold" else verdict
    control = BY_NAME.get(verdict.removeprefix(REFUSED).split(" ")[0])
    return verdict if control is None else f"{verdict}: {control.meaning}"


def _breaker(entry: Entry, columns: Mapping[str, float | None] | None, changes: Sequence[BreakerChange]) -> list[str]:
    lines = []
    if columns is not None:
        number = int(columns.get("state") or 0.0)
        state = ("armed", "unconfirmed", "reduce", "halt")[number]
        broken_limits = {name: value for name, value in columns.items() if name != "state"}
        lines.append(f"  breaker: {state}" + (f" ({_listed(broken_limits)})" if broken_limits else ""))
    for one in in_force(changes, entry.ts_event, entry.instrument_id):
        signed = f", stopped by {one.by}: {one.reason}" if one.by else ""
        since = f"tripped at {iso(one.tripped_ns)}"
        lines.append(
            f"  {one.control} {one.value:.6g} against {one.limit:.6g}: {one.action} {one.scope}, {since}{signed}"
        )
    return lines


def in_force(changes: Sequence[BreakerChange], ts_event: int, instrument_id: str) -> list[BreakerChange]:
    """Return the trips that covered an instrument at an event time, changes of that very time included."""
    standing: dict[tuple[str, str], BreakerChange] = {}
    for change in changes:
        if change.ts_event > ts_event:
            break
        if change.kind == "tripped":
            standing[change.control, change.scope] = change
        else:
            standing.pop((change.control, change.scope), None)
    return [change for change in standing.values() if change.scope in ("account", instrument_id)]


def _became(order: Row | None, fills: Sequence[Row]) -> list[str]:
    lines = []
    if order is not None:
        side = "buy" if order["quantity"] > 0 else "sell"
        lines.append(
            f"  order {order['order_key']} ({order['client_order_id']}): {side} {abs(order['quantity']):g}"
            f" sized at {order['decision_price']:g}: {order['status']}"
        )
    for fill in fills:
        lines.append(
            f"  filled {fill['quantity']:g} at {fill['price']:g} on {iso(fill['ts_event'])}"
            f" (mid {fill['reference_price']:g}, fee {fill['fee']:.4f}, {fill['source']})"
        )
    return lines


def _stray(order: Row, fills: Sequence[Row]) -> list[str]:
    head = f"{iso(order['ts_decided'])}  {order['instrument_id']}  an order that no decision of the journal made"
    status = order["status"]
    gate = [f"  gate: {_gate(status)}"] if status.startswith(REFUSED) else []
    return [head, *gate, *_became(order, fills)]
