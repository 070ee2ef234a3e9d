"""The gate asked a second time, where orders leave for the venue: by what the venue and the engine say, not the strategy."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from engine.contract.config import Limits
from engine.risk.breaker import Breaker
from engine.risk.breaker_anchors import NS_PER_DAY
from engine.risk.breaker_flow import OrderFlow
from engine.risk.breaker_measures import worst_quantity
from engine.risk.breaker_values import fingerprint
from engine.risk.gate import Account, Approved, Guard, Intent, Refusal, judge


class Holding(NamedTuple):
    """One instrument of the account: signed quantity, and unfilled quantities of its open orders; base units."""

    position: float = 0.0
    open_buys: float = 0.0
    open_sells: float = 0.0


class SecondGate:
    """Judges every order before it is sent, with counts and prices of its own.

    Parameters
    ----------
    instruments
        Those that may be traded.
    limits
        [limits].
    breaker
        The breaker of the run, whose trips hold here too; None where none is configured.
    bar_ns
        Length of a bar, nanoseconds.

    Notes
    -----
    Rates and duplicates are counted from what really left: a retry by whoever stands before this gate is seen here.
    """

    def __init__(self, instruments: Sequence[str], limits: Limits, breaker: Breaker | None, bar_ns: int) -> None:
        self._deployed = frozenset(instruments)
        self._limits = limits
        self._breaker = breaker
        self._bar_ns = bar_ns
        self._flow = OrderFlow()
        self._keys: set[str] = set()
        self._prices: dict[str, float] = {}
        self._equity = self._peak = self._day_equity = float("nan")
        self._day = -1

    def hear_price(self, instrument_id: str, price: float) -> None:
        """Take in a mid or last price: the collar is laid around it."""
        self._prices[instrument_id] = price

    def price(self, instrument_id: str) -> float:
        """Return the last price heard; NaN where there is none."""
        return self._prices.get(instrument_id, float("nan"))

    def hear_equity(self, ts_ns: int, equity: float) -> None:
        """Take in the account's equity, unrealised profit included, as the venue states it."""
        day = ts_ns // NS_PER_DAY
        if day != self._day:
            self._day, self._day_equity = day, equity
        self._equity = equity
        self._peak = equity if not self._peak >= equity else self._peak

    def ask(self, ts_ns: int, intent: Intent, holdings: Mapping[str, Holding]) -> Approved | Refusal:
        """Judge one order, and count it where it is approved.

        Parameters
        ----------
        ts_ns
            The venue's time, UTC ns.
        holdings
            Every instrument held or on order; the order itself not counted.
        """
        name = intent.instrument_id
        if intent.order_key in self._keys:
            return Refusal("duplicate_order", 1.0, 0.0, "this client order id already left")
        mine = holdings.get(name, Holding())
        gross = sum(
            worst_quantity(*one) * self.price(other) for other, one in holdings.items() if worst_quantity(*one) > 0.0
        )
        sent = self._flow.counts(ts_ns)
        account = Account(
            self._equity,
            self._peak,
            self._day_equity,
            mine.position,
            gross,
            sent.today,
            mine.open_buys,
            mine.open_sells,
        )
        answer = judge(intent, account, self._limits, self._guard(ts_ns, name))
        if isinstance(answer, Approved):
            self._keys.add(intent.order_key)
            self._flow.hear(ts_ns, intent.order_key, fingerprint(name, intent.quantity, intent.price))
        return answer

    def hear_left(self, order_key: str, ts_ns: int, mark: str, counts: bool) -> None:
        """Know an order that left before this process began.

        Parameters
        ----------
        mark
            Its `fingerprint`.
        counts
            Whether the restored state does not count it yet.
        """
        self._keys.add(order_key)
        if counts:
            self._flow.hear(ts_ns, order_key, mark)

    def state(self) -> dict[str, Any]:
        """Return everything that `restore` needs; the ids of all orders that left are told to `hear_left`."""
        equity = [self._equity, self._peak, self._day_equity]
        return {"flow": self._flow.state(), "equity": equity, "day": self._day, "prices": dict(self._prices)}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state: counts, the day's equity, the peak, the last prices."""
        self._flow.restore(state["flow"])
        self._equity, self._peak, self._day_equity = state["equity"]
        self._day, self._prices = state["day"], dict(state["prices"])

    def _guard(self, ts_ns: int, name: str) -> Guard | None:
        if self._breaker is None:
            return None
        sent = self._flow.counts(ts_ns)
        standing = self._breaker.standing(ts_ns)._replace(
            sent_second=sent.second, sent_minute=sent.minute, sent_today=sent.today, keys=sent.keys, equals=frozenset()
        )
        return Guard(standing, self._breaker.settings, ts_ns, self._bar_ns, self.price(name), self._deployed)
