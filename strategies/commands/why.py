"""`huracan why`: what was decided, on what, and what became of it."""

from typing import Annotated, Any

import msgspec
import pyarrow.parquet as pq
import typer

from engine.console import emit, out
from engine.contract.action import Discrete7
from engine.contract.calendar import iso
from engine.contract.errors import UsageError, broken
from engine.journal.journal import Entry, read
from engine.journal.run import FILLS, JOURNAL, MANIFEST, ORDERS, find_run, read_json
from strategies.commands.options import Json, application

app = application("Explain an order or a refusal.")


@app.command()
def why(
    run: Annotated[str, typer.Argument(help="Run id, as huracan runs lists it.", show_default=False)],
    order: Annotated[
        str, typer.Argument(help="Order key (SEQ:INSTRUMENT), client order id, or turn number.", show_default=False)
    ],
    as_json: Json = False,
) -> None:
    """Explain one order, or one decision that made none, in a few lines."""
    folder = find_run(run)
    orders = {row["order_key"]: row for row in pq.read_table(folder / ORDERS).to_pylist()}
    fills = pq.read_table(folder / FILLS).to_pylist()
    by_client = {row["client_order_id"]: key for key, row in orders.items()}
    key = by_client.get(order, order)
    entries = [
        entry
        for entry in read(folder / JOURNAL)
        if key in (entry.order_key, f"{entry.seq}:{entry.instrument_id}", str(entry.seq))
    ]
    if not entries:
        known = ", ".join(list(orders)[:3]) or "none"
        raise UsageError(broken("order", f"be in run {folder.name} (its first: {known})", order))
    kind = read_json(folder / MANIFEST).get("action")
    documents = [
        {
            "decision": entry._asdict(),
            "order": orders.get(entry.order_key),
            "fills": [fill for fill in fills if entry.order_key and fill["order_key"] == entry.order_key],
        }
        for entry in entries
    ]
    emit({"run_id": folder.name, "explained": documents}, as_json, lambda: _show(entries, documents, kind))


def _show(entries: list[Entry], documents: list[dict[str, Any]], kind: str | None) -> None:
    for entry, document in zip(entries, documents):
        who = f"{entry.policy}@{entry.version}" if entry.version else entry.policy
        out.print(f"{iso(entry.ts_event)}  {entry.instrument_id}  turn {entry.seq}, decided by {who}", markup=False)
        named = f"{Discrete7(int(entry.action)).name} " if kind == "discrete7" else ""
        out.print(f"  answered {named}({entry.raw_action:g}), confidence {entry.confidence:.3f}", markup=False)
        out.print(
            f"  target exposure {entry.target_exposure:+.4f} of a budget of {entry.budget:,.2f}; gate: {entry.gate}",
            markup=False,
        )
        left = msgspec.json.decode(entry.headroom)
        out.print(
            "  headroom before: " + ", ".join(f"{name} {value:.6g}" for name, value in left.items()), markup=False
        )
        if entry.context != "{}":
            out.print(f"  context: {entry.context}", markup=False)
        if entry.observation_sha:
            out.print(f"  observation {entry.observation_sha}", markup=False)
        if entry.missing:
            out.print(f"  bars missing at this time: {entry.missing}", markup=False)
        order = document["order"]
        if order is not None:
            side = "buy" if order["quantity"] > 0 else "sell"
            out.print(
                f"  order {order['order_key']} ({order['client_order_id']}): {side} {abs(order['quantity']):g}"
                f" sized at {order['decision_price']:g}: {order['status']}",
                markup=False,
            )
        for fill in document["fills"]:
            out.print(
                f"  filled {fill['quantity']:g} at {fill['price']:g} on {iso(fill['ts_event'])}"
                f" (mid {fill['reference_price']:g}, fee {fill['fee']:.4f}, {fill['source']})",
                markup=False,
            )
