"""The log of a session's orders: intents before they leave, trades and ends as they are heard, in one order, in the session's store.

What is written joins the open turn; `commit` makes it durable. A session that goes on reads it again: all of it for its record, and what
came after the states were saved to bring them up to date.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from engine.journal.state import decode, encode
from engine.journal.store import Store

INTENT, TRADE, ORDER, CANCEL = "intent", "trade", "order", "cancel"
"""Kinds of rows: a cancel is the client order id of what is to be cancelled."""


class Intended(NamedTuple):
    """An order as it was meant, written before it leaves; with all that is needed to make it again.

    Attributes
    ----------
    instrument
        Position of the instrument in the mandate.
    quantity
        Signed, base units.
    price
        What it was judged at, quote.
    kind
        `MARKET`, `LIMIT`, `STOP_MARKET`, `STOP_LIMIT`.
    limit, trigger
        Prices as they print; "" where the kind has none.
    force
        `GTC`, `IOC`, `FOK`.
    ts_event
        Event time at which it was meant, UTC ns.
    named, stray
        Counts that ids and keys are made of, after it.
    """

    order_key: str
    client_order_id: str
    instrument: int
    quantity: float
    price: float
    kind: str
    limit: str
    trigger: str
    force: str
    reduce_only: bool
    post_only: bool
    ts_event: int
    named: int
    stray: int


class Traded(NamedTuple):
    """A trade of one of the session's orders.

    Attributes
    ----------
    quantity
        Signed, base units.
    fee
        Quote, positive is paid.
    coin_fee
        What of the fee was taken in the coin itself, base units.
    """

    order_key: str
    client_order_id: str
    trade_id: str
    instrument: int
    quantity: float
    price: float
    fee: float
    ts_event: int
    coin_fee: float = 0.0


class OrderLog:
    """Writes and reads the notes of a store.

    Parameters
    ----------
    store
        Of the session.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def write(self, kind: str, fields: Sequence[Any]) -> None:
        """Add one row to the open turn."""
        self._store.note(kind, encode({"": list(fields)}))

    def commit(self) -> None:
        """Make everything so far durable."""
        self._store.commit()

    def __len__(self) -> int:
        return self._store.noted

    def rows(self) -> Iterator[tuple[int, str, list[Any]]]:
        """Yield number, kind and fields of every row, in order."""
        for number, kind, body in self._store.notes():
            yield number, kind, decode(body)[""]
