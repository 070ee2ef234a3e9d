"""The ledger of orders and fills: what the venue said, in whatever order and however often, to each event exactly once.

It sends nothing and has no clock. Three rules: a fill is a trade, known by (symbol, trade id), never a difference of quantities; a trade of
an order that nobody has named yet waits for its name; an order that the venue closed waits for the trades that it still owes.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from live.adapter.core.events import Accepted, Ended, Event, Filled, Rejected, Triggered

MS = 1_000_000
ENDINGS = {"canceled": "canceled", "canceling": None, "expired": "expired", "rejected": "rejected"}


def decimal(value: Any) -> Decimal:
    """Return a number of ccxt's exactly as it prints; None is 0."""
    return Decimal(0) if value is None else Decimal(str(value))


@dataclass(slots=True)
class Tracked:
    """One order of ours.

    Attributes
    ----------
    filled
        Sum of its trades.
    claimed
        What the venue said is filled; more than `filled` means that trades are missing.
    ending
        How it ended, told when the trades that it owes have come.
    """

    client_id: str
    symbol: str
    side: str
    amount: Decimal
    stop: bool = False
    venue_ids: list[str] = field(default_factory=list)
    standing: Literal["sent", "open", "done"] = "sent"
    filled: Decimal = Decimal(0)
    claimed: Decimal = Decimal(0)
    ending: str | None = None
    ended_ns: int = 0

    @property
    def venue_id(self) -> str | None:
        """The id that the venue first gave it."""
        return self.venue_ids[0] if self.venue_ids else None

    @property
    def owes(self) -> bool:
        """Whether trades are missing, or it ended and that could not be told yet."""
        return self.standing != "done" and (self.claimed > self.filled or self.ending is not None)


