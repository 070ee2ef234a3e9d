"""A finished session's record held to the venue's truth: every order once, every trade, the position, the balance, the journal."""

from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from engine.journal.journal import APPROVED, read
from engine.journal.run import FILLS, JOURNAL, MANIFEST, ORDERS, read_json

OVER = {"FILLED": "filled", "CANCELED": "cancelled", "EXPIRED": "expired"}
NEVER_THERE = ("rejected", "denied", "dropped", "refused", "superseded")
CENT = Decimal("0.00001")
"""Amounts that differ by less a trade are equal: the venue rounds, and floats hold 16 digits."""


def problems_of(run: Path, told: dict[str, Any], balance: float) -> list[str]:
    """Return what differs.

    Parameters
    ----------
    run
        Folder of a finished session on perpetuals of one quote, without funding.
    told
        The venue's truth of the market, as the rehearsal exchange tells it.
    balance
        With which the account began, quote.
    """
    if not run.is_dir():
        return ["the session left no run folder"]
    orders, fills = pq.read_table(run / ORDERS).to_pylist(), pq.read_table(run / FILLS).to_pylist()
    return [
        *_orders(orders, told),
        *_trades(orders, fills, told),
        *_account(run, fills, told, balance),
        *_journal(run, orders),
    ]


def _orders(orders: list[dict[str, Any]], told: dict[str, Any]) -> list[str]:
    became = {order["actual_order_id"] for order in told["orders"]} - {0}
    theirs = [order for order in told["orders"] if order["order_id"] not in became]
    ends = {order["order_id"]: order for order in told["orders"]}
    here = {row["client_order_id"]: row for row in orders}
    found = [
        f"two orders of one intent: {name}"
        for name, times in Counter(order["client_order_id"] for order in theirs).items()
        if times > 1
    ]
    for order in theirs:
        row, last = here.get(order["client_order_id"]), ends.get(order["actual_order_id"], order)
        if row is None:
            found.append(f"order {order['client_order_id']} is at the venue alone")
        elif last["status"] not in OVER:
            found.append(f"order {order['client_order_id']} is still open at the venue: {last['status']}")
        elif row["status"].split(":")[0] not in (OVER[last["status"]], "cancelled"):
            found.append(f"order {order['client_order_id']} is {row['status']} here, {last['status']} at the venue")
    there = {order["client_order_id"] for order in theirs}
    for row in orders:
        if row["client_order_id"] not in there and not row["status"].startswith(NEVER_THERE):
            found.append(f"order {row['client_order_id']} is {row['status']} here, and not at the venue")
    return found


def _trades(orders: list[dict[str, Any]], fills: list[dict[str, Any]], told: dict[str, Any]) -> list[str]:
    ids = {row["order_key"]: row["client_order_id"] for row in orders}
    mine, theirs = Counter[str](), Counter[str]()
    quantity, paid = dict[str, Decimal](), dict[str, Decimal]()
    for fill in fills:
        name = ids.get(fill["order_key"], fill["order_key"])
        mine[name] += 1
        quantity[name] = quantity.get(name, Decimal(0)) + _exact(fill["quantity"])
        paid[name] = paid.get(name, Decimal(0)) + _exact(fill["quantity"]) * _exact(fill["price"])
    for trade in told["trades"]:
        name = trade["client_order_id"]
        theirs[name] += 1
        quantity[name] = quantity.get(name, Decimal(0)) - _exact(trade["quantity"])
        paid[name] = paid.get(name, Decimal(0)) - _exact(trade["quantity"]) * _exact(trade["price"])
    found = [
        f"order {name} has {mine[name]} trades here, {theirs[name]} at the venue"
        for name in sorted({*mine, *theirs})
        if mine[name] != theirs[name]
    ]
    found += [f"order {name} traded {left} more here" for name, left in sorted(quantity.items()) if abs(left) > CENT]
    return found + [f"order {name} cost {left} more here" for name, left in sorted(paid.items()) if abs(left) > CENT]


def _account(run: Path, fills: list[dict[str, Any]], told: dict[str, Any], balance: float) -> list[str]:
    signed = [_exact(fill["quantity"]) * fill["side"] for fill in fills]
    position = sum(signed, Decimal(0))
    spent = sum((size * _exact(fill["price"]) for size, fill in zip(signed, fills)), Decimal(0))
    fees = sum((_exact(fill["fee"]) for fill in fills), Decimal(0))
    ((_, theirs),) = told["positions"].items()
    held = _exact(theirs["quantity"])
    stated = sum((_exact(quantity) for quantity in read_json(run / MANIFEST)["positions"].values()), Decimal(0))
    found = []
    if abs(position - held) > CENT or abs(stated - held) > CENT:
        found.append(f"position is {position} by trades and {stated} by the manifest, {held} at the venue")
    wallet = _exact(balance) - spent - fees + held * _exact(theirs["entry_price"])
    ((_, purse),) = told["balances"].items()
    if abs(wallet - _exact(purse["wallet"])) > CENT * max(100, len(fills)):
        found.append(f"balance is {wallet:.6f} by trades, {purse['wallet']} at the venue")
    return found


def _journal(run: Path, orders: list[dict[str, Any]]) -> list[str]:
    approved = {entry.order_key for entry in read(run / JOURNAL) if entry.gate == APPROVED}
    decided = {row["order_key"] for row in orders if row["order_key"][0].isdigit()}
    found = [f"decision {key} was approved and has no order" for key in sorted(approved - decided)]
    return found + [f"order {key} has no decision" for key in sorted(decided - approved)]


def _exact(value: object) -> Decimal:
    return Decimal(str(value))