class Ledger:
    """All orders of ours in one account."""

    def __init__(self) -> None:
        self._by_client: dict[str, Tracked] = {}
        self._by_venue: dict[tuple[str, str], Tracked] = {}
        self._seen: set[tuple[str, str]] = set()
        self._parked: dict[tuple[str, str], dict[str, Any]] = {}

    def track(self, order: Tracked) -> None:
        """Follow an order from before it is sent, or one that an earlier session sent."""
        self._by_client[order.client_id] = order
        for venue_id in order.venue_ids:
            self._by_venue[order.symbol, venue_id] = order

    def saw(self, symbol: str, trade_id: str) -> None:
        """Count a trade as told: an earlier session, or a report, has told it."""
        self._seen.add((symbol, trade_id))
        self._parked.pop((symbol, trade_id), None)

    def told(self, symbol: str, trade_id: str) -> bool:
        """Whether a trade was told."""
        return (symbol, trade_id) in self._seen

    def get(self, client_id: str) -> Tracked | None:
        """Return an order of ours."""
        return self._by_client.get(client_id)

    def find(self, order: dict[str, Any]) -> Tracked | None:
        """Return our order that a ccxt order is, by either id."""
        found = self._by_venue.get((order["symbol"], str(order["id"])))
        client_id = order.get("clientOrderId")
        return found if found is not None or not client_id else self._by_client.get(client_id)

    def undone(self) -> list[Tracked]:
        """Return the orders that are not done, in the order in which they were sent."""
        return [order for order in self._by_client.values() if order.standing != "done"]

    def parked(self) -> list[dict[str, Any]]:
        """Return the trades whose order nobody has named."""
        return list(self._parked.values())

    def refuse(self, client_id: str, reason: str, ts_ns: int, post_only: bool = False) -> list[Event]:
        """Take in that an order does not exist; what the venue is known to have is not refused."""
        order = self._by_client[client_id]
        if order.standing != "sent":
            return []
        order.standing = "done"
        return [Rejected(client_id, reason, ts_ns, post_only)]

    def hear_order(self, order: dict[str, Any]) -> list[Event]:
        """Take in a ccxt order, from an answer, the stream, or a look-up; older news than what is known changes nothing."""
        mine = self.find(order)
        if mine is None:
            return []
        ts_ns = _ts(order, "lastUpdateTimestamp", "lastTradeTimestamp", "timestamp")
        venue_id, status = str(order["id"]), order.get("status")
        events: list[Event] = []
        if status == "rejected" and mine.standing == "sent":
            return self.refuse(mine.client_id, "the venue rejected it", ts_ns)
        if venue_id not in mine.venue_ids:
            mine.venue_ids.append(venue_id)
            self._by_venue[mine.symbol, venue_id] = mine
            if len(mine.venue_ids) > 1 and mine.stop and mine.standing == "open":
                events.append(Triggered(mine.client_id, mine.venue_ids[0], ts_ns))
        if mine.standing == "sent":
            mine.standing = "open"
            events.append(Accepted(mine.client_id, mine.venue_ids[0], ts_ns))
        if mine.standing == "done":
            return events
        mine.claimed = max(mine.claimed, decimal(order.get("filled")))
        ending = ENDINGS.get(status or "")
        if ending is not None and mine.ending is None:
            mine.ending, mine.ended_ns = ending, ts_ns
        events += self._unpark(mine)
        if status == "closed" and order.get("filled") is not None and mine.filled >= mine.claimed:
            mine.standing = "done"
        return events + self._end(mine)

    def hear_trade(self, trade: dict[str, Any]) -> list[Event]:
        """Take in a ccxt trade of the account, from the stream or from REST."""
        key = (trade["symbol"], str(trade["id"]))
        if key in self._seen:
            return []
        mine = self._by_venue.get((trade["symbol"], str(trade["order"])))
        if mine is None:
            self._parked.setdefault(key, dict(trade))
            return []
        return self._fill(mine, trade) + self._end(mine)

    def release(self, keys: list[tuple[str, str]]) -> None:
        """Forget parked trades that turned out to be of orders that are not ours."""
        for key in keys:
            self._parked.pop(key, None)
            self._seen.add(key)

    def _unpark(self, mine: Tracked) -> list[Event]:
        waiting = [
            key
            for key, trade in self._parked.items()
            if str(trade["order"]) in mine.venue_ids and key[0] == mine.symbol
        ]
        events: list[Event] = []
        for key in sorted(waiting, key=lambda key: (self._parked[key].get("timestamp") or 0, key[1])):
            events += self._fill(mine, self._parked.pop(key))
        return events

    def _fill(self, mine: Tracked, trade: dict[str, Any]) -> list[Event]:
        key = (trade["symbol"], str(trade["id"]))
        self._seen.add(key)
        self._parked.pop(key, None)
        events: list[Event] = []
        ts_ns = _ts(trade, "timestamp")
        if mine.standing == "sent":
            mine.standing = "open"
            events.append(Accepted(mine.client_id, str(mine.venue_id), ts_ns))
        quantity = decimal(trade["amount"])
        mine.filled += quantity
        fee = trade.get("fee") or {}
        cost = fee.get("cost")
        maker = {"maker": True, "taker": False}.get(trade.get("takerOrMaker") or "")
        events.append(
            Filled(
                mine.client_id,
                str(mine.venue_id),
                mine.symbol,
                key[1],
                trade["side"],
                quantity,
                decimal(trade["price"]),
                None if cost is None else decimal(cost),
                fee.get("currency"),
                maker,
                ts_ns,
            )
        )
        if mine.filled >= mine.amount:
            mine.standing = "done"
        return events

    def _end(self, mine: Tracked) -> list[Event]:
        if mine.ending is None or mine.standing == "done" or mine.filled < mine.claimed:
            return []
        mine.standing = "done"
        how: Literal["canceled", "expired"] = "expired" if mine.ending == "expired" else "canceled"
        return [Ended(mine.client_id, str(mine.venue_id), how, mine.ended_ns)]


def _ts(structure: dict[str, Any], *names: str) -> int:
    for name in names:
        if structure.get(name) is not None:
            return int(structure[name]) * MS
    return 0
